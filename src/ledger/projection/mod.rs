//! The views of an open ledger: the projector thread that writes them, and the reads that wait for them.
//!
//! The thread is a state machine ([`mode::Mode`]): other threads send it [`mode::Command`]s, and leave commits in the
//! [`backlog`]. A swap of the views is the only thing that keeps reads waiting for a lock.
//!
//! Not here: how events become rows (`views`), and which read asks for what (`ledger::read`).

mod answers;
mod backlog;
mod beside;
mod mode;
mod thread;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;
use tokio::sync::watch;

use self::answers::Answers;
use self::backlog::Backlog;
use self::mode::Command;
use super::Threads;
use super::append::AppendError;
use super::folder::Folder;
use crate::job::Position;
use crate::memory::{Memory, Share};
use crate::sqlite::Pool;
use crate::views;

pub(super) use backlog::CommittedFacts;
pub(super) use beside::rebuild_beside;
pub use beside::{BesideError, Rebuild};

/// Longest wait of a read or an append for the views.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the views follow the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// They do.
    Following,
    /// They are being made from nothing; reads wait.
    Rebuilding,
    /// The projector cannot read an event: the views keep their position until a newer program reads it.
    Stopped(String),
}

/// The views as every thread sees them.
#[derive(Debug)]
struct Status {
    /// The newest event that the views hold.
    position: Position,
    health: Health,
    /// Every redaction recorded up to here has been applied to the file.
    scrubbed: Position,
}

impl Status {
    fn is_stopped(&self) -> bool {
        matches!(self.health, Health::Stopped(_))
    }
}

/// The connections of readers to one file of the views.
#[derive(Debug)]
struct OpenViews {
    pool: Pool,
    /// The number of the file.
    file: u64,
}

/// The views of an open ledger.
#[derive(Debug)]
pub struct Projection {
    /// The file of the views.
    views: PathBuf,
    /// The file of views that are made beside those in use.
    new_views: PathBuf,
    /// The file of views that the projector makes because there are none. Both may be under way at once.
    remade_views: PathBuf,
    /// Read-locked by every read, write-locked while new views take the place of the old.
    readers: RwLock<Option<OpenViews>>,
    /// What readers found.
    pub(super) answers: Answers,
    /// Held by the thread that makes `new_views`, until they are in place.
    making: Mutex<()>,
    /// The newest rebuild.
    rebuild: Mutex<Option<Rebuild>>,
    backlog: Backlog,
    commands: Sender<Command>,
    memory: Memory,
    status: watch::Sender<Status>,
}

/// Starts the projector thread for the views in `folder`.
///
/// # Errors
///
/// The operating system refuses a thread.
pub(super) fn start(
    folder: &Folder,
    memory: &Memory,
    threads: &Threads,
) -> Result<(Arc<Projection>, JoinHandle<()>), std::io::Error> {
    let (commands, received) = channel();
    let status = Status { position: Position::GENESIS, health: Health::Rebuilding, scrubbed: Position::GENESIS };
    let projection = Arc::new(Projection {
        views: folder.views(),
        new_views: folder.new_views(),
        remade_views: folder.remade_views(),
        readers: RwLock::new(None),
        answers: Answers::new(memory),
        making: Mutex::new(()),
        rebuild: Mutex::new(None),
        backlog: Backlog::new(memory.of(Share::Backlog)),
        commands,
        memory: memory.clone(),
        status: watch::Sender::new(status),
    });
    let (shared, log) = (projection.clone(), folder.log());
    let thread = threads.start("projector", move || thread::run(&shared, received, &log))?;
    Ok((projection, thread))
}

impl Projection {
    /// Tells the projector of a new head, and gives it the facts of the commit; without them it reads the log.
    pub(super) fn committed(&self, commit: Option<CommittedFacts>, head: Position) {
        if self.backlog.add(commit, head) {
            self.tell(Command::Wake);
        }
    }

    /// Ends the thread, once the views hold every event.
    pub(super) fn stop(&self) {
        self.tell(Command::Stop);
    }

    /// A thread that has ended needs no command.
    fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Whether the views follow the log, and their position.
    pub(super) fn health(&self) -> (Health, Position) {
        let status = self.status.borrow();
        (status.health.clone(), status.position)
    }

    fn set_health(&self, health: Health) {
        self.status.send_modify(|status| status.health = health);
    }

    fn position(&self) -> Position {
        self.status.borrow().position
    }

    /// The views are at `position`, and every reader of the file sees that: wakes the reads that wait for it.
    fn shows(&self, position: Position) {
        self.answers.stands(position);
        self.status.send_modify(|status| status.position = position);
    }

    /// There are no views: reads wait.
    fn shows_nothing(&self) {
        self.status.send_modify(|status| status.position = Position::GENESIS);
    }

    /// Waits until the views show `position`; `false` if they do not by `until`, or stop before it.
    pub(super) async fn wait_for(&self, position: Position, until: Instant) -> bool {
        if self.position() >= position {
            return true;
        }
        let mut status = self.status.subscribe();
        if !self.hurry() {
            return false;
        }
        let reached = status.wait_for(|status| status.position >= position || status.is_stopped());
        match tokio::time::timeout_at(until.into(), reached).await {
            Ok(Ok(status)) => status.position >= position,
            _ => false,
        }
    }

    /// Has the projector project now what it gathers; `false` if the views have stopped.
    fn hurry(&self) -> bool {
        let stopped = self.status.borrow().is_stopped();
        if !stopped {
            self.tell(Command::Hurry);
        }
        !stopped
    }

    /// Waits until the views are at most `lag` events behind `head`: appends slow down before reads fail. Does not wait for views
    /// that have stopped or are being made, because the log goes on without them.
    ///
    /// # Errors
    ///
    /// [`AppendError::Behind`] after 5 s.
    pub(super) async fn wait_for_lag(&self, head: Position, lag: u64) -> Result<(), AppendError> {
        let enough = Position::new(head.get().saturating_sub(lag));
        let waits = || {
            let status = self.status.borrow();
            status.position < enough && status.health == Health::Following
        };
        if !waits() || self.wait_for(enough, Instant::now() + PATIENCE).await || !waits() {
            return Ok(());
        }
        Err(AppendError::Behind)
    }

    /// Reads the views as they are.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, views::Error>) -> Result<T, views::Error> {
        let readers = self.readers.read();
        let Some(open) = readers.as_ref() else {
            return Err(views::Error::Damaged("they are being made again".into()));
        };
        let answer = match open.pool.with(read).map_err(views::Error::File).flatten() {
            // Connections that are open still read the old file; new connections need one.
            Err(_) if !self.views.exists() => Err(views::Error::Damaged("their file is gone".into())),
            answer => answer,
        };
        if let Err(error) = &answer
            && error.is_damage()
        {
            tracing::error!(error = error as &dyn std::error::Error, "the views cannot be read; they are made again");
            self.tell(Command::Damaged { file: open.file });
        }
        answer
    }
}
