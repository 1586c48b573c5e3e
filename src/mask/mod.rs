//! Masks secrets in the free text of producers. Masking comes before everything else that sees an event, so the ledger
//! compares, hashes, stores and tails the masked text only.
//!
//! `find` finds the keywords of all rules in one pass over a text, and each rule examines the text around its
//! keywords. The cost is linear in the length of the text; `scan` counts the bytes that are read, and a test holds
//! the count to a bound.
//!
//! Not here: which fields of an event are free text ([`crate::wire`]), and which rules the operator chose (`cli`).

mod command;
mod find;
mod header;
mod json;
mod keys;
mod likeness;
#[cfg(test)]
mod linear;
mod marks;
mod members;
mod name_words;
mod named;
mod names;
mod next_line;
mod own;
mod pgpass;
mod placeholder;
mod remarks;
mod rule;
mod scan;
mod shapes;
mod sql;
mod tokens;
mod unassigned;
mod url;
mod value;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

pub(crate) use marks::counted_len;
use marks::{MARK, MAX_NAME, unmasked};
use own::Expressions;
pub use own::OwnRule;
use rule::Rule;

/// The name of the rule that refuses members of JSON objects that are named like secrets. It masks no text.
pub const NAMES: &str = "names";
/// Maximum number of passes over one text. A second pass is needed, because text beside a mark may look different from
/// text beside the secret.
const MAX_PASSES: usize = 4;

/// The enabled rules. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mask(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    /// The names of the enabled rules, each once.
    on: Vec<Arc<str>>,
    /// Which of the ledger's rules are enabled.
    built_in: [bool; Rule::COUNT],
    /// The names of the ledger's rules.
    names: [Arc<str>; Rule::COUNT],
    /// The operator's rules that are enabled.
    own: Option<Expressions>,
}

/// The place of a secret, and the name of the rule that found it.
type Secret<'m> = (Range<usize>, &'m Arc<str>);

/// Why a choice of rules is refused.
#[derive(Debug, thiserror::Error)]
pub enum BadRules {
    /// A word of the choice names no rule.
    #[error("expected `all`, `none`, or names of rules, a leading `-` to disable one, out of {known}; found `{found}`")]
    Unknown {
        /// The word.
        found: String,
        /// The names of all rules.
        known: String,
    },
    /// An operator's rule has a name that is malformed or taken.
    #[error("expected a rule name of 1 to 32 of `a-z 0-9 -` that no other rule has, found `{0}`")]
    Name(String),
    /// An operator's rule matches empty text. Holds its name.
    #[error("the rule `{0}` matches empty text; expected a pattern that needs at least one character")]
    Empty(String),
    /// A pattern is not a regular expression, or the compiled patterns are too large.
    #[error("the rules cannot be read: {0}")]
    Pattern(String),
}

impl Default for Mask {
    /// All rules that the ledger brings.
    fn default() -> Mask {
        static ALL: LazyLock<Mask> = LazyLock::new(|| Mask::new("all", &[]).expect("the ledger's own rules are valid"));
        ALL.clone()
    }
}

impl Mask {
    /// A mask without rules.
    pub fn none() -> Mask {
        Mask::of(Vec::new(), None)
    }

    /// Chooses among the rules of the ledger and those in `own`. `choice` is a list of words separated by commas:
    /// `all`, `none`, or the name of a rule; a leading `-` disables the rule.
    ///
    /// # Errors
    /// [`BadRules`] if `choice` names an unknown rule, or a rule in `own` is not valid.
    pub fn new(choice: &str, own: &[OwnRule]) -> Result<Mask, BadRules> {
        let mut known: Vec<&str> = vec![NAMES];
        known.extend(Rule::ALL.iter().map(|rule| rule.name()));
        for rule in own {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            let fits = (1..=MAX_NAME).contains(&rule.name.len())
                && rule.name.bytes().all(plain)
                && !rule.name.starts_with('-');
            if !fits || known.contains(&rule.name.as_str()) || ["all", "none"].contains(&rule.name.as_str()) {
                return Err(BadRules::Name(rule.name.clone()));
            }
            if own::compile(rule)?.is_match("") {
                return Err(BadRules::Empty(rule.name.clone()));
            }
            known.push(&rule.name);
        }
        let chosen = choose(choice, &known)?;
        let on: Vec<Arc<str>> = known.into_iter().filter(|name| chosen.contains(name)).map(Arc::from).collect();
        let expressions = own.iter().filter_map(|rule| {
            let name = on.iter().find(|name| ***name == *rule.name)?;
            Some((name.clone(), rule.pattern.as_str()))
        });
        let own = Expressions::new(&expressions.collect::<Vec<_>>())?;
        Ok(Mask::of(on, own))
    }

    fn of(on: Vec<Arc<str>>, own: Option<Expressions>) -> Mask {
        let is_on = |rule: &Rule| on.iter().any(|name| **name == *rule.name());
        let built_in = std::array::from_fn(|n| is_on(&Rule::ALL[n]));
        let names = std::array::from_fn(|n| Arc::from(Rule::ALL[n].name()));
        Mask(Arc::new(Rules { on, built_in, names, own }))
    }

    /// The names of the enabled rules.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.0.on.iter().map(|name| &**name)
    }

    /// Replaces each secret in `text` by `[masked:<rule>]` and adds the rule's name to `hits`. The cost is linear in
    /// the text.
    pub(crate) fn text(&self, text: &mut String, hits: &mut Vec<Arc<str>>) {
        for _ in 0..MAX_PASSES {
            let (found, _) = self.find(text);
            if found.is_empty() {
                return;
            }
            let mut masked = String::with_capacity(text.len());
            let mut kept = 0;
            for (range, rule) in found {
                masked.push_str(&text[kept..range.start]);
                push_mark(&mut masked, rule);
                kept = range.end;
                hits.push(rule.clone());
            }
            masked.push_str(&text[kept..]);
            *text = masked;
        }
    }

    /// As [`Mask::text`], for a text that stands where a secret of this kind is expected: the value of an option.
    fn option_value(&self, text: &mut String, kind: names::SecretKind, hits: &mut Vec<Arc<str>>) {
        match named::rule_of_argument(text, kind).filter(|rule| self.0.built_in[*rule as usize]) {
            Some(rule) => {
                let rule = &self.0.names[rule as usize];
                text.clear();
                push_mark(text, rule);
                hits.push(rule.clone());
            }
            None => self.text(text, hits),
        }
    }

    /// The secrets in `text`, in their order, and the number of bytes that were read.
    fn find(&self, text: &str) -> (Vec<Secret<'_>>, usize) {
        let Rules { built_in, names, own, .. } = &*self.0;
        let (found, mut work) = find::secrets(text, built_in);
        let found = found.into_iter().map(|secret| (secret.range, &names[secret.rule as usize]));
        let Some(own) = own else { return (found.collect(), work) };
        // The operator's rules read the text between the secrets that the ledger's rules found.
        let (mut found, mut all) = (found.peekable(), Vec::new());
        for piece in unmasked(text) {
            let mut rest = piece.start;
            while let Some(secret) = found.next_if(|(range, _)| range.start < piece.end) {
                work += own.find_in(text, rest..secret.0.start, &mut all);
                rest = secret.0.end;
                all.push(secret);
            }
            work += own.find_in(text, rest..piece.end, &mut all);
        }
        (all, work)
    }

    /// The JSON pointer of the first member in `data` that is named like a secret, if the rule [`NAMES`] is enabled.
    /// `None` for data that is not JSON, which is refused for that.
    pub(crate) fn secret_member(&self, data: &str) -> Option<String> {
        if !self.rules().any(|rule| rule == NAMES) {
            return None;
        }
        members::first_secret(&serde_json::from_str(data).ok()?, "/data")
    }
}

fn push_mark(text: &mut String, rule: &str) {
    text.push_str(MARK);
    text.push_str(rule);
    text.push(']');
}

/// The names out of `known` that a choice such as `all,-jwt` enables.
fn choose<'k>(choice: &str, known: &[&'k str]) -> Result<HashSet<&'k str>, BadRules> {
    let mut chosen: HashSet<&str> = HashSet::new();
    if choice.starts_with('-') {
        chosen.extend(known);
    }
    for word in choice.split(',').map(str::trim) {
        let name = word.strip_prefix('-').unwrap_or(word);
        match (word, known.iter().find(|known| **known == name)) {
            ("all", _) => chosen.extend(known),
            ("none", _) => chosen.clear(),
            (_, Some(name)) if word.starts_with('-') => drop(chosen.remove(name)),
            (_, Some(name)) => drop(chosen.insert(*name)),
            (_, None) => {
                let found = word.chars().take(64).collect();
                return Err(BadRules::Unknown { found, known: known.join(", ") });
            }
        }
    }
    Ok(chosen)
}
