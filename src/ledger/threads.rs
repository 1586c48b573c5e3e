//! The threads that a ledger cannot work without. A panic in one of them ends the process, and a supervisor starts it again:
//! without its writer or its projector a ledger would leave requests waiting for ever.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};

/// Starts such threads, and knows whether one of them has panicked. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Threads {
    panicked: Arc<OnceLock<String>>,
    end: fn() -> !,
}

impl Threads {
    /// `end` ends the process and never returns.
    pub(super) fn new(end: fn() -> !) -> Threads {
        Threads { panicked: Arc::default(), end }
    }

    /// Starts a thread of this name.
    pub(super) fn start(
        &self,
        name: &'static str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<JoinHandle<()>, std::io::Error> {
        let threads = self.clone();
        Builder::new().name(name.into()).spawn(move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
                threads.panicked(name, &*panic);
            }
        })
    }

    /// Ends the process because `name`, a thread or a task, has panicked. `/readyz` shows the panic until the process ends.
    pub fn panicked(&self, name: &str, panic: &(dyn Any + Send)) -> ! {
        let why = format!("the {name} has panicked and the process ends: {}", panic_text(panic));
        tracing::error!(why, "the process ends with exit code 2, so that a supervisor starts it again");
        let _ = self.panicked.set(why);
        (self.end)()
    }

    /// Which thread has panicked, as a sentence; `None` while all of them run.
    pub fn why_ending(&self) -> Option<&str> {
        self.panicked.get().map(String::as_str)
    }
}

/// The message of a panic; empty if the message is no text.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref().copied()).unwrap_or_default()
}
