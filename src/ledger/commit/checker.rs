//! The checker thread: it verifies the signature of a commit while the writer thread writes and syncs the commit. On a node that
//! follows, the writer thread also stores the next messages meanwhile.
//!
//! A signature that does not verify shows a fault of the memory or the processor. The log may have its commit by then, but this ledger
//! has answered no append of it, and as a node has not confirmed it. The process ends; the next start finds the checkpoint, and the
//! ledger takes no writes.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::seal::{Doubt, Unchecked};
use crate::ledger::Threads;

/// The writer thread's end of the checker thread. It has one check at a time.
pub(in crate::ledger) struct Checker {
    checks: SyncSender<Unchecked>,
    results: Receiver<Result<(), Doubt>>,
    /// Whether a check has begun, and its result was not taken.
    is_open: Cell<bool>,
    end: fn() -> !,
}

impl Checker {
    /// Starts the thread, which ends with this value. `end` ends the process.
    ///
    /// # Errors
    ///
    /// The operating system refuses a thread.
    pub(in crate::ledger) fn start(threads: &Threads, end: fn() -> !) -> Result<Checker, std::io::Error> {
        let (checks, unchecked) = sync_channel::<Unchecked>(1);
        let (done, results) = sync_channel(1);
        threads.start("checker", move || {
            // The writer thread takes each result before the next check, so the send fails only if that thread has ended.
            let _ = unchecked.into_iter().try_for_each(|unchecked| done.send(unchecked.check()));
        })?;
        Ok(Checker { checks, results, is_open: Cell::new(false), end })
    }

    /// Begins a check, after the result of the check before it. [`Checker::wait`] must follow before an append is answered or confirmed.
    pub(super) fn begin(&self, unchecked: Unchecked) {
        self.wait();
        self.is_open.set(true);
        // If the thread has panicked, there is no result, and `wait` ends the process.
        let _ = self.checks.send(unchecked);
    }

    /// Waits until the signature is verified, if a check has begun. Ends the process if the signature is not good.
    pub(super) fn wait(&self) {
        if !self.is_open.replace(false) {
            return;
        }
        match self.results.recv() {
            Ok(Ok(())) => {}
            Ok(Err(doubt)) => {
                tracing::error!(
                    error = &doubt as &dyn std::error::Error,
                    "the ledger's own signature is not good: the memory or the processor may be failing, and the process ends"
                );
                (self.end)()
            }
            Err(_) => (self.end)(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::log::Published;
    use crate::tree::{Checkpoint, Head, SigningKey, Size, leaf_hash};

    fn end() -> ! {
        panic!("the process ends")
    }

    #[test]
    fn a_signature_that_is_not_good_ends_the_process() {
        let key = SigningKey::from_seed("test/log", &[7; 32]).unwrap();
        let head = Head { size: Size::new(12).unwrap(), root: leaf_hash(b"{}") };
        let good = Checkpoint { origin: "test/log".into(), head }.sign(&[&key]).unwrap();
        // Another key of the same name made this signature.
        let other = SigningKey::from_seed("test/log", &[8; 32]).unwrap();
        let bad = Checkpoint { origin: "test/log".into(), head }.sign(&[&other]).unwrap();
        let checker = Checker::start(&Threads::new(end), end).unwrap();
        let unchecked = |note: &str| {
            let stored = Some(Published { number: 1, size: head.size, note: note.into() });
            let known = vec![key.verifier().clone()];
            Unchecked { stored, origin: "test/log".into(), known, head }
        };
        let ends = |note: &str| {
            checker.begin(unchecked(note));
            catch_unwind(AssertUnwindSafe(|| checker.wait())).is_err()
        };
        assert_eq!([&good, &bad, &good].map(|note| ends(note)), [false, true, false]);
        let begins = |note: &str| catch_unwind(AssertUnwindSafe(|| checker.begin(unchecked(note)))).is_err();
        assert_eq!([&good, &bad, &good, &good].map(|note| begins(note)), [false, false, true, false]);
    }
}
