//! The clock thread of a job: it makes events of gathered reports when they are due, and renews the lease.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;

use super::connection::Answer;
use super::reporting::Reporting;

/// Runs until the job is closed.
pub(super) fn run(reporting: &Arc<Reporting>) {
    // Three times as often as the lease runs out.
    let pause = reporting.lease_sec.map(|seconds| Duration::from_secs(seconds.into()) / 3);
    let mut renewal = pause.map(|pause| Instant::now() + pause);
    let mut state = reporting.state.lock();
    while !state.is_closed {
        let now = Instant::now();
        if state.gather.due().is_some_and(|due| due <= now) {
            reporting.push_gathered(&mut state, false);
        }
        if renewal.is_some_and(|renewal| renewal <= now) {
            let goes_on = MutexGuard::unlocked(&mut state, || renew(reporting));
            renewal = pause.filter(|_| goes_on).map(|pause| Instant::now() + pause);
            continue;
        }
        match state.gather.due().into_iter().chain(renewal).min() {
            Some(next) => {
                reporting.changed.wait_until(&mut state, next);
            }
            None => reporting.changed.wait(&mut state),
        }
    }
}

/// Renews the lease. Returns false if it is lost.
fn renew(reporting: &Reporting) -> bool {
    let Some(token) = reporting.lease.token() else { return true };
    // While the server is away, the next try may succeed: a server that starts gives every lease its full time.
    if let Answer::Refused(refusal) = reporting.connection.renew(&reporting.job, &token)
        && let Some(stop) = refusal.stop()
    {
        reporting.cancellation.set(stop);
        return false;
    }
    true
}
