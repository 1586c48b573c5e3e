//! Errors of `access.db`, and refusals of commands that change tokens.

use super::role::Role;
use super::store::VERSION;
use super::tokens::{MAX_SOURCES, MAX_TOKENS};
use crate::sqlite::{self, ErrorKind};
use crate::wire::LEDGER;

/// Why `access.db` cannot be read or changed, or why a change is refused.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Another process holds a lock on the file, and did not release it in time.
    #[error("cannot {doing}, because another program, such as a backup, holds a lock on access.db; try again")]
    Locked {
        /// The work that the lock stopped.
        doing: &'static str,
    },
    /// The file is damaged.
    #[error(
        "access.db is damaged; stop the server, and put the file back from a backup, on a node of a cluster from a new backup of another \
         node; a ledger on one machine also starts without access.db, access.db-wal and access.db-shm: then make the tokens again"
    )]
    Damaged(#[source] sqlite::Error),
    /// SQLite failed.
    #[error(transparent)]
    Sqlite(sqlite::Error),
    /// A newer program made the file.
    #[error("access.db has version {found}, and this jobledger knows {VERSION}; use the newer jobledger that wrote it")]
    Newer {
        /// The file's version.
        found: i64,
    },
    /// An older program made the file, and this process may not write.
    #[error(
        "access.db has version {found}, and version {VERSION} is needed to read it; `jobledger token list` brings it up to date \
         where it may write"
    )]
    Older {
        /// The file's version.
        found: i64,
    },
    /// The file is that of a node that does not lead.
    #[error(
        "this folder is a node of a cluster, and its server does not lead now; change tokens and webhooks in the folder of the node \
         that leads, which `jobledger cluster status` names"
    )]
    NotLeading,
    /// The name has a wrong form.
    #[error("expected a token name of 1 to 64 of `A-Z a-z 0-9 . _ @ -`, found `{0}`")]
    BadName(String),
    /// The name is the ledger's own.
    #[error("the name `{LEDGER}` is reserved for the ledger itself; choose another")]
    Reserved,
    /// A token of the organisation has the name, perhaps a revoked one.
    #[error(
        "the name `{0}` is taken in this organisation for ever, because it is the actor in the log; choose another, or \
         take the name of a revoked token again, for the same role, with --reuse-name"
    )]
    Taken(String),
    /// The name's revoked token had another role.
    #[error(
        "the name `{name}` was that of a token with the role {was}; --reuse-name takes it again for that role only"
    )]
    OtherRole {
        /// The name.
        name: String,
        /// The revoked token's role.
        was: Role,
    },
    /// The organisation has no token of that name.
    #[error("no token `{0}` in this organisation")]
    Unknown(String),
    /// The token of that name is revoked.
    #[error("the token `{0}` is revoked; make a new one with `jobledger token create`")]
    Revoked(String),
    /// The file holds as many tokens as it may.
    #[error("expected at most {MAX_TOKENS} tokens that are not revoked, found as many; revoke some first")]
    TooMany,
    /// The source has a wrong form.
    #[error("--source: {0}")]
    BadSource(String),
    /// The source is the ledger's own.
    #[error("--source: the ledger itself records events under `{0}`; choose another")]
    ReservedSource(String),
    /// Too many sources.
    #[error("--source: expected at most {MAX_SOURCES} sources for one token")]
    TooManySources,
    /// Another token is bound to the source.
    #[error(
        "the source `{source_name}` belongs to the token `{owner}`; revoke that one first, or give it a new secret with \
         `jobledger token rotate`"
    )]
    SourceTaken {
        /// The source.
        source_name: String,
        /// The name of that token.
        owner: String,
    },
}

impl AccessError {
    fn sqlite(doing: &'static str, cause: rusqlite::Error) -> AccessError {
        match ErrorKind::of(&cause) {
            ErrorKind::Locked => AccessError::Locked { doing },
            _ => sqlite::Error::new(doing, cause).into(),
        }
    }
}

impl From<sqlite::Error> for AccessError {
    fn from(error: sqlite::Error) -> AccessError {
        if error.kind().is_damage() { AccessError::Damaged(error) } else { AccessError::Sqlite(error) }
    }
}

/// Why a piece of work on the file ends early: SQLite fails, or the rules refuse it.
#[derive(Debug)]
pub(super) enum Stop {
    Sqlite(rusqlite::Error),
    Access(AccessError),
}

impl From<rusqlite::Error> for Stop {
    fn from(cause: rusqlite::Error) -> Stop {
        Stop::Sqlite(cause)
    }
}

impl From<AccessError> for Stop {
    fn from(error: AccessError) -> Stop {
        Stop::Access(error)
    }
}

/// Runs `work`, and names it `doing` in an error of SQLite.
pub(super) fn attempt<T, E: Into<Stop>>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, AccessError> {
    work().map_err(|stop| match stop.into() {
        Stop::Sqlite(cause) => AccessError::sqlite(doing, cause),
        Stop::Access(error) => error,
    })
}
