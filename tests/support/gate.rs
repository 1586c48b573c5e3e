//! A gate in the middle of a commit.

use std::sync::{Arc, Condvar, Mutex};

use jobledger::ledger::{Clock, system_clock};

/// A clock that makes the writer wait while the gate is shut, in the middle of a commit.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<Shut>, Condvar)>);

#[derive(Default)]
struct Shut {
    shut: bool,
    waiting: bool,
}

impl Gate {
    /// What the ledger takes.
    pub fn clock(&self) -> Clock {
        let (gate, clock) = (self.clone(), system_clock());
        Arc::new(move || {
            // Every thread asks the clock; only the writer is to wait.
            if std::thread::current().name() == Some("writer") {
                gate.pass();
            }
            clock()
        })
    }

    fn pass(&self) {
        let (state, bell) = &*self.0;
        let mut state = state.lock().unwrap();
        state.waiting = state.shut;
        bell.notify_all();
        while state.shut {
            state = bell.wait(state).unwrap();
        }
        state.waiting = false;
    }

    /// Shuts or opens it.
    pub fn set(&self, shut: bool) {
        let (state, bell) = &*self.0;
        state.lock().unwrap().shut = shut;
        bell.notify_all();
    }

    /// Returns once the writer stands at the gate.
    pub fn reached(&self) {
        let (state, bell) = &*self.0;
        let mut state = state.lock().unwrap();
        while !state.waiting {
            state = bell.wait(state).unwrap();
        }
    }
}
