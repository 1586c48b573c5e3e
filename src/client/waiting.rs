//! What waits in a spool: in its file, or in memory after an error of the file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Error;
use std::os::unix::fs::FileExt;

use serde_json::Value;
use serde_json::value::RawValue;

/// Most events in one request.
pub(crate) const MAX_BATCH: usize = 1000;
/// Most bytes that wait in memory, 64 MiB.
const MOST_IN_MEMORY: u64 = 64 << 20;
/// A batch takes no further event once it has so many bytes, 4 MiB.
const BATCH_BYTES: usize = 4 << 20;

#[derive(Debug, Default)]
pub(super) struct State {
    /// `None` if the file cannot be used.
    pub file: Option<File>,
    /// The part of the file that waits, in bytes.
    pub from: u64,
    pub to: u64,
    /// The events that created and started the job stay at the beginning of the file, in so many bytes: sent again, they bring the
    /// lease back.
    pub head: u64,
    pub waiting: VecDeque<Place>,
    pub in_memory: u64,
    /// Bytes of output that found no room.
    pub left_out: u64,
    pub closed: bool,
    /// Whether the ledger takes no more reports.
    pub is_late: bool,
    /// Whether no more tries are made, so that what waits stays in the file.
    pub given_up: bool,
}

/// Where an event waits.
#[derive(Debug)]
pub(super) enum Place {
    /// In the next bytes of the file.
    File(usize),
    Memory(Box<str>),
}

impl State {
    /// Adds an event. `limit` is for all that waits, in bytes.
    pub(super) fn push(&mut self, event: &Value, limit: u64) -> Result<(), Error> {
        if self.is_late {
            return Ok(());
        }
        let line = format!("{event}\n");
        let bytes = line.len() as u64;
        let output = event["data"]["output"].as_str().map_or(0, str::len) as u64;
        if output > 0 && self.to - self.from + self.in_memory + bytes > limit {
            self.left_out += output;
            return Ok(());
        }
        let written = self.write(&line);
        match written {
            Ok(true) => self.waiting.push_back(Place::File(line.len())),
            _ if output > 0 && self.in_memory + bytes > MOST_IN_MEMORY => self.left_out += output,
            _ => {
                self.in_memory += bytes;
                self.waiting.push_back(Place::Memory(line.into()));
            }
        }
        written.map(|_| ())
    }

    /// Writes a line at the end of the file. Returns whether the file took all of it. After an error the file is not written again,
    /// so that its events stay in order.
    fn write(&mut self, line: &str) -> Result<bool, Error> {
        let Some(file) = &self.file else { return Ok(false) };
        if self.in_memory > 0 {
            return Ok(false);
        }
        match file.write_all_at(line.as_bytes(), self.to) {
            Ok(()) => {
                self.to += line.len() as u64;
                Ok(true)
            }
            Err(error) => {
                // A part of the line may have been written.
                let _ = file.set_len(self.to);
                Err(error)
            }
        }
    }

    /// The next events, at most a batch.
    pub(super) fn batch(&self) -> Result<Vec<Box<RawValue>>, Error> {
        let (mut batch, mut bytes, mut at) = (Vec::new(), 0, self.from);
        for place in self.waiting.iter().take(MAX_BATCH) {
            if bytes >= BATCH_BYTES {
                break;
            }
            let line = match place {
                Place::Memory(line) => line.to_string(),
                Place::File(len) => {
                    let mut line = vec![0; *len];
                    let file = self.file.as_ref().expect("events in a file have one");
                    file.read_exact_at(&mut line, at)?;
                    at += *len as u64;
                    String::from_utf8(line).map_err(Error::other)?
                }
            };
            bytes += line.len();
            batch.push(serde_json::from_str(&line)?);
        }
        Ok(batch)
    }

    /// Drops the first `events`, and empties the file if none is left.
    pub(super) fn delivered(&mut self, events: usize) {
        if self.given_up || self.is_late {
            return;
        }
        for place in self.waiting.drain(..events) {
            match place {
                Place::File(len) => self.from += len as u64,
                Place::Memory(line) => self.in_memory -= line.len() as u64,
            }
        }
        if self.waiting.is_empty() && self.to > self.head {
            let emptied = self.file.as_ref().is_some_and(|file| file.set_len(self.head).is_ok());
            if emptied {
                (self.from, self.to) = (self.head, self.head);
            }
        }
    }
}
