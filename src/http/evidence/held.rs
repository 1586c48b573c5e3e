//! The file that a bundle is made in: it has no name, it ends with the answer, and the bytes of all such files are bounded.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use axum::http::StatusCode;

use crate::http::answer::Error;
use crate::http::limits::{Held, Limit};
use crate::http::request::Caller;

/// How much is taken of the limit at a time, in bytes.
const STEP: u32 = 4 << 20;

/// A bundle's bytes on disk.
pub(super) struct HeldFile {
    file: File,
    /// Where the next write goes.
    at: u64,
    /// Where the file ends.
    end: u64,
    caller: Caller,
    limit: Limit,
    held: Option<Held>,
    /// Bytes that are held.
    room: u64,
}

/// Why a file does not grow.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.detail)]
pub(super) struct Full(pub(super) Error);

impl HeldFile {
    /// An empty one, whose bytes `caller` takes from `limit`.
    pub(super) fn new(caller: &Caller, limit: &Limit) -> io::Result<HeldFile> {
        let (file, caller, limit) = (tempfile::tempfile()?, caller.clone(), limit.clone());
        Ok(HeldFile { file, at: 0, end: 0, caller, limit, held: None, room: 0 })
    }

    /// How long it is.
    pub(super) fn len(&self) -> u64 {
        self.end
    }

    /// The next part, of at most `most` bytes; empty at the end.
    pub(super) fn part(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut part = Vec::with_capacity(most);
        self.at += (&mut self.file).take(most as u64).read_to_end(&mut part)? as u64;
        Ok(part)
    }

    fn grow(&mut self, end: u64) -> Result<(), Full> {
        while self.room < end {
            if self.room + u64::from(STEP) > u64::from(self.limit.most_of_one()) {
                return Err(Full(too_large(self.limit.most_of_one())));
            }
            let more = self.limit.take(&self.caller, STEP).map_err(Full)?;
            match &mut self.held {
                Some(held) => held.merge(more),
                none => *none = Some(more),
            }
            self.room += u64::from(STEP);
        }
        Ok(())
    }
}

/// 422 for a bundle that would not be made if there were no other.
fn too_large(most: u32) -> Error {
    let detail = format!(
        "expected a bundle of at most {most} bytes; `jobledger evidence --data`, beside the server, makes larger ones"
    );
    Error::new(StatusCode::UNPROCESSABLE_ENTITY, "bundle-too-large", detail)
}

impl Write for HeldFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.grow(self.at + bytes.len() as u64).map_err(io::Error::other)?;
        let written = self.file.write(bytes)?;
        self.at += written as u64;
        self.end = self.end.max(self.at);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for HeldFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}
