//! The views while a ledger is open: the thread that brings them forward, who reads them, and how new ones take their place.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusqlite::Connection;
use tokio::sync::watch;

use super::append::AppendError;
use super::folder::Folder;
use crate::job::{Job, JobKey, Position};
use crate::log::{Pool, Reader, chain};
use crate::views::{self, JobQuery, Kept, Projector};

/// Longest wait for the views by anybody.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// While nobody reads, events are gathered for so long: a job that moves ten times is then written once.
const GATHER: Duration = Duration::from_millis(20);
/// Events in one batch of the views.
const BATCH: u64 = 4096;
/// Jobs that were read, kept in memory: about 64 MiB.
const JOBS: usize = 64 << 20;
/// Pages that were read, kept in memory: about 16 MiB.
const PAGES: usize = 16 << 20;
/// Pause after an error that may go away by itself (a full disk, a lock).
const RETRY: Duration = Duration::from_secs(1);

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
    pub(super) jobs: Kept<JobKey, Arc<Job>>,
    pub(super) pages: Kept<PageName, Bytes>,
    state: Mutex<State>,
    changed: Condvar,
    position: watch::Sender<Position>,
}

#[derive(Debug)]
struct State {
    head: Position,
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
            state: Mutex::new(state),
            changed: Condvar::new(),
            position: watch::Sender::new(Position::GENESIS),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the thread of a new head.
    pub(super) fn wake(&self, head: Position) {
        self.state().head = head;
        self.changed.notify_one();
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
    fn moving(&self, touched: &mut dyn Iterator<Item = &JobKey>) {
        self.jobs.moving(|jobs| touched.for_each(|key| drop(jobs.take(key))));
        self.pages.moving(|pages| pages.clear());
    }

    /// Tells everybody where the views stand.
    fn stands(&self, position: Position) {
        self.jobs.stands(position);
        self.pages.stands(position);
        self.position.send_replace(position);
    }

    /// Reads the views as they are.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, views::Error>) -> Result<T, views::Error> {
        let readers = self.readers.read().unwrap_or_else(PoisonError::into_inner);
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

/// Starts the thread that brings the views forward.
pub(super) fn start(projection: Arc<Projection>, log: &Path) -> Result<std::thread::JoinHandle<()>, std::io::Error> {
    let log = log.to_owned();
    std::thread::Builder::new().name("projector".into()).spawn(move || {
        let run = || {
            let conn = Reader::open(&log)?;
            Thread { projection: &projection, log: Reader::new(&conn), projector: None }.run()
        };
        if let Err(error) = run() {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the projector has ended; reads of jobs fail until a restart");
            projection.state().health = Health::Stopped("the projector has ended; the log says why".into());
        }
        // Nobody waits for a thread that is gone.
        projection.state().ended = true;
        projection.changed.notify_all();
    })
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
    std::thread::spawn(move || {
        let made = Reader::open(&log).map_err(views::Error::from).and_then(|conn| {
            let reader = Reader::new(&conn);
            views::rebuild(&reader, &projection.new_path, |position| {
                reached_sender.send_replace(position);
            })
        });
        let outcome = match made {
            Ok(()) => projection.ask_for_swap(),
            Err(error) => Err(chain(&error)),
        };
        outcome_sender.send_replace(Some(outcome));
    });
    rebuild
}

impl Projection {
    /// Asks the thread to take the new views, and waits until it has.
    fn ask_for_swap(&self) -> Result<(), String> {
        let mut state = self.state();
        state.swap = true;
        self.changed.notify_all();
        while state.swap && !state.ended {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match state.swapped.take() {
            Some(taken) if !state.swap => taken,
            _ => Err("the ledger was stopped before the new views were taken".into()),
        }
    }
}

struct Thread<'a> {
    projection: &'a Projection,
    log: Reader<'a>,
    projector: Option<Projector>,
}

/// What the thread is to do next.
enum Next {
    Advance,
    Remake(String),
    Swap,
    Stop,
}

impl<'a> Thread<'a> {
    fn run(mut self) -> Result<(), views::Error> {
        self.projection.wake(self.log.head()?);
        for leftover in [&self.projection.new_path, &self.projection.remade_path] {
            views::discard(leftover)?;
        }
        let mut next = match views::fits(&self.projection.path, &self.log) {
            Ok(()) => match self.attach() {
                Ok(()) => Next::Advance,
                Err(error) => Next::Remake(chain(&error)),
            },
            Err(why) => Next::Remake(why),
        };
        loop {
            let done = match &next {
                Next::Advance => self.advance(),
                Next::Remake(why) => self.remake(why),
                Next::Swap => self.swap(),
                Next::Stop => return Ok(()),
            };
            next = match done {
                Ok(()) => self.wait(),
                Err(error) => self.recover(error),
            };
        }
    }

    /// Opens the views in place for writing and for readers.
    fn attach(&mut self) -> Result<(), views::Error> {
        let mut readers = self.detach();
        self.open(&mut readers)
    }

    /// Closes the views. Waits for the reads under way, so that nothing has the old file open when it goes; as long as the
    /// answer is held, new ones wait.
    fn detach(&mut self) -> RwLockWriteGuard<'a, Option<Pool>> {
        let projection = self.projection;
        let mut readers = projection.readers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = readers.take() {
            pool.close();
        }
        self.projector = None;
        projection.jobs.moving(|jobs| jobs.clear());
        projection.pages.moving(|pages| pages.clear());
        // Whatever was found was found in the file that goes.
        projection.state().damaged = false;
        readers
    }

    fn open(&mut self, readers: &mut Option<Pool>) -> Result<(), views::Error> {
        let projector = Projector::open(&self.projection.path)?;
        let position = projector.position().unwrap_or_default();
        self.projector = Some(projector);
        *readers = Some(Pool::new(&self.projection.path));
        self.projection.state().health = Health::Following;
        // It may be less than before: a reader that finds less than it waited for waits again.
        self.projection.stands(position);
        Ok(())
    }

    /// Takes everything that is in the log.
    fn advance(&mut self) -> Result<(), views::Error> {
        let Some(projector) = &mut self.projector else { return Ok(()) };
        let projection = self.projection;
        while projector.advance(&self.log, BATCH, |touched| projection.moving(touched))? {
            let position = projector.position().unwrap_or_default();
            projection.stands(position);
            let state = projection.state();
            if state.swap || state.damaged || position >= state.head {
                break;
            }
        }
        Ok(())
    }

    /// Makes the views from nothing in this thread: there are none to read meanwhile.
    fn remake(&mut self, why: &str) -> Result<(), views::Error> {
        tracing::info!(why, "making the views from the log");
        self.projection.state().health = Health::Rebuilding;
        self.projection.position.send_replace(Position::GENESIS);
        drop(self.detach());
        views::rebuild(&self.log, &self.projection.remade_path, |_| {})?;
        self.put_in_place(&self.projection.remade_path)
    }

    /// Takes the views that were made beside the old ones.
    fn swap(&mut self) -> Result<(), views::Error> {
        let taken = self.put_in_place(&self.projection.new_path);
        let mut state = self.projection.state();
        state.swap = false;
        state.swapped = Some(taken.as_ref().map_err(|error| chain(error)).copied());
        drop(state);
        self.projection.changed.notify_all();
        taken
    }

    /// Readers wait meanwhile; it takes no longer than a rename.
    fn put_in_place(&mut self, new: &Path) -> Result<(), views::Error> {
        let mut readers = self.detach();
        views::put_in_place(new, &self.projection.path)?;
        self.open(&mut readers)
    }

    /// Waits for something to do. While nobody waits for the views, events are gathered for a moment.
    fn wait(&self) -> Next {
        let projection = self.projection;
        let position = *projection.position.borrow();
        let gathered = Instant::now() + GATHER;
        let mut state = projection.state();
        loop {
            let behind = state.head > position;
            let left = gathered.saturating_duration_since(Instant::now());
            if state.damaged {
                state.damaged = false;
                return Next::Remake("a reader found them damaged".into());
            }
            if state.swap {
                return Next::Swap;
            }
            if behind && (state.hurry || state.stop || left.is_zero()) {
                state.hurry = false;
                return Next::Advance;
            }
            if state.stop {
                return Next::Stop;
            }
            state = if behind {
                let waited = projection.changed.wait_timeout(state, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            } else {
                // Nothing to show: whoever hurries is served already.
                state.hurry = false;
                projection.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    /// What to do after an error: make the views again, wait and retry, or stop.
    fn recover(&mut self, error: views::Error) -> Next {
        let why = chain(&error);
        tracing::error!(why, "the views cannot be brought forward");
        match &error {
            views::Error::Unreadable(_) | views::Error::Misfit { .. } => self.stay_stopped(why),
            _ if error.is_damage() && self.projector.is_some() => Next::Remake(why),
            _ => {
                let state = self.projection.state();
                let waited = self.projection.changed.wait_timeout_while(state, RETRY, |state| !state.stop);
                if waited.unwrap_or_else(PoisonError::into_inner).0.stop {
                    return Next::Stop;
                }
                if self.projector.is_some() { Next::Advance } else { Next::Remake(why) }
            }
        }
    }

    fn stay_stopped(&mut self, why: String) -> Next {
        let mut state = self.projection.state();
        state.health = Health::Stopped(why);
        loop {
            if state.stop {
                return Next::Stop;
            }
            if state.swap {
                return Next::Swap;
            }
            state = self.projection.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
