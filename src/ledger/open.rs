//! How a ledger opens, in four phases: take the folder, open the log, decide on trust, start the threads.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::anchor::Keeper;
use super::append::Queue;
use super::close::Running;
use super::commit::{Checker, Commits, Loader, Seal, Shared, Stream, WriterThread};
use super::copier::CopierThread;
use super::folder::{Files, Folder, FolderError, Lock, Start, Watch, close_to_others, permits_genesis, take};
use super::keys::{self, Identity, KeyError, LiveIdentity, identity, key_file};
use super::leases::{LeaseSecret, LeaseSecretError, Leases};
use super::node::{Replication, has_rotated};
use super::read::HookOutputs;
use super::redactor::{self, Redactions};
use super::trust::Trust;
use super::{AnchorError, Inner, Ledger, Metrics, Options, SealError, Threads, Turns, clock, projection};
use crate::history::newest_redaction;
use crate::job::Position;
use crate::log::{self, FileState, LoggedMessage, Writer};
use crate::memory::Share;
use crate::sqlite;

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
    /// The secret of the lease tokens.
    #[error(transparent)]
    LeaseSecret(#[from] LeaseSecretError),
    /// The log's own events.
    #[error("the ledger's own events cannot be read: {0}")]
    Identity(String),
    /// The first checkpoint could not be signed.
    #[error("the log was not changed, because its tree is in doubt")]
    Seal(#[from] SealError),
    /// The anchor.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The operating system refuses a thread.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// A log of a node, opened as that of a single ledger.
    #[error(
        "`{}` is a node of a cluster, and a change by it alone would part it from the others: give --cluster, or end its membership \
         with `jobledger cluster leave`", .0.display()
    )]
    IsNode(PathBuf),
    /// A log of a single ledger, opened as a node.
    #[error("`{}` is not a node of a cluster; make it one with `jobledger cluster init` or `jobledger cluster join`", .0.display())]
    IsNotNode(PathBuf),
    /// A node whose log has a key that no message of the stream has.
    #[error("a rotation of the key in `{}` has broken off; run `jobledger cluster rotate` again", .0.display())]
    HalfRotated(PathBuf),
}

/// Longest wait for the views of a new ledger. After it the ledger opens without them.
const FIRST_VIEWS: Duration = Duration::from_secs(5);

impl Ledger {
    /// Opens the ledger in `folder`, and starts its threads. Makes a new ledger in a folder that is empty or holds tokens alone;
    /// `options` may allow more.
    ///
    /// The ledger opens read-only, and [`Ledger::read_only`] says why, if the folder lacks the key that signs (a backup), the
    /// checkpoint does not match the tree (an import, a damaged file), or the anchor contradicts the log.
    ///
    /// # Errors
    ///
    /// The folder holds no ledger and may not get one, another process has it, or a file cannot be read or written.
    pub fn open(folder: Folder, options: Options) -> Result<Ledger, OpenError> {
        Ledger::open_as(folder, options, None)
    }

    /// As [`Ledger::open`], for a folder that is a node of a cluster.
    ///
    /// # Errors
    ///
    /// As [`Ledger::open`], and if the folder is not a node's.
    pub fn open_node(folder: Folder, options: Options, replication: Replication) -> Result<Ledger, OpenError> {
        Ledger::open_as(folder, options, Some(replication))
    }

    fn open_as(folder: Folder, options: Options, replication: Option<Replication>) -> Result<Ledger, OpenError> {
        let Start { lock, origin, kept } = take(&folder, &options)?;
        if !kept.is_empty() {
            tracing::warn!(?kept, "an older ledger left files here; they are kept under these names");
        }
        close_to_others(&folder);
        let log = OpenLog::open(&folder, &options, &origin)?;
        let newest = log.writer.reader().newest_message()?;
        let replication = match (replication, newest) {
            (Some(replication), Some(newest)) => Some((replication, newest)),
            (None, None) => None,
            (Some(_), None) => return Err(OpenError::IsNotNode(folder.path().to_owned())),
            (None, Some(_)) => return Err(OpenError::IsNode(folder.path().to_owned())),
        };
        if let Some((_, newest)) = &replication
            && has_rotated(&log.writer.reader(), &log.identity.origin, newest)?
        {
            return Err(OpenError::HalfRotated(folder.path().to_owned()));
        }
        let trust = Trust::examine(&folder, &log.writer.reader(), &log.identity)?;
        let new = log.new;
        let ledger = start_threads(folder, options, lock, log, trust, replication)?;
        if new {
            // Its views are made within milliseconds. Without this wait the first reads would be told to come back.
            ledger.inner.projection.wait_until_readable(FIRST_VIEWS);
        }
        Ok(ledger)
    }
}

/// The log, open for writing.
struct OpenLog {
    writer: Writer,
    identity: Identity,
    head: Position,
    /// Whether this start made the log.
    new: bool,
}

impl OpenLog {
    /// Opens the log, makes it if there is none, and upgrades an older one.
    fn open(folder: &Folder, options: &Options, origin: &str) -> Result<OpenLog, OpenError> {
        let mut new = false;
        let complete = |writer: &mut Writer, found| match found {
            FileState::Empty => {
                permits_genesis(folder)?;
                new = true;
                keys::create(writer, folder, &options.clock, origin)
            }
            FileState::Log(format) => keys::upgrade(writer, format, folder),
        };
        let writer = Writer::open(&folder.log(), options.external_copy_back, complete)?;
        clock::compare(&writer.reader(), (options.clock)())?;
        let identity = identity(&writer.reader())?;
        key_file::settle(folder, &identity)?;
        let head = writer.reader().head()?;
        Ok(OpenLog { writer, identity, head, new })
    }
}

/// Values that several threads use.
struct ThreadParts {
    metrics: Arc<Metrics>,
    threads: Threads,
    /// Why the ledger takes no writes.
    read_only: Arc<OnceLock<String>>,
    files: Arc<Files>,
}

impl ThreadParts {
    fn new(folder: &Folder, options: &Options, head: Position) -> ThreadParts {
        let read_only = Arc::new(OnceLock::new());
        ThreadParts {
            metrics: Arc::new(Metrics::new(&options.mask)),
            threads: Threads::new(options.end),
            files: Arc::new(Files::of(folder, head, read_only.clone())),
            read_only,
        }
    }

    /// Starts the thread that brings the anchor forward, if the ledger may sign. A contradicting anchor stays as it is.
    fn start_keeper(&self, trust: Trust, folder: &Folder, log: &OpenLog) -> Result<Signing, OpenError> {
        let (seal, anchor) = match trust {
            Trust::Signs { seal, anchor } => (seal, anchor),
            Trust::ReadOnly(why) => {
                let _ = self.read_only.set(why);
                return Ok(Signing { seal: None, keeper: None });
            }
        };
        if anchor.held().is_none() && log.head > Position::GENESIS {
            tracing::warn!("the log has no anchor, which proves nothing: it is from before there were any, or lost");
        }
        let (metrics, files) = (self.metrics.clone(), self.files.clone());
        let keeper = Keeper::start(anchor, &log.writer.reader(), &folder.log(), metrics, files, &self.threads)?;
        Ok(Signing { seal: Some(*seal), keeper: Some(keeper) })
    }
}

/// What signs, and what brings the anchor forward; both `None` if the ledger is read-only.
struct Signing {
    seal: Option<Seal>,
    keeper: Option<Keeper>,
}

/// Starts the copier thread, unless another program copies the WAL back.
fn start_copier(
    log: &Writer,
    path: &Path,
    options: &Options,
    threads: &Threads,
) -> Result<Option<CopierThread>, OpenError> {
    if options.external_copy_back {
        return Ok(None);
    }
    log.do_not_copy_back_in_commits()?;
    Ok(Some(CopierThread::start(path, options.end, threads).map_err(OpenError::Thread)?))
}

/// Starts the threads that need no writer thread (anchor, projector, redactor, loader), then the writer thread, then the thread
/// that watches the files.
fn start_threads(
    folder: Folder,
    options: Options,
    lock: Lock,
    log: OpenLog,
    trust: Trust,
    replication: Option<(Replication, LoggedMessage)>,
) -> Result<Ledger, OpenError> {
    let path = folder.log();
    // Before any thread, because a start that fails cannot end the threads that it started.
    let leases = Arc::new(Leases::new(LeaseSecret::of_file(&folder.lease_secret())?));
    let redactions = Arc::new(Redactions::new(newest_redaction(&log.writer.reader())?));
    // A node without a key judges no message: it shows what its log has.
    let replication = match trust {
        Trust::ReadOnly(_) => None,
        Trust::Signs { .. } => replication,
    };
    let stream = replication.map(|(replication, newest)| Stream::new(replication, &newest, &folder)).transpose()?;
    let node = stream.as_ref().map(Stream::node);
    let parts = ThreadParts::new(&folder, &options, log.head);
    let Signing { seal, keeper } = parts.start_keeper(trust, &folder, &log)?;
    let ThreadParts { metrics, threads, read_only, files } = parts;
    let OpenLog { writer, identity, head, new } = log;
    let identity = LiveIdentity::new(identity);
    let (projection, projector) = projection::start(&folder, &options.memory, &threads).map_err(OpenError::Thread)?;
    let redactor = redactor::start(redactions.clone(), projection.clone(), path.clone(), &options, &threads);
    let redactor = redactor.map_err(OpenError::Thread)?;
    let copier = start_copier(&writer, &path, &options, &threads)?;
    let commits = Arc::new(Commits::default());
    let (head_sender, head) = watch::channel(head);
    let (queue, queued) = Queue::new(options.queue, options.memory.of(Share::Queue));
    let loader = Loader::start(path.clone(), queue.weak_sender(), metrics.clone(), &threads);
    let (load, loader) = loader.map_err(OpenError::Thread)?;
    let shared = Shared {
        clock: options.clock.clone(),
        commits: commits.clone(),
        redactions: redactions.clone(),
        leases: leases.clone(),
        projection: projection.clone(),
        head: head_sender,
        metrics: metrics.clone(),
        read_only: read_only.clone(),
        checker: Checker::start(&threads, options.end).map_err(OpenError::Thread)?,
        files: files.clone(),
        identity: identity.clone(),
        end: options.end,
        copier: copier.as_ref().map(|thread| thread.copier.clone()),
        jobs: options.memory.of(Share::Admission),
    };
    let writer = WriterThread::new(writer, seal, load, shared)?;
    let writer = writer.start(queued, stream, &threads).map_err(OpenError::Thread)?;
    let files = Watch::start(files, &threads)?;
    let inner = Inner {
        readers: sqlite::Pool::new(&path, options.memory.of(Share::Readers).part(2).limit()),
        turns: Turns::new(options.turns),
        hook_outputs: HookOutputs::new(options.memory.of(Share::HookOutputs)),
        running: Mutex::new(Some(Running { files, writer, loader, projector, redactor, copier })),
        clock: options.clock,
        memory: options.memory,
        mask: options.mask,
        external_copy_back: options.external_copy_back,
        folder,
        identity,
        new,
        read_only,
        queue,
        commits,
        redactions,
        leases,
        projection,
        head,
        metrics,
        keeper,
        threads,
        node,
        _lock: lock,
    };
    Ok(Ledger { inner: Arc::new(inner) })
}
