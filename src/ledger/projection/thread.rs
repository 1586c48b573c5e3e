//! The thread that brings the views forward, makes them again where they are of no use, and puts new ones in their place.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLockWriteGuard;

use super::{Health, Projection};
use crate::history;
use crate::job::Position;
use crate::ledger::Threads;
use crate::log::{Reader, chain};
use crate::sqlite::Pool;
use crate::views::{self, Moved, Projector};

/// While nobody reads, events are gathered for so long: a job that moves ten times is then written once.
const GATHER: Duration = Duration::from_millis(50);
/// With so many gathered it begins, so that who comes to read never waits long.
const ENOUGH: u64 = 1024;
/// Events in one batch of the views.
const BATCH: u64 = 4096;
/// Pause after an error that may go away by itself (a full disk, a lock).
const RETRY: Duration = Duration::from_secs(1);

/// Starts the thread that brings the views forward.
pub(in crate::ledger) fn start(
    projection: Arc<Projection>,
    log: &Path,
    threads: &Threads,
) -> Result<std::thread::JoinHandle<()>, std::io::Error> {
    let log = log.to_owned();
    threads.start("projector", move || {
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
        self.projection.hand(None, self.log.head()?);
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

    /// Opens the views in place for writing and for readers, and folds the jobs again that were set aside. Readers do not wait
    /// for that.
    fn attach(&mut self) -> Result<(), views::Error> {
        let mut readers = self.detach();
        self.open(&mut readers)?;
        drop(readers);
        let projection = self.projection;
        let Some(projector) = &mut self.projector else { return Ok(()) };
        projector.retry_set_aside(&self.log, |touched| projection.moving(touched))
    }

    /// Closes the views. Waits for the reads under way, so that nothing has the old file open when it goes; as long as the
    /// answer is held, new ones wait.
    fn detach(&mut self) -> RwLockWriteGuard<'a, Option<Pool>> {
        let projection = self.projection;
        let mut readers = projection.readers.write();
        if let Some(pool) = readers.take() {
            pool.close();
        }
        self.projector = None;
        projection.jobs.moving(|jobs| jobs.clear());
        projection.pages.moving(|pages| pages.clear());
        projection.running.clear();
        // Whatever was found was found in the file that goes.
        projection.state().damaged = false;
        readers
    }

    fn open(&mut self, readers: &mut Option<Pool>) -> Result<(), views::Error> {
        let projector = Projector::open(&self.projection.path)?;
        let position = projector.position().unwrap_or_default();
        self.projection.state().scrubbed = projector.scrubbed()?;
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
        loop {
            // Handed over or read from the log, the events are the same.
            let handed = projection.state().handed.take(projector.next());
            let moving = |touched: &mut dyn Iterator<Item = Moved<'_>>| projection.moving(touched);
            let moved = match handed.back().map(|newest| newest.leaf.clone()) {
                Some(leaf) => {
                    projector.take_in(&self.log, handed.into_iter().flat_map(|commit| commit.facts), &leaf, moving)?
                }
                None => projector.advance(&self.log, BATCH, moving)?,
            };
            if !moved {
                break;
            }
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
        let full = Position::new(position.get() + ENOUGH);
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
            let enough = state.head >= full || state.handed.is_much();
            if behind && (state.hurry || state.stop || enough || left.is_zero()) {
                state.hurry = false;
                return Next::Advance;
            }
            if state.stop {
                return Next::Stop;
            }
            let (due, left) = if behind {
                (full, left)
            } else {
                // Nothing to show: whoever hurries is served already.
                state.hurry = false;
                (position.next(), Duration::MAX)
            };
            state.due = Some(due);
            projection.changed.wait_for(&mut state, left);
            state.due = None;
        }
    }

    /// What to do after an error: make the views again, wait and retry, or stop.
    fn recover(&mut self, error: views::Error) -> Next {
        let why = chain(&error);
        tracing::error!(why, "the views cannot be brought forward");
        match &error {
            views::Error::History(history::Error::Unreadable(_) | history::Error::Misfit { .. }) => {
                self.stay_stopped(why)
            }
            _ if error.is_damage() && self.projector.is_some() => Next::Remake(why),
            _ => {
                let mut state = self.projection.state();
                self.projection.changed.wait_while_for(&mut state, |state| !state.stop, RETRY);
                if state.stop {
                    return Next::Stop;
                }
                drop(state);
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
            self.projection.changed.wait(&mut state);
        }
    }
}
