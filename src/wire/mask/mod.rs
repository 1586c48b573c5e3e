//! Secrets stop at the door: free text that workers send is masked before anything else sees the event, so what is
//! compared, hashed, stored and tailed is the masked text.

mod json;
mod names;
mod rules;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use regex_automata::Input;
use regex_automata::meta::Regex;
use regex_automata::util::captures::Captures;

use rules::{RULES, Rule};

/// The rule that refuses object members named like secrets; it has no pattern.
pub const NAMES: &str = "names";
const MARK: &str = "[masked:";

/// Which rules there are, and what they find. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mask(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    /// Every rule that is on, each once.
    on: Vec<Arc<str>>,
    /// The rules' patterns as one machine: text is read once, however many rules there are.
    found_by: Option<Regex>,
    /// What each pattern finds, in its order.
    finds: Vec<Find>,
}

#[derive(Debug)]
struct Find {
    rule: Arc<str>,
    /// What else must hold of it.
    secret: fn(&str) -> bool,
}

/// A rule of the operator's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRule {
    /// What stands in `[masked:<name>]`.
    pub name: String,
    /// What it finds: the first group where there is one, or else the whole.
    pub pattern: String,
}

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
        Mask(Arc::new(Rules { on: Vec::new(), found_by: None, finds: Vec::new() }))
    }

    /// The rules of `choice` (`all`, `none`, names; a leading `-` takes one away) among the ledger's and `own`.
    pub fn new(choice: &str, own: &[OwnRule]) -> Result<Mask, BadRules> {
        let mut known: Vec<&str> = vec![NAMES];
        known.extend(RULES.iter().map(|rule| rule.name));
        known.dedup();
        for rule in own {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            let fits =
                (1..=32).contains(&rule.name.len()) && rule.name.bytes().all(plain) && !rule.name.starts_with('-');
            if !fits || known.contains(&rule.name.as_str()) || ["all", "none"].contains(&rule.name.as_str()) {
                return Err(BadRules::Name(rule.name.clone()));
            }
            let alone = Regex::new(&rule.pattern).map_err(|error| pattern(&rule.name, &error))?;
            if alone.is_match("") {
                return Err(BadRules::Empty(rule.name.clone()));
            }
            known.push(&rule.name);
        }
        let chosen = choose(choice, &known)?;
        let on: Vec<Arc<str>> = known.into_iter().filter(|name| chosen.contains(name)).map(Arc::from).collect();
        let own = own.iter().map(|rule| Rule { name: &rule.name, pattern: &rule.pattern, secret: rules::always });
        let (mut patterns, mut finds) = (Vec::new(), Vec::new());
        for rule in RULES.iter().copied().chain(own) {
            let Some(name) = on.iter().find(|name| ***name == *rule.name) else { continue };
            patterns.push(rule.pattern);
            finds.push(Find { rule: name.clone(), secret: rule.secret });
        }
        let found_by = match patterns.is_empty() {
            true => None,
            false => Some(Regex::new_many(&patterns).map_err(|error| BadRules::Pattern(error.to_string()))?),
        };
        Ok(Mask(Arc::new(Rules { on, found_by, finds })))
    }

    /// The names of the rules that are on.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.0.on.iter().map(|name| &**name)
    }

    /// Puts `[masked:<rule>]` in the place of each secret, and the rule's name into `hits`.
    pub(super) fn text(&self, text: &mut String, hits: &mut Vec<Arc<str>>) {
        let Some(regex) = &self.0.found_by else { return };
        let mut found = Vec::new();
        for piece in unmasked(text) {
            self.secrets(regex, &text[piece.clone()], |range, rule| {
                found.push((piece.start + range.start..piece.start + range.end, rule.clone()));
            });
        }
        if found.is_empty() {
            return;
        }
        let mut masked = String::with_capacity(text.len());
        let mut kept = 0;
        for (range, rule) in found {
            masked.push_str(&text[kept..range.start]);
            masked.push_str(MARK);
            masked.push_str(&rule);
            masked.push(']');
            kept = range.end;
            hits.push(rule);
        }
        masked.push_str(&text[kept..]);
        *text = masked;
    }

    fn secrets<'m>(&'m self, regex: &Regex, text: &str, mut each: impl FnMut(Range<usize>, &'m Arc<str>)) {
        // Nearly every text has no secret, and finding that out needs no groups.
        if !regex.is_match(text) {
            return;
        }
        let (mut at, mut found) = (0, regex.create_captures());
        while at <= text.len() {
            regex.search_captures(&Input::new(text).range(at..), &mut found);
            let Some(whole) = found.get_match() else { return };
            let range = first_group(&found).unwrap_or(whole.range());
            let Find { rule, secret } = &self.0.finds[whole.pattern().as_usize()];
            at = if range.is_empty() {
                text.ceil_char_boundary(whole.end() + 1)
            } else if secret(&text[range.clone()]) {
                each(range, rule);
                whole.end()
            } else {
                // What only looked like one may hold another.
                range.start.max(text.ceil_char_boundary(whole.start() + 1))
            };
        }
    }

    /// The place of the first object member in `data` that is named like a secret, where that rule is on. None in what cannot
    /// be read as a whole, which is refused whatever it is named.
    pub(super) fn named(&self, data: &str) -> Option<String> {
        if !self.rules().any(|rule| rule == NAMES) {
            return None;
        }
        names::find(&serde_json::from_str(data).ok()?, "/data")
    }
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

fn pattern(name: &str, error: &regex_automata::meta::BuildError) -> BadRules {
    let why = error.syntax_error().map_or_else(|| error.to_string(), ToString::to_string);
    BadRules::Pattern(format!("`{name}`: {why}"))
}

fn first_group(found: &Captures) -> Option<Range<usize>> {
    (1..found.group_len()).find_map(|group| found.get_group(group)).map(|span| span.range())
}

/// The pieces of `text` between marks. A mark is never looked into, and nothing is found across one: so masking what was
/// masked changes nothing, whatever the rules are.
fn unmasked(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut rest = Some(0);
    std::iter::from_fn(move || {
        let start = rest?;
        let mark = next_mark(&text[start..]);
        rest = mark.as_ref().map(|mark| start + mark.end);
        Some(start..mark.map_or(text.len(), |mark| start + mark.start))
    })
}

fn next_mark(text: &str) -> Option<Range<usize>> {
    let mut from = 0;
    while let Some(at) = text[from..].find(MARK) {
        let start = from + at;
        let name = &text[start + MARK.len()..];
        let len = name.bytes().take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-').count();
        if (1..=32).contains(&len) && name[len..].starts_with(']') {
            return Some(start..start + MARK.len() + len + 1);
        }
        from = start + MARK.len();
    }
    None
}

/// How long a text counts as: a mark as one byte, because what it stands for was at least that. So a text at its limit stays
/// within it when it is masked, and a masked text may be sent again.
pub(super) fn counted(text: &str) -> usize {
    let marks = unmasked(text).count() - 1;
    unmasked(text).map(|piece| piece.len()).sum::<usize>() + marks
}
