//! The leaf: an event without its data, as one line of compact JSON in a fixed member order.
//!
//! The ledger builds a leaf once, stores its bytes, and never encodes it again. A verifier hashes the bytes before it
//! parses them. The document of the design, section 8, fixes the format.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::plain::read_plain;
use crate::job::{EventType, JobId, JobKey, Kind, OrgId, Position, Time};

/// Length of the salt that keys the digest of an event's data, in bytes.
pub const SALT_LEN: usize = 32;
/// Length of a digest, in hex digits.
pub const DIGEST_LEN: usize = 64;
/// Maximum length, in bytes, of a leaf, 16 KiB.
const MAX_LEAF: usize = 16 * 1024;

/// Initial capacity for a leaf, in bytes. Most leaves fit, so writing one does not move it.
const USUAL_LEAF: usize = 1024;

/// Bytes that are not a leaf of this format. Holds the message.
#[derive(Debug, thiserror::Error)]
#[error("not a leaf of format 1: {0}")]
pub struct BadLeaf(String);

impl BadLeaf {
    /// The error for a member whose text cannot be parsed.
    pub(super) fn unexpected(member: &str, found: &str) -> BadLeaf {
        BadLeaf(format!("expected a valid `{member}`, found `{found}`"))
    }
}

/// Parses the text of `member`.
fn parsed<T: FromStr>(member: &str, text: &str) -> Result<T, BadLeaf> {
    text.parse().map_err(|_| BadLeaf::unexpected(member, text))
}

/// Whether `value` is written as `text`.
fn is_spelled(value: impl fmt::Display, text: &str) -> bool {
    /// The rest of the text, which the next part of the value must begin.
    struct Rest<'t>(&'t str);
    impl fmt::Write for Rest<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let mut rest = Rest(text);
    fmt::write(&mut rest, format_args!("{value}")).is_ok() && rest.0.is_empty()
}

/// One leaf. All members are strings; they are written in the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf<'a> {
    /// CloudEvents version, "1.0".
    #[serde(borrow)]
    pub specversion: Cow<'a, str>,
    /// The producer's id of the event.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The producer: the event's `source`.
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    /// The event's type, such as `job.created`.
    #[serde(borrow, rename = "type")]
    pub event_type: Cow<'a, str>,
    /// The job's id; absent on the ledger's own events.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Cow<'a, str>>,
    /// When the event happened.
    #[serde(borrow)]
    pub time: Cow<'a, str>,
    /// Always `application/json`.
    #[serde(borrow)]
    pub datacontenttype: Cow<'a, str>,
    /// `/schema/events/<type>.v<N>.json`: names the version of the data.
    #[serde(borrow)]
    pub dataschema: Cow<'a, str>,
    /// The position, in decimal digits.
    #[serde(borrow)]
    pub position: Cow<'a, str>,
    /// When the ledger recorded the event, with six digits of a second's fraction.
    #[serde(borrow)]
    pub recordedtime: Cow<'a, str>,
    /// The actor.
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
    /// Position of the job's previous event; absent on the job's first event.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Cow<'a, str>>,
}

impl<'a> Leaf<'a> {
    /// The bytes to store.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(USUAL_LEAF);
        serde_json::to_writer(&mut bytes, self).expect("a leaf is strings only");
        bytes
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// [`BadLeaf`] if `bytes` is longer than 16 KiB, or not a JSON object with these members.
    pub fn parse(bytes: &'a [u8]) -> Result<Leaf<'a>, BadLeaf> {
        Leaf::read(bytes).map(|(leaf, _)| leaf)
    }

    /// The leaf, and whether [`Leaf::to_bytes`] is known to give the same bytes again.
    fn read(bytes: &'a [u8]) -> Result<(Leaf<'a>, bool), BadLeaf> {
        if bytes.len() > MAX_LEAF {
            return Err(BadLeaf(format!("expected at most {MAX_LEAF} bytes, found {}", bytes.len())));
        }
        match read_plain(bytes) {
            Some(leaf) => Ok((leaf, true)),
            None => {
                let leaf = serde_json::from_slice(bytes).map_err(|error| BadLeaf(error.to_string()))?;
                Ok((leaf, false))
            }
        }
    }

    /// Reads bytes from outside this ledger, and checks that they are the bytes that a ledger would write.
    ///
    /// The check compares each member with the spelling of its value: two spellings of one position or time would be
    /// two leaves of one event.
    ///
    /// # Errors
    /// [`BadLeaf`] as for [`Leaf::parse`], and for any other spelling.
    pub fn parse_strict(bytes: &'a [u8]) -> Result<Leaf<'a>, BadLeaf> {
        let (leaf, is_plain) = Leaf::read(bytes)?;
        if leaf.is_spelled_well()? && (is_plain || leaf.to_bytes() == bytes) {
            Ok(leaf)
        } else {
            Err(BadLeaf("expected the spelling that a ledger writes".into()))
        }
    }

    /// Whether each member has the one spelling of its value.
    fn is_spelled_well(&self) -> Result<bool, BadLeaf> {
        let version = self.version()?;
        let subject = self.job()?.is_none_or(|id| self.subject.as_deref() == Some(id.as_str()));
        let spelled = [
            self.specversion == "1.0" && self.datacontenttype == "application/json" && subject,
            is_spelled(self.time()?, &self.time),
            self.version_digits().is_some_and(|digits| is_spelled(version, digits)),
            is_spelled(self.position()?, &self.position),
            self.recorded()?.with_micros() == self.recordedtime,
            self.org()?.is_none_or(|org| self.orgid.as_deref().is_some_and(|text| is_spelled(org, text))),
            self.kind()?.is_none_or(|kind| self.jobkind.as_deref() == Some(kind.as_str())),
            self.has_small_digits()?,
            self.prev()?.is_none_or(|prev| self.prev.as_deref().is_some_and(|text| is_spelled(prev, text))),
        ];
        Ok(spelled.into_iter().all(|spelled| spelled))
    }

    /// Whether the event is of this type.
    pub fn is(&self, event_type: EventType) -> bool {
        self.event_type == event_type.as_str()
    }

    /// The event's job; `None` for an event of the ledger itself.
    ///
    /// # Errors
    /// [`BadLeaf`] if the organisation or the job id has a wrong form.
    pub fn job_key(&self) -> Result<Option<JobKey>, BadLeaf> {
        let (Some(org), Some(subject)) = (self.org()?, self.subject.as_deref()) else { return Ok(None) };
        Ok(Some(JobKey { org, id: parsed("subject", subject)? }))
    }

    /// The version of the stored data, from `dataschema`.
    ///
    /// # Errors
    /// [`BadLeaf`] if `dataschema` is not that of the event's type. The methods below fail in the same way for their members.
    pub fn version(&self) -> Result<u32, BadLeaf> {
        self.version_digits()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| BadLeaf::unexpected("dataschema", &self.dataschema))
    }

    /// The text of the version in `dataschema`; `None` if the rest of `dataschema` is not as the event's type demands.
    fn version_digits(&self) -> Option<&str> {
        let rest = self.dataschema.strip_prefix("/schema/events/")?.strip_prefix(&*self.event_type)?;
        rest.strip_prefix(".v")?.strip_suffix(".json")
    }

    /// The job's id.
    fn job(&self) -> Result<Option<JobId>, BadLeaf> {
        self.subject.as_deref().map(|text| parsed("subject", text)).transpose()
    }

    /// Whether the hex digits of the digest are lower-case.
    fn has_small_digits(&self) -> Result<bool, BadLeaf> {
        let digits = self.datadigest.as_bytes();
        // Looks at every digit, because a loop without an exit takes 16 bytes at a time.
        if digits.len() != DIGEST_LEN || !digits.iter().fold(true, |hex, digit| hex & digit.is_ascii_hexdigit()) {
            return Err(BadLeaf::unexpected("datadigest", &self.datadigest));
        }
        Ok(!digits.iter().fold(false, |found, digit| found | digit.is_ascii_uppercase()))
    }

    /// The position.
    pub fn position(&self) -> Result<Position, BadLeaf> {
        parsed("position", &self.position)
    }

    /// The position of the job's previous event; `None` on the job's first.
    pub fn prev(&self) -> Result<Option<Position>, BadLeaf> {
        self.prev.as_deref().map(|text| parsed("prev", text)).transpose()
    }

    /// When the event happened.
    pub fn time(&self) -> Result<Time, BadLeaf> {
        parsed("time", &self.time)
    }

    /// When the ledger recorded the event.
    pub fn recorded(&self) -> Result<Time, BadLeaf> {
        parsed("recordedtime", &self.recordedtime)
    }

    /// The organisation; `None` on the ledger's own events.
    pub fn org(&self) -> Result<Option<OrgId>, BadLeaf> {
        self.orgid.as_deref().map(|text| parsed("orgid", text)).transpose()
    }

    /// The job's kind; `None` on the ledger's own events.
    pub fn kind(&self) -> Result<Option<Kind>, BadLeaf> {
        self.jobkind.as_deref().map(|text| parsed("jobkind", text)).transpose()
    }
}

/// The digest of an event's stored data: HMAC-SHA256 keyed with the event's salt, in hex. It commits the leaf to the
/// data.
pub fn datadigest(salt: &[u8; SALT_LEN], data: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(salt).expect("HMAC takes keys of any length");
    mac.update(data);
    digits(mac.finalize().into_bytes().into())
}

/// The digest in hex. `hex::encode` collects character by character, which costs as much as the hash.
fn digits(digest: [u8; DIGEST_LEN / 2]) -> String {
    let mut digits = vec![0; DIGEST_LEN];
    hex::encode_to_slice(digest, &mut digits).expect("two digits for each byte");
    String::from_utf8(digits).expect("digits are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openssl_computes_the_same_digest() {
        // printf '{}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:$(printf '07%.0s' $(seq 32))
        let digest = datadigest(&[7; SALT_LEN], b"{}");
        assert_eq!(digest.len(), DIGEST_LEN);
        assert_eq!(digest, "7204813b88da3469d9b37525eab7411cea611dd13401dd13e609fb07d86ac348");
    }
}
