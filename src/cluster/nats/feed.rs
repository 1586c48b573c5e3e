//! New messages as they come: a task reads the stream through an ordered consumer, and keeps some of them ready.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::stream::Stream;
use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::stream::{Sequence, Stored};

/// Most bytes of messages that are kept ready, 32 MiB; an empty feed takes a message of any size.
const BYTES: usize = 32 << 20;
/// Most messages that are kept ready.
const MESSAGES: usize = 4096;
/// Pause before the consumer is made again after an error.
const RETRY: Duration = Duration::from_millis(250);

/// The messages of the stream from a place on.
pub(super) struct Feed {
    messages: mpsc::Receiver<Ready>,
    taken: VecDeque<Ready>,
    /// The first message that was not taken.
    next: Sequence,
    /// Whether a wait was in vain, and no message has come since.
    silent: bool,
    task: AbortHandle,
}

/// A message that is ready, with its share of [`BYTES`].
struct Ready(Stored, #[expect(dead_code, reason = "gives the bytes back when it is dropped")] OwnedSemaphorePermit);

impl Feed {
    /// Starts a feed from `from` on. `bell` rings with each message.
    pub(super) fn start(runtime: &Handle, stream: Stream, from: Sequence, bell: watch::Sender<Sequence>) -> Feed {
        let (sender, messages) = mpsc::channel(MESSAGES);
        let room = Arc::new(Semaphore::new(BYTES));
        let task = runtime.spawn(async move {
            let mut next = from;
            while !sender.is_closed() {
                if let Err(error) = read(&stream, &mut next, &sender, &room, &bell).await {
                    tracing::debug!(
                        error = &*error as &dyn std::error::Error,
                        next,
                        "the feed of the stream begins again"
                    );
                }
                tokio::time::sleep(RETRY).await;
            }
        });
        Feed { messages, taken: VecDeque::new(), next: from, silent: false, task: task.abort_handle() }
    }

    /// Whether [`Feed::take`] can give the message at `from` at some time.
    pub(super) fn covers(&self, from: Sequence) -> bool {
        self.next <= from
    }

    /// Waits until a message is ready, at most so long. Does not wait again after a wait in vain, until a message has come.
    pub(super) async fn wait(&mut self, most: Duration) {
        if self.taken.is_empty() && !self.silent {
            let ready = timeout(most, self.messages.recv()).await.ok().flatten();
            self.silent = ready.is_none();
            self.taken.extend(ready);
        }
    }

    /// Whether the last wait was in vain, and no message has come since.
    pub(super) fn is_silent(&self) -> bool {
        self.silent
    }

    /// Takes the ready messages from `from` on, at most about `bytes`; drops the messages before it.
    pub(super) fn take(&mut self, from: Sequence, bytes: usize) -> Vec<Stored> {
        let (mut found, mut size) = (Vec::new(), 0);
        while size < bytes
            && let Some(Ready(stored, _)) = self.taken.pop_front().or_else(|| self.messages.try_recv().ok())
        {
            (self.next, self.silent) = (stored.sequence + 1, false);
            if stored.sequence >= from {
                size += stored.bytes.len();
                found.push(stored);
            }
        }
        found
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads until the consumer ends.
async fn read(
    stream: &Stream,
    next: &mut Sequence,
    ready: &mpsc::Sender<Ready>,
    room: &Arc<Semaphore>,
    bell: &watch::Sender<Sequence>,
) -> Result<(), async_nats::Error> {
    let deliver_policy = DeliverPolicy::ByStartSequence { start_sequence: *next };
    let consumer = stream.create_consumer(OrderedConfig { deliver_policy, ..OrderedConfig::default() }).await?;
    let mut messages = consumer.messages().await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        let sequence = message.info()?.stream_sequence;
        if sequence < *next {
            // The client makes a consumer without a message again from the beginning of the stream.
            continue;
        }
        let bytes = message.payload.to_vec();
        let share = u32::try_from(bytes.len().clamp(1, BYTES)).expect("at most 32 MiB");
        let permit = room.clone().acquire_many_owned(share).await?;
        if ready.send(Ready(Stored { sequence, bytes }, permit)).await.is_err() {
            return Ok(());
        }
        *next = sequence + 1;
        bell.send_replace(sequence);
    }
    Ok(())
}
