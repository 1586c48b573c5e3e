//! What the projector does, and what other threads ask of it.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use crate::views;

/// What the projector does now. `docs/architecture.md` draws the transitions, which are those of `Thread::next`.
#[derive(Debug)]
pub(super) enum Mode {
    /// The views hold every event: it waits for a command.
    Idle,
    /// A few events wait and no reader does: it lets more events gather, so that a job that moves ten times is written once.
    Gathering {
        /// When it projects them anyway.
        until: Instant,
    },
    /// It takes the events up to the head into the views, batch by batch.
    CatchingUp,
    /// It makes the views from the log, and there are none to read meanwhile.
    Remaking {
        /// Why the old ones are of no use.
        why: String,
    },
    /// It waits after an error that may pass (a full disk, a lock), and then tries again.
    Retrying {
        /// When it tries again.
        until: Instant,
        /// The error.
        why: String,
    },
    /// It cannot read an event and cannot name its job: the views keep their position until a newer program reads it.
    Stopped,
    /// It takes the last events into the views before it ends.
    Finishing,
    /// The thread ends.
    Ended,
}

/// What other threads tell the projector.
#[derive(Debug)]
pub(super) enum Command {
    /// The writer thread: the head is at the position that the projector asked to be woken for, or the backlog is half full.
    Wake,
    /// A reader waits for the views.
    Hurry,
    /// A reader found the views damaged.
    Damaged {
        /// The number of the file that it read. Reports about a file that was replaced since are void.
        file: u64,
    },
    /// New views are complete in a file of their own: put them in place, and answer.
    Swap(SyncSender<Result<(), Arc<views::Error>>>),
    /// No more commits follow: take the last events into the views, and end.
    Stop,
}
