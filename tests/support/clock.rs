//! A clock that stands still until it is set or moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jobledger::job::Time;
use jobledger::ledger::Clock;

/// A clock for [`super::TestServer::start_with`], in nanoseconds since 1970.
#[derive(Clone)]
pub struct HandClock(Arc<AtomicI64>);

impl HandClock {
    /// A clock that stands at noon on 1 March 2025, in UTC.
    pub fn new() -> HandClock {
        HandClock::at("2025-03-01T12:00:00Z")
    }

    /// A clock that stands at `time`.
    pub fn at(time: &str) -> HandClock {
        let hands = HandClock(Arc::new(AtomicI64::new(0)));
        hands.set(time);
        hands
    }

    /// The clock in the form that a ledger takes.
    pub fn clock(&self) -> Clock {
        let hands = self.clone();
        Arc::new(move || hands.now())
    }

    /// The time that the clock shows.
    pub fn now(&self) -> Time {
        Time::from_nanos(self.0.load(Ordering::SeqCst))
    }

    /// Sets the clock to `time`.
    pub fn set(&self, time: &str) {
        self.0.store(time.parse::<Time>().unwrap().nanos(), Ordering::SeqCst);
    }

    /// Moves the clock forward by `micros` microseconds; back, if the number is negative.
    pub fn pass(&self, micros: i64) {
        self.0.fetch_add(micros * 1000, Ordering::SeqCst);
    }
}
