//! The three calls of a [`CommitLog`] on JetStream.

use std::time::Duration;

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, Error};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

use super::feed::Feed;
use super::{ANSWER, Names, NatsError, stored};
use crate::stream::{CommitLog, Published, Sequence, Stored, Unavailable};

/// Most bytes that one read answers, besides its last message.
const READ: usize = 16 << 20;
/// After so many requests without an answer the client goes to another server: an isolated server answers nothing until the
/// partition heals.
const PATIENCE: u32 = 2;

/// The stream of a cluster. Its calls block, so they run on a thread of their own, never on one of the runtime.
pub struct Engine {
    runtime: Handle,
    client: Client,
    context: Context,
    stream: Stream,
    names: Names,
    feed: Option<Feed>,
    bell: watch::Sender<()>,
    /// Requests without an answer, one after the other.
    unanswered: u32,
}

impl Engine {
    /// Opens the stream, which must have `replicas` copies.
    ///
    /// # Errors
    ///
    /// There is no such stream, it is not set as it must be, or the servers do not answer.
    pub async fn open(client: Client, names: Names, replicas: usize) -> Result<Engine, NatsError> {
        let context = jetstream::ContextBuilder::new().timeout(ANSWER).ack_timeout(ANSWER).build(client.clone());
        let stream = stored::open(&context, &names, replicas).await?;
        let (runtime, bell) = (Handle::current(), watch::Sender::new(()));
        Ok(Engine { runtime, client, context, stream, names, feed: None, bell, unanswered: 0 })
    }

    /// A bell that rings when a message has come.
    pub fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// Runs a request, and goes to another server after several without an answer.
    fn ask<T>(&mut self, request: impl Future<Output = Option<T>>) -> Option<T> {
        self.runtime.block_on(async {
            let answer = timeout(ANSWER, request).await.ok().flatten();
            self.unanswered = if answer.is_some() { 0 } else { self.unanswered + 1 };
            if self.unanswered >= PATIENCE {
                self.unanswered = 0;
                tracing::info!("NATS does not answer: the node goes to another server");
                // The client has ended only when the process ends.
                let _ = self.client.force_reconnect().await;
            }
            answer
        })
    }
}

impl CommitLog for Engine {
    fn publish(&mut self, expected: Sequence, bytes: &[u8]) -> Published {
        let (context, subject) = (self.context.clone(), self.names.commits());
        let message = PublishMessage::build().payload(Bytes::copy_from_slice(bytes)).expected_last_sequence(expected);
        let published = self.ask(async move {
            let acknowledged = match context.send_publish(subject, message).await {
                Ok(sent) => sent.await,
                Err(error) => Err(error),
            };
            match acknowledged {
                Ok(acknowledged) => Some(Published::Accepted(acknowledged.sequence)),
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Some(Published::Refused),
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, expected, "a message has no answer");
                    None
                }
            }
        });
        published.unwrap_or_else(|| {
            // An immediate error, such as "no leader", must not become a busy loop.
            std::thread::sleep(PAUSE);
            Published::Unknown
        })
    }

    fn read(&mut self, from: Sequence) -> Result<Vec<Stored>, Unavailable> {
        match &mut self.feed {
            Some(feed) if feed.covers(from) => {
                let ready = feed.take(from, READ);
                if !ready.is_empty() {
                    return Ok(ready);
                }
            }
            _ => self.feed = Some(Feed::start(&self.runtime, self.stream.clone(), from, self.bell.clone())),
        }
        // Only the stream's leader can say that there is nothing.
        let (stream, subject) = (self.stream.clone(), self.names.commits());
        let found = self.ask(async move {
            match stream.get_first_raw_message_by_subject(subject, from).await {
                Ok(message) => Some(vec![Stored { sequence: message.sequence, bytes: message.payload.to_vec() }]),
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Some(Vec::new()),
                Err(_) => None,
            }
        });
        found.ok_or_else(|| Unavailable("NATS does not answer".into()))
    }

    fn last(&mut self) -> Result<Sequence, Unavailable> {
        let mut stream = self.stream.clone();
        let last = self.ask(async move {
            let info: Result<_, Error> = stream.info().await.map(|info| info.state.last_sequence).map_err(Into::into);
            info.ok()
        });
        last.ok_or_else(|| Unavailable("NATS does not answer".into()))
    }
}

/// Pause after a request that failed at once.
const PAUSE: Duration = Duration::from_millis(50);
