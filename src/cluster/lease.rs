//! The lease: an entry that lapses after 10 s, by which one node at a time should lead. Two nodes may believe that they hold it, and
//! nothing is lost then; they only disturb each other.

use std::time::{Duration, Instant};

use async_nats::Client;
use async_nats::jetstream::kv::{CreateErrorKind, Operation, Store, UpdateErrorKind};
use tokio::time::timeout;

use super::Cluster;
use super::nats::{Names, NatsError, create_bucket, open_bucket};
use crate::ledger::{Ledger, Role};

/// After so long without a renewal the lease lapses. An election among the NATS servers takes up to some seconds.
pub(super) const LAPSE: Duration = Duration::from_secs(10);
/// How often the holder renews the lease, and how often the others try to take it.
const RENEWAL: Duration = Duration::from_secs(3);
/// How long a request waits.
const ANSWER: Duration = Duration::from_secs(2);
/// The name of the entry.
const ENTRY: &str = "leader";

/// Where a node stands with the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lease {
    /// Another node may hold it.
    Free,
    /// This node holds it: the entry's revision, and when it lapses.
    Held { revision: u64, lapses: Instant },
}

/// The answer to a request for the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// The entry is this node's, under this revision.
    Granted(u64),
    /// The entry is another node's.
    Refused,
    /// There is no answer.
    None,
}

impl Lease {
    /// The lease after the answer to a request that was sent at `asked`; the answer came at `now`.
    fn after(self, answer: Answer, asked: Instant, now: Instant) -> Lease {
        match (self, answer) {
            (_, Answer::Granted(revision)) => Lease::Held { revision, lapses: asked + LAPSE },
            (_, Answer::Refused) | (Lease::Free, Answer::None) => Lease::Free,
            // The next renewal must come before the entry lapses.
            (Lease::Held { lapses, .. }, Answer::None) if now + RENEWAL >= lapses => Lease::Free,
            (held, Answer::None) => held,
        }
    }
}

/// Opens the bucket of the lease.
pub(super) async fn open(client: &Client, names: &Names) -> Result<Store, NatsError> {
    open_bucket(client, names.leases(), "open the bucket of the lease").await
}

/// Makes the bucket of the lease.
pub(super) async fn create(client: &Client, names: &Names, replicas: usize) -> Result<Store, NatsError> {
    create_bucket(client, names.leases(), replicas, LAPSE, "make the bucket of the lease").await
}

/// The node that holds the lease; `None` if none does.
pub(super) async fn holder(leases: &Store) -> Result<Option<String>, NatsError> {
    let entry = leases.get(ENTRY).await.map_err(NatsError::doing("read the lease"))?;
    Ok(entry.map(|name| String::from_utf8_lossy(&name).into_owned()))
}

impl Cluster {
    /// Competes for the lease as long as the node can lead. Never returns.
    pub(super) async fn compete(self, ledger: Ledger) {
        let mut lease = Lease::Free;
        loop {
            let asked = Instant::now();
            let can_lead = self.keeps()
                && ledger.read_only().is_none()
                && ledger.node().is_some_and(|node| matches!(node.state().role, Role::Follows | Role::Leads));
            let answer = match (can_lead, lease) {
                (true, Lease::Free) => self.take_lease().await,
                (true, Lease::Held { revision, .. }) => self.renew_lease(revision).await,
                (false, Lease::Held { .. }) => {
                    self.give_lease_back().await;
                    Answer::Refused
                }
                (false, Lease::Free) => Answer::Refused,
            };
            lease = lease.after(answer, asked, Instant::now());
            let held = matches!(lease, Lease::Held { .. });
            self.lease.send_if_modified(|before| std::mem::replace(before, held) != held);
            tokio::time::sleep_until((asked + if held { RENEWAL } else { RENEWAL / 3 }).into()).await;
        }
    }

    /// Gives the lease back, if this node holds it, so that another node leads at once.
    pub async fn stop_leading(&self) {
        if *self.lease.borrow() {
            self.lease.send_replace(false);
            self.give_lease_back().await;
        }
    }

    async fn take_lease(&self) -> Answer {
        match timeout(ANSWER, self.leases.create(ENTRY, self.settings.name.clone().into())).await {
            Ok(Ok(revision)) => Answer::Granted(revision),
            Ok(Err(error)) if error.kind() == CreateErrorKind::AlreadyExists => Answer::Refused,
            Ok(Err(_)) | Err(_) => Answer::None,
        }
    }

    async fn renew_lease(&self, revision: u64) -> Answer {
        match timeout(ANSWER, self.leases.update(ENTRY, self.settings.name.clone().into(), revision)).await {
            Ok(Ok(revision)) => Answer::Granted(revision),
            Ok(Err(error)) if error.kind() == UpdateErrorKind::WrongLastRevision => Answer::Refused,
            Ok(Err(_)) | Err(_) => Answer::None,
        }
    }

    /// Deletes the entry if it is this node's. Another node may hold the lease since this one asked last.
    async fn give_lease_back(&self) {
        let given = async {
            let Ok(Some(entry)) = self.leases.entry(ENTRY).await else { return };
            if entry.operation == Operation::Put && entry.value == self.settings.name.as_bytes() {
                // Refused if the entry has changed since.
                let _ = self.leases.delete_expect_revision(ENTRY, Some(entry.revision)).await;
            }
        };
        // Without an answer the lease lapses.
        let _ = timeout(ANSWER, given).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_held_until_it_may_lapse_before_the_next_renewal() {
        let start = Instant::now();
        let held = Lease::Free.after(Answer::Granted(1), start, start);
        assert_eq!(held, Lease::Held { revision: 1, lapses: start + LAPSE });
        let later = start + RENEWAL;
        assert_eq!(held.after(Answer::None, later, later), held);
        assert_eq!(held.after(Answer::Refused, later, later), Lease::Free);
        let renewed = held.after(Answer::Granted(2), later, later + ANSWER);
        assert_eq!(renewed, Lease::Held { revision: 2, lapses: later + LAPSE }, "the time begins with the request");
        let late = start + LAPSE - RENEWAL;
        assert_eq!(held.after(Answer::None, late, late), Lease::Free);
        assert_eq!(Lease::Free.after(Answer::None, start, start), Lease::Free);
    }
}
