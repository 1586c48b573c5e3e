//! How long this machine lets a thread wait that could run: a probe for tests of a limit of time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The probe sleeps so long, again and again.
const NAP: Duration = Duration::from_millis(5);

/// A thread that naps and records by how much it wakes too late. It ends when this is dropped.
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

    /// What a busy machine adds to a limit: a server passes several such waits, one after the other, on the way to an answer.
    pub fn allowance(&self) -> Duration {
        4 * Duration::from_micros(self.0.load(Ordering::SeqCst))
    }
}
