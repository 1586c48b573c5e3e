//! A probe for tests of time limits: how long this machine delays a thread that is ready to run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time that the probe sleeps, again and again.
const NAP: Duration = Duration::from_millis(5);

/// A thread that sleeps again and again, and records its longest delay on waking. Dropping the value ends the thread.
pub struct Stalls(Arc<AtomicU64>);

impl Stalls {
    pub fn watch() -> Stalls {
        let longest = Arc::new(AtomicU64::new(0));
        let alive = Arc::downgrade(&longest);
        std::thread::spawn(move || {
            while let Some(longest) = alive.upgrade() {
                let begun = Instant::now();
                std::thread::sleep(NAP);
                let late = begun.elapsed().saturating_sub(NAP);
                longest.fetch_max(late.as_micros() as u64, Ordering::SeqCst);
            }
        });
        Stalls(longest)
    }

    /// The time to add to a limit on a busy machine: four times the longest delay, because several threads of a server wake one after
    /// the other before an answer.
    pub fn allowance(&self) -> Duration {
        4 * Duration::from_micros(self.0.load(Ordering::SeqCst))
    }
}
