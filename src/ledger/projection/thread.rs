//! The projector thread: it projects the log's events into the views, makes the views again if they are of no use, and puts new
//! views in their place.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use parking_lot::RwLockWriteGuard;

use super::backlog::{ENOUGH, MANY, Waiting};
use super::mode::{Command, Mode};
use super::{Health, OpenViews, Projection};
use crate::chain;
use crate::history;
use crate::job::Position;
use crate::log::Reader;
use crate::memory::Share;
use crate::sqlite::Pool;
use crate::views::{self, ChangedJob, Projector};

/// How long events gather while no reader waits.
const GATHER: Duration = Duration::from_millis(50);
/// How long events gather after [`CALM`].
const GATHER_LONG: Duration = Duration::from_millis(250);
/// Without a reader for so long, more events gather.
const CALM: Duration = Duration::from_secs(1);
/// Most events in one transaction of the views.
const BATCH: u64 = 4096;
/// Pause after an error that may pass.
const RETRY: Duration = Duration::from_secs(1);

/// Runs the projector until [`Command::Stop`].
pub(super) fn run(projection: &Projection, commands: Receiver<Command>, log: &Path) {
    let run = || {
        let conn = Reader::open(log)?;
        Thread {
            projection,
            commands,
            log: Reader::new(&conn),
            projector: None,
            file: 0,
            hurried: Instant::now(),
            wanted: Position::GENESIS,
        }
        .run()
    };
    if let Err(error) = run() {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "the projector has ended; reads of jobs fail until a restart");
        projection.set_health(Health::Stopped("the projector has ended; the log says why".into()));
    }
}

struct Thread<'a> {
    projection: &'a Projection,
    commands: Receiver<Command>,
    log: Reader<'a>,
    /// The views, open for writing; `None` while there are none.
    projector: Option<Projector>,
    /// Counts the files that were the views.
    file: u64,
    /// When a reader last waited for the views; the start at first.
    hurried: Instant,
    /// The head at that time.
    wanted: Position,
}

impl<'a> Thread<'a> {
    fn run(mut self) -> Result<(), views::Error> {
        let mut mode = self.begin()?;
        while !matches!(mode, Mode::Ended) {
            let command = self.receive(&mode);
            if let Some(Command::Hurry) = command {
                (self.hurried, self.wanted) = (Instant::now(), self.projection.backlog.head());
            }
            mode = self.next(mode, command);
        }
        Ok(())
    }

    /// Waits for a command as long as the mode allows; `None` if none came.
    fn receive(&self, mode: &Mode) -> Option<Command> {
        match mode {
            Mode::Idle | Mode::Stopped => Some(self.commands.recv().unwrap_or(Command::Stop)),
            Mode::Gathering { until } | Mode::Retrying { until, .. } => {
                self.commands.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
            }
            // Between two batches, so that new views need not wait until the old ones have caught up.
            Mode::CatchingUp => self.commands.try_recv().ok(),
            Mode::Remaking { .. } | Mode::Finishing | Mode::Ended => None,
        }
    }

    /// The next mode. Without a command the mode's wait is over, or its next piece of work is due.
    fn next(&mut self, mode: Mode, command: Option<Command>) -> Mode {
        match (mode, command) {
            (Mode::Ended | Mode::Stopped | Mode::Retrying { .. }, Some(Command::Stop)) => Mode::Ended,
            (_, Some(Command::Stop)) => Mode::Finishing,
            (_, Some(Command::Swap(answer))) => self.swap(&answer),
            (mode, Some(Command::Damaged { file })) if file != self.file => mode,
            // New views would stop at the same event, and the old ones still answer some reads.
            (Mode::Stopped, _) => Mode::Stopped,
            (_, Some(Command::Damaged { .. })) => Mode::Remaking { why: "a reader found them damaged".into() },

            (Mode::Idle, Some(Command::Hurry)) if self.is_behind() => Mode::CatchingUp,
            (Mode::Idle, Some(Command::Wake) | None) => self.rest(),
            (Mode::Gathering { .. }, Some(Command::Hurry | Command::Wake) | None) => Mode::CatchingUp,
            (Mode::CatchingUp, None) => self.catch_up(),
            (Mode::Remaking { why }, None) => self.remake(&why),
            (Mode::Retrying { why, .. }, None) => self.retry(why),
            (Mode::Finishing, None) => self.finish(),
            // A reader in a hurry has been served, or waits for what is under way.
            (mode, Some(Command::Hurry | Command::Wake) | None) => mode,
        }
    }

    /// Opens the views in place, if they are views of this log.
    fn begin(&mut self) -> Result<Mode, views::Error> {
        self.projection.backlog.add(None, self.log.head()?);
        for leftover in [&self.projection.new_views, &self.projection.remade_views] {
            views::discard(leftover)?;
        }
        Ok(match views::fits(&self.projection.views, &self.log) {
            Ok(()) => match self.attach() {
                Ok(()) => Mode::CatchingUp,
                Err(error) => Mode::Remaking { why: chain(&error) },
            },
            Err(why) => Mode::Remaking { why: chain(&why) },
        })
    }

    /// Opens the views in place for writing and for readers, and folds the jobs again that were set aside. Readers do not wait
    /// for the folding.
    fn attach(&mut self) -> Result<(), views::Error> {
        let mut readers = self.detach();
        self.open(&mut readers)?;
        drop(readers);
        let projection = self.projection;
        let Some(projector) = &mut self.projector else { return Ok(()) };
        projector.retry_set_aside(&self.log, |jobs| projection.begin_commit(jobs))?;
        projection.shows(projector.position().unwrap_or_default());
        Ok(())
    }

    /// Closes the views, once no read is under way, so that no connection has the old file open when its place is taken. New
    /// reads wait as long as the guard lives.
    fn detach(&mut self) -> RwLockWriteGuard<'a, Option<OpenViews>> {
        let mut readers = self.projection.readers.write();
        if let Some(open) = readers.take() {
            open.pool.close();
        }
        self.projector = None;
        self.file += 1;
        self.projection.begin_swap(self.file);
        readers
    }

    fn open(&mut self, readers: &mut Option<OpenViews>) -> Result<(), views::Error> {
        let projector = Projector::open(&self.projection.views, &self.projection.memory.of(Share::Projector))?;
        let (position, scrubbed) = (projector.position().unwrap_or_default(), projector.scrubbed()?);
        self.projector = Some(projector);
        let cache = self.projection.memory.of(Share::Readers).part(2).limit();
        *readers = Some(OpenViews { pool: Pool::new(&self.projection.views, cache), file: self.file });
        self.projection.status.send_modify(|status| {
            status.scrubbed = scrubbed;
            status.health = Health::Following;
        });
        // The position may fall: a read that finds less than it has waited for waits again.
        self.projection.shows(position);
        Ok(())
    }

    fn is_behind(&self) -> bool {
        self.projection.backlog.head() > self.projection.position()
    }

    /// Waits for events, or for more of them.
    fn rest(&self) -> Mode {
        let is_calm = self.hurried.elapsed() >= CALM;
        let (enough, gather) = if is_calm { (MANY, GATHER_LONG) } else { (ENOUGH, GATHER) };
        match self.projection.backlog.wait(self.projection.position(), enough) {
            Waiting::None => Mode::Idle,
            Waiting::Few => Mode::Gathering { until: Instant::now() + gather },
            Waiting::Enough => Mode::CatchingUp,
        }
    }

    fn catch_up(&mut self) -> Mode {
        match self.take_batch() {
            Ok(true) if self.projection.position() < self.wanted => Mode::CatchingUp,
            Ok(_) => self.rest(),
            Err(error) => self.failed(&error),
        }
    }

    fn finish(&mut self) -> Mode {
        match self.take_batch() {
            Ok(true) if self.is_behind() => Mode::Finishing,
            Ok(_) => Mode::Ended,
            Err(error) => {
                tracing::error!(error = chain(&error), "the projector ends before the views hold every event");
                Mode::Ended
            }
        }
    }

    /// Takes one batch of events into the views; answers whether there were any.
    fn take_batch(&mut self) -> Result<bool, views::Error> {
        let Some(projector) = &mut self.projector else { return Ok(false) };
        let projection = self.projection;
        let commits = projection.backlog.take(projector.next());
        let announce = |jobs: &mut dyn Iterator<Item = ChangedJob<'_>>| projection.begin_commit(jobs);
        // From the backlog or from the log, the events are the same.
        let projected = match commits.back().map(|newest| newest.newest_leaf.clone()) {
            Some(leaf) => {
                let facts = commits.into_iter().flat_map(|commit| commit.facts);
                projector.project_facts(&self.log, facts, &leaf, announce)?
            }
            None => projector.project_log(&self.log, BATCH, announce)?,
        };
        if projected {
            projection.shows(projector.position().unwrap_or_default());
        }
        Ok(projected)
    }

    /// Makes the views from the log in this thread.
    fn remake(&mut self, why: &str) -> Mode {
        tracing::info!(why, "making the views from the log");
        self.projection.set_health(Health::Rebuilding);
        self.projection.shows_nothing();
        drop(self.detach());
        let new = &self.projection.remade_views;
        let made = views::rebuild(&self.log, new, &self.projection.memory.of(Share::Rebuild), |_| {})
            .and_then(|()| self.put_in_place(new));
        match made {
            Ok(()) => self.rest(),
            Err(error) => self.failed(&error),
        }
    }

    /// Puts the views in place that another thread has made beside the old ones.
    fn swap(&mut self, answer: &SyncSender<Result<(), Arc<views::Error>>>) -> Mode {
        let taken = self.put_in_place(&self.projection.new_views).map_err(Arc::new);
        // The thread that asked may have panicked.
        let _ = answer.send(taken.clone());
        match taken {
            Ok(()) => self.rest(),
            Err(error) => self.failed(&error),
        }
    }

    /// Renames the file `new` to that of the views, and opens it. Readers wait meanwhile: a rename takes little time.
    fn put_in_place(&mut self, new: &Path) -> Result<(), views::Error> {
        let mut readers = self.detach();
        views::put_in_place(new, &self.projection.views)?;
        self.open(&mut readers)
    }

    /// The mode after an error: make the views again, wait and retry, or stop.
    fn failed(&mut self, error: &views::Error) -> Mode {
        let why = chain(error);
        tracing::error!(why, "the projector cannot bring the views to the head");
        match error {
            views::Error::History(history::Error::Unreadable(_) | history::Error::Misfit { .. }) => {
                self.projection.set_health(Health::Stopped(why));
                Mode::Stopped
            }
            _ if error.is_damage() && self.projector.is_some() => Mode::Remaking { why },
            _ => Mode::Retrying { until: Instant::now() + RETRY, why },
        }
    }

    fn retry(&self, why: String) -> Mode {
        if self.projector.is_some() { Mode::CatchingUp } else { Mode::Remaking { why } }
    }
}
