//! A clock at which the writer thread waits, so that the test decides which requests share a commit.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use jobledger::job::Time;
use jobledger::ledger::Clock;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A gate in each commit. The writer thread asks the clock once in a commit, after it has taken the commit's requests. There it waits
/// until the test opens the gate.
pub struct Gate {
    reached: UnboundedReceiver<()>,
    go: SyncSender<()>,
}

impl Gate {
    /// A gate, and the clock at which the writer thread waits. Each reading moves the clock forward by a millisecond.
    pub fn new(start: Time) -> (Gate, Clock) {
        let (tell, reached) = unbounded_channel();
        let (go, going) = sync_channel(1);
        let (micros, going) = (AtomicI64::new(start.micros()), Mutex::new(going));
        let clock = move || {
            // Every thread asks the clock, and only the writer thread must wait.
            if std::thread::current().name() == Some("writer") && tell.send(()).is_ok() {
                // Without the gate the writer thread does not wait.
                let _ = going.lock().unwrap().recv();
            }
            Time::from_micros(micros.fetch_add(1000, Ordering::SeqCst))
        };
        (Gate { reached, go }, Arc::new(clock))
    }

    /// Waits until the writer thread waits at the gate.
    pub async fn reached(&mut self) {
        self.reached.recv().await.expect("the clock tells as long as the ledger has it");
    }

    /// Lets the writer thread go on, up to the gate of the next commit.
    pub fn open(&self) {
        self.go.send(()).expect("the clock waits as long as the ledger has it");
    }
}
