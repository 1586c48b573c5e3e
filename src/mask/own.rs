//! Rules of the operator's own: regular expressions, for which nothing says how far they read.

use std::ops::Range;
use std::sync::Arc;

use regex_automata::Input;
use regex_automata::meta::Regex;
use regex_automata::util::captures::Captures;

use super::{BadRules, Secret};

/// How much of a text an expression sees at once, 8 KiB. It finds what is at most half as long, and longer texts of which
/// it finds a beginning that goes on to the end of what it sees.
pub(super) const WINDOW: usize = 8 * 1024;

/// A rule of the operator's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRule {
    /// What stands in `[masked:<name>]`.
    pub name: String,
    /// What it finds: the first group where there is one, or else the whole. At most 4 KiB of text.
    pub pattern: String,
}

/// The expressions of all such rules as one machine.
#[derive(Debug)]
pub(super) struct Expressions {
    regex: Regex,
    /// The rule of each expression, in their order.
    rules: Vec<Arc<str>>,
}

/// Reads the expression of one rule.
pub(super) fn read(rule: &OwnRule) -> Result<Regex, BadRules> {
    Regex::new(&rule.pattern).map_err(|error| {
        let why = error.syntax_error().map_or_else(|| error.to_string(), ToString::to_string);
        BadRules::Pattern(format!("`{}`: {why}", rule.name))
    })
}

impl Expressions {
    /// Of `rules` that were read; `None` of none.
    pub(super) fn new(rules: &[(Arc<str>, &str)]) -> Result<Option<Expressions>, BadRules> {
        if rules.is_empty() {
            return Ok(None);
        }
        let patterns: Vec<&str> = rules.iter().map(|(_, pattern)| *pattern).collect();
        let regex = Regex::new_many(&patterns).map_err(|error| BadRules::Pattern(error.to_string()))?;
        Ok(Some(Expressions { regex, rules: rules.iter().map(|(rule, _)| rule.clone()).collect() }))
    }

    /// Adds to `all` what is found in a part of `text`, in its order, and says how many bytes were read for it.
    pub(super) fn find_in<'s>(&'s self, text: &str, part: Range<usize>, all: &mut Vec<Secret<'s>>) -> usize {
        let (first, text) = (part.start, &text[part]);
        let (mut at, mut window, mut work) = (0, WINDOW, 0);
        let mut found = self.regex.create_captures();
        while at < text.len() {
            let end = text.ceil_char_boundary(at.saturating_add(window));
            let input = Input::new(text).range(at..end);
            work += end - at;
            // Nearly every text has no secret, and finding that out needs no groups.
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
                // It may go on behind what was seen.
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
