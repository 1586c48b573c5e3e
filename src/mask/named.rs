//! Values that stand behind a name: `password=x`, `"token": "x"`, `--password x`, `PASSWORD 'x'`, and on the next line.

use std::ops::Range;

use super::names::{self, Named};
use super::rule::Rule;
use super::scan::{Class, LOOK, Scan};
use super::value::{Value, is_call, is_code, is_placeholder, is_random, is_said, is_word};

/// Parts of names; each is looked at together with the whole name around it.
pub(super) const KEYWORDS: &[&str] = &["pass", "pw", "secret", "token", "key", "credential", "auth", "_pat", "-pat"];

/// The longest text behind a name that may be a key.
const LONGEST_KEY: usize = 4096;

/// How a value stands behind its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `name=value`, `"name": value`, `<name>value`: the signs leave no doubt.
    Tight,
    /// `name: value`, `name = value`: as a sentence may have it too.
    Loose,
    /// `--name value`.
    Option,
    /// `name value`.
    Bare,
}

/// A name that was found in text.
struct Name {
    range: Range<usize>,
    kind: Named,
}

/// Looks at the name around a keyword.
pub(super) fn look(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let Some(range) = scan.name(&keyword) else { return };
    if range.end <= scan.last_name || range.end < keyword.end {
        return;
    }
    scan.last_name = range.end;
    let separator = separator(scan, &range);
    // Most names have no value behind them, and finding that out is cheaper than telling which name it is.
    let has_value = match separator {
        Some((_, at)) => at < scan.len(),
        None => b" \t(>\"'\\\r\n,".contains(&scan.byte(range.end)),
    };
    if !has_value {
        return;
    }
    scan.work += range.len();
    let Some(kind) = names::of(scan.str(range.clone())) else { return };
    let name = Name { range, kind };
    match separator {
        Some((form, at)) => assigned(scan, &name, form, at),
        None => unassigned(scan, &name),
    }
}

/// What stands between a name and its value, and where the value begins.
fn separator(scan: &mut Scan<'_>, name: &Range<usize>) -> Option<(Form, usize)> {
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

fn assigned(scan: &mut Scan<'_>, name: &Name, form: Form, at: usize) {
    if ends_here(scan, at) {
        return next_line(scan, name, at);
    }
    if scan.before(at) == b'>' && scan.before(name.range.start) == b'<' {
        let end = scan.run(Class::InElement, at);
        let value = Value { range: at..end, end, quoted: true };
        mask(scan, name, Form::Tight, &value);
        return;
    }
    // A whole assignment in quotes, as `set -x` prints it.
    let before = scan.before(name.range.start);
    let is_open = matches!(before, b'\'' | b'"') && scan.byte(name.range.end) != before;
    if form == Form::Tight && is_open && scan.quote(at).is_none() {
        let value = scan.quoted(at, before, false);
        let closed = scan.byte(value.range.end) == before;
        if closed && value.range.len() <= LOOK && !scan.looked_at(&value.range).contains('=') {
            mask(scan, name, form, &value);
            return;
        }
    }
    // ODBC puts braces around a value.
    if form == Form::Tight && scan.byte(at) == b'{' && scan.byte(at + 1) != b'{' && scan.quote(at + 1).is_none() {
        let line = scan.run(Class::Line, at).min(at + LOOK);
        if let Some(len) = scan.bytes(at + 1..line).iter().position(|byte| *byte == b'}') {
            let value = Value { range: at + 1..at + 1 + len, end: at + len + 2, quoted: true };
            mask(scan, name, form, &value);
            return;
        }
    }
    let value = scan.value(at);
    // An object or a list, which may have names of its own.
    let opens = !value.quoted && matches!(scan.byte(at), b'{' | b'[') && !has_scheme(scan.looked_at(&value.range));
    if opens && (form == Form::Loose || value.range.len() == 1 || scan.quote_before(name.range.start)) {
        return;
    }
    mask(scan, name, form, &value);
}

/// `{SSHA}…`: how LDAP writes the hash of a password.
fn has_scheme(text: &str) -> bool {
    let scheme = text.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    scheme.is_some_and(|(name, hash)| {
        !name.is_empty() && !hash.is_empty() && is_upper(name) && !name.contains(['{', '.'])
    })
}

/// Names without a sign behind them.
fn unassigned(scan: &mut Scan<'_>, name: &Name) {
    let end = name.range.end;
    let at = scan.skip_blanks(end);
    let next = scan.byte(at);
    let is_option = scan.before(name.range.start) == b'-';
    if is_option && at > end {
        // What looks like the next option is one.
        let value = if next == b'-' { return } else { scan.value(at) };
        mask(scan, name, Form::Option, &value);
        return;
    }
    if behind_value(scan, name) {
        return;
    }
    if name.kind == Named::Password {
        let word = scan.str(name.range.clone());
        // SQL: `PASSWORD 'x'`, `PASSWORD('x')`.
        let call = usize::from(next == b'(');
        let is_clause = word.len() >= 6 && (at > end || call == 1);
        let (prefix, quote) = (usize::from(matches!(scan.byte(at + call), b'E' | b'e')), b"'\"");
        if is_clause
            && quote.contains(&scan.byte(at + call + prefix))
            && (scan.byte(at + call) != b'"' || call == 1 || is_upper(word))
        {
            let value = scan.value(at + call);
            mask(scan, name, Form::Tight, &value);
            return;
        }
        if at > end && (after_word(scan, name.range.start, "setenv") || netrc(scan, name.range.start)) {
            let end = scan.run(Class::Solid, at);
            mask(scan, name, Form::Tight, &Value { range: at..end, end, quoted: true });
            return;
        }
        generated(scan, name, at);
    } else if at > end && scan.quote(at).is_none() {
        let value = scan.value(at);
        mask(scan, name, Form::Bare, &value);
    }
}

fn is_upper(word: &str) -> bool {
    word.bytes().all(|b| !b.is_ascii_lowercase())
}

/// Whether `word` stands before the blanks before `at`.
fn after_word(scan: &mut Scan<'_>, at: usize, word: &str) -> bool {
    let end = scan.run_back(Class::Blank, at, 8);
    let start = scan.run_back(Class::Alnum, end, word.len() + 1);
    end < at && scan.str(start..end) == word
}

/// `machine h login l password p`, on one line or on several (the format of `.netrc`).
fn netrc(scan: &mut Scan<'_>, at: usize) -> bool {
    let from = scan.str(0..at).floor_char_boundary(at.saturating_sub(256)).max(scan.floor());
    let before = scan.str(from..at);
    scan.work += before.len();
    let mut words = before.split_ascii_whitespace().rev();
    let value = words.next();
    value.is_some() && matches!(words.next(), Some("login" | "machine" | "account")) && {
        before.contains("machine ") || before.contains("default ")
    }
}

/// MySQL: `A temporary password is generated for root@localhost: x`.
fn generated(scan: &mut Scan<'_>, name: &Name, at: usize) {
    let said = "is generated for ";
    if !scan.starts(at, said) {
        return;
    }
    let line = scan.run(Class::Line, at).min(at + LOOK);
    if let Some(colon) = scan.bytes(at..line).windows(2).position(|pair| pair == b": ") {
        let start = scan.skip_blanks(at + colon + 2);
        let end = scan.run(Class::Solid, start);
        mask(scan, name, Form::Tight, &Value { range: start..end, end, quoted: true });
    }
}

/// `name: DB_PASSWORD` with `value: x` behind it, in YAML, JSON and XML.
fn behind_value(scan: &mut Scan<'_>, name: &Name) -> bool {
    let mut at = name.range.end;
    at += scan.quote(at).map_or(0, |(len, _)| len);
    let from = at;
    while at < from + 80 && matches!(scan.byte(at), b' ' | b'\t' | b'\r' | b'\n' | b',') {
        at += 1;
    }
    scan.work += at - from;
    let quoted = scan.quote(at).map_or(0, |(len, _)| len);
    if at == from || !scan.starts(at + quoted, "value") {
        return false;
    }
    let value = at + quoted..at + quoted + 5;
    match separator(scan, &value) {
        Some((form, at)) if !ends_here(scan, at) => {
            let value = scan.value(at);
            let form = if form == Form::Tight || value.quoted { Form::Tight } else { Form::Loose };
            mask(scan, name, form, &value)
        }
        _ => false,
    }
}

/// Whether nothing more stands on the line, but what YAML and shells put before a value on the next.
fn ends_here(scan: &mut Scan<'_>, at: usize) -> bool {
    let mut end = at;
    while end < at + 3 && matches!(scan.byte(end), b'|' | b'>' | b'-' | b'+' | b'\\') {
        end += 1;
    }
    let end = scan.skip_blanks(end);
    matches!(scan.byte(end), b'\r' | b'\n')
}

/// A value on the line below its name: deeper, or in quotes, or unmistakable.
fn next_line(scan: &mut Scan<'_>, name: &Name, at: usize) {
    let is_block = matches!(scan.byte(at), b'|' | b'>');
    let mut at = scan.run(Class::Line, at);
    at += usize::from(scan.byte(at) == b'\r');
    let line = at + 1;
    let start = scan.skip_blanks(line);
    if scan.byte(at) != b'\n' || scan.ends_line(start) {
        return;
    }
    let own_line = scan.line_start(name.range.start);
    let own_indent = scan.skip_blanks(own_line) - own_line;
    let is_deeper = start - line > own_indent;
    if scan.quote(start).is_some() {
        let value = scan.value(start);
        let then = scan.skip_blanks(value.end);
        // A quoted name of another member is none.
        if !matches!(scan.byte(then), b':' | b'=') {
            mask(scan, name, Form::Tight, &value);
        }
        return;
    }
    if is_block && is_deeper {
        let end = block_end(scan, start, start - line);
        mask(scan, name, Form::Tight, &Value { range: start..end, end, quoted: true });
        return;
    }
    let end = scan.run(Class::Solid, start);
    let rest = scan.skip_blanks(end);
    let value = Value { range: start..end, end, quoted: false };
    let text = scan.looked_at(&value.range);
    let is_other =
        text.ends_with([':', ',', '{', '[', '>', '|']) || text.starts_with(['-', '#', '<', '{', '[', '/', '$', '>']);
    let is_pair = text.contains('=') && !text.ends_with('=');
    let plain = !text.contains([':', '/'])
        && text.bytes().any(|b| b.is_ascii_digit())
        && text.bytes().any(|b| b.is_ascii_alphabetic());
    if scan.ends_line(rest) && !is_other && !is_pair && (is_deeper || plain && end - start >= 6) {
        mask(scan, name, Form::Loose, &value);
    }
}

/// Where a block of lines ends that are indented by at least `indent`.
fn block_end(scan: &mut Scan<'_>, start: usize, indent: usize) -> usize {
    let mut end = scan.run(Class::Line, start);
    loop {
        let next = end + 1 + usize::from(scan.byte(end) == b'\r');
        let text = scan.skip_blanks(next);
        if next >= scan.len() || text - next < indent || scan.ends_line(text) {
            return end;
        }
        end = scan.run(Class::Line, text);
    }
}

/// Masks the value of `name` where it may be a secret.
fn mask(scan: &mut Scan<'_>, name: &Name, form: Form, value: &Value) -> bool {
    if value.range.is_empty() {
        return false;
    }
    let text = scan.looked_at(&value.range);
    let rule = match name.kind {
        Named::Other => None,
        Named::Password => is_password(scan, name, form, value, text).then_some(Rule::Password),
        Named::Key(rule) => is_key(scan, name, form, value, text).then_some(rule),
        Named::Basic => super::header::is_credentials(text).then_some(Rule::Authorization),
    };
    rule.is_some_and(|rule| scan.mask(rule, value.range.clone()))
}

/// Any text may be a password, so it counts how it stands there, and whether a sentence goes on behind it.
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
    if is_said(text) || is_count {
        return false;
    }
    match form {
        Form::Tight => !is_call(text),
        Form::Option => !text.starts_with('-'),
        Form::Loose => {
            // `pass:x` is how openssl takes a password.
            let is_joined = value.range.start == name.range.end + 1 && !is_upper(word);
            let is_verdict = is_pass && !is_joined && !stands_alone(scan, &name.range);
            let is_sentence = is_word(text) && scan.goes_on(value.end);
            // `!vault` and its like say how YAML is to read what follows.
            let after = scan.skip_blanks(value.end);
            let is_tag = text.starts_with('!') && !scan.ends_line(after);
            !(is_verdict || is_sentence || is_tag || is_code(text))
        }
        Form::Bare => false,
    }
}

/// Keys and tokens are random.
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

/// The secret that an option takes, as its next argument: `--password`.
pub(super) fn option(argument: &str) -> Option<Named> {
    let name = argument.strip_prefix('-')?.trim_start_matches('-');
    names::of(name).filter(|kind| matches!(kind, Named::Password | Named::Key(_)))
}

/// The rule of a text that stands where a secret of this kind is expected.
pub(super) fn expected(text: &str, kind: Named) -> Option<Rule> {
    match kind {
        Named::Password if !is_placeholder(text) && !is_said(text) && !text.starts_with('-') => Some(Rule::Password),
        Named::Key(rule) if is_random(text, 12) => Some(rule),
        _ => None,
    }
}

/// Whether a name is the first of its line or of a list: `pass: x` is, `first pass: done` and `PASS: case` are not.
fn stands_alone(scan: &mut Scan<'_>, name: &Range<usize>) -> bool {
    let from = scan.run_back(Class::Blank, name.start, LOOK);
    let before = scan.before(from);
    !is_upper(scan.str(name.clone()))
        && matches!(before, 0 | b'\n' | b'\r' | b'"' | b'\'' | b'{' | b',' | b'(' | b';' | b'-' | b'`')
}

impl Scan<'_> {
    /// Whether a name begins behind a quote.
    fn quote_before(&self, at: usize) -> bool {
        matches!(self.before(at), b'"' | b'\'' | b'`')
    }
}
