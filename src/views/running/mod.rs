//! The list of an organisation's running background jobs. A job is rendered when it changes, so making the list only copies bytes.
//!
//! The first read of a list loads the organisation's rows from the views. From then on each commit of the projector changes
//! them. Rows of an organisation whose list is not read for ten minutes are evicted.
//!
//! Not here: the text of a row, which the caller renders.

mod load;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use self::load::{Begun, Loading};
use crate::job::{JobKey, Kind, OrgId, Position, Status, Summary};

/// The rows of an organisation are evicted if no reader asks for its list for so long.
const UNREAD: Duration = Duration::from_secs(600);
/// Bytes of one piece of a list, 64 KiB. The server sends a list piece by piece.
const PIECE: usize = 64 << 10;

/// A job that a commit of the views changes.
#[derive(Debug, Clone, Copy)]
pub struct ChangedJob<'a> {
    /// The job's key.
    pub key: &'a JobKey,
    /// The job after the commit; `None` if it is set aside.
    pub job: Option<&'a Summary>,
}

/// Renders a job's row.
pub type RenderRow = fn(&Summary) -> Vec<u8>;
/// Rendered rows, separated by commas. The pieces joined in order are the list.
pub type ListPieces = Arc<[Bytes]>;

/// The list of an organisation's running background jobs.
#[derive(Debug, Clone)]
pub struct RunningList {
    /// The rows, newest job first.
    pub rows: ListPieces,
    /// The position of the views that the list shows.
    pub position: Position,
}

/// The rows of each organisation whose list was read recently.
#[derive(Debug, Default)]
pub struct RunningLists {
    state: Mutex<State>,
    /// Signals the end of a commit.
    committed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The position of the views.
    position: Position,
    /// Whether a commit is under way: it has announced its changes, but readers of the file may not see them yet.
    committing: bool,
    orgs: HashMap<OrgId, Org>,
    /// The number of the next load.
    next_load: u64,
}

#[derive(Debug)]
struct Org {
    render: RenderRow,
    /// By the position of `job.created`.
    rows: BTreeMap<Position, Box<[u8]>>,
    /// The list of these rows; `None` until a reader asks for it.
    list: Option<ListPieces>,
    /// The changes of the commit under way.
    changes: Vec<RowChange>,
    /// The load that reads the rows; `None` once `rows` is complete.
    loading: Option<Loading>,
    read_at: Instant,
}

/// A job's new row.
#[derive(Debug)]
struct RowChange {
    /// The position of `job.created`.
    job: Position,
    /// `None` if the job does not run.
    row: Option<Box<[u8]>>,
}

impl RunningLists {
    /// Begins a commit of the views, which changes these jobs.
    pub fn begin_commit<'a>(&self, jobs: impl Iterator<Item = ChangedJob<'a>>) {
        let mut state = self.state.lock();
        state.committing = true;
        for ChangedJob { key, job } in jobs {
            match job {
                Some(job) if job.kind == Kind::Task => {
                    if let Some(org) = state.orgs.get_mut(&key.org) {
                        let runs = job.state.status() == Status::Running;
                        let row = runs.then(|| (org.render)(job).into());
                        org.changes.push(RowChange { job: job.created_position, row });
                    }
                }
                Some(_) => {}
                // The rows cannot be searched by a job's key, so the next read loads all of them again.
                None => drop(state.orgs.remove(&key.org)),
            }
        }
    }

    /// Ends the commit: the views are at `position`, and readers of the file see every announced change.
    pub fn end_commit(&self, position: Position) {
        let mut state = self.state.lock();
        (state.position, state.committing) = (position, false);
        let now = Instant::now();
        state.orgs.retain(|_, org| now.duration_since(org.read_at) < UNREAD);
        for org in state.orgs.values_mut() {
            let changes = std::mem::take(&mut org.changes);
            match &mut org.loading {
                Some(loading) => loading.note(position, changes),
                None => changes.into_iter().for_each(|change| org.change(change)),
            }
        }
        self.committed.notify_all();
    }

    /// Evicts every row, because other views take the place of these.
    pub fn clear(&self) {
        self.state.lock().orgs.clear();
    }

    /// The list, if it is in memory and shows the views at `wanted` or later.
    pub fn get(&self, org: OrgId, wanted: Position) -> Option<RunningList> {
        let mut state = self.state.lock();
        let position = Some(state.position).filter(|position| *position >= wanted)?;
        let org = state.orgs.get_mut(&org)?;
        org.read_at = Instant::now();
        Some(RunningList { rows: org.list.clone()?, position })
    }

    /// Makes the list from rows that `render` renders. Later reads get the same list until a row changes.
    ///
    /// Calls `read` if memory lacks the rows. `read` gives every running job of the organisation to its argument, and returns the
    /// position of the views that it read.
    ///
    /// `None` if a commit takes longer than 2 s, if another load replaced this one, or if the rows were evicted meanwhile.
    ///
    /// # Errors
    ///
    /// Those of `read`.
    pub fn make<E>(
        &self,
        org: OrgId,
        render: RenderRow,
        read: impl FnOnce(&mut dyn FnMut(&Summary)) -> Result<Position, E>,
    ) -> Result<Option<RunningList>, E> {
        match self.begin_load(org, render) {
            Begun::TooLong => return Ok(None),
            Begun::Loaded => {}
            Begun::Load(load) => {
                let mut rows = BTreeMap::new();
                let position = read(&mut |job| drop(rows.insert(job.created_position, render(job).into())))?;
                if !load.end(rows, position) {
                    return Ok(None);
                }
            }
        }
        let mut state = self.state.lock();
        let position = state.position;
        // `None` if the rows were evicted meanwhile, or another load has begun.
        let loaded = state.orgs.get_mut(&org).filter(|org| org.loading.is_none());
        Ok(loaded.map(|org| {
            let rows = &org.rows;
            RunningList { rows: org.list.get_or_insert_with(|| pieces(rows)).clone(), position }
        }))
    }
}

impl Org {
    fn change(&mut self, RowChange { job, row }: RowChange) {
        let same = match row {
            Some(row) => self.rows.insert(job, row.clone()).is_some_and(|before| before == row),
            None => self.rows.remove(&job).is_none(),
        };
        if !same {
            self.list = None;
        }
    }
}

/// Joins the rows into pieces, newest row first.
fn pieces(rows: &BTreeMap<Position, Box<[u8]>>) -> ListPieces {
    let (mut pieces, mut piece) = (Vec::new(), Vec::with_capacity(PIECE));
    for (n, row) in rows.values().rev().enumerate() {
        if n > 0 {
            piece.push(b',');
        }
        piece.extend_from_slice(row);
        if piece.len() >= PIECE {
            pieces.push(Bytes::from(std::mem::replace(&mut piece, Vec::with_capacity(PIECE))));
        }
    }
    pieces.push(piece.into());
    pieces.into()
}
