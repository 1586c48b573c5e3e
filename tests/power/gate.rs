//! A clock at which the writer waits, so that a test says which requests share a commit.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use jobledger::job::Time;
use jobledger::ledger::Clock;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The writer asks what time it is once a commit, when it has taken the requests that go into it. There it waits to be let go.
pub struct Gate {
    reached: UnboundedReceiver<()>,
    go: SyncSender<()>,
}

impl Gate {
    /// A gate, and the clock that leads through it. It goes on by a millisecond whenever it is asked.
    pub fn new(start: Time) -> (Gate, Clock) {
        let (tell, reached) = unbounded_channel();
        let (go, going) = sync_channel(1);
        let (micros, going) = (AtomicI64::new(start.micros()), Mutex::new(going));
        let clock = move || {
            // Every thread asks the clock; only the writer is to wait.
            if std::thread::current().name() == Some("writer") && tell.send(()).is_ok() {
                // A gate that is gone is open.
                let _ = going.lock().unwrap().recv();
            }
            Time::from_micros(micros.fetch_add(1000, Ordering::SeqCst))
        };
        (Gate { reached, go }, Arc::new(clock))
    }

    /// Returns once the writer waits.
    pub async fn reached(&mut self) {
        self.reached.recv().await.expect("the clock tells as long as the ledger has it");
    }

    /// Lets it go on to the next commit.
    pub fn open(&self) {
        self.go.send(()).expect("the clock waits as long as the ledger has it");
    }
}
