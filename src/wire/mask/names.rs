//! Object members that are named like secrets.

use serde_json::Value;

use crate::wire::json::escape;

/// How such a name ends, its words written together.
const ENDINGS: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "accountkey",
    "encryptionkey",
    "privatekey",
    "secretkey",
    "sharedkey",
    "signingkey",
    "sshkey",
    "authorization",
    "connectionstring",
    "credential",
    "cookie",
];
/// Names that say where a secret lies, not what it is: they are in the documented APIs.
const DOCUMENTED: [&str; 3] = ["secret_id", "secret_keys", "secrets_manager_provider"];

/// The JSON pointer of the first member below `pointer` that is named like a secret.
///
/// In lists of `{"key": …, "value": …}`, as tags and variables are written, the key counts as the value's name.
pub(super) fn find(value: &Value, pointer: &str) -> Option<String> {
    match value {
        Value::Object(members) => {
            let named = members.get("key").or(members.get("name")).and_then(Value::as_str);
            members.iter().find_map(|(name, value)| {
                let at = || format!("{pointer}/{}", escape(name));
                let also = named.filter(|_| name == "value");
                let secret = is_like_a_secret(name) || also.is_some_and(is_like_a_secret);
                if secret && may_hold_one(value) { Some(at()) } else { find_below(value, at) }
            })
        }
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(n, item)| find_below(item, || format!("{pointer}/{n}")))
        }
        _ => None,
    }
}

fn find_below(value: &Value, pointer: impl Fn() -> String) -> Option<String> {
    if value.is_object() || value.is_array() { find(value, &pointer()) } else { None }
}

/// `"requires_password": true` is about secrets and holds none.
fn may_hold_one(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(_))
}

fn is_like_a_secret(name: &str) -> bool {
    if DOCUMENTED.contains(&name) {
        return false;
    }
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let singular = plain.strip_suffix('s').unwrap_or(&plain);
    ENDINGS.iter().any(|ending| singular.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            assert!(is_like_a_secret(name), "{name}");
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
            "pass",
            "monkey",
            "",
        ] {
            assert!(!is_like_a_secret(name), "{name}");
        }
    }
}
