//! Names of secrets: of members in JSON, and of what stands in text before a value.

use std::borrow::Cow;

use serde_json::Value;
use unicode_security::confusable_detection::skeleton;

use super::rule::Rule;
use crate::json::{push_token, token};

/// What a value is whose name is one of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// Chosen by people: any text may be one.
    Password,
    /// Made at random, found by a rule.
    Key(Rule),
    /// A user and a password in Base64.
    Basic,
    /// Something with rules of its own in text.
    Other,
}

/// How such a name ends, its words written together.
const ENDINGS: &[(&str, Named)] = &[
    ("password", Named::Password),
    ("passwd", Named::Password),
    ("passwort", Named::Password),
    ("pwd", Named::Password),
    ("passphrase", Named::Password),
    ("passcode", Named::Password),
    ("secretaccesskey", Named::Key(Rule::Aws)),
    ("awssecretkey", Named::Key(Rule::Aws)),
    ("accountkey", Named::Key(Rule::Azure)),
    ("sharedaccesskey", Named::Key(Rule::Azure)),
    ("secret", Named::Key(Rule::ApiKey)),
    ("token", Named::Key(Rule::ApiKey)),
    ("apikey", Named::Key(Rule::ApiKey)),
    ("accesskey", Named::Key(Rule::ApiKey)),
    ("authkey", Named::Key(Rule::ApiKey)),
    ("encryptionkey", Named::Key(Rule::ApiKey)),
    ("masterkey", Named::Key(Rule::ApiKey)),
    ("privatekey", Named::Key(Rule::ApiKey)),
    ("secretkey", Named::Key(Rule::ApiKey)),
    ("sharedkey", Named::Key(Rule::ApiKey)),
    ("signingkey", Named::Key(Rule::ApiKey)),
    ("sshkey", Named::Key(Rule::ApiKey)),
    ("authorization", Named::Other),
    ("connectionstring", Named::Other),
    ("credential", Named::Other),
    ("cookie", Named::Other),
];
/// What may follow: which one it is, or how it is written.
const AFTER: &[&str] = &[
    "again",
    "b64",
    "base64",
    "bcrypt",
    "confirm",
    "confirmation",
    "current",
    "dev",
    "encoded",
    "encrypted",
    "hash",
    "hashed",
    "hex",
    "md5",
    "new",
    "old",
    "plain",
    "plaintext",
    "previous",
    "prod",
    "production",
    "raw",
    "repeat",
    "sha1",
    "sha256",
    "sha512",
    "staging",
    "str",
    "string",
    "text",
    "v",
    "value",
    "values",
    "val",
];
/// Words that end in `pass` and are about something else.
const PASSES: &[&str] = &[
    "bypass",
    "compass",
    "encompass",
    "surpass",
    "trespass",
    "overpass",
    "underpass",
    "keepass",
    "firstpass",
    "secondpass",
    "thirdpass",
    "finalpass",
    "lastpass",
    "singlepass",
    "onepass",
    "twopass",
    "multipass",
    "renderpass",
    "testpass",
    "testspass",
    "perpass",
    "boardingpass",
    "nextpass",
    "prepass",
    "postpass",
];
/// Short forms of `password` behind one of these.
const PW: &[&str] = &["bindpw", "rootpw", "userpw", "adminpw", "dbpw", "managerpw", "svcpw", "bindpassword"];
/// Names that say where a secret lies, not what it is: they are in the documented APIs.
const DOCUMENTED: [&str; 3] = ["secret_id", "secret_keys", "secrets_manager_provider"];

/// What a value of this name is, where that is a secret.
pub(super) fn of(name: &str) -> Option<Named> {
    if DOCUMENTED.contains(&name) {
        return None;
    }
    let plain = plain(name);
    let mut ending = &*plain;
    loop {
        let singular = if ending.ends_with("ss") { ending } else { ending.strip_suffix('s').unwrap_or(ending) };
        if let Some((_, kind)) = ENDINGS.iter().find(|(end, _)| ends(singular, end)) {
            return Some(*kind);
        }
        match shorter(ending) {
            Some(shorter) => ending = shorter,
            None => break,
        }
    }
    let is_pass = ending.ends_with("pass") && !PASSES.iter().any(|pass| ending.ends_with(pass));
    let after_sign = |word: &str| {
        let start = name.len().checked_sub(word.len());
        let end = start.and_then(|start| name.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(word));
        end && start.is_some_and(|start| start > 0 && matches!(name.as_bytes()[start - 1], b'_' | b'-' | b'.'))
    };
    let is_pw = ending == "pw" || after_sign("pw") || PW.iter().any(|pw| ending.ends_with(pw));
    if is_pass || is_pw {
        return Some(Named::Password);
    }
    if after_sign("pat") {
        return Some(Named::Key(Rule::ApiKey));
    }
    if matches!(name, "auth" | "_auth") {
        return Some(Named::Basic);
    }
    // Digits in the place of letters: `passw0rd`.
    let digits = plain.bytes().any(|b| b.is_ascii_digit());
    let letters = digits.then(|| plain.chars().map(letter).collect::<String>())?;
    ["password", "passwd", "secret", "token", "apikey"].iter().any(|end| letters.ends_with(end)).then_some(Named::Other)
}

/// The letters and digits of a name, small, with look-alikes of other scripts as the letters they look like
/// (UTS #39, section 4).
fn plain(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|b| b.is_ascii_lowercase()) {
        return Cow::Borrowed(name);
    }
    if name.is_ascii() {
        return Cow::Owned(
            name.bytes().filter(u8::is_ascii_alphanumeric).map(|b| char::from(b.to_ascii_lowercase())).collect(),
        );
    }
    let mut plain = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii() {
            plain.push(c);
        } else {
            let looks = |text: &str| skeleton(text).collect::<String>();
            let large = looks(c.encode_utf8(&mut [0; 4]));
            let small = || looks(&c.to_lowercase().collect::<String>());
            plain.push_str(&if large.is_ascii() { large } else { small() });
        }
    }
    plain.retain(|c| c.is_ascii_alphanumeric());
    plain.make_ascii_lowercase();
    Cow::Owned(plain)
}

/// A name without a part that may follow the word that counts.
fn shorter(name: &str) -> Option<&str> {
    let digits = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let shorter = if digits.len() < name.len() {
        digits
    } else {
        let after = AFTER.iter().find(|after| ends(name, after))?;
        &name[..name.len() - after.len()]
    };
    (!shorter.is_empty()).then_some(shorter)
}

/// Whether `name` ends with `end`, which it seldom does: the last letters are compared first.
fn ends(name: &str, end: &str) -> bool {
    name.as_bytes().last() == end.as_bytes().last() && name.ends_with(end)
}

fn letter(c: char) -> char {
    match c {
        '0' => 'o',
        '1' => 'l',
        '3' => 'e',
        '4' => 'a',
        '5' => 's',
        '7' => 't',
        other => other,
    }
}

/// Where a member is: the names and numbers on the way to it. Only the member that is found is written as a pointer, so
/// that long names cost nothing.
#[derive(Debug, Clone, Copy)]
enum Place<'v> {
    Root(&'v str),
    Member(&'v Place<'v>, &'v str),
    Item(&'v Place<'v>, usize),
}

impl Place<'_> {
    /// The JSON pointer (RFC 6901).
    fn pointer(&self) -> String {
        let mut parts = Vec::new();
        let mut place = self;
        let mut pointer = loop {
            match place {
                Place::Root(root) => break (*root).to_owned(),
                Place::Member(above, name) => {
                    parts.push(token(name).into_owned());
                    place = above;
                }
                Place::Item(above, n) => {
                    parts.push(n.to_string());
                    place = above;
                }
            }
        };
        // Where the pointer would be too long, it is that of a place that holds the member.
        let _ = parts.iter().rev().all(|part| push_token(&mut pointer, part));
        pointer
    }
}

/// The JSON pointer of the first member below `root` that is named like a secret.
///
/// In lists of `{"key": …, "value": …}`, as tags and variables are written, the key counts as the value's name.
pub(super) fn find(value: &Value, root: &str) -> Option<String> {
    find_below(value, &Place::Root(root))
}

fn find_below(value: &Value, place: &Place<'_>) -> Option<String> {
    match value {
        Value::Object(members) => {
            let named = members.get("key").or(members.get("name")).and_then(Value::as_str);
            members.iter().find_map(|(name, value)| {
                let at = Place::Member(place, name);
                let also = named.filter(|_| name == "value");
                let secret = is_a_secret(name, value) || also.is_some_and(|name| is_a_secret(name, value));
                if secret { Some(at.pointer()) } else { find_below(value, &at) }
            })
        }
        Value::Array(items) => items.iter().enumerate().find_map(|(n, item)| find_below(item, &Place::Item(place, n))),
        _ => None,
    }
}

/// `"requires_password": true` is about secrets and holds none; `"pass": 12` counts what passed.
fn is_a_secret(name: &str, value: &Value) -> bool {
    let may_be = match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(_) => !name.to_ascii_lowercase().ends_with("pass"),
        Value::String(_) | Value::Array(_) | Value::Object(_) => true,
    };
    // `auth` is often an object that says how one signs in.
    may_be && of(name).is_some_and(|kind| kind != Named::Basic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_costs_nothing_for_each_member_below_it() {
        let (name, members) = ("n".repeat(1 << 20), vec![Value::Object(serde_json::Map::new()); 100_000]);
        let value = |last: Value| serde_json::json!({ "spec": { &name: [members, last] } });
        assert_eq!(find(&value(Value::Null), "/data"), None);
        let found = find(&value(serde_json::json!({ "password": "x" })), "/data");
        assert_eq!(found.as_deref(), Some("/data/spec"));
    }

    #[test]
    fn names_are_compared_by_how_they_end() {
        for name in [
            "password",
            "PASSWORD",
            "db_password",
            "userPassword",
            "passwd",
            "DB_PWD",
            "secret",
            "secrets",
            "client_secret",
            "clientSecret",
            "token",
            "access-token",
            "x-api-key",
            "apiKey",
            "API_KEYS",
            "aws_secret_access_key",
            "privateKey",
            "Authorization",
            "proxy-authorization",
            "connectionString",
            "credentials",
            "set-cookie",
            "pass",
            "dbPass",
            "DB_PASS",
            "smtp.pass",
            "passwordHash",
            "password_hash",
            "secretValue",
            "secret_value",
            "api_key_v2",
            "apiKeyV2",
            "token2",
            "password_old",
            "newPassword",
            "passwordConfirmation",
            "bindpw",
            "olcRootPW",
            "db_pw",
            "AZURE_DEVOPS_EXT_PAT",
            // Cyrillic, Greek, full width, mathematical, with a mark, with nothing wide, and digits.
            "p\u{430}ssword",
            "\u{440}\u{430}ssw\u{43e}rd",
            "t\u{3bf}ken",
            "\u{ff50}\u{ff41}\u{ff53}\u{ff53}\u{ff57}\u{ff4f}\u{ff52}\u{ff44}",
            "\u{1d429}\u{1d41a}\u{1d42c}\u{1d42c}word",
            "pa\u{308}ssword",
            "pass\u{200b}word",
            "\u{455}ecret",
            "passw0rd",
            "s3cret",
            "API_K\u{395}Y",
        ] {
            assert!(of(name).is_some(), "{name}");
        }
        for name in [
            "secret_id",
            "secret_keys",
            "secrets_manager_provider",
            "token_bucket",
            "password_reset",
            "key",
            "keys",
            "author",
            "ticket",
            "primary_key",
            "foreignKey",
            "authorization_rule",
            "secretary",
            "cookies_enabled",
            "credentials_info",
            "monkey",
            "",
            "bypass",
            "compass",
            "first_pass",
            "passed",
            "passes",
            "passport",
            "password_policy",
            "token_type",
            "tokenizer",
            "public_key",
            "secret_name",
            "secret_version",
            "path",
            "pattern",
            "patch",
            "input",
            "pwned",
            "step2",
            "v2",
            "hash",
            "value",
            "news",
            "\u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c}",
            "größe",
        ] {
            assert!(of(name).is_none(), "{name}");
        }
    }
}
