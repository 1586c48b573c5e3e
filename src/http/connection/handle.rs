//! What a long answer changes of the connection that it is sent on: the connection closes soon after the answer's lease ends,
//! and a stream gets a small send buffer. Over HTTP/2 all this goes for the stream of the request: the stream is reset, and the other
//! streams of the connection go on.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;

use super::lease::Lease;

/// How long an answer whose lease has ended may take to end by itself. A client that reads sees the end of its stream. A client
/// that does not read can only be cut off.
const GRACE: Duration = Duration::from_millis(400);

/// A connection, as the handlers of its requests know it; over HTTP/2 the stream of one request. Cheap to clone; each request carries
/// one among its extensions.
#[derive(Clone)]
pub struct ConnectionHandle(Arc<State>);

struct State {
    /// The lease of the long answer that is being sent.
    lease: watch::Sender<Option<Lease>>,
    /// Whether a handler asked for a small send buffer and the socket does not have it yet.
    small_buffer_wanted: AtomicBool,
}

impl fmt::Debug for ConnectionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionHandle")
    }
}

impl Default for ConnectionHandle {
    fn default() -> ConnectionHandle {
        let small_buffer_wanted = AtomicBool::new(false);
        ConnectionHandle(Arc::new(State { lease: watch::Sender::new(None), small_buffer_wanted }))
    }
}

impl ConnectionHandle {
    /// Binds the connection to `lease` until the guard is dropped.
    pub fn bind(&self, lease: Lease) -> LeaseGuard {
        self.0.lease.send_replace(Some(lease));
        LeaseGuard(self.clone())
    }

    /// Asks for a small send buffer. The kernel buffers megabytes for a client that does not read, and does so for every stream.
    ///
    /// Over HTTP/2 this does nothing: the client gives each stream its window, and the socket has a bound from its beginning.
    pub fn shrink_send_buffer(&self) {
        self.0.small_buffer_wanted.store(true, Ordering::Relaxed);
    }

    /// Whether a small send buffer was asked for since the last call.
    pub(super) fn take_small_buffer_wish(&self) -> bool {
        self.0.small_buffer_wanted.swap(false, Ordering::Relaxed)
    }

    /// Does `work`, which answers requests of this connection, to its end. `None` if the lease of a long answer ends before, and the
    /// answer does not end within [`GRACE`].
    ///
    /// The lease is looked at after each step of `work`, and only while one is bound: `work` itself binds it. Most answers bind none.
    pub(super) async fn unless_overdue<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let mut overdue = pin!(self.overdue());
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.0.lease.borrow().is_none() => Poll::Pending,
            Poll::Pending => overdue.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    /// Waits until the lease of a long answer has ended and the answer did not end within [`GRACE`].
    async fn overdue(&self) {
        let mut bound = self.0.lease.subscribe();
        loop {
            let lease = bound.borrow_and_update().clone();
            let overdue = async {
                match lease {
                    Some(mut lease) => lease.over().await,
                    None => std::future::pending().await,
                }
                tokio::time::sleep(GRACE).await;
            };
            tokio::select! {
                biased;
                // First, because the lease may be that of an answer that has ended.
                _ = bound.changed() => {}
                () = overdue => return,
            }
        }
    }
}

/// While it lives, its connection is bound to the lease of the answer that is being sent.
pub struct LeaseGuard(ConnectionHandle);

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.0.0.lease.send_replace(None);
    }
}
