//! Names of secrets: of members in JSON, and of values in text.

use std::borrow::Cow;

use unicode_security::confusable_detection::skeleton;

use super::name_words::{DOCUMENTED, ENDINGS, NOT_PASSWORDS, SHORT_FORMS, SUFFIXES};
use super::rule::Rule;

/// The kind of secret that a name announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretKind {
    /// A password. People choose passwords, so any text may be one.
    Password,
    /// A random key or token, with the rule that masks it.
    Key(Rule),
    /// A user's name and password in Base64.
    Basic,
    /// A secret that other rules find in text. As a name in JSON it is refused.
    Other,
}

/// The kind of secret that a value of this name is; `None` if the name is not that of a secret.
pub(super) fn secret_kind(name: &str) -> Option<SecretKind> {
    if DOCUMENTED.contains(&name) {
        return None;
    }
    let folded = folded(name);
    let mut ending = &*folded;
    loop {
        let singular = if ending.ends_with("ss") { ending } else { ending.strip_suffix('s').unwrap_or(ending) };
        if let Some((_, kind)) = ENDINGS.iter().find(|(end, _)| ends_with(singular, end)) {
            return Some(*kind);
        }
        match without_suffix(ending) {
            Some(shorter) => ending = shorter,
            None => break,
        }
    }
    let is_pass = ending.ends_with("pass") && !NOT_PASSWORDS.iter().any(|pass| ending.ends_with(pass));
    let after_sign = |word: &str| {
        let start = name.len().checked_sub(word.len());
        let end = start.and_then(|start| name.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(word));
        end && start.is_some_and(|start| start > 0 && matches!(name.as_bytes()[start - 1], b'_' | b'-' | b'.'))
    };
    let is_pw = ending == "pw" || after_sign("pw") || SHORT_FORMS.iter().any(|pw| ending.ends_with(pw));
    if is_pass || is_pw {
        return Some(SecretKind::Password);
    }
    if after_sign("pat") {
        return Some(SecretKind::Key(Rule::ApiKey));
    }
    if matches!(name, "auth" | "_auth") {
        return Some(SecretKind::Basic);
    }
    // Digits instead of letters: `passw0rd`.
    let digits = folded.bytes().any(|b| b.is_ascii_digit());
    let letters = digits.then(|| folded.chars().map(letter_of_digit).collect::<String>())?;
    ["password", "passwd", "secret", "token", "apikey"]
        .iter()
        .any(|end| letters.ends_with(end))
        .then_some(SecretKind::Other)
}

/// The letters and digits of a name in lower case. Look-alikes from other scripts become the letters that they look
/// like (UTS #39, section 4).
fn folded(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|b| b.is_ascii_lowercase()) {
        return Cow::Borrowed(name);
    }
    if name.is_ascii() {
        return Cow::Owned(
            name.bytes().filter(u8::is_ascii_alphanumeric).map(|b| char::from(b.to_ascii_lowercase())).collect(),
        );
    }
    let mut folded = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii() {
            folded.push(c);
        } else {
            let looks = |text: &str| skeleton(text).collect::<String>();
            let large = looks(c.encode_utf8(&mut [0; 4]));
            let small = || looks(&c.to_lowercase().collect::<String>());
            folded.push_str(&if large.is_ascii() { large } else { small() });
        }
    }
    folded.retain(|c| c.is_ascii_alphanumeric());
    folded.make_ascii_lowercase();
    Cow::Owned(folded)
}

/// `name` without digits or one of [`SUFFIXES`] at its end; `None` if it has neither, or nothing remains.
fn without_suffix(name: &str) -> Option<&str> {
    let digits = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let shorter = if digits.len() < name.len() {
        digits
    } else {
        let suffix = SUFFIXES.iter().find(|suffix| ends_with(name, suffix))?;
        &name[..name.len() - suffix.len()]
    };
    (!shorter.is_empty()).then_some(shorter)
}

/// Whether `name` ends with `end`. Most names do not, so the last letters are compared first.
fn ends_with(name: &str, end: &str) -> bool {
    name.as_bytes().last() == end.as_bytes().last() && name.ends_with(end)
}

/// The letter that a digit stands for in `passw0rd`.
fn letter_of_digit(c: char) -> char {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_by_their_ends() {
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
            // Letters in Cyrillic, Greek, full width and mathematical forms, with a diacritic, with a zero-width space;
            // digits.
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
            assert!(secret_kind(name).is_some(), "{name}");
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
            assert!(secret_kind(name).is_none(), "{name}");
        }
    }
}
