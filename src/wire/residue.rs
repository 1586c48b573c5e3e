//! The residue of redacted data: every count and state of the job stays as it was, and no text of a producer remains.
//!
//! Numbers, booleans, nulls, words of a fixed list (kinds, states, types, permissions …) and the ids of items stay.
//! Every other string becomes `[redacted]`. Names of members that the ledger does not know are a producer's text too.
//! So labels become `redacted-1`, `redacted-2` …, and so do the members of a generic job's parameters and of its items'
//! details, numbers included. A rule keeps its documented members only. A generic job's type becomes `redacted`. A
//! residue has the stored shape of the data that it replaces, so the fold reads both alike.

use serde::Deserialize;

use super::reject::Reject;
use super::shape::Shape;
use super::stored::{ShapeVisitor, Undecodable, read_stored};
use super::v1::RedactedWithResidue1;
use crate::job::EventType;

/// Makes the residue's bytes.
struct AsResidue;

impl ShapeVisitor for AsResidue {
    type Output = Vec<u8>;

    fn visit<S: Shape>(self, mut shape: S) -> Result<Vec<u8>, Reject> {
        shape.redact();
        Ok(shape.to_bytes())
    }
}

/// The residue of stored data. The residue of a residue is the same residue.
///
/// # Errors
/// [`Undecodable`] if the data cannot be read, or belongs to a `job.redacted`, which cannot be redacted.
pub fn residue(event_type: &str, version: u32, data: &[u8]) -> Result<Vec<u8>, Undecodable> {
    if event_type == EventType::Redacted.as_str() {
        return Err(damaged("a redaction has no residue, because it cannot be redacted"));
    }
    read_stored(event_type, version, data, AsResidue)
}

/// The stored data of a `job.redacted`: the producer's data, with the residue of the data that it redacts as one more
/// member.
pub fn with_residue(sent: &[u8], residue: &[u8]) -> Vec<u8> {
    let members = sent.strip_suffix(b"}").expect("the data of a redaction is an object");
    [members, b",\"residue\":", residue, b"}"].concat()
}

/// The two parts of the stored data of a `job.redacted`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRedaction {
    /// The data as the producer sent it.
    pub sent: Vec<u8>,
    /// The residue of the redacted data.
    pub residue: Vec<u8>,
}

impl StoredRedaction {
    /// Splits stored data of `job.redacted`.
    ///
    /// # Errors
    /// [`Undecodable`] if the version is unknown, or the data does not have its stored shape.
    pub fn read(version: u32, data: &[u8]) -> Result<StoredRedaction, Undecodable> {
        if version != 1 {
            return Err(Undecodable::Unknown { event_type: EventType::Redacted.to_string(), version });
        }
        let stored = RedactedWithResidue1::deserialize(&mut serde_json::Deserializer::from_slice(data));
        let stored = stored.map_err(|error| damaged(&error.to_string()))?;
        let residue = stored.residue.0.0.as_bytes().to_vec();
        let sent = stored.without_residue().to_bytes();
        Ok(StoredRedaction { sent, residue })
    }
}

fn damaged(detail: &str) -> Undecodable {
    Undecodable::Damaged { event_type: EventType::Redacted.to_string(), detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn residue_of(event_type: &str, data: &str) -> String {
        let first = residue(event_type, 1, data.as_bytes()).unwrap();
        assert_eq!(residue(event_type, 1, &first).unwrap(), first, "a residue is its own residue");
        String::from_utf8(first).unwrap()
    }

    #[test]
    fn numbers_words_and_item_ids_stay() {
        let result = r#"{"item":"role-1","status":"failed","message":"ann","detail":{"credentials_info":{"secrets_manager_provider":"vault","secret_id":"s","secret_keys":["A","B"]}}}"#;
        let kept = r#"{"item":"role-1","status":"failed","message":"[redacted]","detail":{"credentials_info":{"secrets_manager_provider":"vault","secret_id":"[redacted]","secret_keys":["[redacted]","[redacted]"]}}}"#;
        assert_eq!(residue_of("job.item_result", result), kept);
        let progress = r#"{"progress":7,"current_step":"of ann","records_processed":9007199254740992}"#;
        let kept = r#"{"progress":7,"current_step":"[redacted]","records_processed":9007199254740992}"#;
        assert_eq!(residue_of("job.progress", progress), kept);
        let output = r#"{"output":"ann","stream":"stderr","exit_code":-1,"execution_time_sec":3}"#;
        let kept = r#"{"output":"[redacted]","stream":"stderr","exit_code":-1,"execution_time_sec":3}"#;
        assert_eq!(residue_of("job.hook_output", output), kept);
    }

    #[test]
    fn a_rule_keeps_its_documented_members() {
        let created = r#"{"kind":"rule","spec":{"actions":[{"id":"a","type":"update","priority":-9223372036854775808,"rule":{"ann":1,"matchParams":null,"id":"r","permissions":["read"],"type":"grant","version":2}}]},"created_by":"ann","labels":{"ann":"x","b":"y"}}"#;
        let kept = r#"{"kind":"rule","spec":{"actions":[{"id":"a","type":"update","priority":-9223372036854775808,"rule":{"id":"[redacted]","type":"grant","permissions":["read"],"version":2,"matchParams":null}}]},"created_by":"[redacted]","labels":{"redacted-1":"[redacted]","redacted-2":"[redacted]"}}"#;
        assert_eq!(residue_of("job.created", created), kept);
    }

    #[test]
    fn a_stored_redaction_splits_into_what_it_was_made_of() {
        let (sent, rest) = (br#"{"position":7,"reason":"asked for"}"#, br#"{"text":"[redacted]"}"#);
        let stored = with_residue(sent, rest);
        assert_eq!(
            StoredRedaction::read(1, &stored).unwrap(),
            StoredRedaction { sent: sent.into(), residue: rest.into() }
        );
        assert!(StoredRedaction::read(1, sent).is_err(), "the residue is missing");
        assert!(residue(EventType::Redacted.as_str(), 1, &stored).is_err());
    }
}
