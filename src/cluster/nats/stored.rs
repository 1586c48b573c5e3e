//! The stream itself: made once, and checked at every start.

use async_nats::jetstream::context::{DeleteStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, LastRawMessageErrorKind, RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{self, Context, ErrorCode};
use futures_util::TryStreamExt;

use super::{HEADERS, Names, NatsError};
use crate::stream::{MAX_MESSAGE, MessageHash, Sequence, Stored};
use crate::tree::VerifierKey;

/// Most bytes of the stream, 16 GiB. A full stream refuses messages; it never drops one.
pub const MAX_STREAM: i64 = 16 << 30;

/// How a generation begins.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// The hash of the log that it continues.
    pub start: MessageHash,
    /// The key that signs for that log.
    pub key: VerifierKey,
}

impl Beginning {
    /// The description of the stream.
    fn description(&self) -> String {
        format!("{} {}", self.start, self.key)
    }

    /// The key in the description of a stream; `None` for a stream of an earlier program.
    fn key_in(description: &str) -> Option<&str> {
        description.split_once(' ').map(|(_, key)| key)
    }
}

/// Makes the stream of a new generation, with `replicas` copies. Takes a stream of this name and this beginning without messages,
/// which an earlier attempt has made.
///
/// The stream's description has the beginning, so of two nodes with different logs one alone begins a generation.
///
/// # Errors
///
/// The stream of this name has messages, another beginning, or is set otherwise, or the servers refuse.
pub async fn create(
    context: &Context,
    names: &Names,
    beginning: &Beginning,
    replicas: usize,
    max_bytes: i64,
) -> Result<Stream, NatsError> {
    let description = beginning.description();
    let config = Config { description: Some(description.clone()), ..wanted(names, replicas, max_bytes) };
    // Both of two nodes that ask at once get the stream of the first if they ask for the same.
    let made = match find(context, &names.stream()).await? {
        Some(stream) => stream,
        None => context.create_stream(config).await.map_err(NatsError::doing("make the stream"))?,
    };
    let info = made.cached_info();
    if info.state.last_sequence > 0 {
        return Err(NatsError::Exists(names.stream()));
    }
    if info.config.description.as_ref() != Some(&description) {
        return Err(NatsError::OtherStart(names.stream()));
    }
    open(context, names, replicas).await
}

/// The generation of the newest stream of the ledger, if there is a newer one than that of `names`; else that of `names`.
///
/// # Errors
///
/// The servers do not answer.
pub async fn newest(context: &Context, names: &Names) -> Result<u32, NatsError> {
    let mut streams = context.stream_names();
    let mut newest = names.generation();
    while let Some(name) = streams.try_next().await.map_err(NatsError::doing("list the streams"))? {
        newest = newest.max(names.generation_of(&name).unwrap_or(0));
    }
    Ok(newest)
}

/// The stream of this name as it is; `None` if there is none.
///
/// # Errors
///
/// The servers do not answer.
pub async fn find(context: &Context, name: &str) -> Result<Option<Stream>, NatsError> {
    match context.get_stream(name).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), GetStreamErrorKind::JetStream(cause) if is_missing(&cause)) => Ok(None),
        Err(error) => Err(NatsError::doing("look for the stream")(error)),
    }
}

/// Deletes the stream of this name, if there is one.
///
/// # Errors
///
/// The servers do not answer.
pub async fn delete(context: &Context, name: &str) -> Result<(), NatsError> {
    match context.delete_stream(name).await {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), DeleteStreamErrorKind::JetStream(cause) if is_missing(&cause)) => Ok(()),
        Err(error) => Err(NatsError::doing("remove the stream")(error)),
    }
}

/// The key with which the generation of `names` began; `None` if there is no stream, or an earlier program made it.
///
/// # Errors
///
/// The servers do not answer.
pub async fn key_of(context: &Context, names: &Names) -> Result<Option<String>, NatsError> {
    let stream = find(context, &names.stream()).await?;
    let description = stream.and_then(|stream| stream.cached_info().config.description.clone());
    Ok(description.as_deref().and_then(Beginning::key_in).map(str::to_owned))
}

/// Opens the stream, and checks that it keeps what it accepts.
///
/// # Errors
///
/// There is no such stream, it is set otherwise than [`create`] sets it, or the servers do not answer.
pub async fn open(context: &Context, names: &Names, replicas: usize) -> Result<Stream, NatsError> {
    let stream = find(context, &names.stream()).await?.ok_or_else(|| NatsError::NoStream(names.stream()))?;
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

/// The message at `from`, or the first one after it; `None` if the stream has none. The stream's leader answers this question alone: a
/// server that is cut off from the others still answers other questions, such as that for the state of the stream.
///
/// # Errors
///
/// The servers do not answer.
pub async fn first(stream: &Stream, names: &Names, from: Sequence) -> Result<Option<Stored>, NatsError> {
    match stream.get_first_raw_message_by_subject(names.commits(), from).await {
        Ok(message) => Ok(Some(Stored { sequence: message.sequence, bytes: message.payload.to_vec() })),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(NatsError::doing("read the stream")(error)),
    }
}

/// The place of the newest message that the stream has had, also if it has lost the message. Looks for a message at `from` or later
/// first.
///
/// A server answers the question for the state of the stream with what it has itself, while the stream has no leader or the server is
/// cut off. The stream's leader alone answers the question for a message, so it comes first.
///
/// # Errors
///
/// The servers do not answer.
pub async fn newest_place(stream: &Stream, names: &Names, from: Sequence) -> Result<Sequence, NatsError> {
    let found = first(stream, names, from).await?.map_or(0, |found| found.sequence);
    let mut described = stream.clone();
    let info = described.info().await.map_err(NatsError::doing("look for the end of the stream"))?;
    Ok(found.max(info.state.last_sequence))
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

fn is_missing(cause: &jetstream::Error) -> bool {
    cause.error_code() == ErrorCode::STREAM_NOT_FOUND
}
