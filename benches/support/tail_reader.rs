//! Reads a tail line by line, with little work for each byte: the clients share the processors with the server.

use std::io::BufRead;

/// Bytes of a line that are kept until the line ends. Positions and types of events fit.
const KEPT: usize = 64;

/// How the positions of a tail's events follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// Each is one more than the position before: the tail shows all events.
    Each,
    /// They grow: the tail has a filter.
    Some,
}

/// The messages of one tail.
pub struct TailReader {
    follows: Follows,
    /// The first bytes of a line whose end has not come.
    line: Vec<u8>,
    message: Message,
    /// The position up to which the watcher has seen everything.
    seen: Option<u64>,
}

/// The lines of a message so far.
#[derive(Default)]
struct Message {
    id: Option<u64>,
    is_first: bool,
    is_named: bool,
    has_event: bool,
}

/// What some bytes of a tail contained.
#[derive(Debug, Default, Clone, Copy)]
pub struct Found {
    /// The first message has come.
    pub begins: bool,
    pub events: u64,
    pub heartbeats: u64,
    /// Events at a position that was not next.
    pub wrong: u64,
}

impl TailReader {
    /// A tail of which nothing has come. `after` is the position that the watcher names in its request.
    pub fn new(follows: Follows, after: Option<u64>) -> TailReader {
        TailReader { follows, line: Vec::new(), message: Message::default(), seen: after }
    }

    /// The newest position that the tail gave.
    pub fn position(&self) -> u64 {
        self.seen.unwrap_or(0)
    }

    /// Reads what has come: the answer's head, and messages in chunks.
    pub fn take(&mut self, mut bytes: &[u8]) -> Found {
        let mut found = Found::default();
        while !bytes.is_empty() {
            let all = bytes;
            // The search of the standard library, which reads many bytes at a time.
            let length = bytes.skip_until(b'\n').expect("memory can be read");
            let part = &all[..length];
            let is_whole = part.ends_with(b"\n");
            if is_whole && self.line.is_empty() {
                self.read(part.trim_ascii_end(), &mut found);
                continue;
            }
            let room = KEPT - self.line.len();
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if is_whole {
                let line = std::mem::take(&mut self.line);
                self.read(line.trim_ascii_end(), &mut found);
            }
        }
        found
    }

    fn read(&mut self, line: &[u8], found: &mut Found) {
        if line.is_empty() {
            self.end_message(found);
        } else if let Some(id) = line.strip_prefix(b"id: ") {
            self.message.id = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
        } else if let Some(name) = line.strip_prefix(b"event: ") {
            self.message.is_named = true;
            self.message.has_event = name.starts_with(b"job.") || name.starts_with(b"ledger.");
        } else if line.starts_with(b"retry: ") {
            self.message.is_first = true;
        }
    }

    /// Ends a message. The empty line after the head or a chunk ends none.
    fn end_message(&mut self, found: &mut Found) {
        let Message { id, is_first, is_named, has_event } = std::mem::take(&mut self.message);
        found.begins |= is_first;
        let Some(id) = id else { return };
        if has_event {
            let seen = self.seen.unwrap_or(0);
            let follows = if self.follows == Follows::Each { id == seen + 1 } else { id > seen };
            found.events += 1;
            found.wrong += u64::from(!follows);
        } else if !is_first && !is_named {
            found.heartbeats += 1;
        }
        self.seen = Some(id);
    }
}
