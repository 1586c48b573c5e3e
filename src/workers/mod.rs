//! What the ledger does for workers: it hands out pending jobs, ends the jobs of workers that were lost, and repeats failed jobs.
//!
//! Each of these appends events like any producer, with `ledger` as their source. The views find the jobs, and the log decides.
//!
//! Not here: leases and their time (`ledger::leases`), and the rules of the lifecycle (`job`).

mod claims;
mod expiry;
mod retries;
mod stale;

pub use claims::{Claim, ClaimError, Claimed, Claims, MAX_WAIT_SEC};
pub use expiry::{end_lost_jobs, resume_leases};
pub use retries::{RetryError, repeat_failed_jobs, retry};
pub use stale::end_stale_jobs;

use std::time::Duration;

use crate::job::{EventType, Position};
use crate::job::{JobKey, LEDGER};
use crate::ledger::{Append, AppendError, Guard, HeldLease, Ledger};
use crate::wire::Incoming;

/// Pause after an error, before the next attempt.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Ends a running job whose newest event is at `newest`, because no report came. `id` names the event for ever.
///
/// # Errors
///
/// As [`Ledger::append`]. [`AppendError::GuardFailed`] if an event came in time.
async fn end_job(
    ledger: &Ledger,
    key: &JobKey,
    id: String,
    message: &str,
    newest: Position,
    lease: Option<HeldLease>,
) -> Result<(), AppendError> {
    let data = serde_json::json!({ "message": message }).to_string();
    let event = Incoming::own(EventType::Failed, id, key.id.clone(), &data).expect("a short message is valid data");
    let guard = Some(Guard::Newest(vec![newest]));
    let append = Append { org: key.org, actor: LEDGER.into(), events: vec![event], guard, lease };
    ledger.append(append).await.map(drop)
}
