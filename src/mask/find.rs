//! Where secrets may stand: a text is read once for the keywords of all rules, and each rule looks at its own.

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

/// What looks at the text around a keyword.
type Look = fn(&mut Scan<'_>, Range<usize>);

/// Keywords of rules that are not tables.
const LOOKS: &[(&str, Look)] = &[
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
    ("://", url::look),
    ("identified", sql::identified),
];

/// What a keyword belongs to.
#[derive(Clone, Copy)]
enum Keyword {
    Look(Look),
    Token(usize),
    Webhook(usize),
    Command(usize),
}

struct Keywords {
    machine: AhoCorasick,
    of: Vec<Keyword>,
}

static KEYWORDS: LazyLock<Keywords> = LazyLock::new(|| {
    let mut words: Vec<(&str, Keyword)> = LOOKS.iter().map(|(word, look)| (*word, Keyword::Look(*look))).collect();
    words.extend(TOKENS.iter().enumerate().map(|(n, token)| (token.prefix, Keyword::Token(n))));
    words.extend(WEBHOOKS.iter().enumerate().map(|(n, (start, _))| (*start, Keyword::Webhook(n))));
    words.extend(COMMANDS.iter().enumerate().map(|(n, command)| (command.name, Keyword::Command(n))));
    words.extend(named::KEYWORDS.iter().map(|word| (*word, Keyword::Look(named::look as Look))));
    words.extend(pgpass::PORTS.iter().map(|port| (*port, Keyword::Look(pgpass::look as Look))));
    // The fastest kind, which takes more memory: every text of every append goes through it.
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA));
    let machine = builder.build(words.iter().map(|(word, _)| word));
    Keywords {
        machine: machine.expect("the keywords are few and short"),
        of: words.into_iter().map(|(_, keyword)| keyword).collect(),
    }
});

/// The secrets in `text` that the rules which are on find, in the order of the text, and how many bytes were read for it.
pub(super) fn secrets(text: &str, on: &[bool; Rule::COUNT]) -> (Vec<Found>, usize) {
    let keywords = &*KEYWORDS;
    let mut scan = Scan::new(on);
    for piece in unmasked(text) {
        scan.enter(text, &piece);
        for hit in keywords.machine.find_overlapping_iter(Input::new(text).range(piece)) {
            // What is masked is not looked into.
            if hit.start() < scan.floor() {
                continue;
            }
            scan.work += 1;
            let at = hit.range();
            match keywords.of[hit.pattern().as_usize()] {
                Keyword::Look(look) => look(&mut scan, at),
                Keyword::Token(n) => tokens::look(&mut scan, at, &TOKENS[n]),
                Keyword::Webhook(n) => shapes::webhook(&mut scan, at.end, WEBHOOKS[n].1),
                Keyword::Command(n) => command::look(&mut scan, at, n),
            }
        }
    }
    let work = scan.work;
    (scan.found(), work)
}

/// Keywords of all rules, for tests that put them together in ways that no rule expects: of a table that has one function
/// for all of its rows, some.
#[cfg(test)]
pub(super) fn keywords() -> Vec<&'static str> {
    let tables =
        TOKENS.iter().step_by(20).map(|token| token.prefix).chain(WEBHOOKS.iter().take(2).map(|(start, _)| *start));
    let names = COMMANDS.iter().step_by(5).map(|command| command.name).chain(named::KEYWORDS.iter().copied());
    LOOKS
        .iter()
        .map(|(word, _)| *word)
        .chain(tables)
        .chain(names)
        .chain(pgpass::PORTS.iter().take(2).copied())
        .collect()
}
