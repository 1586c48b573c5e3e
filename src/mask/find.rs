//! Finds where secrets may stand: one pass over the text finds the keywords of all rules, and each rule examines the
//! text around its own.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input};

use super::command::{self, COMMANDS};
use super::marks::unmasked;
use super::rule::Rule;
use super::scan::{Found, Scan};
use super::shapes::{self, WEBHOOKS};
use super::tokens::{self, TOKENS};
use super::{header, keys, named, pgpass, sql, url};

/// A rule's function: examines the text around a keyword, and masks a secret that it finds.
type Examine = fn(&mut Scan<'_>, Range<usize>);

/// The keywords of rules that have a function each.
const KEYWORD_RULES: &[(&str, Examine)] = &[
    ("-----BEGIN ", keys::begin),
    ("-----END ", keys::end),
    ("LS0tLS1CRUdJTi", keys::base64_pem),
    ("Private-Lines:", keys::putty),
    ("authorization", header::authorization),
    ("bearer", header::bearer),
    ("basic", header::basic),
    ("cookie", header::cookie),
    ("eyJ", shapes::jwt),
    ("AKIA", shapes::access_key),
    ("ASIA", shapes::access_key),
    ("ABIA", shapes::access_key),
    ("ACCA", shapes::access_key),
    ("signature", shapes::signature),
    ("sig=", shapes::sas),
    ("AZDO", shapes::devops),
    ("Q~", shapes::entra),
    ("s.", shapes::old_vault),
    (":AA", shapes::telegram),
    (".", shapes::dotted),
    ("SK", shapes::exact),
    ("API-", shapes::exact),
    ("://", url::examine),
    ("identified", sql::identified),
];

/// The rule that a keyword belongs to. The number is a row of that rule's table.
#[derive(Clone, Copy)]
enum Keyword {
    Rule(Examine),
    Token(usize),
    Webhook(usize),
    Command(usize),
}

struct Keywords {
    automaton: AhoCorasick,
    /// The rule of each keyword, by the number of its pattern.
    rules: Vec<Keyword>,
}

static KEYWORDS: LazyLock<Keywords> = LazyLock::new(|| {
    let mut words: Vec<(&str, Keyword)> =
        KEYWORD_RULES.iter().map(|(word, examine)| (*word, Keyword::Rule(*examine))).collect();
    words.extend(TOKENS.iter().enumerate().map(|(n, token)| (token.prefix, Keyword::Token(n))));
    words.extend(WEBHOOKS.iter().enumerate().map(|(n, (start, _))| (*start, Keyword::Webhook(n))));
    words.extend(COMMANDS.iter().enumerate().map(|(n, command)| (command.name, Keyword::Command(n))));
    words.extend(named::KEYWORDS.iter().map(|word| (*word, Keyword::Rule(named::examine as Examine))));
    words.extend(pgpass::PORTS.iter().map(|port| (*port, Keyword::Rule(pgpass::examine as Examine))));
    // The DFA is the fastest automaton and takes the most memory. Every text of every append passes through it.
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA));
    let automaton = builder.build(words.iter().map(|(word, _)| word));
    Keywords {
        automaton: automaton.expect("the keywords are few and short"),
        rules: words.into_iter().map(|(_, keyword)| keyword).collect(),
    }
});

/// The secrets that the enabled rules find in `text`, in the order of the text, and the number of bytes that were read.
pub(super) fn secrets(text: &str, on: &[bool; Rule::COUNT]) -> (Vec<Found>, usize) {
    let keywords = &*KEYWORDS;
    let mut scan = Scan::new(on);
    for piece in unmasked(text) {
        scan.enter(text, &piece);
        for hit in keywords.automaton.find_overlapping_iter(Input::new(text).range(piece)) {
            // Skip keywords inside a secret that is already masked.
            if hit.start() < scan.floor() {
                continue;
            }
            scan.work += 1;
            let at = hit.range();
            match keywords.rules[hit.pattern().as_usize()] {
                Keyword::Rule(examine) => examine(&mut scan, at),
                Keyword::Token(n) => tokens::examine(&mut scan, at, &TOKENS[n]),
                Keyword::Webhook(n) => shapes::webhook(&mut scan, at.end, WEBHOOKS[n].1),
                Keyword::Command(n) => command::examine(&mut scan, at, n),
            }
        }
    }
    let work = scan.work;
    (scan.found(), work)
}

/// A sample of the keywords, for tests that combine them in ways that no rule expects. Rows of one table share one
/// function, so the sample has only some of them.
#[cfg(test)]
pub(super) fn keywords() -> Vec<&'static str> {
    let tables =
        TOKENS.iter().step_by(20).map(|token| token.prefix).chain(WEBHOOKS.iter().take(2).map(|(start, _)| *start));
    let names = COMMANDS.iter().step_by(5).map(|command| command.name).chain(named::KEYWORDS.iter().copied());
    KEYWORD_RULES
        .iter()
        .map(|(word, _)| *word)
        .chain(tables)
        .chain(names)
        .chain(pgpass::PORTS.iter().take(2).copied())
        .collect()
}
