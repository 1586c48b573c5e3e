//! How long an answer may go on: until its caller's token, its secret or its session ends.

use tokio::sync::watch;

use crate::access::Principal;
use crate::http::app::App;
use crate::http::request::Caller;
use crate::job::Time;

/// The right of a caller to go on being answered.
#[derive(Clone)]
pub struct Lease {
    app: App,
    principal: Principal,
    changes: watch::Receiver<u64>,
}

impl Lease {
    /// That of `caller`. The first look asks whether the token was revoked since it was let in.
    pub fn new(app: &App, caller: &Caller) -> Lease {
        let mut changes = app.access.changes();
        changes.mark_changed();
        Lease { app: app.clone(), principal: caller.0.clone(), changes }
    }

    /// When the token or the session expires.
    pub fn expires(&self) -> Option<Time> {
        self.principal.expires
    }

    /// Whether it has ended. Costs nothing while no token changes.
    pub fn is_over(&mut self) -> bool {
        let changed = self.changes.has_changed().unwrap_or(true);
        self.changes.mark_unchanged();
        changed && !self.is_good()
    }

    /// Waits until it ends.
    pub async fn over(&mut self) {
        while self.changes.changed().await.is_ok() {
            if !self.is_good() {
                return;
            }
        }
    }

    fn is_good(&self) -> bool {
        self.app.access.still_valid(&self.principal, self.app.ledger.now())
    }
}
