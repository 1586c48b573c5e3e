//! Where a part of a hook's output begins that is counted from the output's end. The search walks back from the job's newest event, so
//! it costs the part and not the whole output.

use super::{ReadError, hook_chunks};
use crate::job::{Position, Summary};
use crate::ledger::Ledger;

/// Events read at a time. Each has up to 1 MiB of output.
const STEP: usize = 16;

/// A part of an output, counted from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromEnd {
    /// The last bytes.
    Bytes(u64),
    /// The last lines. A line feed at the very end ends the last line, and begins no other one.
    Lines(usize),
}

/// Where a part of an output begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputStart {
    /// The part lies in the events after this position.
    pub after: Position,
    /// Bytes of output after `after` that come before the part.
    pub skip: u64,
    /// Bytes of the whole output before the part.
    pub offset: u64,
}

impl OutputStart {
    /// The part that begins `offset` bytes after the output's beginning.
    pub fn at(offset: u64) -> OutputStart {
        OutputStart { after: Position::GENESIS, skip: offset, offset }
    }
}

/// Where the part of the job's output begins; the whole output if it has no more.
///
/// # Errors
///
/// The log cannot be read, or an event in it.
pub fn output_start(ledger: &Ledger, job: &Summary, part: FromEnd) -> Result<OutputStart, ReadError> {
    let whole = job.hook.as_ref().map_or(0, |hook| hook.len);
    let mut search = Search { part, read: 0, at_the_end: true };
    let mut end = job.position;
    loop {
        let positions = ledger.log(|log| log.newest_positions(end, STEP + 1))?;
        let Some(oldest) = positions.iter().take(STEP).next_back() else { return Ok(OutputStart::at(0)) };
        let after = Position::new(oldest.get() - 1);
        let chunks = hook_chunks(ledger, &job.key, after, end);
        let text = chunks.map(|chunk| Ok(chunk?.text)).collect::<Result<String, ReadError>>()?;
        if let Some(skip) = search.begins_in(&text) {
            let (skip, read) = (skip as u64, search.read);
            return Ok(OutputStart { after, skip, offset: (whole + skip).saturating_sub(read) });
        }
        match positions.get(STEP) {
            Some(older) => end = *older,
            None => return Ok(OutputStart::at(0)),
        }
    }
}

/// A search from the end of an output to its beginning.
struct Search {
    /// The part of the output that the search has not found yet.
    part: FromEnd,
    /// Bytes of output that were read.
    read: u64,
    /// No output was read yet.
    at_the_end: bool,
}

impl Search {
    /// Takes the output before the one that was taken last. Returns the place in it at which the part begins.
    fn begins_in(&mut self, text: &str) -> Option<usize> {
        self.read += text.len() as u64;
        match &mut self.part {
            FromEnd::Bytes(wanted) => {
                let begins = text.len().checked_sub(usize::try_from(*wanted).unwrap_or(usize::MAX));
                *wanted = wanted.saturating_sub(text.len() as u64);
                begins
            }
            FromEnd::Lines(wanted) => {
                let ended = if self.at_the_end { text.strip_suffix('\n').unwrap_or(text) } else { text };
                self.at_the_end &= text.is_empty();
                let newlines = ended.bytes().enumerate().rev().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at);
                let mut taken = 0;
                let begins = newlines.inspect(|_| taken += 1).nth(*wanted - 1).map(|at| at + 1);
                *wanted -= taken.min(*wanted);
                begins
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The part of the output whose pieces are `pieces`.
    fn part_of(pieces: &[String], part: FromEnd) -> String {
        let mut search = Search { part, read: 0, at_the_end: true };
        let mut tail = String::new();
        for piece in pieces.iter().rev() {
            if let Some(begins) = search.begins_in(piece) {
                return format!("{}{tail}", &piece[begins..]);
            }
            tail.insert_str(0, piece);
        }
        tail
    }

    proptest! {
        #[test]
        fn the_part_is_that_of_the_whole_output(pieces in prop::collection::vec("[ab\n]{0,5}", 0..8), count in 1..12_usize) {
            let whole = pieces.concat();
            let last_bytes = &whole[whole.len().saturating_sub(count)..];
            prop_assert_eq!(part_of(&pieces, FromEnd::Bytes(count as u64)), last_bytes);
            let lines: Vec<&str> = whole.split_inclusive('\n').collect();
            let last_lines = lines[lines.len().saturating_sub(count)..].concat();
            prop_assert_eq!(part_of(&pieces, FromEnd::Lines(count)), last_lines);
        }
    }
}
