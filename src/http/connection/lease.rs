//! How long an answer may go on: until the caller's token, its secret or its session ends.

use tokio::sync::watch;

use crate::access::Principal;
use crate::http::app::App;
use crate::http::request::Caller;
use crate::job::Time;

/// The right of a caller to go on receiving an answer.
#[derive(Clone)]
pub struct Lease {
    app: App,
    principal: Principal,
    changes: watch::Receiver<u64>,
}

impl Lease {
    /// The lease of `caller`. Its first check also finds a token that was revoked since it was authenticated.
    pub fn new(app: &App, caller: &Caller) -> Lease {
        let mut changes = app.access.changes();
        changes.mark_changed();
        Lease { app: app.clone(), principal: caller.0.clone(), changes }
    }

    /// When the token or the session expires.
    pub fn expires(&self) -> Option<Time> {
        self.principal.expires
    }

    /// Whether the lease has ended by a change of tokens. Costs one atomic load while no token changes.
    pub fn is_over(&mut self) -> bool {
        let changed = self.changes.has_changed().unwrap_or(true);
        self.changes.mark_unchanged();
        changed && !self.is_valid()
    }

    /// Waits until a change of tokens ends the lease.
    pub async fn over(&mut self) {
        while self.changes.changed().await.is_ok() {
            if !self.is_valid() {
                return;
            }
        }
    }

    fn is_valid(&self) -> bool {
        self.app.access.still_valid(&self.principal, self.app.ledger.now())
    }
}
