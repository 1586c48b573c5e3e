//! Live lists: the first page of a list of jobs, and then the rows that change.
//!
//! A live list keeps the positions of its client's rows, 8 KB at most, and no rows. A change costs the jobs that changed: they come
//! from memory that all live lists share. The list reads a page only to begin, and to fill the places of jobs that left.
//!
//! Not here: which jobs changed (`ledger`), the members of a message (`model`), and when a message is sent (`http`).

mod page;
mod since;
mod timed;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};

use self::page::{Effect, ListPage, Missing};
use self::timed::TimedRows;
use super::frame::event_frame;
use crate::job::{JobId, Position};
use crate::ledger::{Ledger, PageSince, ReadError, Shown};
use crate::model::{ListChange, ListSnapshot, live_row};
use crate::views::{JobList, JobQuery, RecentJob};

/// Most bytes of rows in one message. More is sent as a new first page, which has a bound of its own.
const MOST_BYTES: usize = 4 << 20;
/// A page with filters that no index serves is read for at most a tenth of the time.
const SLOW_SHARE: u32 = 10;

/// Which list, and where it begins.
#[derive(Debug, Clone)]
pub struct ListOf {
    /// The filters.
    pub query: JobQuery,
    /// Most rows of the page.
    pub first: usize,
    /// The position that the first message shows at least.
    pub min: Option<Position>,
    /// The cursor of the page that follows the job created at this position.
    pub cursor: fn(Position, &JobQuery) -> String,
}

/// A job that left the list.
#[derive(Debug, Clone)]
struct Gone {
    id: JobId,
    /// The position of `job.created`.
    created: Position,
}

impl Gone {
    fn of(job: &RecentJob) -> Gone {
        Gone { id: job.job.key.id.clone(), created: job.job.created_position }
    }
}

/// A live list, and what its client shows.
pub struct LiveList {
    ledger: Ledger,
    of: ListOf,
    page: ListPage,
    /// The rows of the page, if they depend on the time.
    timed: TimedRows,
    /// The client's page shows every event up to here.
    position: Position,
    turns: u64,
    /// The changes up to `position` were too long for a message, so the next one is the first page.
    stale: bool,
    /// When the list may read a page again, if no index serves its filters.
    read_at: Instant,
}

impl LiveList {
    /// Begins a list, and renders its first message: the page, or, for a client that has the page as of `seen`, what changed since.
    ///
    /// # Errors
    /// Those of [`Ledger::jobs`], and [`ReadError::Busy`] for filters that no index serves.
    pub async fn begin(ledger: &Ledger, of: ListOf, seen: Option<Position>) -> Result<(LiveList, Bytes), ReadError> {
        let (page, position) = (ListPage::new(of.first, Vec::new(), false), Position::GENESIS);
        let (turns, stale, read_at) = (ledger.list_turns(), false, Instant::now());
        let timed = TimedRows::default();
        let mut list = LiveList { ledger: ledger.clone(), of, page, timed, position, turns, stale, read_at };
        // A position beyond the head is of a ledger that was restored from an older copy since. A position does not tell which jobs a
        // client saw whose list depends on the time.
        let first = match seen.filter(|seen| *seen <= ledger.head() && !list.depends_on_time()) {
            Some(seen) => list.resumed(seen).await?,
            None => list.snapshot().await?,
        };
        Ok((list, first))
    }

    /// Whether jobs come and go with the time: the list then has to be asked without an event too.
    pub fn depends_on_time(&self) -> bool {
        self.of.query.depends_on_time()
    }

    /// The client's page shows every event up to here.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The page shows every event up to `position`, because no event since concerns the list.
    pub fn skip_to(&mut self, position: Position) {
        self.position = self.position.max(position);
    }

    /// The next message, not before `at`; `None` if neither a row nor the next page's cursor changed. After an error the list is as
    /// before.
    ///
    /// # Errors
    /// Those of [`LiveList::begin`].
    pub async fn next(&mut self, at: Instant) -> Result<Option<Bytes>, ReadError> {
        sleep_until(at).await;
        self.ledger.views_reach(self.ledger.head()).await;
        if self.stale || self.turns != self.ledger.list_turns() {
            return self.snapshot().await.map(Some);
        }
        if self.depends_on_time() {
            return self.compared().await;
        }
        let Some(recent) = self.ledger.changed_jobs(&self.of.query, self.position).await? else {
            return self.snapshot().await.map(Some);
        };
        let mut page = self.page.clone();
        let (mut rows, mut gone) = (Vec::new(), Vec::new());
        for recent in recent.jobs {
            match page.take(recent.job.created_position, self.of.query.shows(&recent.job)) {
                Effect::Shown => rows.push(recent),
                Effect::Gone => gone.push(Gone::of(&recent)),
                Effect::Outside => {}
            }
        }
        page.settle();
        rows.retain(|row| page.has(row.job.created_position));
        if let Some(missing) = page.missing() {
            let older = self.older(missing).await?;
            page.fill(older.jobs.iter().map(|job| job.created_position), older.more);
            rows.extend(older.jobs.into_iter().map(|job| Arc::new(RecentJob::new(job))));
        }
        let next = self.next_page();
        (self.page, self.position) = (page, recent.end);
        self.message(rows, &gone, next).await
    }

    /// What differs between the client's page and the page as it is now.
    async fn compared(&mut self) -> Result<Option<Bytes>, ReadError> {
        let (of, turns, ledger) = (self.of.clone(), self.ledger.list_turns(), self.ledger.clone());
        let Shown { value: list, position, .. } = self.slowly(ledger.jobs(&of.query, of.first, None)).await?;
        let (rows, gone) = self.timed.changes(&list);
        let (first, next) = (self.page.first(), self.next_page());
        self.show(&list, position, turns);
        if self.page.first() != first {
            return self.snapshot().await.map(Some);
        }
        self.message(rows, &gone, next).await
    }

    /// A message of these changes; `None` if there are none and the cursor of the next page is still `next`.
    async fn message(
        &mut self,
        rows: Vec<Arc<RecentJob>>,
        gone: &[Gone],
        next: Option<String>,
    ) -> Result<Option<Bytes>, ReadError> {
        if rows.is_empty() && gone.is_empty() && next == self.next_page() {
            return Ok(None);
        }
        self.changed(rows, gone).await.map(Some)
    }

    /// The first page, as a message that replaces what the client shows.
    async fn snapshot(&mut self) -> Result<Bytes, ReadError> {
        let turns = self.ledger.list_turns();
        let of = self.of.clone();
        let ledger = self.ledger.clone();
        let Shown { value: list, position, .. } = self.slowly(ledger.jobs(&of.query, of.first, of.min)).await?;
        self.show(&list, position, turns);
        let rows: Vec<Box<RawValue>> = list.jobs.iter().map(live_row).collect();
        let message = ListSnapshot {
            jobs: rows.iter().map(|row| &**row).collect(),
            next: self.next_page(),
            first: self.page.first(),
            position: position.get(),
        };
        Ok(rendered(position, "snapshot", &message))
    }

    /// The changes since `seen`, for a client that has the page as of then.
    async fn resumed(&mut self, seen: Position) -> Result<Bytes, ReadError> {
        let turns = self.ledger.list_turns();
        let of = self.of.clone();
        let ledger = self.ledger.clone();
        let Shown { value: PageSince { page, changed }, position, .. } =
            self.slowly(ledger.page_since(&of.query, of.first, seen, of.min)).await?;
        // A page that ended early because of long rows may end elsewhere than the client's page.
        let Some(changed) = changed.filter(|_| !page.more || page.jobs.len() == of.first) else {
            return self.snapshot().await;
        };
        self.show(&page, position, turns);
        let (rows, gone) = since::changes(&of.query, of.first, page, seen, changed);
        self.changed(rows, &gone).await
    }

    /// A message of these changes, or the first page if their rows are too long.
    async fn changed(&mut self, mut rows: Vec<Arc<RecentJob>>, gone: &[Gone]) -> Result<Bytes, ReadError> {
        rows.sort_by_key(|row| std::cmp::Reverse(row.job.created_position));
        if rows.iter().map(|row| row.row(live_row).get().len()).sum::<usize>() > MOST_BYTES {
            self.stale = true;
            return self.snapshot().await;
        }
        let message = ListChange {
            jobs: rows.iter().map(|row| row.row(live_row)).collect(),
            gone: gone.iter().map(|gone| gone.id.as_str()).collect(),
            gone_created: gone.iter().map(|gone| gone.created.get()).collect(),
            next: self.next_page(),
            position: self.position.get(),
        };
        Ok(rendered(self.position, "changed", &message))
    }

    /// The rows of the list that follow on the page.
    async fn older(&mut self, missing: Missing) -> Result<JobList, ReadError> {
        let query = JobQuery { beyond: Some(missing.before), ..self.of.query.clone() };
        let ledger = self.ledger.clone();
        Ok(self.slowly(ledger.jobs(&query, missing.count, None)).await?.value)
    }

    /// Reads a page. If no index serves the filters, the read may look at every job: it takes a turn, and rests after it.
    async fn slowly<T>(&mut self, read: impl Future<Output = Result<T, ReadError>>) -> Result<T, ReadError> {
        if self.of.query.is_indexed() {
            return read.await;
        }
        sleep_until(self.read_at).await;
        let _turn = self.ledger.turn(None).await?;
        let began = Instant::now();
        let read = read.await;
        self.read_at = Instant::now() + began.elapsed() * SLOW_SHARE;
        read
    }

    /// The client's page is this one.
    fn show(&mut self, list: &JobList, position: Position, turns: u64) {
        let rows = list.jobs.iter().map(|job| job.created_position).collect();
        self.page = ListPage::new(self.of.first, rows, list.more);
        if self.depends_on_time() {
            self.timed = TimedRows::of(list);
        }
        (self.position, self.turns, self.stale) = (position, turns, false);
    }

    fn next_page(&self) -> Option<String> {
        self.page.end().map(|end| (self.of.cursor)(end, &self.of.query))
    }
}

fn rendered(position: Position, event: &str, message: &impl serde::Serialize) -> Bytes {
    event_frame(Some(position), event, &serde_json::to_vec(message).expect("the messages are JSON"))
}
