//! Messages of this node's log, for a node that has lost them.

use super::body::body_of_events;
use super::files::SharedFiles;
use crate::access::AccessError;
use crate::job::Position;
use crate::ledger::Ledger;
use crate::log::{self, LoggedMessage, Reader};
use crate::stream::{Copied, Kind, Sequence, Tip};
use crate::tree::Size;

/// Most messages in one answer.
const MESSAGES: usize = 200;
/// An answer ends with the message that reaches so many bytes, 4 MiB.
const BYTES: usize = 4 << 20;

/// Why messages cannot be given to another node.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The tokens cannot be read.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl Ledger {
    /// The bytes of the messages after `after` of `generation` and of later generations that this node's log has, at most 200; none if
    /// this ledger is not a node, or has no later message. [`Copied::read_all`] reads them.
    ///
    /// The log does not keep the shared files that a message without events may have brought. So the last such message brings the files
    /// that this node has now. They are not older than the messages: this node took over the files of each message before it noted the
    /// message in its log.
    ///
    /// # Errors
    ///
    /// The log or the tokens cannot be read.
    pub fn copied_messages(&self, generation: u32, after: Sequence) -> Result<Vec<u8>, CopyError> {
        let Some(node) = self.node() else { return Ok(Vec::new()) };
        let mut messages = self.log(|log| log.snapshot(|| copied(log, generation, after)))?;
        // The files are read after the messages, so that they are not older.
        if let Some(last) = messages.iter_mut().rfind(|message| message.kind == Kind::Barrier) {
            (last.kind, last.body) = (Kind::Files, SharedFiles::read(self.folder())?.to_body(&node.key));
        }
        let mut answer = Vec::new();
        for Message { logged: LoggedMessage { generation, tip: Tip { sequence, hash }, .. }, kind, body } in &messages {
            let (generation, sequence, hash, kind) = (*generation, *sequence, *hash, *kind);
            Copied { generation, sequence, hash, kind, body }.write(&mut answer);
        }
        Ok(answer)
    }
}

/// A message, and what it brought.
struct Message {
    logged: LoggedMessage,
    kind: Kind,
    body: Vec<u8>,
}

fn copied(log: &Reader<'_>, generation: u32, after: Sequence) -> Result<Vec<Message>, log::Error> {
    // One more, because the next message tells where the events of the last one end.
    let messages = log.messages(generation, after, MESSAGES + 1)?;
    let ends: Vec<_> = messages.iter().skip(1).map(|message| message.first).chain([log.head()?.next()]).collect();
    let (mut copied, mut bytes) = (Vec::new(), 0);
    for (logged, end) in messages.into_iter().zip(ends).take(MESSAGES) {
        let body = body(log, logged.first, end)?;
        bytes += body.len();
        let kind = if body.is_empty() { Kind::Barrier } else { Kind::Commit };
        copied.push(Message { logged, kind, body });
        if bytes >= BYTES {
            break;
        }
    }
    Ok(copied)
}

/// The body of the events from `first` to before `end`; empty without events.
fn body(log: &Reader<'_>, first: Position, end: Position) -> Result<Vec<u8>, log::Error> {
    if first == end {
        return Ok(Vec::new());
    }
    let newest = Position::new(end.get() - 1);
    let edge = log.edge(Size::up_to(newest.get()))?;
    match (log.recorded(newest)?, edge.head()) {
        (Some(recorded), Some(head)) => body_of_events(log, first, recorded, head),
        _ => Err(log::Error::Gap { expected: newest, found: end }),
    }
}
