//! The running background jobs of an organisation, each rendered when it changes: a list of all of them is a copy.
//!
//! The rows of an organisation are read from the views when they are first asked for. From then on the projector changes
//! them. An organisation whose list is not asked for any more is forgotten.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::job::{JobKey, Kind, OrgId, Position, Status, Summary};

/// An organisation that was not asked for so long is forgotten.
const FORGET: Duration = Duration::from_secs(600);
/// Longest wait for a commit of the views.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a list in one piece: what is sent at a time.
const PIECE: usize = 64 << 10;

/// A job that a commit changes; without the job where it is set aside.
pub type Moved<'a> = (&'a JobKey, Option<&'a Summary>);
/// Makes a job's row.
pub type Row = fn(&Summary) -> Vec<u8>;
/// Rows, separated by commas, in pieces: one behind the other they are the list.
pub type Pieces = Arc<[Bytes]>;

/// The rows of the organisations that were asked for.
#[derive(Debug, Default)]
pub struct Running {
    state: Mutex<State>,
    /// The views stand somewhere again.
    stood: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Where the views stand.
    stand: Position,
    /// Changes are being committed that the views do not show yet.
    moving: bool,
    orgs: HashMap<OrgId, Org>,
}

#[derive(Debug)]
struct Org {
    row: Row,
    /// By the position of `job.created`.
    rows: BTreeMap<Position, Box<[u8]>>,
    /// The list as it is now, once it was asked for.
    list: Option<Pieces>,
    /// What the commit under way changes.
    changes: Vec<Change>,
    /// While the rows are being read: what was committed meanwhile, and where the views stood then.
    loading: Option<Vec<(Position, Change)>>,
    asked: Instant,
}

/// A row, or none for a job that does not run any more.
type Change = (Position, Option<Box<[u8]>>);

impl Running {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A commit changes these jobs; `None` for a job that is set aside.
    pub fn moving<'a>(&self, touched: impl Iterator<Item = Moved<'a>>) {
        let mut state = self.state();
        state.moving = true;
        for (key, job) in touched {
            match job {
                Some(job) if job.kind == Kind::Task => {
                    if let Some(org) = state.orgs.get_mut(&key.org) {
                        let runs = job.state.status() == Status::Running;
                        let row = runs.then(|| (org.row)(job).into());
                        org.changes.push((job.created_position, row));
                    }
                }
                Some(_) => {}
                // Its row is not found by its name: the rows are read again.
                None => drop(state.orgs.remove(&key.org)),
            }
        }
    }

    /// The views stand at `position`, and show every change that was told of.
    pub fn stands(&self, position: Position) {
        let mut state = self.state();
        (state.stand, state.moving) = (position, false);
        let now = Instant::now();
        state.orgs.retain(|_, org| now.duration_since(org.asked) < FORGET);
        for org in state.orgs.values_mut() {
            let changes = std::mem::take(&mut org.changes);
            match &mut org.loading {
                Some(since) => since.extend(changes.into_iter().map(|change| (position, change))),
                None => changes.into_iter().for_each(|change| org.change(change)),
            }
        }
        self.stood.notify_all();
    }

    /// Forgets every row: other views take the place of these.
    pub fn clear(&self) {
        self.state().orgs.clear();
    }

    /// The list, if it is made already, and where the views stand, which is at `wanted` or later.
    pub fn kept(&self, org: OrgId, wanted: Position) -> Option<(Pieces, Position)> {
        let mut state = self.state();
        let stand = Some(state.stand).filter(|stand| *stand >= wanted)?;
        let org = state.orgs.get_mut(&org)?;
        org.asked = Instant::now();
        Some((org.list.clone()?, stand))
    }

    /// Makes the list of rows that `row` makes; it then serves until a row changes. `read` gives every running job of the organisation to its argument
    /// and answers where the views stood; it is called where the rows are not known yet. `None` where other views took the place
    /// of these meanwhile.
    pub fn make<E>(
        &self,
        org: OrgId,
        row: Row,
        read: impl FnOnce(&mut dyn FnMut(&Summary)) -> Result<Position, E>,
    ) -> Result<Option<(Pieces, Position)>, E> {
        let Some(known) = self.begin(org, row) else { return Ok(None) };
        if !known {
            let mut rows = BTreeMap::new();
            let stood = read(&mut |job| drop(rows.insert(job.created_position, row(job).into())))?;
            if !self.loaded(org, rows, stood) {
                return Ok(None);
            }
        }
        let mut state = self.state();
        let stand = state.stand;
        Ok(state.orgs.get_mut(&org).map(|org| {
            let rows = &org.rows;
            (org.list.get_or_insert_with(|| pieces(rows)).clone(), stand)
        }))
    }

    /// Whether the rows are known; else from now on the changes are noted for rows that are about to be read. `None` where a
    /// commit takes too long: its changes were told of before.
    fn begin(&self, org: OrgId, row: Row) -> Option<bool> {
        let waited = self.stood.wait_timeout_while(self.state(), PATIENCE, |state| state.moving);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.orgs.get(&org).is_some_and(|org| org.loading.is_none()) {
            return Some(true);
        }
        if state.moving {
            return None;
        }
        let (rows, loading) = (BTreeMap::new(), Some(Vec::new()));
        let new = Org { row, rows, list: None, changes: Vec::new(), loading, asked: Instant::now() };
        state.orgs.insert(org, new);
        Some(false)
    }

    /// Takes the rows that were read when the views stood at `stood`; `false` if they were forgotten meanwhile.
    fn loaded(&self, org: OrgId, rows: BTreeMap<Position, Box<[u8]>>, stood: Position) -> bool {
        let mut state = self.state();
        let Some(found) = state.orgs.get_mut(&org) else { return false };
        found.rows = rows;
        let since = found.loading.take().unwrap_or_default();
        let since = since.into_iter().filter(|(position, _)| *position > stood);
        since.for_each(|(_, change)| found.change(change));
        true
    }
}

impl Org {
    fn change(&mut self, (job, row): Change) {
        let same = match row {
            Some(row) => self.rows.insert(job, row.clone()).is_some_and(|before| before == row),
            None => self.rows.remove(&job).is_none(),
        };
        if !same {
            self.list = None;
        }
    }
}

/// The rows, newest first.
fn pieces(rows: &BTreeMap<Position, Box<[u8]>>) -> Pieces {
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
