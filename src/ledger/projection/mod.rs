//! The views while a ledger is open: who reads them, who waits for them, and how new ones take their place.

mod handed;
mod thread;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
use rusqlite::Connection;
use tokio::sync::watch;

use super::append::AppendError;
use super::folder::Folder;
use super::running::Makers;
use super::threads::panic_text;
use crate::job::{JobKey, Position};
use crate::log::{Reader, chain};
use crate::sqlite::Pool;
use crate::views::{self, Found, JobQuery, Kept, Moved, Running};

pub(super) use handed::Handed;
pub(super) use thread::start;

/// Longest wait for the views by anybody.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Jobs that were read, kept in memory: about 64 MiB.
const JOBS: usize = 64 << 20;
/// Pages that were read, kept in memory: about 16 MiB.
const PAGES: usize = 16 << 20;

/// How the views are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// They follow the log.
    Following,
    /// They are being made from nothing; reads wait.
    Rebuilding,
    /// An event cannot be read: they stay where they are until a newer program reads it.
    Stopped(String),
}

/// A rebuild beside the views in use.
#[derive(Debug, Clone)]
pub struct Rebuild {
    /// The position reached; gone when the rebuild has ended.
    pub reached: watch::Receiver<Position>,
    /// How it ended; `None` while it runs.
    pub outcome: watch::Receiver<Option<Result<(), String>>>,
}

/// Which page of jobs: the form that it is shown in, the filters, and how many jobs it may have.
pub(super) type PageName = (&'static str, JobQuery, usize);

/// The views of an open ledger.
#[derive(Debug)]
pub struct Projection {
    path: PathBuf,
    /// Views made beside those in use, and views made because there are none: both may be under way at once.
    new_path: PathBuf,
    remade_path: PathBuf,
    /// Read-locked by every read, write-locked while new views take the place of the old.
    readers: RwLock<Option<Pool>>,
    /// What readers found, as long as it holds.
    pub(super) jobs: Kept<JobKey, Found>,
    pub(super) pages: Kept<PageName, Bytes>,
    /// The running background jobs, and who makes their lists.
    pub(super) running: Running,
    pub(super) makers: Makers,
    /// Held by whoever makes views beside those in use, until these have taken their place.
    beside: Mutex<()>,
    state: Mutex<State>,
    changed: Condvar,
    position: watch::Sender<Position>,
}

#[derive(Debug)]
struct State {
    head: Position,
    /// The newest events, as the writer has them.
    handed: handed::Queue,
    /// The head for which the thread is to be woken, while it waits for one.
    due: Option<Position>,
    /// Nothing that was erased up to here is left in the file of the views.
    scrubbed: Position,
    /// Somebody waits for the views.
    hurry: bool,
    /// A reader found the file damaged.
    damaged: bool,
    /// New views are complete in their own file.
    swap: bool,
    /// What became of the newest swap.
    swapped: Option<Result<(), String>>,
    /// The thread takes nothing any more.
    ended: bool,
    stop: bool,
    health: Health,
    rebuild: Option<Rebuild>,
}

impl Projection {
    pub(super) fn new(folder: &Folder) -> Projection {
        let state = State {
            head: Position::GENESIS,
            handed: handed::Queue::default(),
            due: None,
            scrubbed: Position::GENESIS,
            hurry: false,
            damaged: false,
            swap: false,
            swapped: None,
            ended: false,
            stop: false,
            health: Health::Rebuilding,
            rebuild: None,
        };
        Projection {
            path: folder.views(),
            new_path: folder.new_views(),
            remade_path: folder.remade_views(),
            readers: RwLock::new(None),
            jobs: Kept::new(JOBS),
            pages: Kept::new(PAGES),
            running: Running::default(),
            makers: Makers::default(),
            beside: Mutex::new(()),
            state: Mutex::new(state),
            changed: Condvar::new(),
            position: watch::Sender::new(Position::GENESIS),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Tells the thread of a new head, and gives it the events of the commit; without them it reads the log. One that gathers
    /// events finds the head when it is done with that.
    pub(super) fn hand(&self, commit: Option<Handed>, head: Position) {
        let mut state = self.state();
        if let Some(commit) = commit {
            state.handed.push(commit);
        }
        state.head = head;
        let due = state.due.is_some_and(|due| head >= due || state.handed.is_much());
        drop(state);
        if due {
            self.changed.notify_one();
        }
    }

    /// Ends the thread, once it has taken everything there is.
    pub(super) fn stop(&self) {
        self.state().stop = true;
        self.changed.notify_one();
    }

    /// How the views are, and where they stand.
    pub(super) fn health(&self) -> (Health, Position) {
        (self.state().health.clone(), *self.position.borrow())
    }

    /// Waits until the views show `position`; `false` when they do not by `until`, or have stopped before it.
    pub(super) async fn wait_for(&self, position: Position, until: Instant) -> bool {
        if *self.position.borrow() >= position {
            return true;
        }
        let mut shown = self.position.subscribe();
        if !self.hurry() {
            return false;
        }
        let reached = shown.wait_for(|shown| *shown >= position);
        matches!(tokio::time::timeout_at(until.into(), reached).await, Ok(Ok(_)))
    }

    /// Has the views brought forward at once; `false` where they have stopped.
    fn hurry(&self) -> bool {
        let mut state = self.state();
        state.hurry = true;
        self.changed.notify_one();
        !matches!(state.health, Health::Stopped(_))
    }

    /// Waits until the views are at most `lag` events behind `head`: appends slow down before reads fail. Views that have
    /// stopped are not waited for, because the log goes on without them.
    pub(super) async fn wait_for_lag(&self, head: Position, lag: u64) -> Result<(), AppendError> {
        let enough = Position::new(head.get().saturating_sub(lag));
        if *self.position.borrow() >= enough || self.state().health != Health::Following {
            return Ok(());
        }
        if self.wait_for(enough, Instant::now() + PATIENCE).await { Ok(()) } else { Err(AppendError::Behind) }
    }

    /// What was read of these jobs, and of all jobs together, will not hold any more.
    fn moving(&self, touched: &mut dyn Iterator<Item = Moved<'_>>) {
        self.jobs.moving(|jobs| self.running.moving(touched.inspect(|(key, _)| drop(jobs.take(key)))));
        self.pages.moving(|pages| pages.clear());
    }

    /// Tells everybody where the views stand.
    fn stands(&self, position: Position) {
        self.jobs.stands(position);
        self.pages.stands(position);
        self.running.stands(position);
        self.position.send_replace(position);
    }

    /// Reads the views as they are.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, views::Error>) -> Result<T, views::Error> {
        let readers = self.readers.read();
        let Some(pool) = readers.as_ref() else {
            return Err(views::Error::Damaged("they are being made again".into()));
        };
        let answer = match pool.with(read) {
            // Whoever still has the old file open reads on; new connections need one.
            Err(_) if !self.path.exists() => Err(views::Error::Damaged("their file is gone".into())),
            // The pool is one of the views here.
            Err(views::Error::Log(error)) => Err(views::Error::File(error)),
            answer => answer,
        };
        if let Err(error) = &answer
            && error.is_damage()
        {
            tracing::error!(error = error as &dyn std::error::Error, "the views cannot be read; they are made again");
            self.state().damaged = true;
            self.changed.notify_one();
        }
        answer
    }
}

/// Starts a rebuild in a thread of its own, or joins the one that runs. Reads go on from the old views until the new ones
/// take their place.
pub(super) fn rebuild_beside(projection: &Arc<Projection>, folder: &Folder) -> Rebuild {
    let mut state = projection.state();
    if let Some(running) = state.rebuild.as_ref().filter(|rebuild| rebuild.outcome.borrow().is_none()) {
        return running.clone();
    }
    let (reached_sender, reached) = watch::channel(Position::GENESIS);
    let (outcome_sender, outcome) = watch::channel(None);
    let rebuild = Rebuild { reached, outcome };
    state.rebuild = Some(rebuild.clone());
    drop(state);
    let (projection, log) = (projection.clone(), folder.log());
    let make = move || {
        let _alone = projection.beside.lock();
        let made = Reader::open(&log).map_err(views::Error::from).and_then(|conn| {
            let reader = Reader::new(&conn);
            views::rebuild(&reader, &projection.new_path, |position| {
                reached_sender.send_replace(position);
            })
        });
        match made {
            Ok(()) => projection.ask_for_swap(),
            Err(error) => Err(projection.give_up(&error)),
        }
    };
    let failed = outcome_sender.clone();
    let run = move || {
        // One that panics has failed, and the next rebuild starts anew.
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(make));
        let outcome = made.unwrap_or_else(|panic| Err(format!("it panicked: {}", panic_text(&*panic))));
        outcome_sender.send_replace(Some(outcome));
    };
    if let Err(error) = std::thread::Builder::new().name("rebuild".into()).spawn(run) {
        failed.send_replace(Some(Err(format!("cannot start a thread: {error}"))));
    }
    rebuild
}

impl Projection {
    /// Whether nothing that was erased up to `wanted` is left in the files of the views, once the views show that. What may
    /// have something is replaced by a copy of its rows, which reads do not wait for. `false`: ask again a little later.
    pub(super) fn scrub(&self, wanted: Position) -> Result<bool, String> {
        if *self.position.borrow() < wanted {
            self.hurry();
            return Ok(false);
        }
        // Views that somebody makes already may have been made of what was erased since.
        let Some(_alone) = self.beside.try_lock() else { return Ok(false) };
        if self.state().scrubbed < wanted {
            let copied = self.read(|conn| views::copy(conn, &self.new_path));
            copied.map_err(|error| self.give_up(&error))?;
            self.ask_for_swap()?;
        }
        Ok(self.state().scrubbed >= wanted)
    }

    /// Removes what is there of new views that will not be used; answers why.
    fn give_up(&self, error: &views::Error) -> String {
        if let Err(error) = views::discard(&self.new_path) {
            tracing::error!(error = &error as &dyn std::error::Error, "views that are of no use stay behind");
        }
        chain(error)
    }

    /// Asks the thread to take the new views, and waits until it has.
    fn ask_for_swap(&self) -> Result<(), String> {
        let mut state = self.state();
        state.swap = true;
        self.changed.notify_all();
        while state.swap && !state.ended {
            self.changed.wait(&mut state);
        }
        match state.swapped.take() {
            Some(taken) if !state.swap => taken,
            _ => Err("the ledger was stopped before the new views were taken".into()),
        }
    }
}
