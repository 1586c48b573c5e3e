//! The temporary file of a bundle. It has no name and is deleted with the answer. All such files share a limit of bytes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::http::answer::{Code, Error};
use crate::http::limits::{Limit, Permit};
use crate::http::request::Caller;

/// Bytes that a file takes from the limit at a time, 4 MiB.
const STEP: u32 = 4 << 20;

/// A temporary file whose bytes count against a limit.
pub(super) struct LimitedFile {
    file: File,
    /// The offset of the next write or read.
    at: u64,
    /// The length of the file.
    end: u64,
    caller: Caller,
    limit: Limit,
    held: Option<Permit>,
    /// Bytes that the file has taken from the limit.
    room: u64,
}

/// The limit has no bytes left.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.detail)]
pub(super) struct LimitReached(pub(super) Error);

impl LimitedFile {
    /// An empty file, whose bytes `caller` takes from `limit`.
    pub(super) fn new(caller: &Caller, limit: &Limit) -> io::Result<LimitedFile> {
        let (file, caller, limit) = (tempfile::tempfile()?, caller.clone(), limit.clone());
        Ok(LimitedFile { file, at: 0, end: 0, caller, limit, held: None, room: 0 })
    }

    /// The length of the file in bytes.
    pub(super) fn len(&self) -> u64 {
        self.end
    }

    /// Reads the next part, at most `most` bytes. The part is empty at the end of the file.
    pub(super) fn part(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut part = Vec::with_capacity(most);
        self.at += (&mut self.file).take(most as u64).read_to_end(&mut part)? as u64;
        Ok(part)
    }

    fn grow(&mut self, end: u64) -> Result<(), LimitReached> {
        while self.room < end {
            if self.room + u64::from(STEP) > u64::from(self.limit.per_token()) {
                return Err(LimitReached(too_large(self.limit.per_token())));
            }
            let more = self.limit.try_acquire(&self.caller, STEP).map_err(LimitReached)?;
            match &mut self.held {
                Some(held) => held.merge(more),
                none => *none = Some(more),
            }
            self.room += u64::from(STEP);
        }
        Ok(())
    }
}

/// 422 for a bundle that is larger than the share of one token.
fn too_large(most: u32) -> Error {
    let detail = format!(
        "expected a bundle of at most {most} bytes; `jobledger evidence --data`, beside the server, makes larger ones"
    );
    Error::new(Code::BUNDLE_TOO_LARGE, detail)
}

impl Write for LimitedFile {
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

impl Seek for LimitedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}
