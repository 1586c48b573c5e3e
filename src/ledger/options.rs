//! How a ledger is opened.

use std::sync::Arc;

use crate::job::{Span, Time};
use crate::mask::Mask;
use crate::memory::Memory;

/// The source of the ledger's time. A caller passes it in, so that recorded histories can be made and replayed exactly.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// The machine's clock, in microseconds.
pub fn system_clock() -> Clock {
    Arc::new(|| Time::from_micros(chrono::Utc::now().timestamp_micros()))
}

/// How a ledger is opened.
#[derive(Clone)]
pub struct Options {
    /// The source of the time.
    pub clock: Clock,
    /// Makes a folder that does not exist, and a new ledger among files of something else.
    pub create: bool,
    /// Starts a new ledger, with a name and key of its own, if the log is missing and other files of a ledger remain. These are
    /// kept as `*.before-…`. Refused if there is a log.
    pub new_ledger: bool,
    /// Another program (Litestream) copies the WAL back into `log.db`.
    pub external_copy_back: bool,
    /// Most appends that wait for the writer thread. One more is refused.
    pub queue: usize,
    /// Most reads of the past and of large jobs at once. More wait for their turn.
    pub turns: usize,
    /// After how long a running job without a lease and without a report ends; `None` for never.
    pub stale_after: Option<Span>,
    /// The memory that caches and queues share.
    pub memory: Memory,
    /// The secrets that the ledger stops in appends.
    pub mask: Mask,
    /// Ends the process after a failed sync, when the file's content is unknown, and after a panic of a thread. Never returns, so
    /// nothing is written after it.
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
            turns: 4,
            stale_after: None,
            memory: Memory::default(),
            mask: Mask::default(),
            end: || std::process::exit(2),
        }
    }
}
