//! Whether the files that the ledger has open are still the ones at their paths, with what was written to them. A file that
//! was removed or replaced can be written to until the process ends, and what was written is lost then.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use super::Folder;
use crate::job::Position;
use crate::ledger::{OpenError, Threads};
use crate::log::{self, FileState};
use crate::sqlite::{self, ErrorKind};

/// How often the files are looked at.
const PAUSE: Duration = Duration::from_millis(60);
/// How old a look may be when answers go out; the writer looks itself where the thread has not run for longer. So no append is
/// answered with success later than 250 ms after a file was removed or replaced.
const DUE: Duration = Duration::from_millis(100);

/// The first of the files that are looked at: the log and its WAL. Reading writes to what the WAL is shared through.
const LOG_FILES: usize = 2;

/// What may happen to a file that is open.
#[derive(Debug, thiserror::Error)]
enum Gone {
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
    /// Why no writes are taken, for the whole ledger.
    read_only: Arc<OnceLock<String>>,
    gone: OnceLock<String>,
    /// The newest position that a commit has recorded.
    recorded: AtomicU64,
    began: Instant,
    /// When the newest look that found nothing wrong began, in milliseconds since `began`. The writer reads it without waiting
    /// for a look that is under way.
    looked_ms: AtomicU64,
    looked: Mutex<Looked>,
}

struct Looked {
    files: Vec<File>,
    /// The largest size that `log.db` had: events are never deleted, so it never shrinks.
    size: u64,
    wal: sqlite::Wal,
    /// What the log was like when its end was read last.
    read: Option<Stand>,
}

/// Figures that change with each write to the log, by this process or another.
#[derive(PartialEq, Eq)]
struct Stand {
    recorded: u64,
    /// Size and time of the last change of each of the log's files, in seconds and nanoseconds.
    files: Vec<Option<(u64, i64, i64)>>,
}

struct File {
    path: PathBuf,
    /// Device and inode; `None` as long as there was no such file.
    is: Option<(u64, u64)>,
}

impl Files {
    /// The files of `folder` as they are now, right after they were opened.
    pub(in crate::ledger) fn of(folder: &Folder, head: Position, read_only: Arc<OnceLock<String>>) -> Files {
        let log = folder.log();
        let beside = |end: &str| log.with_extension(format!("db-{end}"));
        let paths = [log.clone(), beside("wal"), beside("shm"), folder.access(), folder.lock_file(), folder.key()];
        let files = paths.map(|path| File { is: identity(&path), path }).into();
        let mut wal = sqlite::Wal::new(&beside("wal"));
        wal.has_what_was_seen();
        Files {
            log,
            read_only,
            gone: OnceLock::new(),
            recorded: AtomicU64::new(head.get()),
            began: Instant::now(),
            looked_ms: AtomicU64::new(0),
            looked: Mutex::new(Looked { files, size: 0, wal, read: None }),
        }
    }

    /// Why the ledger may not be written to any more, because a file is gone.
    pub(in crate::ledger) fn gone(&self) -> Option<&str> {
        self.gone.get().map(String::as_str)
    }

    /// Takes no more writes from here on.
    pub(in crate::ledger) fn read_only(&self, why: String) {
        let _ = self.read_only.set(why);
    }

    /// A commit has returned, and `head` is recorded. Says whether its answers may go out.
    pub(in crate::ledger) fn committed(&self, head: Position) -> Result<(), String> {
        self.recorded.fetch_max(head.get(), Ordering::SeqCst);
        let looked = Duration::from_millis(self.looked_ms.load(Ordering::SeqCst));
        if self.began.elapsed().saturating_sub(looked) < DUE { self.said() } else { self.look() }
    }

    /// Looks now.
    pub(in crate::ledger) fn look(&self) -> Result<(), String> {
        self.look_at(self.looked.lock())
    }

    fn said(&self) -> Result<(), String> {
        self.gone.get().map_or(Ok(()), |why| Err(why.clone()))
    }

    fn look_at(&self, mut looked: MutexGuard<'_, Looked>) -> Result<(), String> {
        self.said()?;
        let begun = self.began.elapsed().as_millis() as u64;
        match looked.compare().and_then(|()| self.read_again(&mut looked)) {
            Ok(()) => {
                self.looked_ms.fetch_max(begun, Ordering::SeqCst);
                Ok(())
            }
            Err(gone) => {
                let why = format!(
                    "{gone}; what is appended now would be lost when it stops: stop the server, put the right files into the \
                     folder, and start it again"
                );
                // What a client is told names no path.
                tracing::error!(error = &gone as &dyn std::error::Error, why, "the ledger takes no more writes");
                self.read_only(why.clone());
                Err(self.gone.get_or_init(|| why).clone())
            }
        }
    }

    /// Reads the end of the log over a connection that has nothing in memory, if something was written since the last time. What
    /// else fails than the file itself (too many open files, a lock) says nothing about it.
    fn read_again(&self, looked: &mut Looked) -> Result<(), Gone> {
        let recorded = self.recorded.load(Ordering::SeqCst);
        let stand = Stand { recorded, files: looked.files[..LOG_FILES].iter().map(File::written).collect() };
        if looked.read.as_ref() == Some(&stand) {
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
            Ok(found) if found < recorded => Err(Gone::Behind { recorded, found }),
            Err(error @ log::Error::NotALog(_)) => Err(Gone::Unreadable(error)),
            Err(error) if error.is(ErrorKind::Damaged) || error.is(ErrorKind::CutOff) => Err(Gone::Unreadable(error)),
            Err(_) => Ok(()),
            Ok(_) => {
                looked.read = Some(stand);
                Ok(())
            }
        }
    }
}

impl Looked {
    fn compare(&mut self) -> Result<(), Gone> {
        for file in &mut self.files {
            match (file.is, identity(&file.path)) {
                (None, found) => file.is = found,
                (expected, found) if expected == found => {}
                _ => {
                    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
                    return Err(Gone::Replaced(name.into_owned()));
                }
            }
        }
        let size = self.files.first().and_then(|log| log.path.metadata().ok()).map_or(0, |log| log.len());
        if size < self.size {
            return Err(Gone::Overwritten("log.db"));
        }
        self.size = size;
        if self.wal.has_what_was_seen() { Ok(()) } else { Err(Gone::Overwritten("log.db-wal")) }
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

/// The thread that looks at the files, until it is dropped.
pub(in crate::ledger) struct Watch {
    running: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

impl Watch {
    pub(in crate::ledger) fn start(files: Arc<Files>, threads: &Threads) -> Result<Watch, OpenError> {
        let (stop, stopped) = channel::<()>();
        let run =
            move || while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) && files.look().is_ok() {};
        let thread = threads.start("files", run).map_err(OpenError::Thread)?;
        Ok(Watch { running: Mutex::new(Some((stop, thread))) })
    }

    /// Ends the thread. The files may be closed then.
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
