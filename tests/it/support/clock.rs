//! A clock that stands until it is set.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jobledger::job::Time;
use jobledger::ledger::Clock;

/// The hands of the clock.
#[derive(Clone)]
pub struct Hands(Arc<AtomicI64>);

impl Hands {
    pub fn at(time: &str) -> Hands {
        let hands = Hands(Arc::new(AtomicI64::new(0)));
        hands.set(time);
        hands
    }

    pub fn set(&self, time: &str) {
        self.0.store(time.parse::<Time>().unwrap().nanos(), Ordering::SeqCst);
    }

    pub fn clock(&self) -> Clock {
        let hands = self.clone();
        Arc::new(move || Time::from_nanos(hands.0.load(Ordering::SeqCst)))
    }
}
