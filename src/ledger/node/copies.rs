//! Messages of this node's log, for a node that has lost them.

use super::body::body_of_events;
use crate::job::Position;
use crate::ledger::Ledger;
use crate::log::{self, Reader};
use crate::stream::{Copied, Sequence, Tip};
use crate::tree::Size;

/// Most messages in one answer.
const MESSAGES: usize = 200;
/// An answer ends with the message that reaches so many bytes, 4 MiB.
const BYTES: usize = 4 << 20;

impl Ledger {
    /// The bytes of the messages after `after` of `generation` and of later generations that this node's log has, at most 200; none if
    /// this ledger is not a node, or has no later message. [`Copied::read_all`] reads them.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn copied_messages(&self, generation: u32, after: Sequence) -> Result<Vec<u8>, log::Error> {
        if self.node().is_none() {
            return Ok(Vec::new());
        }
        self.log(|log| log.snapshot(|| copied(log, generation, after)))
    }
}

fn copied(log: &Reader<'_>, generation: u32, after: Sequence) -> Result<Vec<u8>, log::Error> {
    // One more, because the next message tells where the events of the last one end.
    let messages = log.messages(generation, after, MESSAGES + 1)?;
    let ends = messages.iter().skip(1).map(|message| message.first).chain([log.head()?.next()]);
    let mut answer = Vec::new();
    for (message, end) in messages.iter().zip(ends).take(MESSAGES) {
        let body = body(log, message.first, end)?;
        let (generation, Tip { sequence, hash }) = (message.generation, message.tip);
        Copied { generation, sequence, hash, body: &body }.write(&mut answer);
        if answer.len() >= BYTES {
            break;
        }
    }
    Ok(answer)
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
