//! The ledger: one data folder, one writer thread, one projector thread; it decides appends, commits them, and answers reads.
//!
//! Invariants: no append of a group commit is answered before the commit has returned; the bell carries a position and nothing
//! else; no read holds a transaction longer than it runs.
//!
//! Not here: bytes and tables of the log (`log`), rows of the views (`views`), a job as it is shown (`model`), HTTP.

mod admission;
mod anchor;
mod append;
mod clock;
mod close;
mod commit;
mod copier;
mod folder;
mod keys;
mod leases;
mod metrics;
mod node;
mod open;
mod options;
mod projection;
mod prove;
mod read;
mod redactor;
mod threads;
mod transfer;
mod trust;

pub use crate::views::Found;
pub use anchor::{AnchorError, Anchored};
pub use append::{Append, AppendError, Appended, AppendedEvent, Guard, Standing};
pub use clock::CLOCK_BEHIND_MS;
pub use commit::{Doubt, SealError};
pub use folder::{ANCHOR_FILE, Folder, FolderError};
pub use keys::{Continued, Identity, KeyError, RotateError, continue_log, identity, own_key, rotate_key};
pub use leases::{BadLeaseToken, HeldLease, LeaseSecretError, LeaseToken, Overdue, Renewal};
pub use metrics::Metrics;
pub use node::{
    Confirmations, CopyError, FilesError, Founding, Leader, Membership, MembershipError, Node, NodeState, Peers,
    Replication, Role, SharedFiles,
};
pub use open::OpenError;
pub use options::{Clock, Options, system_clock};
pub use projection::{BesideError, Health, Rebuild, ViewsVersion};
pub use prove::{ProveError, consistency, receipt, receipt_of_many, tile};
pub use read::{
    AsOf, ChangedSince, Claimable, FromEnd, HookChunk, INLINE, JobWatch, NotAMoment, OutputStart, PageSince,
    PointInTime, ReadError, Shown, Turn, Turns, hook_chunk, hook_chunks, hook_output, output_start,
};
pub use threads::{Threads, panic_text};
pub use transfer::{ExportError, ImportError, Imported, LineFault, export, export_line, export_signed, import};

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::job::{Position, Time};
use crate::mask::Mask;
use crate::memory::Memory;
use crate::{log, sqlite, views};
use copier::Copier;

/// An open ledger. Cheap to clone. [`Ledger::close`] stops its threads.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    folder: Folder,
    clock: Clock,
    identity: keys::LiveIdentity,
    /// Whether this start made the ledger.
    new: bool,
    /// Why the ledger takes no writes. Once set it stays.
    read_only: Arc<OnceLock<String>>,
    queue: append::Queue,
    commits: Arc<commit::Commits>,
    redactions: Arc<redactor::Redactions>,
    leases: Arc<leases::Leases>,
    projection: Arc<projection::Projection>,
    readers: sqlite::Pool,
    turns: Turns,
    hook_outputs: read::HookOutputs,
    memory: Memory,
    mask: Mask,
    external_copy_back: bool,
    head: watch::Receiver<Position>,
    metrics: Arc<Metrics>,
    /// `None` if the ledger was opened read-only: a contradicting anchor stays as it is.
    keeper: Option<anchor::Keeper>,
    threads: Threads,
    /// `None` if the ledger is on one machine.
    node: Option<Arc<Node>>,
    /// `None` once the ledger is closed.
    running: Mutex<Option<close::Running>>,
    /// Dropped after the anchor's thread has ended.
    _lock: folder::Lock,
}

impl Ledger {
    /// The newest position.
    pub fn head(&self) -> Position {
        *self.inner.head.borrow()
    }

    /// A bell that rings with every new head.
    pub fn bell(&self) -> watch::Receiver<Position> {
        self.inner.head.clone()
    }

    /// The position of the newest redaction, or of a later event of its commit. An answer that was read from the log before that
    /// commit may show redacted data.
    pub fn newest_redaction(&self) -> Position {
        self.inner.redactions.recorded()
    }

    /// Whether every redaction that was recorded before the ledger was opened is applied to its files.
    pub fn earlier_redactions_are_applied(&self) -> bool {
        self.inner.redactions.found_are_applied()
    }

    /// Whether another program copies the WAL back into `log.db`, and so decides when redacted data leaves the WAL.
    pub fn external_copy_back(&self) -> bool {
        self.inner.external_copy_back
    }

    /// Why the ledger takes no writes; `None` if it does.
    pub fn read_only(&self) -> Option<&str> {
        self.inner.read_only.get().map(String::as_str)
    }

    /// The ledger as a node of a cluster; `None` if it is on one machine.
    pub fn node(&self) -> Option<&Node> {
        self.inner.node.as_deref()
    }

    /// Returns when this ledger leads, or with `false` when it does not. A ledger on one machine always leads.
    pub async fn until_leading(&self, leads: bool) {
        match self.node() {
            Some(node) => node.until_leading(leads).await,
            None if leads => {}
            None => std::future::pending().await,
        }
    }

    /// Whether this start made the ledger.
    pub fn is_new(&self) -> bool {
        self.inner.new
    }

    /// The threads that the ledger cannot work without.
    pub fn threads(&self) -> &Threads {
        &self.inner.threads
    }

    /// The log's origin and its keys.
    pub fn identity(&self) -> Identity {
        self.inner.identity.get()
    }

    /// The data folder.
    pub fn folder(&self) -> &Folder {
        &self.inner.folder
    }

    /// The time by the ledger's clock.
    pub fn now(&self) -> Time {
        (self.inner.clock)()
    }

    /// How far the clock is behind the newest event's `recordedtime`, in milliseconds; 0 if the clock is not behind.
    ///
    /// Recorded times never fall, so a clock that was ahead leaves recorded times in the future.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn clock_behind_ms(&self) -> Result<u64, log::Error> {
        let newest = self.log(|log| log.recorded(log.head()?))?;
        Ok(newest.map_or(0, |newest| newest.millis_since(self.now())))
    }

    /// The secrets that the ledger stops in appends. Reading a request needs it.
    pub fn mask(&self) -> &Mask {
        &self.inner.mask
    }

    /// The ledger's counters.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// The memory that caches and queues share, with the bytes that they hold now.
    pub fn memory(&self) -> &Memory {
        self.inner.queue.note_held();
        &self.inner.memory
    }

    /// Whether the views follow the log, and their position.
    pub fn views(&self) -> (Health, Position) {
        self.inner.projection.health()
    }

    /// The state of the anchor; `None` if the ledger was opened read-only and leaves the anchor as it is.
    pub fn anchored(&self) -> Option<Anchored> {
        self.inner.keeper.as_ref().map(anchor::Keeper::anchored)
    }

    /// Starts making the views again beside the old ones, or joins the rebuild that runs.
    pub fn rebuild(&self) -> Rebuild {
        projection::rebuild_beside(&self.inner.projection, &self.inner.folder.log())
    }

    /// Reads the log over a read-only connection of a pool. `read` runs on the calling thread, and must not wait for a socket.
    ///
    /// # Errors
    ///
    /// A connection cannot be opened, or `read` fails.
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
