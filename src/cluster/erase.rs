//! Redacted data leaves the stream: the leader deletes the messages that brought it, once every member has the redaction. NATS
//! overwrites their bytes.
//!
//! A node that lacks a deleted message gets the rows of its events, without the redacted data, from another node (`peers`).

use std::ops::RangeInclusive;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::stream::{DeleteMessageErrorKind, Stream};

use super::ClusterError;
use super::nats::NatsError;
use crate::blocking::off_thread;
use crate::job::Position;
use crate::ledger::Ledger;
use crate::log::Redacted;
use crate::stream::Sequence;

/// What NATS answers if a message is gone already.
const GONE: [ErrorCode; 3] =
    [ErrorCode::NO_MESSAGE_FOUND, ErrorCode::SEQUENCE_NOT_FOUND, ErrorCode::STREAM_MESSAGE_DELETE_FAILED];

/// Deletes the messages whose data was redacted by redactions after `erased`, and moves `erased` on. Every member has the messages
/// `held`; a later redaction waits.
pub(super) async fn redacted(
    stream: &Stream,
    ledger: &Ledger,
    held: RangeInclusive<Sequence>,
    erased: &mut Position,
) -> Result<(), ClusterError> {
    let Some(node) = ledger.node().filter(|_| ledger.newest_redaction() > *erased) else { return Ok(()) };
    let (ledger, generation, after, first) = (ledger.clone(), node.generation, *erased, *held.start());
    let all = off_thread(move || ledger.log(|log| log.redacted_messages(generation, first, after))).await?;
    for Redacted { redaction, messages, .. } in all.into_iter().take_while(|redacted| redacted.by <= *held.end()) {
        for sequence in messages.filter(|sequence| *sequence >= first) {
            delete(stream, sequence).await?;
            tracing::info!(sequence, redaction = redaction.get(), "a message with redacted data was deleted");
        }
        *erased = redaction;
    }
    Ok(())
}

async fn delete(stream: &Stream, sequence: Sequence) -> Result<(), NatsError> {
    let Err(error) = stream.delete_message(sequence).await else { return Ok(()) };
    match error.kind() {
        DeleteMessageErrorKind::JetStream(cause) if GONE.contains(&cause.error_code()) => Ok(()),
        _ => Err(NatsError::doing("delete a message with redacted data")(error)),
    }
}
