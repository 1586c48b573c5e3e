//! Reads of jobs: the newest state, which holds every event that was answered before the read, or the state as of a moment.
//!
//! Not here: rows and queries of the views (`views`), and the members of an answer (`model`).

mod changed;
mod facts;
mod hook;
mod moment;
mod output_start;
mod past;
mod quiet;
mod running;
mod turns;
mod work;

pub use changed::{ChangedSince, JobWatch, PageSince};
pub(super) use hook::HookOutputs;
pub use hook::{HookChunk, hook_chunk, hook_chunks, hook_output};
pub use moment::{AsOf, NotAMoment, PointInTime};
pub use output_start::{FromEnd, OutputStart, output_start};
pub(super) use running::ListLocks;
pub use turns::{Turn, Turns};
pub use work::Claimable;

use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;

use super::Ledger;
use super::projection::{Health, PATIENCE, ViewsVersion};
use crate::blocking::off_thread;
use crate::history;
use crate::job::{EventType, Job, JobKey, OrgId, Position, Time};
use crate::sqlite;
use crate::views::{
    Found, JobCounts, JobList, JobQuery, SetAside, count_jobs, count_set_aside, find_job, is_counted, list_jobs,
    list_set_aside, read_job,
};
use crate::{log, views};

/// A page of at most so many jobs is read on the calling thread.
const SHORT: usize = 100;
/// How often a read begins, if a swap of the views interrupts it.
const SWAPS: u32 = 3;

/// The answer to a read, and the position that it shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown<T> {
    /// The answer.
    pub value: T,
    /// The answer holds every event up to this position, and none after it.
    pub position: Position,
    /// The time of the answer: the clock's, or for an as-of read the moment's.
    pub now: Time,
}

/// Why a read has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The moment is in the future.
    #[error("expected `{name}` at or before {head}, the newest there is, found {found}")]
    Beyond {
        /// The name of the parameter.
        name: &'static str,
        /// The moment that was asked for.
        found: String,
        /// The newest moment.
        head: String,
    },
    /// The log did not reach the position in time.
    #[error("the log is at position {head} and has not reached {wanted}; try again when that is recorded")]
    NotReached {
        /// The newest position of the log.
        head: Position,
        /// The position that was asked for.
        wanted: Position,
    },
    /// Too many long reads run or wait: of the past, of large jobs, or of the list of running jobs.
    #[error("too many reads of the past, of large jobs, or of the list of running jobs are under way; try again")]
    Busy,
    /// An open commit may still record an event at the moment that was asked for.
    #[error("the log may still record an event at that moment; try again")]
    Unsettled,
    /// The views did not reach the position in time.
    #[error("the views show position {shown} and not yet {wanted}{}; try again", why.as_deref().unwrap_or_default())]
    Late {
        /// The position of the views.
        shown: Position,
        /// The position that was asked for.
        wanted: Position,
        /// The reason, if it is known.
        why: Option<String>,
    },
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The views, or a job's events.
    #[error(transparent)]
    Views(#[from] views::Error),
}

impl From<history::Error> for ReadError {
    fn from(error: history::Error) -> ReadError {
        ReadError::Views(error.into())
    }
}

impl Ledger {
    /// One job now, with every event up to `min` at least; a large job without its parts. `None` if the job does not exist.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotReached`] and [`ReadError::Late`] after 5 s; the views cannot be read, or the job was set aside.
    pub async fn job(&self, key: &JobKey, min: Option<Position>) -> Result<Shown<Option<Found>>, ReadError> {
        let jobs = &self.inner.projection.answers.jobs;
        let cached = |wanted| jobs.get(key, wanted).map(|(found, position)| (Some(found), position));
        let keep = |found: &Option<Found>, position| {
            if let Some(found) = found {
                jobs.keep(key, found, found.weight(), position);
            }
        };
        self.view(min, cached, |conn| find_job(conn, key), keep).await
    }

    /// One job now, with all its parts. The caller keeps the turn as long as it has the job; the read keeps the turn as long as
    /// it runs.
    ///
    /// # Errors
    ///
    /// As [`Ledger::job`].
    pub async fn whole_job(&self, turn: &Turn, key: &JobKey) -> Result<Shown<Option<Arc<Job>>>, ReadError> {
        let (ledger, turn, key) = (self.clone(), turn.clone(), key.clone());
        off_thread(move || {
            let _turn = turn;
            let read = |conn: &Connection| Ok(read_job(conn, &key)?.map(Arc::new));
            // A large job would evict all others: its rendering is cached, and not the job.
            tokio::runtime::Handle::current().block_on(ledger.view(None, |_| None, read, |_, _| ()))
        })
        .await
    }

    /// The jobs that the projector has set aside because their events do not fold, `limit` at the most.
    ///
    /// `None` for `org` asks for the jobs of every organisation.
    ///
    /// # Errors
    ///
    /// The views cannot be read.
    pub fn set_aside(&self, org: Option<OrgId>, limit: usize) -> Result<Vec<SetAside>, views::Error> {
        self.views_now(|conn| list_set_aside(conn, org, limit))
    }

    /// How many jobs are set aside.
    ///
    /// # Errors
    ///
    /// The views cannot be read.
    pub fn count_set_aside(&self) -> Result<u64, views::Error> {
        self.views_now(count_set_aside)
    }

    /// The point in time of a moment; `None` is the newest event. `name` is the parameter that an error names.
    ///
    /// # Errors
    ///
    /// [`ReadError::Beyond`]; [`ReadError::Unsettled`] after 5 s; the log cannot be read.
    pub async fn point_in_time(&self, name: &'static str, moment: Option<AsOf>) -> Result<PointInTime, ReadError> {
        self.settle(moment).await?;
        let ledger = self.clone();
        off_thread(move || ledger.point_in_time_now(name, moment)).await
    }

    /// The same without a wait, for a moment that [`Ledger::settle`] has waited for. Reads the log.
    pub(super) fn point_in_time_now(&self, name: &'static str, moment: Option<AsOf>) -> Result<PointInTime, ReadError> {
        self.log(|log| PointInTime::find(moment, name, log, self.now()))
    }

    /// A page of at most `limit` jobs.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotReached`] and [`ReadError::Late`] after 5 s; the views cannot be read.
    pub async fn jobs(
        &self,
        query: &JobQuery,
        limit: usize,
        min: Option<Position>,
    ) -> Result<Shown<JobList>, ReadError> {
        let now = self.now();
        let read = |conn: &Connection| match query.is_indexed() && limit <= SHORT {
            true => list_jobs(conn, query, limit, now),
            // A long page takes milliseconds, and a filter without an index may look at every job. Another thread takes over this
            // one's tasks meanwhile.
            false => tokio::task::block_in_place(|| list_jobs(conn, query, limit, now)),
        };
        self.view(min, |_| None, read, |_, _| ()).await
    }

    /// How many jobs of the query are in each state.
    ///
    /// # Errors
    ///
    /// As [`Ledger::jobs`].
    pub async fn job_counts(&self, query: &JobQuery, min: Option<Position>) -> Result<Shown<JobCounts>, ReadError> {
        let now = self.now();
        let read = |conn: &Connection| match is_counted(query) {
            true => count_jobs(conn, query, now),
            // Looks at thousands of rows.
            false => tokio::task::block_in_place(|| count_jobs(conn, query, now)),
        };
        self.view(min, |_| None, read, |_, _| ()).await
    }

    /// Waits until the views show every event that was answered before the call, and `min`; answers their version. `None` if a
    /// commit or a swap is under way just then, or if a swap put the views behind again: the caller then reads without a version.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotReached`] and [`ReadError::Late`] after 5 s.
    pub async fn views_version_at(&self, min: Option<Position>) -> Result<Option<ViewsVersion>, ReadError> {
        let until = Instant::now() + PATIENCE;
        if let Some(min) = min {
            self.reach_by(until, min).await?;
        }
        let wanted = self.head();
        if !self.inner.projection.wait_for(wanted, until).await {
            return Err(self.late(wanted));
        }
        Ok(self.views_version().filter(|version| version.position >= wanted))
    }

    /// The version of the views; `None` while they are changing.
    pub fn views_version(&self) -> Option<ViewsVersion> {
        self.inner.projection.version()
    }

    /// Reads the views in one transaction, once they show every event that was answered before the call, and `min`. `cached` may
    /// have the answer for that position or a later one; `keep` is given the answer that was read, and its position.
    ///
    /// The read runs on the calling thread: it is short, and another thread would cost more than the read.
    async fn view<T>(
        &self,
        min: Option<Position>,
        cached: impl Fn(Position) -> Option<(T, Position)>,
        read: impl Fn(&Connection) -> Result<T, views::Error>,
        keep: impl Fn(&T, Position),
    ) -> Result<Shown<T>, ReadError> {
        let until = Instant::now() + PATIENCE;
        // First the log: a position that the log does not have yet is no fault of the views.
        if let Some(min) = min {
            self.reach_by(until, min).await?;
        }
        let wanted = self.head();
        // Again only if other views took the place of those that were waited for, and are behind them.
        for _ in 0..SWAPS {
            if !self.inner.projection.wait_for(wanted, until).await {
                break;
            }
            if let Some((value, position)) = cached(wanted) {
                return Ok(Shown { value, position, now: self.now() });
            }
            let (value, position) = self.views_now(|conn| {
                let (value, position) = sqlite::snapshot(conn, || {
                    let position = views::position(conn)?;
                    Ok::<_, views::Error>((read(conn)?, position))
                })??;
                // Kept inside the read, so before a swap of the views: a swap waits for this read.
                keep(&value, position);
                Ok((value, position))
            })?;
            if position >= wanted {
                return Ok(Shown { value, position, now: self.now() });
            }
        }
        Err(self.late(wanted))
    }

    /// The error of views that do not show `wanted` in time.
    pub(super) fn late(&self, wanted: Position) -> ReadError {
        let (health, shown) = self.views();
        let why = match health {
            Health::Following => None,
            Health::Rebuilding => Some(" (they are being made again)".to_owned()),
            Health::Stopped(why) => Some(format!(" (they have stopped: {why})")),
        };
        ReadError::Late { shown, wanted, why }
    }

    /// Waits up to 5 s until the log has reached `min`, for reads of the log.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotReached`] after 5 s.
    pub async fn reach(&self, min: Position) -> Result<(), ReadError> {
        self.reach_by(Instant::now() + PATIENCE, min).await
    }

    pub(super) async fn reach_by(&self, until: Instant, min: Position) -> Result<(), ReadError> {
        let mut bell = self.bell();
        match tokio::time::timeout_at(until.into(), bell.wait_for(|head| *head >= min)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(ReadError::NotReached { head: self.head(), wanted: min }),
        }
    }

    /// The position of the job's final event; `None` if the job is open or does not exist.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn final_position(&self, key: &JobKey) -> Result<Option<Position>, log::Error> {
        self.log(|log| match log.stream(key.org, &key.id)? {
            Some(stream) => {
                let newest = log.newest_but(stream, EventType::after_end().collect())?;
                let ends = |name: &str| EventType::named(name).is_some_and(EventType::ends_job);
                Ok(newest.filter(|(_, name)| ends(name)).map(|(position, _)| position))
            }
            None => Ok(None),
        })
    }

    /// Waits until no open commit can record an event at or before a time, so that the answer for that time never changes.
    /// Commits that begin later read a later clock.
    pub(super) async fn settle(&self, moment: Option<AsOf>) -> Result<(), ReadError> {
        let Some(AsOf::Time(_)) = moment else { return Ok(()) };
        let begun = self.inner.commits.begun();
        let mut ended = self.inner.commits.ended();
        match tokio::time::timeout(PATIENCE, ended.wait_for(|ended| *ended >= begun)).await {
            // An error means that the writer thread has ended, and with it every commit.
            Ok(_) => Ok(()),
            Err(_) => Err(ReadError::Unsettled),
        }
    }
}

/// Most bytes that are read or hashed on the caller's thread, 32 KiB: a hand-over to another thread would take longer.
pub const INLINE: usize = 32 << 10;
