//! Limits of concurrency, in total and per token: streams, exports, bundles, and bytes of request bodies. All of them refuse
//! with the same error and show in `/metrics`. `docs/operations.md` says what each protects.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::answer::{Code, Error};
use super::request::Caller;
use super::request::body::MAX_BODY;
use crate::ledger::Turns;
use crate::memory::Budget;

/// Longest wait for a permit.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer of more bytes than this, 256 KiB, counts as a large one.
pub const LARGE: usize = 256 << 10;

/// The figures of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// At once, of all tokens together.
    pub total: u32,
    /// At once, of one token, its sessions included.
    pub per_token: u32,
}

/// The figures of every limit.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Open streams of server-sent events.
    pub tails: Bound,
    /// Answers that are written while the log is read: exports, and a job's hook output.
    pub exports: Bound,
    /// Evidence bundles.
    pub bundles: Bound,
    /// Bytes of evidence bundles on disk.
    pub bundle_bytes: Bound,
    /// Answers of over 256 KiB, each of which is in memory until it is sent.
    pub answers: Bound,
    /// Bodies on a thread of their own: each body over 32 KiB while its events are read and masked, and each body with a
    /// `Content-Encoding` while it is decoded.
    pub parses: Bound,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            tails: Bound { total: 2048, per_token: 256 },
            exports: Bound { total: 32, per_token: 8 },
            bundles: Bound { total: 8, per_token: 2 },
            bundle_bytes: Bound { total: 2 << 30, per_token: 1 << 30 },
            answers: Bound { total: 64, per_token: 32 },
            parses: Bound { total: 4, per_token: 2 },
        }
    }
}

/// Every limit of a server.
#[derive(Debug)]
pub struct Limits {
    /// See [`Bounds::tails`].
    pub tails: Limit,
    /// See [`Bounds::exports`].
    pub exports: Limit,
    /// See [`Bounds::bundles`].
    pub bundles: Limit,
    /// Bytes of request bodies in memory, without the first 64 KiB of each.
    pub bodies: Limit,
    /// See [`Bounds::bundle_bytes`].
    pub bundle_bytes: Limit,
    /// See [`Bounds::answers`].
    pub answers: Limit,
    /// See [`Bounds::parses`].
    pub parses: Limit,
}

impl Limits {
    /// Limits with these figures and every permit free. `bodies` is the memory for request bodies. One token may hold half of it,
    /// but at least the largest body twice, as sent and decoded.
    pub fn new(bounds: &Bounds, bodies: &Budget) -> Limits {
        let total = u32::try_from(bodies.limit()).unwrap_or(u32::MAX);
        let bodies = Bound { total, per_token: (total / 2).max(2 * MAX_BODY as u32).min(total) };
        let bundles = Code::TOO_MANY_BUNDLES;
        Limits {
            tails: Limit::new("tails", "streams", Code::TOO_MANY_TAILS, bounds.tails),
            exports: Limit::new("exports", "exports", Code::TOO_MANY_EXPORTS, bounds.exports),
            bundles: Limit::new("bundles", "evidence bundles", bundles, bounds.bundles),
            bundle_bytes: Limit::new("bundle_bytes", "bytes of evidence bundles", bundles, bounds.bundle_bytes),
            answers: Limit::new("answers", "large answers", Code::TOO_MANY_ANSWERS, bounds.answers),
            bodies: Limit::new("body_bytes", "bytes of large request bodies", Code::OVERLOADED, bodies),
            parses: Limit::new("parses", "large request bodies being read", Code::OVERLOADED, bounds.parses),
        }
    }

    /// Adds three figures of each limit to `registry`: held now, the bound, and refusals. `turns` is the ledger's own limit, of
    /// reads of the past and of large jobs.
    pub fn register(&self, turns: &Turns, registry: &mut Registry) {
        let (held, most) = (Family::<Label, Gauge>::default(), Family::<Label, Gauge>::default());
        let refused = Family::<Label, Counter>::default();
        let counts = [&self.tails, &self.exports, &self.bundles, &self.answers, &self.parses];
        let show = |limit, held_now: usize, bound: usize, refused_so_far| {
            let label = Label { limit };
            held.get_or_create(&label).set(held_now as i64);
            most.get_or_create(&label).set(bound as i64);
            refused.get_or_create(&label).inc_by(refused_so_far);
        };
        for limit in counts.into_iter().chain([&self.bodies, &self.bundle_bytes]) {
            show(limit.0.name, limit.held(), limit.0.bound.total as usize, limit.0.refused.get());
        }
        show("histories", turns.held(), turns.most(), turns.refused());
        registry.register("jobledger_limit_held", "How much of each limit is held now", held);
        registry.register("jobledger_limit_most", "How much of each limit all tokens together may hold", most);
        registry.register("jobledger_limit_refusals", "Requests refused because a limit was reached", refused);
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    limit: &'static str,
}

/// One limit: a semaphore for all tokens, and one for each token. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Limit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Its name in `/metrics`.
    name: &'static str,
    /// The plural of the things that are counted, for the error text.
    counts: &'static str,
    /// The code of the refusal.
    code: Code,
    bound: Bound,
    total: Arc<Semaphore>,
    /// The semaphores of the tokens that hold or wait for a permit.
    per_token: Mutex<HashMap<i64, Weak<Semaphore>>>,
    refused: Counter,
}

/// A share of a limit, which its drop gives back. It moves with the work that it allows: into the closure that runs on another
/// thread, and into the answer.
#[derive(Debug)]
pub struct Permit {
    total: OwnedSemaphorePermit,
    own: OwnedSemaphorePermit,
}

impl Permit {
    /// Joins `other` to this one. Both are of the same token and the same limit.
    pub fn merge(&mut self, other: Permit) {
        self.total.merge(other.total);
        self.own.merge(other.own);
    }
}

/// The bytes of an answer. If they are more than [`LARGE`], they keep the permit until they are sent.
pub fn bytes_with_permit(permit: Permit, bytes: Vec<u8>) -> Bytes {
    struct Owner(Vec<u8>, #[expect(dead_code, reason = "it is dropped with the bytes")] Permit);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    match bytes.len() > LARGE {
        true => Bytes::from_owner(Owner(bytes, permit)),
        false => Bytes::from(bytes),
    }
}

impl Limit {
    fn new(name: &'static str, counts: &'static str, code: Code, bound: Bound) -> Limit {
        let total = Arc::new(Semaphore::new(bound.total as usize));
        let (per_token, refused) = (Mutex::default(), Counter::default());
        Limit(Arc::new(Inner { name, counts, code, bound, total, per_token, refused }))
    }

    /// How much all tokens together hold now.
    pub fn held(&self) -> usize {
        (self.0.bound.total as usize).saturating_sub(self.0.total.available_permits())
    }

    /// How much one token may hold.
    pub fn per_token(&self) -> u32 {
        self.0.bound.per_token
    }

    /// Takes `count` without waiting.
    ///
    /// # Errors
    ///
    /// 503 with the limit's code if fewer are free.
    pub fn try_acquire(&self, caller: &Caller, count: u32) -> Result<Permit, Error> {
        let own = self.of_token(caller).try_acquire_many_owned(count).map_err(|_| self.refusal())?;
        let total = self.0.total.clone().try_acquire_many_owned(count).map_err(|_| self.refusal())?;
        Ok(Permit { total, own })
    }

    /// Takes `count`, and waits up to 5 s for them. A token waits for its own share first, so that its waiting requests hold
    /// nothing that another token could have.
    ///
    /// # Errors
    ///
    /// 503 with the limit's code after 5 s.
    pub async fn acquire(&self, caller: &Caller, count: u32) -> Result<Permit, Error> {
        let own = self.of_token(caller);
        let both = async {
            let own = own.acquire_many_owned(count).await?;
            Ok::<_, AcquireError>(Permit { total: self.0.total.clone().acquire_many_owned(count).await?, own })
        };
        match tokio::time::timeout(PATIENCE, both).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(self.refusal()),
        }
    }

    fn of_token(&self, caller: &Caller) -> Arc<Semaphore> {
        let mut per_token = self.0.per_token.lock();
        if let Some(own) = per_token.get(&caller.0.token()).and_then(Weak::upgrade) {
            return own;
        }
        per_token.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(self.0.bound.per_token as usize));
        per_token.insert(caller.0.token(), Arc::downgrade(&own));
        own
    }

    fn refusal(&self) -> Error {
        self.0.refused.inc();
        let Inner { counts, bound: Bound { total, per_token }, .. } = &*self.0;
        let detail = format!(
            "{counts} of one token: expected at most {per_token} at once, and {total} of all tokens; try again when one has ended"
        );
        Error::new(self.0.code, detail)
    }
}
