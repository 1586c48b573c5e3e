//! The stream itself: made once, and checked at every start.

use async_nats::jetstream::context::{GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode};

use super::{HEADERS, Names, NatsError};
use crate::stream::MAX_MESSAGE;

/// Most bytes of the stream, 16 GiB. A full stream refuses messages; it never drops one.
pub const MAX_STREAM: i64 = 16 << 30;

/// Makes the stream of a new generation, with `replicas` copies. Takes a stream of this name without messages, which an earlier
/// attempt has made.
///
/// # Errors
///
/// The stream of this name has messages or is set otherwise, or the servers refuse.
pub async fn create(context: &Context, names: &Names, replicas: usize, max_bytes: i64) -> Result<Stream, NatsError> {
    match context.get_stream(names.stream()).await {
        Ok(stream) if stream.cached_info().state.last_sequence == 0 => return open(context, names, replicas).await,
        Ok(_) => return Err(NatsError::Exists(names.stream())),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(NatsError::doing("look for the stream")(error)),
    }
    let config = wanted(names, replicas, max_bytes);
    context.create_stream(config).await.map_err(NatsError::doing("make the stream"))
}

/// Opens the stream, and checks that it keeps what it accepts.
///
/// # Errors
///
/// There is no such stream, it is set otherwise than [`create`] sets it, or the servers do not answer.
pub async fn open(context: &Context, names: &Names, replicas: usize) -> Result<Stream, NatsError> {
    let stream = match context.get_stream(names.stream()).await {
        Ok(stream) => stream,
        Err(error) if is_missing(&error) => return Err(NatsError::NoStream(names.stream())),
        Err(error) => return Err(NatsError::doing("look for the stream")(error)),
    };
    let found = &stream.cached_info().config;
    let expected = wanted(names, replicas, found.max_bytes);
    expect("the stream's replicas", expected.num_replicas, found.num_replicas)?;
    expect("the stream's storage", expected.storage, found.storage)?;
    expect("the stream's retention", expected.retention, found.retention)?;
    expect("the stream's `discard`", expected.discard, found.discard)?;
    expect("the stream's subjects", &expected.subjects, &found.subjects)?;
    expect("the stream's `max_age`", expected.max_age, found.max_age)?;
    expect("the stream's `max_msgs`", expected.max_messages, found.max_messages)?;
    Ok(stream)
}

fn wanted(names: &Names, replicas: usize, max_bytes: i64) -> Config {
    Config {
        name: names.stream(),
        subjects: vec![names.commits()],
        num_replicas: replicas,
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        max_bytes,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_message_size: i32::try_from(MAX_MESSAGE + HEADERS).expect("about 4 MiB"),
        // Redacted data must leave it.
        deny_delete: false,
        allow_direct: false,
        ..Config::default()
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &'static str, expected: T, found: T) -> Result<(), NatsError> {
    if expected == found {
        return Ok(());
    }
    Err(NatsError::Setting { what, expected: format!("{expected:?}"), found: format!("{found:?}") })
}

fn is_missing(error: &GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND)
}
