//! The views of an open ledger: the projector thread that writes them, and the reads that wait for them.
//!
//! The thread is a state machine ([`mode::Mode`]): other threads send it [`mode::Command`]s, and leave commits in the
//! [`backlog`]. Reads wait for the lock of the file only while new views take the place of the old.
//!
//! Not here: how events become rows (`views`), and which read asks for what (`ledger::read`).

mod answers;
mod backlog;
mod beside;
mod mode;
mod reads;
mod status;
mod thread;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use self::answers::Answers;
use self::backlog::Backlog;
use self::mode::Command;
use self::status::Status;
use super::Threads;
use super::folder::Folder;
use crate::job::Position;
use crate::memory::{Memory, Share};
use crate::sqlite::Pool;
use crate::views::ChangedJob;

pub(super) use backlog::CommittedFacts;
pub(super) use beside::rebuild_beside;
pub use beside::{BesideError, Rebuild};
pub use status::{Health, ViewsVersion};

/// Longest wait of a read or an append for the views.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

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
    /// The file of views that the projector makes because there are none. Another thread may make `new_views` at the same time.
    remade_views: PathBuf,
    /// Read-locked by every read, write-locked while new views take the place of the old.
    readers: RwLock<Option<OpenViews>>,
    /// The answers that readers found, for later readers.
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
        status: watch::Sender::new(Status::unopened()),
    });
    let (shared, log) = (projection.clone(), folder.log());
    let thread = threads.start("projector", move || thread::run(&shared, received, &log))?;
    Ok((projection, thread))
}

impl Projection {
    /// Tells the projector of a new head, and gives it the facts of the commit. Without facts the projector reads the log.
    pub(super) fn committed(&self, commit: Option<CommittedFacts>, head: Position) {
        if self.backlog.add(commit, head) {
            self.tell(Command::Wake);
        }
    }

    /// Ends the thread, once the views hold every event.
    pub(super) fn stop(&self) {
        self.tell(Command::Stop);
    }

    /// Sends a command to the projector. A projector that has ended needs none, so an error is ignored.
    fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    fn set_health(&self, health: Health) {
        self.status.send_modify(|status| status.health = health);
    }

    fn position(&self) -> Position {
        self.status.borrow().position
    }

    /// The projector is about to commit changes of these jobs.
    fn begin_commit(&self, jobs: &mut dyn Iterator<Item = ChangedJob<'_>>) {
        self.change(|_| ());
        self.answers.begin_commit(jobs);
    }

    /// The file of this number is about to take the place of the views.
    fn begin_swap(&self, file: u64) {
        self.change(|status| status.file = file);
        self.answers.clear();
    }

    /// Changes the status without waking a read: the change is not complete yet.
    fn change(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_if_modified(|status| {
            status.changing = true;
            change(status);
            false
        });
    }

    /// The views are at `position`, and every reader of the file sees that: wakes the reads that wait for it.
    fn shows(&self, position: Position) {
        self.answers.end_commit(position);
        self.status.send_modify(|status| (status.position, status.changing) = (position, false));
    }

    /// There are no views: reads wait.
    fn shows_nothing(&self) {
        self.status.send_modify(|status| status.position = Position::GENESIS);
    }
}
