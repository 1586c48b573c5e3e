//! Values after the name of a secret: `password=x`, `"token": "x"`, `--password x`, `PASSWORD 'x'`, and on the next
//! line.

use std::ops::Range;

use super::likeness::{is_call, is_code, is_random, is_word};
use super::names::{self, SecretKind};
use super::next_line::{self, line_ends};
use super::placeholder::is_placeholder;
use super::remarks::is_remark;
use super::rule::Rule;
use super::scan::{Class, MAX_EXAMINED, Scan};
use super::unassigned;
use super::value::Value;

/// Parts of the names of secrets. A rule examines the whole name around each.
pub(super) const KEYWORDS: &[&str] = &["pass", "pw", "secret", "token", "key", "credential", "auth", "_pat", "-pat"];

/// Maximum length, in bytes, of a key or token after a name.
const LONGEST_KEY: usize = 4096;

/// The form in which a value follows its name. The looser the form, the more a value must look like a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `name=value`, `"name": value`, `<name>value`: surely a name and its value.
    Tight,
    /// `name: value`, `name = value`: may also be part of a sentence.
    Loose,
    /// `--name value`.
    Option,
    /// `name value`.
    Bare,
}

/// The name of a secret in the text.
pub(super) struct Name {
    pub range: Range<usize>,
    pub kind: SecretKind,
}

/// Examines the name around a keyword, and masks its value if it is a secret.
pub(super) fn examine(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let Some(range) = scan.name(&keyword) else { return };
    if range.end <= scan.last_name || range.end < keyword.end {
        return;
    }
    scan.last_name = range.end;
    let separator = separator(scan, &range);
    // Most names have no value after them, and that check is cheaper than the look-up of the name.
    let has_value = match separator {
        Some((_, at)) => at < scan.len(),
        None => b" \t(>\"'\\\r\n,".contains(&scan.byte(range.end)),
    };
    if !has_value {
        return;
    }
    scan.work += range.len();
    let Some(kind) = names::secret_kind(scan.str(range.clone())) else { return };
    let name = Name { range, kind };
    match separator {
        Some((form, at)) => assigned(scan, &name, form, at),
        None => unassigned::examine(scan, &name),
    }
}

/// The form of the separator after `name`, and the position where the value begins; `None` without a separator.
pub(super) fn separator(scan: &mut Scan<'_>, name: &Range<usize>) -> Option<(Form, usize)> {
    let mut at = name.end;
    let quoted = scan.quote(at).filter(|_| scan.quote_before(name.start)).map(|(len, _)| at += len).is_some();
    if scan.byte(at) == b']' {
        at += 1;
    }
    // `<password>x</password>`
    if scan.byte(at) == b'>' && at == name.end {
        let element = matches!(scan.before(name.start), b'<' | b':');
        return element.then_some((Form::Tight, at + 1));
    }
    let sign = scan.skip_blanks(at);
    let len = match (scan.byte(sign), scan.byte(sign + 1)) {
        (b'=', b'=' | b'~') | (b':', b':') => return None,
        (b'=', b'>') | (b':', b'=') => 2,
        (b'=' | b':', _) => 1,
        _ => return None,
    };
    let value = scan.skip_blanks(sign + len);
    let tight = quoted || scan.byte(sign) == b'=' && (sign == at && value == sign + len) || len == 2;
    Some((if tight { Form::Tight } else { Form::Loose }, value))
}

/// Masks the value that begins at `at`, after a separator.
fn assigned(scan: &mut Scan<'_>, name: &Name, form: Form, at: usize) {
    if line_ends(scan, at) {
        return next_line::examine(scan, name, at);
    }
    if scan.before(at) == b'>' && scan.before(name.range.start) == b'<' {
        let end = scan.run(Class::InElement, at);
        let value = Value { range: at..end, end, quoted: true };
        mask(scan, name, Form::Tight, &value);
        return;
    }
    // A quoted assignment, as `set -x` prints it.
    let before = scan.before(name.range.start);
    let is_open = matches!(before, b'\'' | b'"') && scan.byte(name.range.end) != before;
    if form == Form::Tight && is_open && scan.quote(at).is_none() {
        let value = scan.quoted(at, before, false);
        let closed = scan.byte(value.range.end) == before;
        if closed && value.range.len() <= MAX_EXAMINED && !scan.examined(&value.range).contains('=') {
            mask(scan, name, form, &value);
            return;
        }
    }
    // ODBC writes a value in braces.
    if form == Form::Tight && scan.byte(at) == b'{' && scan.byte(at + 1) != b'{' && scan.quote(at + 1).is_none() {
        let line = scan.run(Class::Line, at).min(at + MAX_EXAMINED);
        if let Some(len) = scan.bytes(at + 1..line).iter().position(|byte| *byte == b'}') {
            let value = Value { range: at + 1..at + 1 + len, end: at + len + 2, quoted: true };
            mask(scan, name, form, &value);
            return;
        }
    }
    let value = scan.value(at);
    // Leave out the beginning of an object or a list; it may have names of its own.
    let opens = !value.quoted && matches!(scan.byte(at), b'{' | b'[') && !has_scheme(scan.examined(&value.range));
    if opens && (form == Form::Loose || value.range.len() == 1 || scan.quote_before(name.range.start)) {
        return;
    }
    mask(scan, name, form, &value);
}

/// Whether `text` is a hash as LDAP writes it (RFC 2307): `{SSHA}…`.
fn has_scheme(text: &str) -> bool {
    let scheme = text.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    scheme.is_some_and(|(name, hash)| {
        !name.is_empty() && !hash.is_empty() && is_upper(name) && !name.contains(['{', '.'])
    })
}

/// Masks the value of `name` if it may be a secret. Returns whether it masked.
pub(super) fn mask(scan: &mut Scan<'_>, name: &Name, form: Form, value: &Value) -> bool {
    if value.range.is_empty() {
        return false;
    }
    let text = scan.examined(&value.range);
    let rule = match name.kind {
        SecretKind::Other => None,
        SecretKind::Password => is_password(scan, name, form, value, text).then_some(Rule::Password),
        SecretKind::Key(rule) => is_key(scan, name, form, value, text).then_some(rule),
        SecretKind::Basic => super::header::is_credentials(text).then_some(Rule::Authorization),
    };
    rule.is_some_and(|rule| scan.mask(rule, value.range.clone()))
}

/// Whether a value is a password. Any text may be one, so the form and the text around the value decide.
fn is_password(scan: &mut Scan<'_>, name: &Name, form: Form, value: &Value, text: &str) -> bool {
    let word = scan.str(name.range.clone());
    let is_folder = word.eq_ignore_ascii_case("pwd") || word.eq_ignore_ascii_case("oldpwd");
    if is_placeholder(text) || is_folder && text.starts_with(['/', '~']) {
        return false;
    }
    if value.quoted && form != Form::Bare {
        return true;
    }
    let is_pass = word.eq_ignore_ascii_case("pass");
    let is_count = is_pass && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'%'));
    if is_remark(text) || is_count {
        return false;
    }
    match form {
        Form::Tight => !is_call(text),
        Form::Option => !text.starts_with('-'),
        Form::Loose => {
            // openssl takes a password as `pass:x`.
            let is_joined = value.range.start == name.range.end + 1 && !is_upper(word);
            let is_verdict = is_pass && !is_joined && !begins_entry(scan, &name.range);
            let is_sentence = is_word(text) && scan.sentence_goes_on(value.end);
            // A tag of YAML, such as `!vault`, tells the type of the value after it.
            let after = scan.skip_blanks(value.end);
            let is_tag = text.starts_with('!') && !scan.ends_line(after);
            !(is_verdict || is_sentence || is_tag || is_code(text))
        }
        Form::Bare => false,
    }
}

/// Whether a value is a key or token: these are random.
fn is_key(scan: &mut Scan<'_>, name: &Name, form: Form, value: &Value, text: &str) -> bool {
    let word = scan.str(name.range.clone());
    let min = match form {
        Form::Bare => 32,
        _ if word.to_ascii_lowercase().ends_with("secret") => 10,
        _ => 12,
    };
    let has = |class: fn(&u8) -> bool| text.bytes().any(|byte| class(&byte));
    let is_mixed = || has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    value.range.len() <= LONGEST_KEY
        && is_random(text, min)
        && (form != Form::Bare || is_mixed())
        && !is_placeholder(text)
}

/// The kind of secret that an option, such as `--password`, takes as the next argument.
pub(super) fn kind_of_option(argument: &str) -> Option<SecretKind> {
    let name = argument.strip_prefix('-')?.trim_start_matches('-');
    names::secret_kind(name).filter(|kind| matches!(kind, SecretKind::Password | SecretKind::Key(_)))
}

/// The rule that masks `text` where a secret of this kind is expected; `None` if `text` is no secret.
pub(super) fn rule_of_argument(text: &str, kind: SecretKind) -> Option<Rule> {
    match kind {
        SecretKind::Password if !is_placeholder(text) && !is_remark(text) && !text.starts_with('-') => {
            Some(Rule::Password)
        }
        SecretKind::Key(rule) if is_random(text, 12) => Some(rule),
        _ => None,
    }
}

/// Whether a name begins its line or an entry of a list, as in `pass: x`; not in `first pass: done` and `PASS: case`.
fn begins_entry(scan: &mut Scan<'_>, name: &Range<usize>) -> bool {
    let from = scan.run_back(Class::Blank, name.start, MAX_EXAMINED);
    let before = scan.before(from);
    !is_upper(scan.str(name.clone()))
        && matches!(before, 0 | b'\n' | b'\r' | b'"' | b'\'' | b'{' | b',' | b'(' | b';' | b'-' | b'`')
}

/// Whether `word` has no lower-case letters.
pub(super) fn is_upper(word: &str) -> bool {
    word.bytes().all(|b| !b.is_ascii_lowercase())
}

impl Scan<'_> {
    /// Whether a quote stands before `at`.
    fn quote_before(&self, at: usize) -> bool {
        matches!(self.before(at), b'"' | b'\'' | b'`')
    }
}
