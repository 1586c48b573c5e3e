//! One POST: a thread sends it, and the answer decides.

use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, oneshot};
use ureq::Agent;
use ureq::http::StatusCode;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;

use super::resolver::PublicOnly;
use super::settings::Settings;
use crate::log;
use crate::webhooks::Secret;

/// Most bytes of an answer's body that are read. The connection of a longer answer is not used again.
const ANSWER: u64 = 4 << 10;
/// How long an idle connection is used again. Many receivers close theirs after 5 s.
const IDLE: Duration = Duration::from_secs(4);
/// Most idle connections.
const MOST_IDLE: usize = 100;

/// A message for a receiver.
#[derive(Debug)]
pub(super) struct Message {
    /// Where it goes.
    pub url: String,
    /// The same for each try of one event by one webhook.
    pub id: String,
    /// When it is sent, in seconds since 1970.
    pub timestamp: i64,
    /// The key of its signature.
    pub secret: Secret,
    /// The CloudEvent.
    pub body: Vec<u8>,
}

/// Why a receiver does not have an event.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("the receiver answered {0}")]
    Status(StatusCode),
    #[error("no answer within {} s", .0.as_secs_f64())]
    Late(Duration),
    #[error("{0}")]
    Private(Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer")]
    NoAnswer(#[source] ureq::Error),
    #[error("the event cannot be read")]
    Unread(#[source] log::Error),
    #[error("no thread can be started")]
    NoThread(#[source] std::io::Error),
    #[error("the thread that sent the event has panicked")]
    Panicked,
}

/// Sends messages. Threads of its own do the work that blocks, one for each message.
#[derive(Debug)]
pub(super) struct Sender {
    agent: Agent,
    timeout: Duration,
}

impl Sender {
    /// A sender that follows no redirect and uses no proxy: either would lead to an address that was not checked.
    pub(super) fn new(settings: &Settings) -> Sender {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(!settings.allow_private)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(settings.timeout))
            .max_idle_connections(MOST_IDLE)
            .max_idle_age(IDLE)
            .user_agent(concat!("jobledger/", env!("CARGO_PKG_VERSION")))
            .build();
        let connector = DefaultConnector::new();
        let agent = match settings.allow_private {
            true => Agent::with_parts(config, connector, DefaultResolver::default()),
            false => Agent::with_parts(config, connector, PublicOnly::default()),
        };
        Sender { agent, timeout: settings.timeout }
    }

    /// Sends a message. The thread holds `turn` until the receiver has answered or the time is over, also if the caller no longer
    /// waits: so a webhook sends one message at a time.
    ///
    /// # Errors
    /// The receiver did not answer 2xx in time.
    pub(super) async fn send(&self, message: Message, turn: OwnedMutexGuard<()>) -> Result<(), PostError> {
        let (told, answer) = oneshot::channel();
        let (agent, timeout) = (self.agent.clone(), self.timeout);
        let thread = std::thread::Builder::new().name("webhook".into()).spawn(move || {
            let answer = post(&agent, timeout, &message);
            drop(turn);
            // The delivery may have ended.
            let _ = told.send(answer);
        });
        thread.map_err(PostError::NoThread)?;
        answer.await.unwrap_or(Err(PostError::Panicked))
    }
}

fn post(agent: &Agent, timeout: Duration, message: &Message) -> Result<(), PostError> {
    let signature = message.secret.sign(&message.id, message.timestamp, &message.body);
    let request = agent
        .post(&message.url)
        .content_type("application/cloudevents+json")
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", message.timestamp.to_string())
        .header("webhook-signature", signature);
    let mut answer = request.send(&message.body[..]).map_err(|error| match error {
        ureq::Error::Timeout(_) => PostError::Late(timeout),
        ureq::Error::Other(cause) => PostError::Private(cause),
        cause => PostError::NoAnswer(cause),
    })?;
    // A body that is read to its end leaves the connection for the next message. What it says does not matter.
    let _ = answer.body_mut().with_config().limit(ANSWER).read_to_vec();
    if answer.status().is_success() { Ok(()) } else { Err(PostError::Status(answer.status())) }
}
