//! Identifiers: organisations, jobs, items, job types, and positions in the log.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

/// A text that is not a valid identifier. Holds a message that gives the expected form and the text found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadId(pub String);

/// An event's place in the whole log: 1, 2, 3 … without gaps, in commit order; 0 is the genesis event.
///
/// It is also the SSE id and the cursor; the position of a job's newest event is the job's revision. At most
/// `i64::MAX`, the largest integer that SQLite stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(u64);

impl Position {
    /// The position of the genesis event, and the head of a new log.
    pub const GENESIS: Position = Position(0);
    /// The largest position that can be stored.
    pub const MAX: Position = Position(i64::MAX as u64);

    /// The position `n`. A number over [`Position::MAX`] becomes that maximum, which no log reaches.
    pub fn new(n: u64) -> Position {
        Position(n.min(Position::MAX.0))
    }

    /// The position as a number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The position after this one.
    pub fn next(self) -> Position {
        Position::new(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Position {
    type Err = BadId;

    /// Reads decimal digits only: no sign, no space.
    fn from_str(text: &str) -> Result<Self, BadId> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<u64>() {
            Ok(n) if digits && n <= Position::MAX.0 => Ok(Position(n)),
            _ => Err(BadId(format!(
                "expected a position, a whole number from 0 to {}, found `{}`",
                Position::MAX,
                beginning(text)
            ))),
        }
    }
}

/// An organisation. The nil UUID is the default one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OrgId(pub Uuid);

impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for OrgId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        hyphenated(text).map(OrgId).ok_or_else(|| {
            BadId(format!("expected an organisation, a UUID in 8-4-4-4-12 form, found `{}`", beginning(text)))
        })
    }
}

/// The job's id inside its organisation: 1 to 128 of `A-Z a-z 0-9 . _ : -`.
///
/// Parsing lower-cases an id in the 8-4-4-4-12 hex form, so that one UUID cannot name two jobs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Arc<str>);

impl JobId {
    /// Longest id, in bytes.
    pub const MAX_LEN: usize = 128;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a UUID, if it has the 8-4-4-4-12 form.
    pub fn as_uuid(&self) -> Option<Uuid> {
        hyphenated(&self.0)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        if text.is_empty() || text.len() > JobId::MAX_LEN || !text.bytes().all(allowed) {
            let shown: String = text.chars().take(140).collect();
            return Err(BadId(format!("expected a job id, 1 to 128 of `A-Z a-z 0-9 . _ : -`, found `{shown}`")));
        }
        Ok(match hyphenated(text) {
            Some(uuid) => JobId((&*uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer())).into()),
            None => JobId(text.into()),
        })
    }
}

/// Names one job for ever. Two organisations may use the same job id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobKey {
    /// The organisation that owns the job.
    pub org: OrgId,
    /// The job's id inside the organisation.
    pub id: JobId,
}

/// The id of an item, unique in its job: 1 to 256 bytes of text without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(Box<str>);

impl ItemId {
    /// Longest item id, in bytes.
    pub const MAX_LEN: usize = 256;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ItemId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        if text.is_empty() || text.len() > ItemId::MAX_LEN || text.chars().any(char::is_control) {
            return Err(BadId("expected an item id, 1 to 256 bytes without control characters".into()));
        }
        Ok(ItemId(text.into()))
    }
}

/// The type of a `task` or `generic` job: 1 to 64 of `A-Z a-z 0-9 . _ -`. A `task` has one of the ten in [`TaskType`].
///
/// [`TaskType`]: super::TaskType
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobType(Arc<str>);

impl JobType {
    /// Longest type, in bytes.
    pub const MAX_LEN: usize = 64;

    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobType {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if text.is_empty() || text.len() > JobType::MAX_LEN || !text.bytes().all(allowed) {
            let found = beginning(text);
            return Err(BadId(format!("expected a job type, 1 to 64 of `A-Z a-z 0-9 . _ -`, found `{found}`")));
        }
        Ok(JobType(text.into()))
    }
}

/// The first 64 characters: as much of a text as a message repeats.
fn beginning(text: &str) -> String {
    text.chars().take(64).collect()
}

/// The UUID that `text` spells in 8-4-4-4-12 form. Other spellings (braces, `urn:`, no hyphens) give `None`: an id in
/// one of them is a text like any other.
fn hyphenated(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_lower_cased_and_other_ids_keep_their_case() {
        let id: JobId = "67D7D053-3CAF-430E-97BA-6D4933D3FD5B".parse().unwrap();
        assert_eq!(id.as_str(), "67d7d053-3caf-430e-97ba-6d4933d3fd5b");
        assert_eq!("Job-123".parse::<JobId>().unwrap().as_str(), "Job-123");
    }

    #[test]
    fn ids_out_of_form_are_refused() {
        for bad in ["", "a b", "a/b", "é", &"x".repeat(129)] {
            assert!(bad.parse::<JobId>().is_err(), "{bad}");
        }
        for bad in ["", "+1", " 1", "1.0", "-1", "9223372036854775808"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
