//! Why an append has no positions.

use super::Standing;
use crate::job::{Conflict, Position, Refusal};

/// Why nothing of an append was recorded (or, for [`AppendError::OutcomeUnknown`] and [`AppendError::RedactionPending`], why
/// the ledger cannot confirm it).
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The rules reject an event.
    #[error("{refusal}{}", moved_by_append(refusal, *standing))]
    Refused {
        /// The index of the event in the append.
        index: usize,
        /// The rule.
        refusal: Refusal,
        /// The job's state before the append, if the state is the reason; `None` also if the log has no such job.
        standing: Option<Standing>,
    },
    /// The log holds other content under the event's (`source`, `id`).
    #[error(
        "an event with this `source` and `id` and other content is at position {position}; give a new event a new id"
    )]
    IdReused {
        /// The index of the event in the append.
        index: usize,
        /// The position of the stored event.
        position: Position,
    },
    /// The guard does not hold: another append came first.
    #[error(
        "the job's newest event is {}; read the job again and decide anew",
        found.map_or("none, because the job does not exist".into(), |position| format!("at position {position}"))
    )]
    GuardFailed {
        /// The job's newest position; `None` if the job does not exist.
        found: Option<Position>,
    },
    /// A guard on an append to several jobs.
    #[error("expected events of one job, because the request has a guard (`If-Match` or `If-None-Match`)")]
    GuardOnMany,
    /// The job's events do not fold, so the ledger cannot decide about the job.
    #[error("the job's events cannot be read, so the ledger cannot decide about the job; see `/readyz`")]
    Unreadable {
        /// The index of the event in the append.
        index: usize,
    },
    /// The queue of the writer thread is full.
    #[error("the ledger is at its limit of waiting requests; try again")]
    Overloaded,
    /// The views are too far behind the log.
    #[error("the views are too far behind; try again")]
    Behind,
    /// The ledger takes no writes.
    #[error("the ledger is read-only: {0}")]
    ReadOnly(String),
    /// Another node of the cluster leads, or none does.
    #[error("this node does not lead the cluster, so this append recorded nothing; try again")]
    NotLeading,
    /// The outcome of an earlier commit of this node of a cluster is open.
    #[error("an earlier commit has waited for the stream for 10 s, so this append recorded nothing; try again")]
    EarlierOpen,
    /// The ledger is stopping.
    #[error("the ledger is stopping; try again")]
    Stopping,
    /// The events are recorded. The ledger's files may still hold data that they redact.
    #[error(
        "the events are recorded, the newest at position {position}, but the ledger's files may still hold the data that they \
         redact, because something reads the files; send the same events again to wait again"
    )]
    RedactionPending {
        /// The newest position of the append.
        position: Position,
    },
    /// The commit failed. The log may hold the events or not.
    #[error("the commit failed and its outcome is unknown; send the same events with the same ids again")]
    OutcomeUnknown,
}

/// Ends the text of a refusal whose state comes from earlier events of the same append, because the log does not show that state.
fn moved_by_append(refusal: &Refusal, standing: Option<Standing>) -> &'static str {
    match refusal {
        Refusal::Lifecycle(Conflict { state: Some(met), .. }) if standing.is_none_or(|job| job.state != *met) => {
            ", by an earlier event of this request"
        }
        _ => "",
    }
}
