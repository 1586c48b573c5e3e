//! A clock that stands still until it is told to move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jobledger::job::Time;
use jobledger::ledger::Clock;

/// 2025-03-01T12:00:00Z, in microseconds.
const NOON: i64 = 1_740_830_400_000_000;

/// A clock for [`super::TestServer::start_with`].
#[derive(Clone)]
pub struct HandClock(Arc<AtomicI64>);

impl HandClock {
    /// Stands at noon.
    pub fn new() -> HandClock {
        HandClock(Arc::new(AtomicI64::new(NOON)))
    }

    /// What the ledger takes.
    pub fn clock(&self) -> Clock {
        let micros = self.0.clone();
        Arc::new(move || Time::from_micros(micros.load(Ordering::SeqCst)))
    }

    /// What it says now.
    pub fn now(&self) -> Time {
        Time::from_micros(self.0.load(Ordering::SeqCst))
    }

    /// Moves it forward (or back).
    pub fn pass(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}
