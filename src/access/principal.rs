//! Who asks: the token behind a request, or the browser session that was made with it.

use std::sync::Arc;

use super::role::Role;
use crate::job::{OrgId, Time};

/// Who asks: the token behind a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The token's row.
    pub(super) id: i64,
    /// The name on it: the actor.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Where.
    pub org: OrgId,
    /// Until when the token, its secret, and the session if there is one, are all good.
    pub expires: Option<Time>,
    /// The sources that its events may have; empty for a token that is not bound to any.
    pub sources: Arc<[String]>,
    /// The hash of the secret.
    pub(super) secret: [u8; 32],
    /// The hash of the browser session through which it asks; `None` for the token itself.
    pub(super) session: Option<[u8; 32]>,
}

impl Principal {
    /// A number of the token, the same for all its secrets and sessions: for limits that count by token.
    pub fn token(&self) -> i64 {
        self.id
    }

    /// The hash of its secret, or of its session.
    pub(super) fn key(&self) -> &[u8; 32] {
        self.session.as_ref().unwrap_or(&self.secret)
    }

    pub(super) fn is_good(&self, now: Time) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// Why a token may not append an event of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceRefusal {
    /// The token is bound to other sources.
    NotYours,
    /// The source belongs to another token.
    Owned,
}
