//! The deadline by which the head of the next request must have come.
//!
//! hyper asks for a new timer for each request, and drops it when the head has come. Here the timers of a connection share one of tokio.
//! Deadlines only become later, so that timer may run off too early, and is then set to the newest deadline. It does so once in the time
//! that a client has for a head, and no request sets or cancels a timer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;

/// The timer of one connection. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct HeadTimer(Arc<Mutex<Option<Armed>>>);

/// The shared timer; it is made when hyper first waits for a head.
type Armed = Pin<Box<tokio::time::Sleep>>;

/// Waits for one deadline.
struct UntilDeadline {
    timer: HeadTimer,
    deadline: tokio::time::Instant,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(UntilDeadline { timer: self.clone(), deadline: deadline.into() })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

impl Future for UntilDeadline {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut shared = self.timer.0.lock();
        let armed = shared.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(self.deadline)));
        if armed.deadline() > self.deadline {
            armed.as_mut().reset(self.deadline);
        }
        while armed.as_mut().poll(cx).is_ready() {
            if armed.deadline() >= self.deadline {
                return Poll::Ready(());
            }
            armed.as_mut().reset(self.deadline);
        }
        Poll::Pending
    }
}

impl Sleep for UntilDeadline {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_deadline_is_kept_whichever_the_timer_was_set_to_before() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (timer, start) = (HeadTimer::default(), Instant::now());
            let at = |ms| start + Duration::from_millis(ms);
            for (dropped, kept) in [(10, 30), (1000, 60), (40, 90)] {
                let unused = timer.sleep_until(at(dropped));
                tokio::select! {
                    biased;
                    () = unused => assert!(Instant::now() >= at(dropped)),
                    () = std::future::ready(()) => {}
                }
                timer.sleep_until(at(kept)).await;
                assert!((at(kept)..at(900)).contains(&Instant::now()), "{kept}: {:?}", start.elapsed());
            }
        });
    }
}
