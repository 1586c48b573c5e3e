//! Lines of a file that is not trusted. The reader stops at the longest line that an export may have, so a file cannot
//! exhaust memory.

use std::io::{self, BufRead, Read};
use std::str::Utf8Error;

/// Maximum length, in bytes, of a line: 32 MiB. An event's data has at most 8 MiB, masks may make it longer, and a leaf
/// has at most 16 KiB.
pub const MAX_LINE: u64 = 32 << 20;

/// Why the next line cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Reading the file failed.
    #[error("cannot read")]
    Read(#[from] io::Error),
    /// The line with this number, from 1, is longer than [`MAX_LINE`].
    #[error("line {0}: expected at most {MAX_LINE} bytes in a line, found more")]
    Long(u64),
}

/// A line, without its newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'l> {
    /// The line's number, from 1.
    pub number: u64,
    /// The line's bytes.
    pub bytes: &'l [u8],
    /// Whether a newline ends the line. Only the last line of a file may lack it.
    pub ended: bool,
}

impl Line<'_> {
    /// How many bytes of the file the line takes, its newline included.
    pub fn taken(&self) -> u64 {
        self.bytes.len() as u64 + u64::from(self.ended)
    }

    /// The line as text.
    ///
    /// # Errors
    /// [`Utf8Error`] if the line is not UTF-8.
    pub fn text(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(self.bytes)
    }
}

/// Reads a file line by line. Memory holds one line.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// The lines that `reader` gives.
    pub fn new(reader: R) -> Lines<R> {
        Lines { reader, line: Vec::new(), number: 0 }
    }

    /// The next line; `None` at the end of the file.
    ///
    /// # Errors
    /// [`LineError`] if reading fails or the line is too long.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, LineError> {
        self.line.clear();
        self.number += 1;
        (&mut self.reader).take(MAX_LINE + 1).read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Ok(None);
        }
        let ended = self.line.pop_if(|last| *last == b'\n').is_some();
        if self.line.len() as u64 > MAX_LINE {
            return Err(LineError::Long(self.number));
        }
        Ok(Some(Line { number: self.number, bytes: &self.line, ended }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_with_their_numbers_and_the_last_one_may_lack_its_newline() {
        let mut lines = Lines::new(&b"one\n\ntwo"[..]);
        for (number, bytes, ended) in [(1, &b"one"[..], true), (2, b"", true), (3, b"two", false)] {
            assert_eq!(lines.next_line().unwrap(), Some(Line { number, bytes, ended }));
        }
        assert_eq!(lines.next_line().unwrap(), None);
    }

    #[test]
    fn a_line_over_the_limit_is_refused() {
        for (more, fits) in [(0, true), (1, false)] {
            for end in ["", "\n", "\nnext"] {
                let long = io::repeat(b'x').take(MAX_LINE + more).chain(end.as_bytes());
                let mut lines = Lines::new(io::BufReader::new(long));
                assert_eq!(lines.next_line().is_ok(), fits, "{more} {end:?}");
            }
        }
    }
}
