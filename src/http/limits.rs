//! Limits of concurrency: how many streams, exports and bundles there may be at once, and how many bytes of
//! bodies, in all and per token. All of them refuse with the same error and show in `/metrics`.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::http::answer::Error;
use crate::http::request::Caller;
use crate::http::request::body::MAX_BODY;
use crate::ledger::Turns;
use crate::memory::Budget;

/// Longest wait for a place, before the request is refused.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer of more bytes than this, 256 KiB, counts as a large one.
pub const LARGE: usize = 256 << 10;

/// How much there may be at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// In all.
    pub all: u32,
    /// Of one token, its sessions included.
    pub each: u32,
}

/// The figures of every limit. See `docs/operations.md` for what each protects.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Open streams of server-sent events.
    pub tails: Most,
    /// Answers that are written while the log is read: exports, and a job's hook output.
    pub exports: Most,
    /// Evidence bundles.
    pub bundles: Most,
    /// Bytes of evidence bundles on disk.
    pub bundle_bytes: Most,
    /// Answers of over 256 KiB, each of which is in memory until it is sent.
    pub answers: Most,
    /// Bodies over 32 KiB whose events are read and masked, each by a thread of its own.
    pub parses: Most,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            tails: Most { all: 2048, each: 256 },
            exports: Most { all: 32, each: 8 },
            bundles: Most { all: 8, each: 2 },
            bundle_bytes: Most { all: 2 << 30, each: 1 << 30 },
            answers: Most { all: 64, each: 32 },
            parses: Most { all: 4, each: 2 },
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
    /// Bytes of request bodies in memory, the first 64 KiB of each not counted.
    pub bodies: Limit,
    /// See [`Bounds::bundle_bytes`].
    pub bundle_bytes: Limit,
    /// See [`Bounds::answers`].
    pub answers: Limit,
    /// See [`Bounds::parses`].
    pub parses: Limit,
}

impl Limits {
    /// Limits with these figures; nothing is held yet. `bodies` is the memory for request bodies. One token may have half of it, and
    /// in any case room for the largest body twice, as sent and decoded.
    pub fn new(bounds: &Bounds, bodies: &Budget) -> Limits {
        let all = u32::try_from(bodies.limit()).unwrap_or(u32::MAX);
        let bodies = Most { all, each: (all / 2).max(2 * MAX_BODY as u32).min(all) };
        Limits {
            tails: Limit::new("tails", "streams", "too-many-tails", bounds.tails),
            exports: Limit::new("exports", "exports", "too-many-exports", bounds.exports),
            bundles: Limit::new("bundles", "evidence bundles", "too-many-bundles", bounds.bundles),
            bundle_bytes: Limit::new(
                "bundle_bytes",
                "bytes of evidence bundles",
                "too-many-bundles",
                bounds.bundle_bytes,
            ),
            answers: Limit::new("answers", "large answers", "too-many-answers", bounds.answers),
            bodies: Limit::new("body_bytes", "bytes of large request bodies", "overloaded", bodies),
            parses: Limit::new("parses", "large request bodies being read", "overloaded", bounds.parses),
        }
    }

    /// Adds to `registry` what is held of each limit, what may be held, and how often a request was refused. `turns` are the
    /// ledger's own limit: reads of the past, and of large jobs.
    pub fn register(&self, turns: &Turns, registry: &mut Registry) {
        let (held, most) = (Family::<Label, Gauge>::default(), Family::<Label, Gauge>::default());
        let refused = Family::<Label, Counter>::default();
        let counts = [&self.tails, &self.exports, &self.bundles, &self.answers, &self.parses];
        let show = |limit, held_now: usize, most_now: usize, refused_so_far| {
            let label = Label { limit };
            held.get_or_create(&label).set(held_now as i64);
            most.get_or_create(&label).set(most_now as i64);
            refused.get_or_create(&label).inc_by(refused_so_far);
        };
        for limit in counts.into_iter().chain([&self.bodies, &self.bundle_bytes]) {
            show(limit.0.name, limit.held(), limit.0.most.all as usize, limit.0.refused.get());
        }
        show("histories", turns.held(), turns.most(), turns.refused());
        registry.register("jobledger_limit_held", "What is held of each limit now", held);
        registry.register("jobledger_limit_most", "What may be held of each limit, by all tokens together", most);
        registry.register("jobledger_limit_refusals", "Requests refused because a limit was reached", refused);
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    limit: &'static str,
}

/// One limit: semaphores for all and for each token. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Limit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Its name in `/metrics`.
    name: &'static str,
    /// What it counts, for people.
    counts: &'static str,
    /// The code of its error.
    code: &'static str,
    most: Most,
    all: Arc<Semaphore>,
    /// The semaphores of those tokens that hold or wait for something.
    each: Mutex<HashMap<i64, Weak<Semaphore>>>,
    refused: Counter,
}

/// A share of a limit, given back when it is dropped. It goes with the work that it is for: into the closure that runs on
/// another thread, and into the answer.
#[derive(Debug)]
pub struct Held {
    all: OwnedSemaphorePermit,
    own: OwnedSemaphorePermit,
}

impl Held {
    /// Makes one share of two that the same token has of the same limit.
    pub fn merge(&mut self, other: Held) {
        self.all.merge(other.all);
        self.own.merge(other.own);
    }
}

/// The bytes of a large answer, which keeps its share until they are sent. A small one gives it back at once.
pub fn sent_with(held: Held, bytes: Vec<u8>) -> Bytes {
    struct Sent(Vec<u8>, #[expect(dead_code, reason = "it is dropped with the bytes")] Held);
    impl AsRef<[u8]> for Sent {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    match bytes.len() > LARGE {
        true => Bytes::from_owner(Sent(bytes, held)),
        false => Bytes::from(bytes),
    }
}

impl Limit {
    fn new(name: &'static str, counts: &'static str, code: &'static str, most: Most) -> Limit {
        let all = Arc::new(Semaphore::new(most.all as usize));
        let (each, refused) = (Mutex::default(), Counter::default());
        Limit(Arc::new(Inner { name, counts, code, most, all, each, refused }))
    }

    /// How much is held now, by all tokens together.
    pub fn held(&self) -> usize {
        (self.0.most.all as usize).saturating_sub(self.0.all.available_permits())
    }

    /// Takes `count`, or refuses at once with 503.
    pub fn take(&self, caller: &Caller, count: u32) -> Result<Held, Error> {
        let own = self.own(caller).try_acquire_many_owned(count).map_err(|_| self.refusal())?;
        let all = self.0.all.clone().try_acquire_many_owned(count).map_err(|_| self.refusal())?;
        Ok(Held { all, own })
    }

    /// How much one token may hold.
    pub fn most_of_one(&self) -> u32 {
        self.0.most.each
    }

    /// Takes `count`, and waits for it up to 5 s; then refuses with 503. A token waits for its own share first, so its requests
    /// keep no other token's waiting.
    pub async fn wait(&self, caller: &Caller, count: u32) -> Result<Held, Error> {
        let own = self.own(caller);
        let both = async {
            let own = own.acquire_many_owned(count).await?;
            Ok::<_, AcquireError>(Held { all: self.0.all.clone().acquire_many_owned(count).await?, own })
        };
        match tokio::time::timeout(PATIENCE, both).await {
            Ok(Ok(held)) => Ok(held),
            _ => Err(self.refusal()),
        }
    }

    fn own(&self, caller: &Caller) -> Arc<Semaphore> {
        let mut each = self.0.each.lock();
        if let Some(own) = each.get(&caller.0.token()).and_then(Weak::upgrade) {
            return own;
        }
        each.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(self.0.most.each as usize));
        each.insert(caller.0.token(), Arc::downgrade(&own));
        own
    }

    fn refusal(&self) -> Error {
        self.0.refused.inc();
        let Inner { counts, most: Most { all, each }, .. } = &*self.0;
        let detail = format!(
            "expected at most {each} {counts} of one token at once, and {all} of all tokens; try again when one has ended"
        );
        Error::new(StatusCode::SERVICE_UNAVAILABLE, self.0.code, detail)
    }
}
