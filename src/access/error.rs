//! What can go wrong with tokens.

use super::role::Role;
use super::store::VERSION;
use super::tokens::{MAX_SOURCES, MAX_TOKENS};
use crate::ledger::LEDGER;
use crate::sqlite::{self, ErrorKind};

/// What can go wrong with tokens.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Another process holds a lock on the file, and did not release it in time.
    #[error("cannot {doing}, because another program, such as a backup, holds a lock on access.db; try again")]
    Locked {
        /// What was being done.
        doing: &'static str,
    },
    /// The database.
    #[error(transparent)]
    Sqlite(#[from] sqlite::Error),
    /// A newer program made the file.
    #[error("access.db has version {found}, and this jobledger knows {VERSION}; use the newer jobledger that wrote it")]
    Newer {
        /// Its version.
        found: i64,
    },
    /// An older program made the file, and nothing can be written.
    #[error(
        "access.db has version {found}, and version {VERSION} is needed to read it; `jobledger token list` brings it up to date \
         where it may write"
    )]
    Older {
        /// Its version.
        found: i64,
    },
    /// Not a name.
    #[error("expected a token name of 1 to 64 of `A-Z a-z 0-9 . _ @ -`, found `{0}`")]
    BadName(String),
    /// The ledger's own name.
    #[error("the name `{LEDGER}` is reserved for the ledger itself; choose another")]
    Reserved,
    /// Taken, perhaps by a revoked token.
    #[error(
        "the name `{0}` is taken in this organisation for ever, because it is the actor in the log; choose another, or \
         take the name of a revoked token again, for the same role, with --reuse-name"
    )]
    Taken(String),
    /// The name was another role's.
    #[error(
        "the name `{name}` was that of a token with the role {was}; --reuse-name takes it again for that role only"
    )]
    OtherRole {
        /// The name.
        name: String,
        /// The role of the revoked token.
        was: Role,
    },
    /// No token of that name.
    #[error("no token `{0}` in this organisation")]
    Unknown(String),
    /// The token of that name has ended.
    #[error("the token `{0}` is revoked; make a new one with `jobledger token create`")]
    Revoked(String),
    /// Too many tokens.
    #[error("there are {MAX_TOKENS} tokens that are not revoked, and there may be no more; revoke some first")]
    TooMany,
    /// Not a source.
    #[error("--source: {0}")]
    BadSource(String),
    /// The ledger itself records events under this source.
    #[error("--source: the ledger itself records events under `{0}`; choose another")]
    ReservedSource(String),
    /// Too many sources.
    #[error("--source: expected at most {MAX_SOURCES} sources for one token")]
    TooManySources,
    /// Another token has the source.
    #[error(
        "the source `{source_name}` belongs to the token `{owner}`; revoke that one first, or give it a new secret with \
         `jobledger token rotate`"
    )]
    SourceTaken {
        /// The source.
        source_name: String,
        /// The name on the token that has it.
        owner: String,
    },
}

/// Says what was being done when SQLite refused, and tells a lock from everything else.
pub(super) fn doing(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> AccessError {
    move |cause| match ErrorKind::of(&cause) {
        ErrorKind::Locked => AccessError::Locked { doing },
        _ => sqlite::Error::new(doing, cause).into(),
    }
}
