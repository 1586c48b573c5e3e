//! Which messages there are to store: the next ones of the stream, judged in order.

use super::Stream;
use crate::stream::{ChainError, Judged, Sequence, Unavailable, Whole};

/// Most messages in one local commit.
const MESSAGES: usize = 200;
/// Most bytes of messages in one local commit, besides its last message.
const BYTES: usize = 16 << 20;

/// What there is to store.
pub(super) enum Next {
    /// These messages count.
    Messages(Vec<Whole>),
    /// There is no message that was not judged, up to the last one.
    End,
    /// The stream cannot be read now.
    Unreadable,
    /// The stream lacks this message, and has had it or later ones.
    Missing(Sequence),
}

/// Judges the next messages, up to the one at `last`, and answers those that count.
pub(super) fn judge_some(stream: &mut Stream, last: Sequence) -> Result<Next, ChainError> {
    if stream.is_older() {
        return Ok(Next::Missing(0));
    }
    let (mut wholes, mut judged, mut bytes) = (Vec::new(), 0, 0);
    while wholes.len() < MESSAGES && bytes < BYTES && stream.chain.next() <= last {
        let message = match stream.message(stream.chain.next()) {
            Ok(Some(message)) => message,
            Ok(None) if judged == 0 => return Ok(Next::Missing(stream.chain.next())),
            Err(error) if judged == 0 => {
                cannot_be_read(&error);
                return Ok(Next::Unreadable);
            }
            Ok(None) | Err(_) => break,
        };
        (judged, bytes) = (judged + 1, bytes + message.bytes.len());
        if message.sequence > stream.chain.next() {
            return Ok(if wholes.is_empty() { Next::Missing(stream.chain.next()) } else { Next::Messages(wholes) });
        }
        match stream.chain.judge(message.sequence, &message.bytes)? {
            Judged::Valid(whole) => wholes.push(whole),
            Judged::Begun { .. } => {}
            Judged::Void(why) => {
                tracing::warn!(sequence = message.sequence, ?why, "a message of the stream does not count");
            }
        }
    }
    stream.note_void();
    Ok(if judged == 0 { Next::End } else { Next::Messages(wholes) })
}

pub(super) fn cannot_be_read(error: &Unavailable) {
    tracing::warn!(error = error as &dyn std::error::Error, "the stream cannot be read now");
}
