//! The publisher: renders new events into the ring.

use std::sync::Arc;
use std::time::Duration;

use super::frame::Frame;
use super::{TailError, Tails};
use crate::job::Position;
use crate::ledger::Ledger;
use crate::log::enough;

/// Most events that the publisher reads at a time.
const STEP: u64 = 512;
/// Bytes of frames after which the publisher ends a step, 4 MiB.
const STEP_BYTES: usize = 4 << 20;
/// The publisher's pause after each ring of the bells, for each open tail. Waking 1,000 tails costs about 10 ms. Under load the
/// publisher therefore wakes them 20 times a second, and each takes the events that have gathered. The first ring after a quiet
/// time comes at once.
const REST: Duration = Duration::from_micros(50);
/// The longest such pause.
const LONGEST_REST: Duration = Duration::from_millis(50);
/// The publisher's pause after a failed read of the log.
const RETRY: Duration = Duration::from_secs(1);

/// Renders each new event into the ring while tails are open, and wakes them. Runs as long as the server.
pub async fn publish(ledger: Ledger, tails: Arc<Tails>) {
    let mut head_bell = ledger.bell();
    loop {
        let head = *head_bell.borrow_and_update();
        tails.evict_before(ledger.newest_redaction());
        if tails.open() == 0 {
            // Without a tail no commit wakes the publisher. A tail that enters reads older events from the log.
            tails.skip_to(head);
            tails.entered().await;
            tails.skip_to(ledger.head());
            continue;
        }
        if let Err(error) = render_up_to(&ledger, &tails, head) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the publisher cannot read the log; it tries again"
            );
            // Do not wait for the next commit: watchers wait for events that are recorded already.
            tokio::time::sleep(RETRY).await;
            continue;
        }
        let rest = REST.saturating_mul(u32::try_from(tails.open()).unwrap_or(u32::MAX)).min(LONGEST_REST);
        if rest >= Duration::from_millis(1) {
            tokio::time::sleep(rest).await;
        }
        if head_bell.changed().await.is_err() {
            return;
        }
    }
}

/// Renders the events up to `head` into the ring.
fn render_up_to(ledger: &Ledger, tails: &Tails, head: Position) -> Result<(), TailError> {
    loop {
        let end = tails.end();
        if end >= head {
            return Ok(());
        }
        let (mut frames, mut size) = (Vec::new(), 0);
        ledger.log(|log| {
            log.scan(end.next(), STEP, |row| {
                let frame = Frame::new(row)?;
                size += frame.bytes.len();
                frames.push(frame);
                Ok::<_, TailError>(enough(size, STEP_BYTES))
            })
        })?;
        let Some(last) = frames.last().map(|frame| frame.position) else { return Ok(()) };
        tails.publish(frames, last);
    }
}
