//! Export: one line for each event, with all bytes that an import needs.

use std::io::Write;

use crate::job::{JobKey, Position};
use crate::log::{self, Reader, Row, enough};
use crate::wire::{Entry, ExportedLine, SALT_LEN};

/// Most events of one read. Their lines are written after the read, so a slow disk or pipe keeps no read open.
const STEP: u64 = 1000;
/// Bytes of lines after which a read ends, 1 MiB.
const STEP_BYTES: usize = 1 << 20;

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The file or pipe.
    #[error("cannot write the export")]
    Write(#[from] std::io::Error),
    /// The job does not exist.
    #[error("no job `{0}` in this organisation")]
    NoSuchJob(String),
    /// No checkpoint covers every event.
    #[error(
        "no checkpoint covers the newest event, because this copy was imported and not continued; export without \
         --checkpoint, or continue it with `jobledger recover`"
    )]
    NoCheckpoint,
}

/// Writes the events after `after` (`None`: the genesis event too), of one job or of all, up to the head of this moment;
/// answers how many. Tells `progress` the position reached.
///
/// # Errors
///
/// The log cannot be read, `out` cannot be written, or the job does not exist.
pub fn export(
    log: &Reader<'_>,
    after: Option<Position>,
    job: Option<&JobKey>,
    out: &mut impl Write,
    progress: impl FnMut(Position),
) -> Result<u64, ExportError> {
    let head = log.head()?;
    let written = events(log, after, job, head, out, progress)?;
    out.flush()?;
    Ok(written)
}

/// Writes every event, and as a last line the newest checkpoint, which covers them all; answers how many events.
///
/// # Errors
///
/// The log cannot be read, `out` cannot be written, or no checkpoint covers every event.
pub fn export_signed(
    log: &Reader<'_>,
    out: &mut impl Write,
    progress: impl FnMut(Position),
) -> Result<u64, ExportError> {
    // Both from one commit, while a server appends.
    let (head, newest) = log.snapshot(|| Ok::<_, log::Error>((log.head()?, log.checkpoint()?)))?;
    let newest = newest.filter(|newest| newest.size.get() == head.next().get()).ok_or(ExportError::NoCheckpoint)?;
    let written = events(log, None, None, head, out, progress)?;
    out.write_all(&ExportedLine::checkpoint(&String::from_utf8_lossy(&newest.note)))?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(written)
}

fn events(
    log: &Reader<'_>,
    after: Option<Position>,
    job: Option<&JobKey>,
    head: Position,
    out: &mut impl Write,
    mut progress: impl FnMut(Position),
) -> Result<u64, ExportError> {
    let stream = match job {
        None => None,
        Some(key) => match log.stream(key.org, &key.id)? {
            None => return Err(ExportError::NoSuchJob(key.id.to_string())),
            found => found,
        },
    };
    let (mut next, mut written) = (after.map_or(Position::GENESIS, Position::next), 0);
    let mut lines = Vec::new();
    loop {
        let (mut read, mut last) = (0, next);
        let mut line = |row: Row<'_>| {
            (read, last) = (read + 1, row.position);
            lines.extend(export_line(row));
            lines.push(b'\n');
            Ok::<_, log::Error>(enough(lines.len(), STEP_BYTES))
        };
        match stream {
            // `scan_job` begins after a position, and so never gives position 0: the genesis event belongs to no job.
            Some(stream) => {
                let after = Position::new(next.get().saturating_sub(1));
                log.scan_job(stream, after, head, STEP, |row| line(row).map(drop))?;
            }
            None => log.scan(next, STEP.min(head.get() + 1 - next.get().min(head.get() + 1)), line)?,
        }
        // After the read: a pipe without a reader keeps no read open, and SQLite can begin the WAL anew.
        out.write_all(&lines)?;
        lines.clear();
        written += read;
        progress(last);
        if read == 0 || last >= head {
            return Ok(written);
        }
        next = last.next();
    }
}

/// The export line of a stored event, without a newline.
pub fn export_line(row: Row<'_>) -> Vec<u8> {
    let content = row.salt.zip(row.data).map(|(salt, data)| {
        // A tampered log may hold a salt of another length. Its export does not verify.
        (<[u8; SALT_LEN]>::try_from(salt).unwrap_or_default(), data.to_vec())
    });
    Entry { leaf: row.leaf.to_vec(), content }.to_bytes()
}
