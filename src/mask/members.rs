//! Members in JSON that are named like secrets.

use serde_json::Value;

use super::names::{SecretKind, secret_kind};
use crate::json::{push_token, token};

/// The path to a value: names and indexes, linked upwards. Only the path of a found member becomes a pointer, so long
/// names cost nothing elsewhere.
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
        // If the pointer would be too long, stop at an enclosing value.
        let _ = parts.iter().rev().all(|part| push_token(&mut pointer, part));
        pointer
    }
}

/// The JSON pointer of the first member of `value` that is named like a secret; `root` is the pointer of `value`.
///
/// In objects like `{"key": …, "value": …}`, the form of tags and variables, `key` or `name` also names `value`.
pub(super) fn first_secret(value: &Value, root: &str) -> Option<String> {
    first_below(value, &Place::Root(root))
}

fn first_below(value: &Value, place: &Place<'_>) -> Option<String> {
    match value {
        Value::Object(members) => {
            let named = members.get("key").or(members.get("name")).and_then(Value::as_str);
            members.iter().find_map(|(name, value)| {
                let at = Place::Member(place, name);
                let also = named.filter(|_| name == "value");
                let secret = is_secret(name, value) || also.is_some_and(|name| is_secret(name, value));
                if secret { Some(at.pointer()) } else { first_below(value, &at) }
            })
        }
        Value::Array(items) => items.iter().enumerate().find_map(|(n, item)| first_below(item, &Place::Item(place, n))),
        _ => None,
    }
}

/// Whether a member is a secret. `"requires_password": true` is about secrets and holds none; `"pass": 12` counts
/// passed tests.
fn is_secret(name: &str, value: &Value) -> bool {
    let may_be = match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(_) => !name.to_ascii_lowercase().ends_with("pass"),
        Value::String(_) | Value::Array(_) | Value::Object(_) => true,
    };
    // `auth` is often an object with the settings of a sign-in.
    may_be && secret_kind(name).is_some_and(|kind| kind != SecretKind::Basic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_costs_nothing_for_each_member_below_it() {
        let (name, members) = ("n".repeat(1 << 20), vec![Value::Object(serde_json::Map::new()); 100_000]);
        let value = |last: Value| serde_json::json!({ "spec": { &name: [members, last] } });
        assert_eq!(first_secret(&value(Value::Null), "/data"), None);
        let found = first_secret(&value(serde_json::json!({ "password": "x" })), "/data");
        assert_eq!(found.as_deref(), Some("/data/spec"));
    }
}
