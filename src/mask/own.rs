//! Rules of the operator: regular expressions. An expression may read any distance, so each search sees a bounded
//! window.

use std::ops::Range;
use std::sync::Arc;

use regex_automata::Input;
use regex_automata::meta::Regex;
use regex_automata::util::captures::Captures;

use super::{BadRules, Secret};

/// How much of a text a search sees at once, 8 KiB. A search finds a secret of up to half that length, and a longer one
/// if the match reaches the end of the window, because the window then grows.
pub(super) const WINDOW: usize = 8 * 1024;

/// A rule that the operator defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRule {
    /// The rule's name in `[masked:<name>]`: 1 to 32 of `a-z 0-9 -`.
    pub name: String,
    /// A regular expression. The rule masks its first group that takes part in a match, or the whole match. It finds
    /// secrets of up to 4 KiB.
    pub pattern: String,
}

/// The expressions of all such rules, compiled into one.
#[derive(Debug)]
pub(super) struct Expressions {
    regex: Regex,
    /// The rule of each expression, in their order.
    rules: Vec<Arc<str>>,
}

/// Compiles the expression of one rule.
pub(super) fn compile(rule: &OwnRule) -> Result<Regex, BadRules> {
    Regex::new(&rule.pattern).map_err(|error| {
        let why = error.syntax_error().map_or_else(|| error.to_string(), ToString::to_string);
        BadRules::Pattern(format!("`{}`: {why}", rule.name))
    })
}

impl Expressions {
    /// Compiles `rules`, pairs of name and expression; `None` if there are no rules.
    pub(super) fn new(rules: &[(Arc<str>, &str)]) -> Result<Option<Expressions>, BadRules> {
        if rules.is_empty() {
            return Ok(None);
        }
        let patterns: Vec<&str> = rules.iter().map(|(_, pattern)| *pattern).collect();
        let regex = Regex::new_many(&patterns).map_err(|error| BadRules::Pattern(error.to_string()))?;
        Ok(Some(Expressions { regex, rules: rules.iter().map(|(rule, _)| rule.clone()).collect() }))
    }

    /// Appends the secrets in `part` of `text` to `all`, in their order. Returns the number of bytes that were read.
    pub(super) fn find_in<'s>(&'s self, text: &str, part: Range<usize>, all: &mut Vec<Secret<'s>>) -> usize {
        let (first, text) = (part.start, &text[part]);
        let (mut at, mut window, mut work) = (0, WINDOW, 0);
        let mut found = self.regex.create_captures();
        while at < text.len() {
            let end = text.ceil_char_boundary(at.saturating_add(window));
            let input = Input::new(text).range(at..end);
            work += end - at;
            // Most texts have no secret, and a search without groups is faster.
            if !self.regex.is_match(input.clone()) {
                if end == text.len() {
                    break;
                }
                at = text.ceil_char_boundary((end - WINDOW / 2).max(at + 1));
                window = WINDOW;
                continue;
            }
            self.regex.search_captures(&input, &mut found);
            let Some(whole) = found.get_match() else { break };
            if whole.end() == end && end < text.len() {
                // The match may continue after the window.
                at = whole.start().max(at);
                window = (end - at) * 2;
                continue;
            }
            let range = first_group(&found).unwrap_or(whole.range());
            if range.is_empty() {
                at = text.ceil_char_boundary(whole.end().max(at) + 1);
            } else {
                let rule = &self.rules[whole.pattern().as_usize()];
                all.push((first + range.start..first + range.end, rule));
                at = whole.end();
            }
            window = WINDOW;
        }
        work
    }
}

fn first_group(found: &Captures) -> Option<Range<usize>> {
    (1..found.group_len()).find_map(|group| found.get_group(group)).map(|span| span.range())
}
