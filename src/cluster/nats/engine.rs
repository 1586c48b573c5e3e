//! The three calls of a [`CommitLog`] on JetStream.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{self, Context};
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
    /// The newest message that this node knows to be in the stream.
    last: Sequence,
    /// Whether this node writes. It has no feed then: the feed would bring it its own messages.
    writes: bool,
    bell: watch::Sender<Sequence>,
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
        let (runtime, bell) = (Handle::current(), watch::Sender::new(0));
        Ok(Engine { runtime, client, context, stream, names, feed: None, last: 0, writes: false, bell, unanswered: 0 })
    }

    /// The newest message that has come; rings with each.
    pub fn bell(&self) -> watch::Receiver<Sequence> {
        self.bell.subscribe()
    }

    fn feed_from(&self, from: Sequence) -> Feed {
        Feed::start(&self.runtime, self.stream.clone(), from, self.bell.clone())
    }

    /// The message at `from`, or the first one after it; `None` if the stream has none.
    fn first(&mut self, from: Sequence) -> Result<Option<Stored>, Unavailable> {
        let (stream, names) = (self.stream.clone(), self.names.clone());
        let found = self.ask(async move { stored::first(&stream, &names, from).await.ok() });
        found.ok_or_else(silent)
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
            let not_accepted = |error: &PublishError| {
                tracing::debug!(error = error as &dyn std::error::Error, expected, "a message is not accepted");
            };
            let sent = context.send_publish(subject, message).await.inspect_err(not_accepted).ok()?;
            match sent.await.inspect_err(not_accepted) {
                Ok(acknowledged) => Some(Published::Accepted(acknowledged.sequence)),
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Some(Published::Refused),
                // The stream's leader has answered, for example that the stream is full: another server would not help.
                Err(error) => (error.kind() == PublishErrorKind::Other).then_some(Published::Unknown),
            }
        });
        match published {
            Some(Published::Accepted(sequence)) => {
                (self.last, self.writes, self.feed) = (sequence, true, None);
                Published::Accepted(sequence)
            }
            Some(Published::Refused) => Published::Refused,
            Some(Published::Unknown) | None => {
                // An immediate error, such as "no leader", must not become a busy loop.
                std::thread::sleep(PAUSE);
                Published::Unknown
            }
        }
    }

    fn read(&mut self, from: Sequence) -> Result<Vec<Stored>, Unavailable> {
        match &mut self.feed {
            Some(feed) if feed.covers(from) => {
                if from <= self.last {
                    self.runtime.block_on(feed.wait(FEED));
                }
                let ready = feed.take(from, READ);
                if let Some(newest) = ready.last() {
                    self.last = self.last.max(newest.sequence);
                    return Ok(ready);
                }
            }
            _ if self.writes => {}
            _ => self.feed = Some(self.feed_from(from)),
        }
        let found = self.first(from)?;
        if found.is_some() && (self.writes || self.feed.as_ref().is_some_and(Feed::is_silent)) {
            // Another node may write now, or the feed has ended.
            (self.writes, self.feed) = (false, Some(self.feed_from(from + 1)));
        }
        Ok(found.into_iter().collect())
    }

    fn last(&mut self) -> Result<Sequence, Unavailable> {
        let unanswered = self.unanswered;
        let (stream, names, next) = (self.stream.clone(), self.names.clone(), self.last + 1);
        let asked = self.ask(async move { stored::newest_place(&stream, &names, next).await.ok() });
        self.last = self.last.max(asked.ok_or_else(silent)?);
        // A short answer does not show that long messages come.
        self.unanswered = unanswered;
        if self.feed.is_none() && !self.writes {
            self.feed = Some(self.feed_from(self.last + 1));
        }
        Ok(self.last)
    }
}

fn silent() -> Unavailable {
    Unavailable("NATS does not answer".into())
}

/// How long a read waits for the feed to bring a message that is in the stream, before it asks the stream's leader.
const FEED: Duration = Duration::from_millis(500);
/// Pause after a request that failed at once.
const PAUSE: Duration = Duration::from_millis(50);
