//! A gate that holds the writer thread in the middle of a commit.

use std::sync::{Arc, Condvar, Mutex};

use jobledger::ledger::{Clock, system_clock};

/// A clock that makes the writer thread wait in the middle of a commit while the gate is shut.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<Shut>, Condvar)>);

#[derive(Default)]
struct Shut {
    shut: bool,
    waiting: bool,
}

impl Gate {
    /// The clock in the form that a ledger takes.
    pub fn clock(&self) -> Clock {
        let (gate, clock) = (self.clone(), system_clock());
        Arc::new(move || {
            // Every thread asks the clock, and only the writer thread must wait.
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

    /// Shuts the gate (`true`) or opens it (`false`).
    pub fn set(&self, shut: bool) {
        let (state, bell) = &*self.0;
        state.lock().unwrap().shut = shut;
        bell.notify_all();
    }

    /// Waits until the writer thread waits at the gate.
    pub fn reached(&self) {
        let (state, bell) = &*self.0;
        let mut state = state.lock().unwrap();
        while !state.waiting {
            state = bell.wait(state).unwrap();
        }
    }
}
