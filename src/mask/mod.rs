//! Secrets stop at the door: free text that workers send is masked before anything else sees the event, so what is
//! compared, hashed, stored and tailed is the masked text.
//!
//! [`find`] reads a text once for the keywords of all rules; the rules are in the modules below it. Nothing here is more
//! than linear in the text, and [`scan`] counts the bytes that are read, so that a test can say so.

mod command;
mod find;
mod header;
mod json;
mod keys;
#[cfg(test)]
mod linear;
mod marks;
mod named;
mod names;
mod own;
mod pgpass;
mod rule;
mod scan;
mod shapes;
mod sql;
mod tokens;
mod url;
mod value;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

pub(crate) use marks::counted;
use marks::{MARK, NAME, unmasked};
use own::Expressions;
pub use own::OwnRule;
use rule::Rule;

/// The rule that refuses object members named like secrets; it finds nothing in text.
pub const NAMES: &str = "names";
/// How often a text is read: a second time, because what stands beside a mark may look different from what stood beside the
/// secret, and at most this often.
const READINGS: usize = 4;

/// Which rules there are, and what they find. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mask(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    /// Every rule that is on, each once.
    on: Vec<Arc<str>>,
    /// Whether each of the ledger's own rules is on.
    built_in: [bool; Rule::COUNT],
    /// The names of the ledger's own rules.
    names: [Arc<str>; Rule::COUNT],
    /// The operator's rules that are on.
    own: Option<Expressions>,
}

/// Where a secret stands, and the rule that found it.
type Secret<'m> = (Range<usize>, &'m Arc<str>);

/// Why a set of rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadRules {
    /// No such rule.
    #[error("expected `all`, `none`, or rules of {known}, a leading `-` to switch one off; found `{found}`")]
    Unknown {
        /// What was asked for.
        found: String,
        /// What there is.
        known: String,
    },
    /// An own rule's name.
    #[error("expected a rule name of 1 to 32 of `a-z 0-9 -` that no other rule has, found `{0}`")]
    Name(String),
    /// An own rule that finds something everywhere.
    #[error("the rule `{0}` finds empty text; expected a pattern that needs at least one character")]
    Empty(String),
    /// Patterns that are none, or are too large.
    #[error("the rules cannot be read: {0}")]
    Pattern(String),
}

impl Default for Mask {
    /// Every rule that the ledger brings.
    fn default() -> Mask {
        static ALL: LazyLock<Mask> = LazyLock::new(|| Mask::new("all", &[]).expect("the ledger's own rules are sound"));
        ALL.clone()
    }
}

impl Mask {
    /// Nothing is masked or refused.
    pub fn none() -> Mask {
        Mask::of(Vec::new(), None)
    }

    /// The rules of `choice` (`all`, `none`, names; a leading `-` takes one away) among the ledger's and `own`.
    pub fn new(choice: &str, own: &[OwnRule]) -> Result<Mask, BadRules> {
        let mut known: Vec<&str> = vec![NAMES];
        known.extend(Rule::ALL.iter().map(|rule| rule.name()));
        for rule in own {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            let fits =
                (1..=NAME).contains(&rule.name.len()) && rule.name.bytes().all(plain) && !rule.name.starts_with('-');
            if !fits || known.contains(&rule.name.as_str()) || ["all", "none"].contains(&rule.name.as_str()) {
                return Err(BadRules::Name(rule.name.clone()));
            }
            if own::read(rule)?.is_match("") {
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

    /// The names of the rules that are on.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.0.on.iter().map(|name| &**name)
    }

    /// Puts `[masked:<rule>]` in the place of each secret, and the rule's name into `hits`. The cost is linear in the text.
    pub(crate) fn text(&self, text: &mut String, hits: &mut Vec<Arc<str>>) {
        for _ in 0..READINGS {
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

    /// Masks a text that stands where a secret of this kind is expected, as the value of an option.
    fn argument(&self, text: &mut String, kind: names::Named, hits: &mut Vec<Arc<str>>) {
        match named::expected(text, kind).filter(|rule| self.0.built_in[*rule as usize]) {
            Some(rule) => {
                let rule = &self.0.names[rule as usize];
                text.clear();
                push_mark(text, rule);
                hits.push(rule.clone());
            }
            None => self.text(text, hits),
        }
    }

    /// The secrets in `text` in their order, and how many bytes were read for them.
    fn find(&self, text: &str) -> (Vec<Secret<'_>>, usize) {
        let Rules { built_in, names, own, .. } = &*self.0;
        let (found, mut work) = find::secrets(text, built_in);
        let found = found.into_iter().map(|secret| (secret.range, &names[secret.rule as usize]));
        let Some(own) = own else { return (found.collect(), work) };
        // The operator's rules look at what the ledger's leave.
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

    /// The place of the first object member in `data` that is named like a secret, where that rule is on. None in what cannot
    /// be read as a whole, which is refused whatever it is named.
    pub(crate) fn named(&self, data: &str) -> Option<String> {
        if !self.rules().any(|rule| rule == NAMES) {
            return None;
        }
        names::find(&serde_json::from_str(data).ok()?, "/data")
    }
}

fn push_mark(text: &mut String, rule: &str) {
    text.push_str(MARK);
    text.push_str(rule);
    text.push(']');
}

/// What words like `all,-jwt` choose of `known`.
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
