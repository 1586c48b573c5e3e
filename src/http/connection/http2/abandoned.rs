//! Requests that the client abandons: it resets the stream before the server has answered. Such a stream no longer counts as open,
//! but reads of the log that it began go on. So a client that resets what it opens would have work done without a bound.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Requests that a client may abandon on one connection within [`Abandoned::new`]'s time. One more ends the connection.
const MOST: u32 = 100;

/// The abandoned requests of one connection. Cheap to clone.
#[derive(Clone)]
pub(super) struct Abandoned(Arc<Counts>);

struct Counts {
    time: Duration,
    recent: Mutex<Recent>,
    too_many: Notify,
}

struct Recent {
    since: Instant,
    count: u32,
}

impl Abandoned {
    /// Counts anew after each `time`.
    pub fn new(time: Duration) -> Abandoned {
        let recent = Mutex::new(Recent { since: Instant::now(), count: 0 });
        Abandoned(Arc::new(Counts { time, recent, too_many: Notify::new() }))
    }

    /// A request has arrived.
    pub fn unanswered(&self) -> Unanswered {
        Unanswered(Some(self.clone()))
    }

    /// Waits until the client has abandoned too many requests.
    pub async fn too_many(&self) {
        self.0.too_many.notified().await;
    }

    fn count(&self) {
        let mut recent = self.0.recent.lock();
        if recent.since.elapsed() > self.0.time {
            *recent = Recent { since: Instant::now(), count: 0 };
        }
        recent.count += 1;
        if recent.count > MOST {
            self.0.too_many.notify_one();
        }
    }
}

/// A request that the server answers. Its drop counts, unless the answer came first.
pub(super) struct Unanswered(Option<Abandoned>);

impl Unanswered {
    /// The answer has begun.
    pub fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(abandoned) = &self.0 {
            abandoned.count();
        }
    }
}
