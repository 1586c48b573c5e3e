//! Tries a request again until it has an answer.

use std::thread;
use std::time::{Duration, Instant};

/// The shortest and the longest pause between two tries.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];
/// The longest pause that a server may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// The pauses between the tries of one request.
#[derive(Debug)]
pub(super) struct Tries {
    next: Duration,
    until: Option<Instant>,
}

impl Tries {
    /// Tries until `until`; for ever if it is `None`.
    pub(super) fn until(until: Option<Instant>) -> Tries {
        Tries { next: PAUSES[0], until }
    }

    /// The pause before the next try, at least as long as the server asks for; `None` if the time is over by then.
    pub(super) fn pause(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let pause = self.next.max(asked.unwrap_or_default().min(LONGEST_ASKED));
        self.next = (self.next * 2).min(PAUSES[1]);
        let is_over = self.until.is_some_and(|until| Instant::now() + pause > until);
        (!is_over).then_some(pause)
    }

    /// Sleeps until the next try. Returns whether there is one.
    pub(super) fn sleep(&mut self, asked: Option<Duration>) -> bool {
        self.pause(asked).map(thread::sleep).is_some()
    }
}
