//! The ledger: one data folder, one writer, one projector; load, decide, append, read.
//!
//! Invariants: nobody in a group commit is answered before it has returned; the bell carries a position and nothing else;
//! no read holds a transaction longer than it runs.

mod admission;
mod anchor;
mod append;
mod clock;
mod commit;
mod folder;
mod keys;
mod metrics;
mod projection;
mod prove;
mod read;
mod redactor;
mod threads;
mod transfer;

pub use crate::views::Found;
pub use anchor::{AnchorError, Anchored};
pub use append::{Append, AppendError, Appended, AppendedEvent, Guard, Standing};
pub use clock::CLOCK_BEHIND_MS;
pub use commit::{Doubt, SealError};
pub use folder::{ANCHOR_FILE, Folder, FolderError};
pub use keys::{Continued, Identity, KeyError, RotateError, continue_log, identity, rotate_key};
pub use metrics::Metrics;
pub use projection::{BesideError, Health, Rebuild, ViewsVersion};
pub use prove::{ProveError, consistency, receipt, receipt_of_many, tile};
pub use read::{AsOf, INLINE, NotAMoment, Place, ReadError, Shown, Turn, Turns, hook_chunk, hook_output};
pub use threads::{Threads, panic_text};
pub use transfer::{ExportError, ImportError, Imported, LineFault, export, export_line, export_signed, import};

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::chain;
use crate::history::newest_redaction;
use crate::job::{Position, Time};
use crate::log::{self, FileState};
use crate::mask::Mask;
use crate::memory::{Memory, Share};
use crate::sqlite;
use crate::views;

/// Where the ledger gets the time from: passed in, so that recorded histories can be made and replayed exactly.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// The machine's clock, to the microsecond.
pub fn system_clock() -> Clock {
    Arc::new(|| Time::from_micros(chrono::Utc::now().timestamp_micros()))
}

/// How a ledger is opened.
#[derive(Clone)]
pub struct Options {
    /// Where the time comes from.
    pub clock: Clock,
    /// Whether the folder is made where there is none, and a new ledger may start among files of something else.
    pub create: bool,
    /// Whether a new ledger, with a name and key of its own, starts where the log is gone and other files of a ledger are left.
    /// They are kept as `*.before-…`. Refused where there is a log.
    pub new_ledger: bool,
    /// Whether something else (Litestream) copies the WAL into `log.db`.
    pub external_copy_back: bool,
    /// Requests that may wait for the writer; one more is refused.
    pub queue: usize,
    /// The memory that caches and queues share.
    pub memory: Memory,
    /// Reads of the past, and of large jobs, that may be under way at once; the others wait for their turn.
    pub turns: usize,
    /// Which secrets are stopped on their way in.
    pub mask: Mask,
    /// Ends the process where what the file holds cannot be known any more (a failed sync), and where a thread has panicked.
    /// Never returns, so nothing can be written after it.
    pub end: fn() -> !,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            clock: system_clock(),
            create: false,
            new_ledger: false,
            external_copy_back: false,
            queue: 4096,
            memory: Memory::default(),
            turns: 4,
            mask: Mask::default(),
            end: || std::process::exit(2),
        }
    }
}

/// Why a ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The log's own events.
    #[error("the ledger's own events cannot be read: {0}")]
    Identity(String),
    /// The first checkpoint could not be signed.
    #[error("the log was not changed, because its tree is in doubt")]
    Seal(#[from] SealError),
    /// The anchor.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}

/// The seal of the log in `folder`, or why nobody may sign for it.
fn seal(
    folder: &Folder,
    log: &log::Reader<'_>,
    identity: &Identity,
) -> Result<Result<commit::Seal, String>, log::Error> {
    let edge = match commit::restore(log, identity) {
        Ok(edge) => edge,
        Err(SealError::Log(error)) => return Err(error),
        Err(SealError::Doubt(doubt)) => {
            return Ok(Err(format!("{doubt}; continue the log under a new name with `jobledger recover`")));
        }
    };
    Ok(keys::key_file::signing(folder, identity).map(|keys| commit::Seal::new(&identity.origin, keys, edge)))
}

/// What signs for the log in `folder`, and the anchor that it brings forward; or why the log takes no writes.
fn writable(
    folder: &Folder,
    log: &log::Reader<'_>,
    identity: &Identity,
) -> Result<Result<(commit::Seal, anchor::Anchor), String>, OpenError> {
    Ok(match (seal(folder, log, identity)?, anchor::examine(folder, log, identity)?) {
        (Ok(seal), Ok(anchor)) => Ok((seal, anchor)),
        (Err(seal), Err(anchor)) => Err(format!("{seal}; besides, {anchor}")),
        (Err(why), _) | (_, Err(why)) => Err(why),
    })
}

/// An open ledger. Cheap to clone; the last clone's [`Ledger::close`] stops the threads.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    folder: Folder,
    clock: Clock,
    identity: Identity,
    /// Whether this start made it.
    new: bool,
    /// Why no writes are taken; once said it stays.
    read_only: Arc<OnceLock<String>>,
    writer: commit::Handle,
    commits: Arc<commit::Commits>,
    erasures: Arc<redactor::Erasures>,
    projection: Arc<projection::Projection>,
    readers: sqlite::Pool,
    turns: Turns,
    mask: Mask,
    memory: Memory,
    external_copy_back: bool,
    head: watch::Receiver<Position>,
    metrics: Arc<Metrics>,
    /// `None` where the ledger was opened read-only: an anchor that speaks against it stays as it is.
    keeper: Option<anchor::Keeper>,
    watch: folder::Watch,
    threads: Threads,
    // Held for its lock: dropped last, when nothing writes any more.
    _lock: folder::Lock,
    running: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl Ledger {
    /// Opens the ledger in `folder`, and starts its threads. Makes a ledger in a folder that is empty but for tokens; what else
    /// it may make, `options` say.
    ///
    /// A log without the key that signs for it (a backup), or of which it is in doubt what was signed (an import, a damaged
    /// file), or that is behind its anchor or beside it, opens read-only; [`Ledger::read_only`] says why.
    pub fn open(folder: Folder, options: Options) -> Result<Ledger, OpenError> {
        let folder::Start { lock, origin, kept } = folder::take(&folder, &options)?;
        if !kept.is_empty() {
            tracing::warn!(?kept, "an older ledger left files here; they are kept under these names");
        }
        folder::close_to_others(&folder);
        let log_path = folder.log();
        let mut new = false;
        let log = log::Writer::open(&log_path, options.external_copy_back, |writer, found| match found {
            FileState::Empty => {
                folder::permits_genesis(&folder)?;
                new = true;
                keys::create(writer, &folder, &options.clock, &origin)
            }
            FileState::Log(format) => keys::upgrade(writer, format, &folder),
        })?;
        clock::compare(&log.reader(), (options.clock)())?;
        let identity = identity(&log.reader())?;
        keys::key_file::settle(&folder, &identity)?;
        let read_only = Arc::new(OnceLock::new());
        let (seal, anchor) = match writable(&folder, &log.reader(), &identity)? {
            Ok((seal, anchor)) => (Some(seal), Some(anchor)),
            Err(why) => {
                let _ = read_only.set(why);
                (None, None)
            }
        };
        let metrics = Arc::new(Metrics::new(&options.mask));
        let threads = Threads::new(options.end);
        let head = log.reader().head()?;
        let files = Arc::new(folder::Files::of(&folder, head, read_only.clone()));
        let keeper = anchor.map(|anchor| {
            if anchor.held().is_none() && head > Position::GENESIS {
                tracing::warn!(
                    "the log has no anchor, which proves nothing: it is from before there were any, or lost"
                );
            }
            anchor::Keeper::start(anchor, &log.reader(), &log_path, metrics.clone(), files.clone(), &threads)
        });
        let keeper = keeper.transpose()?;
        let (head_bell, head) = watch::channel(head);
        let (projection, projector) =
            projection::start(&folder, &options.memory, &threads).map_err(OpenError::Thread)?;
        let commits = Arc::new(commit::Commits::default());
        let erasures = Arc::new(redactor::Erasures::new(newest_redaction(&log.reader())?));
        let eraser = redactor::start(erasures.clone(), projection.clone(), log_path.clone(), &options, &threads);
        let eraser = eraser.map_err(OpenError::Thread)?;
        let shared = commit::Shared {
            commits: commits.clone(),
            erasures: erasures.clone(),
            projection: projection.clone(),
            head: head_bell,
            metrics: metrics.clone(),
            read_only: read_only.clone(),
            files: files.clone(),
            identity: identity.clone(),
        };
        let (writer, thread, loader) =
            commit::start(log, seal, shared, &log_path, &options, &threads).map_err(OpenError::Thread)?;
        let inner = Inner {
            readers: sqlite::Pool::new(&log_path, options.memory.of(Share::Readers).part(2).limit()),
            turns: Turns::new(options.turns),
            watch: folder::Watch::start(files, &threads)?,
            threads,
            running: Mutex::new(vec![thread, projector, eraser, loader]),
            _lock: lock,
            clock: options.clock,
            mask: options.mask,
            memory: options.memory,
            external_copy_back: options.external_copy_back,
            folder,
            identity,
            new,
            read_only,
            writer,
            commits,
            erasures,
            projection,
            head,
            metrics,
            keeper,
        };
        Ok(Ledger { inner: Arc::new(inner) })
    }

    /// Takes no more appends, finishes those taken, brings the views and the anchor forward, waits for the threads, and
    /// copies the WAL into the log.
    pub fn close(&self) {
        self.inner.watch.stop();
        self.inner.writer.stop();
        self.inner.erasures.stop();
        let threads = std::mem::take(&mut *self.inner.running.lock());
        for (n, thread) in threads.into_iter().enumerate() {
            if n == 1 {
                self.inner.projection.stop();
            }
            // A thread that panics ends the process and never gets here.
            let _ = thread.join();
        }
        self.inner.keeper.iter().for_each(anchor::Keeper::stop);
        // Whoever copies `log.db` alone from now on has all of it. What cannot be written any more is left as it is.
        if !self.external_copy_back() && self.read_only().is_none() {
            match sqlite::copy_back(&self.inner.folder.log()) {
                Ok(true) => {}
                Ok(false) => tracing::info!("somebody reads the log: its newest events stay in `log.db-wal`"),
                Err(error) => tracing::error!(error = chain(&error), "the WAL cannot be copied back into the log"),
            }
        }
    }

    /// The newest position.
    pub fn head(&self) -> Position {
        *self.inner.head.borrow()
    }

    /// A bell that rings with every new head.
    pub fn bell(&self) -> watch::Receiver<Position> {
        self.inner.head.clone()
    }

    /// The newest redaction. What was read of the log before it was recorded may show what is gone.
    pub fn erased(&self) -> Position {
        self.inner.erasures.recorded()
    }

    /// Whether everything that was erased before the ledger was opened is out of its files.
    pub fn erasures_made_good(&self) -> bool {
        self.inner.erasures.made_good()
    }

    /// Whether something else copies the WAL into `log.db`, and so decides when what was erased is out of it.
    pub fn external_copy_back(&self) -> bool {
        self.inner.external_copy_back
    }

    /// Why the ledger takes no writes; `None` where it does.
    pub fn read_only(&self) -> Option<&str> {
        self.inner.read_only.get().map(String::as_str)
    }

    /// Whether this start made the ledger.
    pub fn is_new(&self) -> bool {
        self.inner.new
    }

    /// The threads that the ledger cannot work without.
    pub fn threads(&self) -> &Threads {
        &self.inner.threads
    }

    /// Who this ledger is.
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// Where it lies.
    pub fn folder(&self) -> &Folder {
        &self.inner.folder
    }

    /// The time by the ledger's clock.
    pub fn now(&self) -> Time {
        (self.inner.clock)()
    }

    /// How far the clock is behind the newest event's `recordedtime`, in milliseconds; 0 for a clock that is not behind.
    ///
    /// A clock that was ahead leaves recorded times in the future: they never fall.
    pub fn clock_behind_ms(&self) -> Result<u64, log::Error> {
        let newest = self.log(|log| log.recorded(log.head()?))?;
        Ok(newest.map_or(0, |newest| newest.millis_since(self.now())))
    }

    /// Which secrets are stopped on their way in: what reads events for an append needs it.
    pub fn mask(&self) -> &Mask {
        &self.inner.mask
    }

    /// The memory that caches and queues share, with the bytes that they hold now.
    pub fn memory(&self) -> &Memory {
        self.inner.writer.note_held();
        &self.inner.memory
    }

    /// What the ledger counts.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// How the views are, and where they stand.
    pub fn views(&self) -> (Health, Position) {
        self.inner.projection.health()
    }

    /// How the anchor is; `None` where the ledger was opened read-only, which leaves it as it is.
    pub fn anchored(&self) -> Option<Anchored> {
        self.inner.keeper.as_ref().map(anchor::Keeper::anchored)
    }

    /// Starts making the views again beside the old ones, or joins the rebuild that runs.
    pub fn rebuild(&self) -> Rebuild {
        projection::rebuild_beside(&self.inner.projection, &self.inner.folder.log())
    }

    /// Reads the log over a short-lived connection.
    pub fn log<T, E: From<log::Error>>(&self, read: impl FnOnce(&log::Reader<'_>) -> Result<T, E>) -> Result<T, E> {
        self.inner.readers.with(|conn| read(&log::Reader::new(conn))).map_err(log::Error::from)?
    }

    /// Reads the views as they are.
    fn views_now<T>(
        &self,
        read: impl FnOnce(&rusqlite::Connection) -> Result<T, views::Error>,
    ) -> Result<T, views::Error> {
        self.inner.projection.read(read)
    }
}
