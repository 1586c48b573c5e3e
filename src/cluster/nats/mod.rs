//! The engine of a cluster: NATS JetStream carries the messages.
//!
//! One stream, one subject, three replicas in files. `Nats-Expected-Last-Sequence` goes with every message; `Nats-Msg-Id` never,
//! because the answer to a duplicate has the place of another message.
//!
//! Not here: which message counts (`stream`).

mod bucket;
mod connection;
mod engine;
mod error;
mod feed;
mod names;
mod patience;
mod stored;

pub use bucket::{create_bucket, open_bucket};
pub use connection::{Login, connect};
pub use engine::Engine;
pub use error::NatsError;
pub use names::Names;
pub use patience::patiently;
pub use stored::{Beginning, MAX_STREAM, create, delete, find, first, key_of, newest, newest_place, open};

use std::time::Duration;

/// How long one request waits for its answer.
const ANSWER: Duration = Duration::from_secs(2);
/// Room for the headers of a message. NATS counts them as bytes of the message.
const HEADERS: usize = 1024;
