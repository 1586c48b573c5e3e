//! Commands that take a password behind a short option: `mysql -px`, `curl -u user:x`.

use std::ops::Range;

use super::rule::Rule;
use super::scan::{Class, Scan};
use super::value::{is_placeholder, is_said};

/// What of an argument is the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All of it.
    Whole,
    /// What follows the first of these.
    Behind(u8),
    /// Pairs of a cookie.
    Cookies,
    /// The password of `user/password@database`.
    Login,
}

/// An option that takes a secret.
struct Opt {
    name: &'static str,
    /// `-px`.
    joined: bool,
    /// `-p x`.
    spaced: bool,
    part: Part,
}

const fn opt(name: &'static str, joined: bool, spaced: bool, part: Part) -> Opt {
    Opt { name, joined, spaced, part }
}

/// A command, and its options that take a secret.
pub(super) struct Command {
    /// How its name begins, with what must follow it.
    pub name: &'static str,
    options: &'static [Opt],
}

const MYSQL: &[Opt] = &[opt("-p", true, false, Part::Whole)];
const SPACED_P: &[Opt] = &[opt("-p", true, true, Part::Whole)];
const LOGIN: &[Opt] = &[opt("-p", false, true, Part::Whole)];
const LDAP: &[Opt] = &[opt("-w", false, true, Part::Whole)];
const SQLPLUS: &[Opt] = &[opt("", true, false, Part::Login)];
const CURL: &[Opt] = &[
    opt("-u", true, true, Part::Behind(b':')),
    opt("--user", false, true, Part::Behind(b':')),
    opt("-U", true, true, Part::Behind(b':')),
    opt("--proxy-user", false, true, Part::Behind(b':')),
    opt("-b", false, true, Part::Cookies),
    opt("--cookie", false, true, Part::Cookies),
];
const SMB: &[Opt] = &[opt("-U", true, true, Part::Behind(b'%')), opt("--user", false, true, Part::Behind(b'%'))];

/// What is looked for.
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "mysql", options: MYSQL },
    Command { name: "mysqladmin", options: &[opt("password", false, true, Part::Whole)] },
    Command { name: "mariadb", options: MYSQL },
    Command { name: "mycli", options: MYSQL },
    Command { name: "curl", options: CURL },
    Command { name: "sshpass", options: SPACED_P },
    Command { name: "mongo", options: SPACED_P },
    Command { name: "redis-cli", options: &[opt("-a", false, true, Part::Whole)] },
    Command { name: "ldap", options: LDAP },
    Command { name: "sqlcmd", options: &[opt("-P", true, true, Part::Whole)] },
    Command { name: "bcp", options: &[opt("-P", true, true, Part::Whole)] },
    Command { name: "docker login", options: LOGIN },
    Command { name: "podman login", options: LOGIN },
    Command { name: "registry login", options: LOGIN },
    Command { name: "skopeo login", options: LOGIN },
    Command { name: "oc login", options: LOGIN },
    Command { name: "az login", options: LOGIN },
    Command { name: "smbclient", options: SMB },
    Command { name: "rpcclient", options: SMB },
    Command { name: "sqlplus", options: SQLPLUS },
    Command { name: "expdp", options: SQLPLUS },
    Command { name: "impdp", options: SQLPLUS },
    Command { name: "7z", options: &[opt("-p", true, false, Part::Whole)] },
    Command { name: "unzip", options: &[opt("-P", false, true, Part::Whole)] },
    Command { name: "zip", options: &[opt("-P", false, true, Part::Whole)] },
];

/// How many commands there are.
pub(super) const COUNT: usize = COMMANDS.len();

/// An argument: its text without quotes, and where the next begins.
struct Argument {
    text: Range<usize>,
    end: usize,
}

/// The arguments of the command with the number `command` in [`COMMANDS`].
pub(super) fn look(scan: &mut Scan<'_>, keyword: Range<usize>, command: usize) {
    let name = scan.run(Class::Url64, keyword.end);
    let begins = scan.begins_word(keyword.start) && !matches!(scan.before(keyword.start), b'-' | b'.');
    if !begins || name - keyword.end > 16 || !matches!(scan.byte(name), b' ' | b'\t') || name < scan.commands[command] {
        return;
    }
    let mut at = name;
    while let Some(argument) = argument(scan, at) {
        at = argument.end;
        let text = scan.str(argument.text.clone());
        if matches!(text, "|" | ";" | "&&" | "||" | "&") {
            break;
        }
        // A text in quotes may be a whole line of its own.
        scan.work += 8;
        let Some(option) = COMMANDS[command].options.iter().find(|option| option.is(text)) else { continue };
        if text == option.name {
            let Some(value) = self::argument(scan, at) else { break };
            if !scan.str(value.text.clone()).starts_with('-') {
                secret(scan, value.text, option.part);
                at = value.end;
            }
        } else {
            let equals = usize::from(option.name.starts_with("--"));
            secret(scan, argument.text.start + option.name.len() + equals..argument.text.end, option.part);
        }
    }
    scan.commands[command] = at;
}

impl Opt {
    /// Whether an argument is this option: alone where the value is the next argument, or with its value.
    fn is(&self, text: &str) -> bool {
        let Some(rest) = text.strip_prefix(self.name) else { return false };
        let is_long = self.name.starts_with("--");
        rest.is_empty() && self.spaced
            || is_long && rest.starts_with('=')
            || !rest.is_empty() && self.joined && !text.starts_with("--")
    }
}

/// The argument behind the blanks at `at`; none where the line ends, unless a backslash says that it goes on.
fn argument(scan: &mut Scan<'_>, at: usize) -> Option<Argument> {
    let mut start = scan.skip_blanks(at);
    if scan.byte(start) == b'\\' && matches!(scan.byte(start + 1), b'\r' | b'\n') {
        let line = start + 1 + usize::from(scan.byte(start + 1) == b'\r') + 1;
        start = scan.skip_blanks(line);
    }
    if start == at || scan.ends_line(start) {
        return None;
    }
    if let Some((len, quote)) = scan.quote(start) {
        let value = scan.quoted(start + len, quote, len == 2);
        let end = scan.run(Class::Solid, value.end);
        return Some(Argument { text: value.range, end });
    }
    let end = scan.run(Class::Solid, start);
    // An option whose value is in quotes: `-p'x y'`, `--user="a:b c"`.
    let head = scan.bytes(start..end.min(start + 16));
    let quoted = head.iter().position(|byte| matches!(byte, b'"' | b'\''));
    if let Some(at) = quoted.filter(|n| *n == 2 || *n > 0 && head[n - 1] == b'=').map(|n| start + n) {
        let value = scan.quoted(at + 1, scan.byte(at), false);
        let end = scan.run(Class::Solid, value.end);
        // The opening quote stays with the value; what is masked begins behind it.
        return Some(Argument { text: start..value.range.end, end: end.max(value.end) });
    }
    Some(Argument { text: start..end, end })
}

/// Masks the secret in an argument.
fn secret(scan: &mut Scan<'_>, argument: Range<usize>, part: Part) {
    let quote = usize::from(matches!(scan.byte(argument.start), b'"' | b'\'') && argument.len() > 1);
    let mut range = argument.start + quote..argument.end;
    match part {
        Part::Whole => {}
        Part::Behind(sign) => {
            let text = scan.looked_at(&range);
            let Some(at) = text.bytes().position(|byte| byte == sign) else { return };
            range.start += at + 1;
        }
        Part::Cookies => return super::header::cookies(scan, range.start, false),
        Part::Login => {
            let text = scan.looked_at(&range);
            let Some(at) = text.find('/').filter(|at| *at > 0 && !text[..*at].contains(['@', '.', '='])) else {
                return;
            };
            let len = text[at + 1..].rfind('@').unwrap_or(range.len() - at - 1);
            range = range.start + at + 1..range.start + at + 1 + len;
        }
    }
    // The quote that closes a command which itself is in quotes.
    if scan.byte(range.end.saturating_sub(1)) == b'\'' || scan.byte(range.end.saturating_sub(1)) == b'"' {
        range.end -= 1;
    }
    let text = scan.looked_at(&range);
    if range.start < range.end && !is_placeholder(text) && !is_said(text) {
        scan.mask(Rule::Password, range);
    }
}
