//! The streams of a connection. Each runs in a task of its own: it makes the answer, and hands the body to h2. The end of the task
//! resets a stream that is not finished.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::rt::Executor;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::http::connection::ConnectionHandle;

tokio::task_local! {
    /// The stream that this task answers.
    static STREAM: Stream;
}

/// The streams of one connection, and the executor that hyper gives them to. Cheap to clone.
#[derive(Clone)]
pub(super) struct Streams(Arc<Shared>);

struct Shared {
    stall_timeout: Duration,
    state: Mutex<State>,
    /// See `Connection::open`. A stream's task may end a moment after its connection.
    _open: mpsc::Sender<Infallible>,
}

struct State {
    open: usize,
    have_begun: bool,
    /// When a stream last began or ended, or the connection began.
    changed: Instant,
}

impl Streams {
    /// No streams yet. A client may take nothing of a stream for `stall_timeout`.
    pub fn new(stall_timeout: Duration, open: mpsc::Sender<Infallible>) -> Streams {
        let state = Mutex::new(State { open: 0, have_begun: false, changed: Instant::now() });
        Streams(Arc::new(Shared { stall_timeout, state, _open: open }))
    }

    /// Whether a stream is open.
    pub fn are_open(&self) -> bool {
        self.0.state.lock().open > 0
    }

    /// Whether the client ever opened a stream.
    pub fn have_begun(&self) -> bool {
        self.0.state.lock().have_begun
    }

    /// Waits until the connection has had no stream for `time`.
    pub async fn none_for(&self, time: Duration) {
        let since = || {
            let state = self.0.state.lock();
            (state.open == 0).then_some(state.changed)
        };
        lasts(time, since).await;
    }

    fn begin(&self) -> OpenStream {
        let mut state = self.0.state.lock();
        state.open += 1;
        (state.have_begun, state.changed) = (true, Instant::now());
        OpenStream(self.clone())
    }
}

/// Counts as an open stream until it is dropped.
struct OpenStream(Streams);

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut state = self.0.0.state.lock();
        state.open -= 1;
        state.changed = Instant::now();
    }
}

/// hyper hands each stream over as a future: the service's future, and then the sending of the body.
impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, answered: F) {
        let (open, stream, stall_timeout) = (self.begin(), Stream::default(), self.0.stall_timeout);
        tokio::spawn(STREAM.scope(stream.clone(), async move {
            let _open = open;
            let answered = pin!(answered);
            tokio::select! {
                answered = stream.handle().unless_overdue(answered) => if answered.is_none() {
                    tracing::debug!("a stream was reset: its answer's token has ended");
                },
                () = stream.stalls(stall_timeout) => tracing::debug!("a stream was reset: its client takes nothing"),
            }
        }));
    }
}

/// One stream: a request and its answer. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Stream(Arc<Answering>);

#[derive(Default)]
struct Answering {
    handle: ConnectionHandle,
    /// When hyper got the piece of the answer that h2 has not taken yet.
    offered: Mutex<Option<Instant>>,
}

impl Stream {
    /// The stream that this task answers.
    pub fn current() -> Stream {
        STREAM.try_with(Stream::clone).expect("hyper polls a request only in the task that `Streams` made for it")
    }

    /// What the handlers of the request know as their connection.
    pub fn handle(&self) -> &ConnectionHandle {
        &self.0.handle
    }

    /// hyper got a piece of the answer. It waits until the client has room for some of it.
    pub fn offered(&self) {
        *self.0.offered.lock() = Some(Instant::now());
    }

    /// h2 took the piece, and hyper asks for the next.
    pub fn taken(&self) {
        *self.0.offered.lock() = None;
    }

    /// Waits until a piece has waited for `time`. The time-out of the socket does not see this: other streams go on.
    async fn stalls(&self, time: Duration) {
        lasts(time, || *self.0.offered.lock()).await;
    }
}

/// Waits until a state has lasted for `time`. `since` says when the state began, and `None` while it does not last.
///
/// It looks only when the time may be over, so that a change of the state costs nothing.
async fn lasts(time: Duration, since: impl Fn() -> Option<Instant>) {
    loop {
        let now = Instant::now();
        match since() {
            Some(since) if since + time <= now => return,
            since => sleep_until(since.unwrap_or(now) + time).await,
        }
    }
}
