//! A clock that stands still until it is set or moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jobledger::job::Time;
use jobledger::ledger::Clock;

/// A clock for [`super::TestServer::start_with`], in nanoseconds since 1970.
#[derive(Clone)]
pub struct HandClock(Arc<AtomicI64>);

impl HandClock {
    /// Stands at noon.
    pub fn new() -> HandClock {
        HandClock::at("2025-03-01T12:00:00Z")
    }

    /// Stands at `time`.
    pub fn at(time: &str) -> HandClock {
        let hands = HandClock(Arc::new(AtomicI64::new(0)));
        hands.set(time);
        hands
    }

    /// What the ledger takes.
    pub fn clock(&self) -> Clock {
        let hands = self.clone();
        Arc::new(move || hands.now())
    }

    /// What it says now.
    pub fn now(&self) -> Time {
        Time::from_nanos(self.0.load(Ordering::SeqCst))
    }

    /// Sets it.
    pub fn set(&self, time: &str) {
        self.0.store(time.parse::<Time>().unwrap().nanos(), Ordering::SeqCst);
    }

    /// Moves it forward (or back).
    pub fn pass(&self, micros: i64) {
        self.0.fetch_add(micros * 1000, Ordering::SeqCst);
    }
}
