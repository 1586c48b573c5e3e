//! Notices that another program emptied or overwrote the WAL of a running ledger. SQLite itself does not notice: it finds frames by
//! an index in memory, and copies the wrong bytes into the log when it copies the WAL back.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of the header of a WAL and of each frame in it (<https://sqlite.org/fileformat2.html#walformat>).
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The first four bytes of a WAL. Their last bit is the byte order of checksums.
const MAGIC: u32 = 0x377f_0682;
/// The first look searches so many newest frames for the end of a commit: 16 MiB of pages.
const LOOKED_THROUGH: u64 = 4096;
/// Most salts that a [`Wal`] remembers.
const RETIRED: usize = 1024;
/// A WAL counts as changed after so many failed looks. SQLite may begin the WAL anew during a look, so one look does not decide.
const LOOKS: usize = 3;

/// A WAL, and the header and the newest commit that the last look found.
#[derive(Debug)]
pub struct Wal {
    path: PathBuf,
    seen: Option<Seen>,
    /// Salts of WALs before this one, the oldest first. A file with one of these salts is an old WAL that a program put back.
    retired: VecDeque<[u8; 8]>,
}

#[derive(Debug)]
struct Seen {
    header: [u8; HEADER],
    newest: Newest,
}

/// How far the frames go.
#[derive(Debug, Clone, Copy, Default)]
struct Newest {
    /// The index after the last current frame.
    end: u64,
    /// The index and the header of the newest frame that ended a commit.
    commit: Option<(u64, [u8; FRAME_HEADER])>,
}

/// The open file of a WAL, during a look.
struct Open {
    file: File,
    header: [u8; HEADER],
    /// Whole frames in the file.
    frames: u64,
}

impl Wal {
    /// The WAL at `path`. The file may be missing.
    pub fn new(path: &Path) -> Wal {
        Wal { path: path.to_owned(), seen: None, retired: VecDeque::new() }
    }

    /// Whether the file still has the commit that the last look found, or SQLite has begun the file anew since. Also `true` if the
    /// file cannot be read.
    pub fn has_what_was_seen(&mut self) -> bool {
        (0..LOOKS).any(|_| self.look().unwrap_or(true))
    }

    fn look(&mut self) -> io::Result<bool> {
        let file = File::open(&self.path)?;
        let size = file.metadata()?.len();
        // SQLite empties the file after it has copied all frames into the log.
        if size == 0 {
            return Ok(true);
        }
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0)?;
        if word(&header, 0) & !1 != MAGIC {
            return Ok(false);
        }
        let wal = Open { file, header, frames: size.saturating_sub(HEADER as u64) / frame_size(&header) };
        let known = match &self.seen {
            None => Some(Newest { end: wal.end()?.saturating_sub(LOOKED_THROUGH), commit: None }),
            Some(seen) if seen.header == header => wal.still_has(seen)?,
            // SQLite begins the WAL anew with new salts. Salts and the count in the header do not tell which of two headers is
            // newer: each connection counts for itself, and begins with random salts. So only retired salts tell an old file.
            Some(_) => (!self.retired.contains(salts(&header))).then(Newest::default),
        };
        let Some(newest) = known.map(|known| wal.follow(known)).transpose()?.flatten() else { return Ok(false) };
        if let Some(before) = self.seen.replace(Seen { header, newest }).filter(|before| before.header != header) {
            self.retire(&before.header);
        }
        Ok(true)
    }

    /// Notes the salts of a header that SQLite has left behind.
    fn retire(&mut self, header: &[u8; HEADER]) {
        if self.retired.len() == RETIRED {
            self.retired.pop_front();
        }
        self.retired.push_back(*salts(header));
    }
}

impl Open {
    /// The commit of the last look, if the file still has it; `None` if not.
    fn still_has(&self, seen: &Seen) -> io::Result<Option<Newest>> {
        match &seen.newest.commit {
            Some((index, frame)) if *index >= self.frames || self.frame(*index)? != *frame => Ok(None),
            commit => Ok(Some(Newest { end: commit.map_or(0, |(index, _)| index + 1), commit: *commit })),
        }
    }

    /// Reads on from `known` to the newest current frame, and finds the newest commit before it. `None` if there is a hole: the last
    /// frame of the file is current, and a frame before it is not. Every frame is read, because a bisection may pass over a hole.
    fn follow(&self, known: Newest) -> io::Result<Option<Newest>> {
        let mut end = known.end;
        while end < self.frames && self.is_current(&self.frame(end)?) {
            end += 1;
        }
        if end < self.frames && self.is_current(&self.frame(self.frames - 1)?) {
            return Ok(None);
        }
        // From the newest on, because only the newest commit may have broken off.
        for index in (known.end..end).rev() {
            let frame = self.frame(index)?;
            // Only the last frame of a commit has the log's size in pages here; other frames have 0. SQLite may overwrite frames
            // after the last commit.
            if word(&frame, 4) != 0 && self.is_whole(index, &frame)? {
                return Ok(Some(Newest { end, commit: Some((index, frame)) }));
            }
        }
        Ok(Some(Newest { end, ..known }))
    }

    /// Whether the frame at `index` has the checksum that follows from the frame before it and from its own page. A process that is killed
    /// between the header of a commit's last frame and its page leaves a frame without it, which SQLite overwrites later.
    fn is_whole(&self, index: u64, frame: &[u8; FRAME_HEADER]) -> io::Result<bool> {
        let before = match index.checked_sub(1) {
            Some(before) => self.frame(before)?[16..24].to_vec(),
            None => self.header[24..32].to_vec(),
        };
        let mut page = vec![0; frame_size(&self.header) as usize - FRAME_HEADER];
        let at = HEADER as u64 + index * frame_size(&self.header) + FRAME_HEADER as u64;
        self.file.read_exact_at(&mut page, at)?;
        let read = if word(&self.header, 0) & 1 == 0 { u32::from_le_bytes } else { u32::from_be_bytes };
        let start = (word(&before, 0), word(&before, 4));
        let sum =
            [&frame[..8], &page].into_iter().flat_map(|bytes| bytes.as_chunks::<8>().0).fold(start, |(a, b), pair| {
                let [first, second] = [0, 4].map(|at| read(*pair[at..].first_chunk().expect("a pair has 8 bytes")));
                let a = a.wrapping_add(first).wrapping_add(b);
                (a, b.wrapping_add(second).wrapping_add(a))
            });
        Ok(sum == (word(frame, 16), word(frame, 20)))
    }

    /// The index after the last current frame, by bisection.
    fn end(&self) -> io::Result<u64> {
        let (mut current, mut stale) = (0, self.frames);
        while current < stale {
            let middle = current.midpoint(stale);
            if self.is_current(&self.frame(middle)?) { current = middle + 1 } else { stale = middle }
        }
        Ok(current)
    }

    /// Whether SQLite wrote the frame since it began the WAL anew. Older frames have other salts, and lie behind the current ones.
    fn is_current(&self, frame: &[u8; FRAME_HEADER]) -> bool {
        frame[8..16] == *salts(&self.header)
    }

    fn frame(&self, index: u64) -> io::Result<[u8; FRAME_HEADER]> {
        let mut frame = [0; FRAME_HEADER];
        self.file.read_exact_at(&mut frame, HEADER as u64 + index * frame_size(&self.header))?;
        Ok(frame)
    }
}

fn frame_size(header: &[u8; HEADER]) -> u64 {
    FRAME_HEADER as u64 + u64::from(word(header, 8))
}

/// The salts in a header, which each of its frames repeats.
fn salts(header: &[u8; HEADER]) -> &[u8; 8] {
    header[16..].first_chunk().expect("a header has 32 bytes")
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// A database with a WAL, a connection that writes to it, and the `Wal` under test.
    fn written() -> (tempfile::TempDir, Connection, Wal) {
        let dir = tempfile::tempdir().unwrap();
        let conn = Connection::open(dir.path().join("x.db")).unwrap();
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA cache_size = 5; CREATE TABLE t (a)").unwrap();
        let wal = Wal::new(&dir.path().join("x.db-wal"));
        (dir, conn, wal)
    }

    fn insert(conn: &Connection) {
        conn.execute("INSERT INTO t VALUES (randomblob(50000))", []).unwrap();
    }

    #[test]
    fn a_wal_that_its_own_connection_writes_or_resets_is_unchanged() {
        let (_dir, conn, mut wal) = written();
        for n in 0..60 {
            insert(&conn);
            assert!(wal.has_what_was_seen());
            // More than the cache holds, so SQLite writes frames before the commit, and the rollback drops them.
            conn.execute_batch("BEGIN").unwrap();
            (0..3).for_each(|_| insert(&conn));
            assert!(wal.has_what_was_seen());
            conn.execute_batch("ROLLBACK").unwrap();
            let mode = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"][n % 4];
            conn.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(())).unwrap();
            assert!(wal.has_what_was_seen());
        }
    }

    #[test]
    fn a_wal_that_a_second_connection_resets_is_unchanged() {
        let (dir, conn, mut wal) = written();
        for n in 0..12 {
            insert(&conn);
            assert!(wal.has_what_was_seen());
            let other = Connection::open(dir.path().join("x.db")).unwrap();
            let mode = ["TRUNCATE", "RESTART", "FULL"][n % 3];
            other.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(())).unwrap();
            assert!(wal.has_what_was_seen(), "{n} {mode}");
            insert(if n % 2 == 0 { &conn } else { &other });
            assert!(wal.has_what_was_seen(), "{n} after {mode}");
        }
    }

    #[test]
    fn a_commit_that_broke_off_is_no_commit() {
        let (_dir, conn, mut wal) = written();
        insert(&conn);
        let mut bytes = std::fs::read(&wal.path).unwrap();
        let size = frame_size(bytes.first_chunk().unwrap()) as usize;
        // A process leaves this behind that is killed between the header of the last frame of a commit and the frame's page.
        let mut torn = bytes[bytes.len() - size..].to_vec();
        assert_ne!(word(&torn, 4), 0, "the last frame ends a commit");
        torn[FRAME_HEADER..].fill(0);
        bytes.extend(torn);
        std::fs::write(&wal.path, bytes).unwrap();
        assert!(wal.has_what_was_seen());
        insert(&conn);
        assert!(wal.has_what_was_seen(), "SQLite overwrites what broke off");
    }

    #[test]
    fn an_older_wal_copied_over_a_reset_one_is_a_change() {
        let (_dir, conn, mut wal) = written();
        insert(&conn);
        assert!(wal.has_what_was_seen());
        let older = std::fs::read(&wal.path).unwrap();
        conn.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())).unwrap();
        insert(&conn);
        assert!(wal.has_what_was_seen());
        std::fs::write(&wal.path, older).unwrap();
        assert!(!wal.has_what_was_seen());
    }

    #[test]
    fn a_wal_that_another_program_writes_is_a_change() {
        let changes: [fn(&Path, Vec<u8>, &Connection); 5] = [
            |path, older, _| std::fs::write(path, older).unwrap(),
            |path, older, conn| {
                std::fs::write(path, older).unwrap();
                insert(conn);
            },
            |path, older, conn| {
                insert(conn);
                std::fs::write(path, older).unwrap();
                insert(conn);
            },
            |path, _, conn| {
                std::fs::write(path, []).unwrap();
                insert(conn);
            },
            |path, _, _| std::fs::write(path, "no WAL at all, and long enough for a header").unwrap(),
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let (_dir, conn, mut wal) = written();
            insert(&conn);
            let older = std::fs::read(&wal.path).unwrap();
            insert(&conn);
            assert!(wal.has_what_was_seen());
            change(&wal.path, older, &conn);
            assert!(!wal.has_what_was_seen(), "change {n}");
        }
    }
}
