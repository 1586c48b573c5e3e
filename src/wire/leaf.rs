//! The leaf: an event without its data, as one line of compact JSON in a fixed member order.
//!
//! It is built once, stored as bytes, and never re-encoded: who verifies hashes bytes first and parses then.

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::job::{EventType, JobId, Kind, OrgId, Position, Time};

/// Bytes of salt under each event's data.
pub const SALT_LEN: usize = 32;
/// Hex digits of a data digest.
pub const DIGEST_LEN: usize = 64;
/// The largest leaf, 16 KiB.
const MAX_LEAF: usize = 16 * 1024;

/// Room for most leaves, so that they are written without being moved.
const USUAL_LEAF: usize = 1024;

/// Bytes that are not a leaf of this format.
#[derive(Debug, thiserror::Error)]
#[error("not a leaf of format 1: {0}")]
pub struct BadLeaf(pub String);

/// One leaf. Members are written in the order of the fields; strings only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf<'a> {
    /// CloudEvents version, "1.0".
    #[serde(borrow)]
    pub specversion: Cow<'a, str>,
    /// The producer's id of the event.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The producer.
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    /// What happened.
    #[serde(borrow, rename = "type")]
    pub event_type: Cow<'a, str>,
    /// The job; absent on the ledger's own events.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Cow<'a, str>>,
    /// When it happened.
    #[serde(borrow)]
    pub time: Cow<'a, str>,
    /// Always `application/json`.
    #[serde(borrow)]
    pub datacontenttype: Cow<'a, str>,
    /// `/schema/events/<type>.v<N>.json`: names the version of the data.
    #[serde(borrow)]
    pub dataschema: Cow<'a, str>,
    /// Place in the log, decimal.
    #[serde(borrow)]
    pub position: Cow<'a, str>,
    /// When the ledger recorded it, six digits.
    #[serde(borrow)]
    pub recordedtime: Cow<'a, str>,
    /// Who the ledger saw do it.
    #[serde(borrow)]
    pub actor: Cow<'a, str>,
    /// The organisation; absent on the ledger's own events.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub orgid: Option<Cow<'a, str>>,
    /// The job's kind; absent on the ledger's own events.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub jobkind: Option<Cow<'a, str>>,
    /// Hex HMAC-SHA256 of the stored data under the event's salt.
    #[serde(borrow)]
    pub datadigest: Cow<'a, str>,
    /// Position of the job's previous event; absent on its first.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Cow<'a, str>>,
}

impl<'a> Leaf<'a> {
    /// The stored bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(USUAL_LEAF);
        serde_json::to_writer(&mut bytes, self).expect("a leaf is strings only");
        bytes
    }

    /// Reads stored bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Leaf<'a>, BadLeaf> {
        if bytes.len() > MAX_LEAF {
            return Err(BadLeaf(format!("expected at most {MAX_LEAF} bytes, found {}", bytes.len())));
        }
        serde_json::from_slice(bytes).map_err(|error| BadLeaf(error.to_string()))
    }

    /// Reads bytes that come from outside: also checks that they are in the one form that a ledger writes.
    ///
    /// What the texts stand for is read and written again: two spellings of one position or time would be two leaves of
    /// one event.
    pub fn parse_strict(bytes: &'a [u8]) -> Result<Leaf<'a>, BadLeaf> {
        let leaf = Leaf::parse(bytes)?;
        let written = Leaf {
            specversion: Cow::Borrowed("1.0"),
            subject: leaf.job()?.map(|id| Cow::Owned(id.to_string())),
            time: Cow::Owned(leaf.time()?.to_string()),
            datacontenttype: Cow::Borrowed("application/json"),
            dataschema: Cow::Owned(format!("/schema/events/{}.v{}.json", leaf.event_type, leaf.version()?)),
            position: Cow::Owned(leaf.position()?.to_string()),
            recordedtime: Cow::Owned(leaf.recorded()?.with_micros()),
            orgid: leaf.org()?.map(|org| Cow::Owned(org.to_string())),
            jobkind: leaf.kind()?.map(|kind| Cow::Borrowed(kind.as_str())),
            datadigest: Cow::Owned(digits(leaf.digest()?)),
            prev: leaf.prev()?.map(|prev| Cow::Owned(prev.to_string())),
            ..leaf.clone()
        };
        if written.to_bytes() != bytes {
            return Err(BadLeaf("it is not in the one form that a ledger writes".into()));
        }
        Ok(leaf)
    }

    /// Whether the event is of this type.
    pub fn is(&self, event_type: EventType) -> bool {
        self.event_type == event_type.as_str()
    }

    /// The version of the stored data, from `dataschema`.
    pub fn version(&self) -> Result<u32, BadLeaf> {
        self.dataschema
            .strip_prefix("/schema/events/")
            .and_then(|rest| rest.strip_prefix(&*self.event_type))
            .and_then(|rest| rest.strip_prefix(".v")?.strip_suffix(".json"))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| BadLeaf(format!("dataschema `{}`", self.dataschema)))
    }

    /// The job.
    fn job(&self) -> Result<Option<JobId>, BadLeaf> {
        let id = self.subject.as_deref().map(str::parse).transpose();
        id.map_err(|_| BadLeaf(format!("subject {:?}", self.subject)))
    }

    /// The commitment to its data.
    fn digest(&self) -> Result<[u8; DIGEST_LEN / 2], BadLeaf> {
        let mut bytes = [0; DIGEST_LEN / 2];
        hex::decode_to_slice(&*self.datadigest, &mut bytes)
            .map_err(|_| BadLeaf(format!("datadigest `{}`", self.datadigest)))?;
        Ok(bytes)
    }

    /// Its place in the log.
    pub fn position(&self) -> Result<Position, BadLeaf> {
        self.position.parse().map_err(|_| BadLeaf(format!("position `{}`", self.position)))
    }

    /// The position of the job's previous event.
    pub fn prev(&self) -> Result<Option<Position>, BadLeaf> {
        let prev = self.prev.as_deref().map(str::parse).transpose();
        prev.map_err(|_| BadLeaf(format!("prev {:?}", self.prev)))
    }

    /// When it happened.
    pub fn time(&self) -> Result<Time, BadLeaf> {
        self.time.parse().map_err(|_| BadLeaf(format!("time `{}`", self.time)))
    }

    /// When it was recorded.
    pub fn recorded(&self) -> Result<Time, BadLeaf> {
        self.recordedtime.parse().map_err(|_| BadLeaf(format!("recordedtime `{}`", self.recordedtime)))
    }

    /// The organisation.
    pub fn org(&self) -> Result<Option<OrgId>, BadLeaf> {
        let org = self.orgid.as_deref().map(str::parse).transpose();
        org.map_err(|_| BadLeaf(format!("orgid {:?}", self.orgid)))
    }

    /// The job's kind.
    pub fn kind(&self) -> Result<Option<Kind>, BadLeaf> {
        let kind = self.jobkind.as_deref().map(str::parse).transpose();
        kind.map_err(|_| BadLeaf(format!("jobkind {:?}", self.jobkind)))
    }
}

/// The commitment to `data` in the leaf: hex HMAC-SHA256 under the event's salt, of the bytes as stored.
pub fn datadigest(salt: &[u8; SALT_LEN], data: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(salt).expect("HMAC takes keys of any length");
    mac.update(data);
    digits(mac.finalize().into_bytes().into())
}

/// `hex::encode` collects character by character, which costs as much as the hash.
fn digits(digest: [u8; DIGEST_LEN / 2]) -> String {
    let mut digits = vec![0; DIGEST_LEN];
    hex::encode_to_slice(digest, &mut digits).expect("two digits for each byte");
    String::from_utf8(digits).expect("digits are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_what_openssl_computes() {
        // printf '{}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:$(printf '07%.0s' $(seq 32))
        let digest = datadigest(&[7; SALT_LEN], b"{}");
        assert_eq!(digest.len(), DIGEST_LEN);
        assert_eq!(digest, "7204813b88da3469d9b37525eab7411cea611dd13401dd13e609fb07d86ac348");
    }
}
