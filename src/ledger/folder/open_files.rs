//! Watches that the open files of the ledger are still at their paths, and hold what was written to them. A process can write to
//! a file that was removed or replaced until the process ends, and everything written is lost then.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Folder;
use crate::job::Position;
use crate::ledger::{OpenError, Threads};
use crate::log::{self, FileState};
use crate::sqlite::{self, ErrorKind};

/// Pause between two looks at the files.
const PAUSE: Duration = Duration::from_millis(60);
/// Longest age of a look when answers go out; after it the writer thread looks itself. So 250 ms after a file was removed or
/// replaced no append is answered with success.
const DUE: Duration = Duration::from_millis(100);

/// How many files at the front of the list change only with a write to the log: `log.db` and its WAL. The third, `log.db-shm`,
/// changes with reads too.
const LOG_FILES: usize = 2;

/// Why an open file no longer holds the log.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("`{0}` was removed or replaced while the server has it open")]
    Replaced(String),
    #[error("`{0}` was cut off or overwritten while the server has it open")]
    Overwritten(&'static str),
    #[error(
        "the log ends at position {found}, and position {recorded} was recorded: a file was overwritten while the server has it open"
    )]
    Behind { recorded: u64, found: u64 },
    #[error("the log cannot be read any more: a file was overwritten or is damaged while the server has it open")]
    Unreadable(#[source] log::Error),
}

/// The files of an open ledger.
pub(in crate::ledger) struct Files {
    log: PathBuf,
    /// Why the ledger takes no writes.
    read_only: Arc<OnceLock<String>>,
    lost: AtomicBool,
    /// The newest position that a commit has recorded.
    recorded: AtomicU64,
    began: Instant,
    /// When the newest look that found every file intact began, in milliseconds since `began`. The writer thread reads it without
    /// waiting for a look under way.
    looked_ms: AtomicU64,
    looked: Mutex<Looked>,
}

struct Looked {
    files: Vec<File>,
    /// The largest size that `log.db` had: events are never deleted, so it never shrinks.
    size: u64,
    wal: sqlite::Wal,
    /// The log's files when the end of the log was last read.
    read: Option<LogFiles>,
}

/// Figures that change with each write to the log, by this process or another.
#[derive(PartialEq, Eq)]
struct LogFiles {
    recorded: u64,
    /// Size and time of the last change of each of the log's files, in seconds and nanoseconds.
    files: Vec<Option<(u64, i64, i64)>>,
}

struct File {
    path: PathBuf,
    /// Device and inode; `None` until the file exists.
    identity: Option<(u64, u64)>,
}

impl Files {
    /// The files of `folder`, right after they were opened.
    pub(in crate::ledger) fn of(folder: &Folder, head: Position, read_only: Arc<OnceLock<String>>) -> Files {
        let log = folder.log();
        let beside = |end: &str| log.with_extension(format!("db-{end}"));
        let paths = [log.clone(), beside("wal"), beside("shm"), folder.access(), folder.lock_file(), folder.key()];
        let files = paths.map(|path| File { identity: identity(&path), path }).into();
        let mut wal = sqlite::Wal::new(&beside("wal"));
        wal.has_what_was_seen();
        Files {
            log,
            read_only,
            lost: AtomicBool::new(false),
            recorded: AtomicU64::new(head.get()),
            began: Instant::now(),
            looked_ms: AtomicU64::new(0),
            looked: Mutex::new(Looked { files, size: 0, wal, read: None }),
        }
    }

    /// Whether a file is lost.
    pub(in crate::ledger) fn are_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    /// Takes no more writes from here on.
    pub(in crate::ledger) fn read_only(&self, why: String) {
        let _ = self.read_only.set(why);
    }

    /// A commit up to `head` has returned. Answers whether the files are intact, so that its answers may go out.
    pub(in crate::ledger) fn committed(&self, head: Position) -> bool {
        self.recorded.fetch_max(head.get(), Ordering::SeqCst);
        let looked = Duration::from_millis(self.looked_ms.load(Ordering::SeqCst));
        if self.began.elapsed().saturating_sub(looked) < DUE { !self.are_lost() } else { self.look() }
    }

    /// Looks at the files; answers whether they are intact. The ledger takes no more writes if they are not.
    pub(in crate::ledger) fn look(&self) -> bool {
        let mut looked = self.looked.lock();
        if self.are_lost() {
            return false;
        }
        let begun = self.began.elapsed().as_millis() as u64;
        let Err(lost) = looked.compare().and_then(|()| self.read_again(&mut looked)) else {
            self.looked_ms.fetch_max(begun, Ordering::SeqCst);
            return true;
        };
        // Clients are told this, so it names no path.
        let why = format!(
            "{lost}; what is appended now would be lost when it stops: stop the server, put the right files into the folder, \
             and start it again"
        );
        tracing::error!(error = &lost as &dyn std::error::Error, why, "the ledger takes no more writes");
        self.read_only(why);
        self.lost.store(true, Ordering::SeqCst);
        false
    }

    /// Reads the end of the log over a connection without a cache, if the log's files changed since the last time. A failure that
    /// is not the file's (too many open files, a lock) says nothing about the file.
    fn read_again(&self, looked: &mut Looked) -> Result<(), Lost> {
        let recorded = self.recorded.load(Ordering::SeqCst);
        let now = LogFiles { recorded, files: looked.files[..LOG_FILES].iter().map(File::written).collect() };
        if looked.read.as_ref() == Some(&now) {
            return Ok(());
        }
        let read = || {
            let conn = sqlite::open_reader(&self.log, sqlite::COMMAND_CACHE)?;
            match log::file_state(&conn, &self.log)? {
                FileState::Empty => Ok(0),
                FileState::Log(_) => log::Reader::new(&conn).head().map(Position::get),
            }
        };
        match read() {
            Ok(found) if found < recorded => Err(Lost::Behind { recorded, found }),
            Err(error @ log::Error::NotALog(_)) => Err(Lost::Unreadable(error)),
            Err(error) if error.is(ErrorKind::Damaged) || error.is(ErrorKind::CutOff) => Err(Lost::Unreadable(error)),
            Err(_) => Ok(()),
            Ok(_) => {
                looked.read = Some(now);
                Ok(())
            }
        }
    }
}

impl Looked {
    fn compare(&mut self) -> Result<(), Lost> {
        for file in &mut self.files {
            match (file.identity, identity(&file.path)) {
                (None, found) => file.identity = found,
                (expected, found) if expected == found => {}
                _ => {
                    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
                    return Err(Lost::Replaced(name.into_owned()));
                }
            }
        }
        let size = self.files.first().and_then(|log| log.path.metadata().ok()).map_or(0, |log| log.len());
        if size < self.size {
            return Err(Lost::Overwritten("log.db"));
        }
        self.size = size;
        if self.wal.has_what_was_seen() { Ok(()) } else { Err(Lost::Overwritten("log.db-wal")) }
    }
}

impl File {
    fn written(&self) -> Option<(u64, i64, i64)> {
        self.path.metadata().ok().map(|file| (file.len(), file.mtime(), file.mtime_nsec()))
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|file| (file.dev(), file.ino()))
}

/// The thread that looks at the files, until the `Watch` is stopped or dropped.
pub(in crate::ledger) struct Watch {
    running: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

impl Watch {
    pub(in crate::ledger) fn start(files: Arc<Files>, threads: &Threads) -> Result<Watch, OpenError> {
        let (stop, stopped) = channel::<()>();
        let run = move || while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) && files.look() {};
        let thread = threads.start("files", run).map_err(OpenError::Thread)?;
        Ok(Watch { running: Mutex::new(Some((stop, thread))) })
    }

    /// Ends the thread, so that the files may be closed.
    pub(in crate::ledger) fn stop(&self) {
        let Some((stop, thread)) = self.running.lock().take() else { return };
        drop(stop);
        // A thread that panics ends the process and never gets here.
        let _ = thread.join();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}
