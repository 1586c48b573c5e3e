//! What is left of data that is erased: enough for every count and state to stay as it was, and nothing that anybody wrote.
//!
//! The rule, whatever the event: numbers, booleans, nulls, words of a fixed list (kinds, states, types, permissions …) and
//! the ids of items stay. Every other string becomes `[redacted]`. Names of members that the ledger does not know are a
//! producer's text too: labels become `redacted-1`, `redacted-2` …, and so do the members of a generic job's parameters and of
//! its items' details, numbers included; of a rule only the documented members are left. A generic job's type becomes
//! `redacted`. What
//! is left has the stored shape of the data that it stands for, so whoever folds the event reads it like any other.

use serde::{Deserialize, Serialize};

use super::shape::Shape;
use super::stored::{Make, Undecodable, again};
use super::v1::Residual1;
use crate::job::Event;

/// What stands for a text that was erased.
pub(super) const ERASED: &str = "[redacted]";

struct AsResidue;

impl Make for AsResidue {
    type Made = Vec<u8>;

    fn of<S: Shape + Serialize>(mut shape: S) -> Vec<u8> {
        shape.erase();
        serde_json::to_vec(&shape).expect("stored shapes hold nothing that JSON cannot")
    }
}

/// What is left of stored data; of what is left already, just that.
pub fn residue(event_type: &str, version: u32, data: &[u8]) -> Result<Vec<u8>, Undecodable> {
    if event_type == Event::REDACTED {
        return Err(damaged("an erasure is never erased"));
    }
    again::<AsResidue>(event_type, version, data)
}

/// The data of an erasure as it is stored: as it was sent, with what is left of the data that it erases.
pub fn with_residue(sent: &[u8], residue: &[u8]) -> Vec<u8> {
    let members = sent.strip_suffix(b"}").expect("stored data of an erasure is an object");
    [members, b",\"residue\":", residue, b"}"].concat()
}

/// An erasure's stored data, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRedaction {
    /// As it was sent.
    pub sent: Vec<u8>,
    /// What is left of the data that was erased.
    pub residue: Vec<u8>,
}

impl StoredRedaction {
    /// Takes stored data of `job.redacted` apart.
    pub fn read(version: u32, data: &[u8]) -> Result<StoredRedaction, Undecodable> {
        if version != 1 {
            return Err(Undecodable::Unknown { event_type: Event::REDACTED.into(), version });
        }
        let stored = Residual1::deserialize(&mut serde_json::Deserializer::from_slice(data));
        let stored = stored.map_err(|error| damaged(&error.to_string()))?;
        let residue = stored.residue.0.0.as_bytes().to_vec();
        let sent = serde_json::to_vec(&stored.sent()).expect("stored shapes hold nothing that JSON cannot");
        Ok(StoredRedaction { sent, residue })
    }
}

fn damaged(detail: &str) -> Undecodable {
    Undecodable::Damaged { event_type: Event::REDACTED.into(), detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(event_type: &str, data: &str) -> String {
        let left = residue(event_type, 1, data.as_bytes()).unwrap();
        assert_eq!(residue(event_type, 1, &left).unwrap(), left, "of what is left everything is left");
        String::from_utf8(left).unwrap()
    }

    #[test]
    fn numbers_words_and_item_ids_stay() {
        let result = r#"{"item":"role-1","status":"failed","message":"ann","detail":{"credentials_info":{"secrets_manager_provider":"vault","secret_id":"s","secret_keys":["A","B"]}}}"#;
        let kept = r#"{"item":"role-1","status":"failed","message":"[redacted]","detail":{"credentials_info":{"secrets_manager_provider":"vault","secret_id":"[redacted]","secret_keys":["[redacted]","[redacted]"]}}}"#;
        assert_eq!(left("job.item_result", result), kept);
        let progress = r#"{"progress":7,"current_step":"of ann","records_processed":9007199254740992}"#;
        let kept = r#"{"progress":7,"current_step":"[redacted]","records_processed":9007199254740992}"#;
        assert_eq!(left("job.progress", progress), kept);
        let output = r#"{"output":"ann","stream":"stderr","exit_code":-1,"execution_time_sec":3}"#;
        let kept = r#"{"output":"[redacted]","stream":"stderr","exit_code":-1,"execution_time_sec":3}"#;
        assert_eq!(left("job.hook_output", output), kept);
    }

    #[test]
    fn of_a_rule_the_documented_members_are_left() {
        let created = r#"{"kind":"rule","spec":{"actions":[{"id":"a","type":"update","priority":-9223372036854775808,"rule":{"ann":1,"matchParams":null,"id":"r","permissions":["read"],"type":"grant","version":2}}]},"created_by":"ann","labels":{"ann":"x","b":"y"}}"#;
        let kept = r#"{"kind":"rule","spec":{"actions":[{"id":"a","type":"update","priority":-9223372036854775808,"rule":{"id":"[redacted]","type":"grant","permissions":["read"],"version":2,"matchParams":null}}]},"created_by":"[redacted]","labels":{"redacted-1":"[redacted]","redacted-2":"[redacted]"}}"#;
        assert_eq!(left("job.created", created), kept);
    }

    #[test]
    fn an_erasure_comes_apart_as_it_was_put_together() {
        let (sent, left) = (br#"{"position":7,"reason":"asked for"}"#, br#"{"text":"[redacted]"}"#);
        let stored = with_residue(sent, left);
        assert_eq!(
            StoredRedaction::read(1, &stored).unwrap(),
            StoredRedaction { sent: sent.into(), residue: left.into() }
        );
        assert!(StoredRedaction::read(1, sent).is_err(), "what is left is missing");
        assert!(residue(Event::REDACTED, 1, &stored).is_err());
    }
}
