//! Options of known commands that take a password: `mysql -px`, `curl -u user:x`.

use std::ops::Range;

use super::placeholder::is_placeholder;
use super::remarks::is_remark;
use super::rule::Rule;
use super::scan::{Class, Scan};

/// The part of an option's value that is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SecretPart {
    /// The whole value.
    Whole,
    /// The text after the first occurrence of this byte.
    After(u8),
    /// The values of the pairs of a cookie.
    Cookies,
    /// The password in `user/password@database`.
    Login,
}

/// An option that takes a secret.
struct SecretOption {
    name: &'static str,
    /// Whether the value may follow at once: `-px`.
    joined: bool,
    /// Whether the value may be the next argument: `-p x`.
    spaced: bool,
    part: SecretPart,
}

const fn opt(name: &'static str, joined: bool, spaced: bool, part: SecretPart) -> SecretOption {
    SecretOption { name, joined, spaced, part }
}

/// A command with options that take a secret.
pub(super) struct Command {
    /// The beginning of the command's name, in the form in which it is searched for.
    pub name: &'static str,
    options: &'static [SecretOption],
}

const MYSQL: &[SecretOption] = &[opt("-p", true, false, SecretPart::Whole)];
const SPACED_P: &[SecretOption] = &[opt("-p", true, true, SecretPart::Whole)];
const LOGIN: &[SecretOption] = &[opt("-p", false, true, SecretPart::Whole)];
const LDAP: &[SecretOption] = &[opt("-w", false, true, SecretPart::Whole)];
const SQLPLUS: &[SecretOption] = &[opt("", true, false, SecretPart::Login)];
const CURL: &[SecretOption] = &[
    opt("-u", true, true, SecretPart::After(b':')),
    opt("--user", false, true, SecretPart::After(b':')),
    opt("-U", true, true, SecretPart::After(b':')),
    opt("--proxy-user", false, true, SecretPart::After(b':')),
    opt("-b", false, true, SecretPart::Cookies),
    opt("--cookie", false, true, SecretPart::Cookies),
];
const SMB: &[SecretOption] =
    &[opt("-U", true, true, SecretPart::After(b'%')), opt("--user", false, true, SecretPart::After(b'%'))];

/// The commands that are searched for.
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "mysql", options: MYSQL },
    Command { name: "mysqladmin", options: &[opt("password", false, true, SecretPart::Whole)] },
    Command { name: "mariadb", options: MYSQL },
    Command { name: "mycli", options: MYSQL },
    Command { name: "curl", options: CURL },
    Command { name: "sshpass", options: SPACED_P },
    Command { name: "mongo", options: SPACED_P },
    Command { name: "redis-cli", options: &[opt("-a", false, true, SecretPart::Whole)] },
    Command { name: "ldap", options: LDAP },
    Command { name: "sqlcmd", options: &[opt("-P", true, true, SecretPart::Whole)] },
    Command { name: "bcp", options: &[opt("-P", true, true, SecretPart::Whole)] },
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
    Command { name: "7z", options: &[opt("-p", true, false, SecretPart::Whole)] },
    Command { name: "unzip", options: &[opt("-P", false, true, SecretPart::Whole)] },
    Command { name: "zip", options: &[opt("-P", false, true, SecretPart::Whole)] },
];

/// The number of commands in [`COMMANDS`].
pub(super) const COUNT: usize = COMMANDS.len();

/// An argument of a command line.
struct Argument {
    text: Range<usize>,
    end: usize,
}

/// Masks the secrets in the arguments of the command with index `command` in [`COMMANDS`].
pub(super) fn examine(scan: &mut Scan<'_>, keyword: Range<usize>, command: usize) {
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
        // Bounds the count for an argument in quotes, which may be as long as a line.
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

impl SecretOption {
    /// Whether an argument is this option, with its value or before it.
    fn is(&self, text: &str) -> bool {
        let Some(rest) = text.strip_prefix(self.name) else { return false };
        let is_long = self.name.starts_with("--");
        rest.is_empty() && self.spaced
            || is_long && rest.starts_with('=')
            || !rest.is_empty() && self.joined && !text.starts_with("--")
    }
}

/// The argument after the blanks at `at`; `None` at the end of the line, unless a backslash continues the command on
/// the next.
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
    // An option with a quoted value: `-p'x y'`, `--user="a:b c"`.
    let head = scan.bytes(start..end.min(start + 16));
    let quoted = head.iter().position(|byte| matches!(byte, b'"' | b'\''));
    if let Some(at) = quoted.filter(|n| *n == 2 || *n > 0 && head[n - 1] == b'=').map(|n| start + n) {
        let value = scan.quoted(at + 1, scan.byte(at), false);
        let end = scan.run(Class::Solid, value.end);
        // The opening quote stays in the argument; [`secret`] skips it.
        return Some(Argument { text: start..value.range.end, end: end.max(value.end) });
    }
    Some(Argument { text: start..end, end })
}

/// Masks the secret part of an argument.
fn secret(scan: &mut Scan<'_>, argument: Range<usize>, part: SecretPart) {
    let quote = usize::from(matches!(scan.byte(argument.start), b'"' | b'\'') && argument.len() > 1);
    let mut range = argument.start + quote..argument.end;
    match part {
        SecretPart::Whole => {}
        SecretPart::After(sign) => {
            let text = scan.examined(&range);
            let Some(at) = text.bytes().position(|byte| byte == sign) else { return };
            range.start += at + 1;
        }
        SecretPart::Cookies => return super::header::cookies(scan, range.start, false),
        SecretPart::Login => {
            let text = scan.examined(&range);
            let Some(at) = text.find('/').filter(|at| *at > 0 && !text[..*at].contains(['@', '.', '='])) else {
                return;
            };
            let len = text[at + 1..].rfind('@').unwrap_or(range.len() - at - 1);
            range = range.start + at + 1..range.start + at + 1 + len;
        }
    }
    // Drop a closing quote: it ends the whole command, which stands in quotes.
    if scan.byte(range.end.saturating_sub(1)) == b'\'' || scan.byte(range.end.saturating_sub(1)) == b'"' {
        range.end -= 1;
    }
    let text = scan.examined(&range);
    if range.start < range.end && !is_placeholder(text) && !is_remark(text) {
        scan.mask(Rule::Password, range);
    }
}
