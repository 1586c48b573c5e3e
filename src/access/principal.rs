//! The sender of a request: a token, or a browser session made with one.

use std::sync::Arc;

use super::role::Role;
use crate::job::{OrgId, Time};

/// The token behind a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The token's row.
    pub(super) id: i64,
    /// The token's name: the actor of the events that it appends.
    pub name: String,
    /// The token's role.
    pub role: Role,
    /// The organisation that the token is limited to.
    pub org: OrgId,
    /// The end of the token, its secret or the session: the earliest of these. `None` if none of them ends.
    pub expires: Option<Time>,
    /// The sources that the token's events may have. Empty for a token that is bound to none.
    pub sources: Arc<[String]>,
    /// The hash of the secret.
    pub(super) secret: [u8; 32],
    /// The hash of the browser session; `None` if the request carries the token itself.
    pub(super) session: Option<[u8; 32]>,
}

impl Principal {
    /// The token's number, by which limits count. All secrets and sessions of the token share it.
    pub fn token(&self) -> i64 {
        self.id
    }

    /// Whether the request carries the cookie of a browser session.
    pub fn is_session(&self) -> bool {
        self.session.is_some()
    }

    /// The hash by which the principal is looked up: of the session, or of the secret.
    pub(super) fn key(&self) -> &[u8; 32] {
        self.session.as_ref().unwrap_or(&self.secret)
    }

    pub(super) fn is_valid(&self, now: Time) -> bool {
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
