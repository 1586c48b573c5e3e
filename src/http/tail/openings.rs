//! The pace at which streams are opened. After a restart all watchers come back at the same instant, and an append would wait until the
//! server has answered all of them.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep_until};

/// Most streams that are opened in a second; the others wait for their turn.
const PER_SECOND: u64 = 1_000;
/// The time from one turn to the next.
const STEP: Duration = Duration::from_nanos(1_000_000_000 / PER_SECOND);
/// How late a turn may come without moving the turns after it. A timer is late by a millisecond; when the processors are busy it is
/// later, and then the pace falls.
const SLACK: Duration = Duration::from_millis(2);

/// The queue of streams that wait for their turn.
#[derive(Debug)]
pub struct Openings {
    /// The earliest time of the next turn. Its lock is handed on in the order in which the streams came, and a stream that goes away
    /// leaves the queue.
    next: Mutex<Instant>,
    /// Streams that wait, for `/metrics`.
    waiting: Gauge,
}

impl Default for Openings {
    fn default() -> Openings {
        Openings { next: Mutex::new(Instant::now()), waiting: Gauge::default() }
    }
}

impl Openings {
    /// Waits for the turn of a stream, or until the server stops.
    pub(super) async fn turn(&self, stopping: &watch::Receiver<bool>) {
        let _counted = Counted::new(&self.waiting);
        let mut stopping = stopping.clone();
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => {}
            () = self.next() => {}
        }
    }

    /// The count of streams that wait now.
    pub fn waiting(&self) -> Gauge {
        self.waiting.clone()
    }

    /// Waits for the next turn. A turn is taken when it comes, so a stream that goes away before costs none.
    async fn next(&self) {
        let mut next = self.next.lock().await;
        let now = Instant::now();
        // A timer waits for a millisecond at least.
        if *next > now {
            sleep_until(*next).await;
        }
        *next = after(*next, Instant::now());
    }
}

/// The turn after one that was due at `due` and is taken at `now`. A quiet time saves no turns up.
fn after(due: Instant, now: Instant) -> Instant {
    due.max(now.checked_sub(SLACK).unwrap_or(now)) + STEP
}

/// Counts a stream as long as it waits.
struct Counted<'a>(&'a Gauge);

impl<'a> Counted<'a> {
    fn new(waiting: &'a Gauge) -> Counted<'a> {
        waiting.inc();
        Counted(waiting)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::task::Poll;

    use super::*;

    /// `count` streams that wait for their turn. They have their places in the queue.
    async fn queue(
        openings: &Openings,
        stopping: &watch::Receiver<bool>,
        count: usize,
    ) -> Vec<Pin<Box<impl Future<Output = ()>>>> {
        let mut turns: Vec<_> = (0..count).map(|_| Box::pin(openings.turn(stopping))).collect();
        poll_fn(|context| {
            turns.retain_mut(|turn| turn.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        turns
    }

    #[test]
    fn a_late_turn_moves_the_next_ones_only_if_it_is_very_late() {
        let due = Instant::now() + Duration::from_secs(60);
        assert_eq!(after(due, due), due + STEP);
        assert_eq!(after(due, due + SLACK), due + STEP);
        assert_eq!(after(due, due + Duration::from_secs(5)), due + Duration::from_secs(5) - SLACK + STEP);
    }

    #[tokio::test]
    async fn streams_that_come_at_once_are_opened_at_a_steady_pace() {
        let (openings, stop) = (Openings::default(), watch::Sender::new(false));
        let (stopping, started) = (stop.subscribe(), Instant::now());
        for _ in 0..400 {
            openings.turn(&stopping).await;
        }
        let least = STEP * 399 - SLACK;
        assert!(started.elapsed() >= least, "{:?} instead of {least:?}", started.elapsed());
    }

    #[tokio::test]
    async fn a_stream_that_goes_away_leaves_its_place_to_the_next() {
        let (openings, stop) = (Openings::default(), watch::Sender::new(false));
        let stopping = stop.subscribe();
        let gone = queue(&openings, &stopping, 20_000).await;
        assert_eq!(openings.waiting().get(), gone.len() as i64);
        assert!(gone.len() > 19_000, "{} wait", gone.len());
        drop(gone);
        assert_eq!(openings.waiting().get(), 0);
        let started = Instant::now();
        openings.turn(&stopping).await;
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}, and not twenty seconds", started.elapsed());
    }

    #[tokio::test]
    async fn a_server_that_stops_keeps_no_stream_waiting() {
        let (openings, stop) = (Openings::default(), watch::Sender::new(false));
        let stopping = stop.subscribe();
        let turns = queue(&openings, &stopping, 20_000).await;
        let started = Instant::now();
        stop.send_replace(true);
        for turn in turns {
            turn.await;
        }
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}, and not twenty seconds", started.elapsed());
    }
}
