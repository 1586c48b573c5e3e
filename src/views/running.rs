//! The running background jobs of an organisation, each rendered when it changes: a list of all of them is a copy.
//!
//! The rows of an organisation are read from the views when they are first asked for. From then on the projector changes
//! them. An organisation whose list is not asked for any more is forgotten.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};

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
    /// The number of the next load.
    next: u64,
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
    /// The load that reads the rows; `None` once they are known.
    loading: Option<Loading>,
    asked: Instant,
}

#[derive(Debug)]
struct Loading {
    /// The load's number. A load that another one has replaced, or that was forgotten, finds another number here or none.
    number: u64,
    /// What was committed since the load began, and where the views stood then.
    since: Vec<(Position, Change)>,
}

/// A row, or none for a job that does not run any more.
type Change = (Position, Option<Box<[u8]>>);

impl Running {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
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
                Some(load) => load.since.extend(changes.into_iter().map(|change| (position, change))),
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

    /// Makes the list of rows that `row` makes. The list serves until a row changes.
    ///
    /// `read` gives every running job of the organisation to its argument, and answers where the views stood. It is called where
    /// the rows are not known yet. `None` where a commit takes too long, or where the load was forgotten or replaced meanwhile.
    pub fn make<E>(
        &self,
        org: OrgId,
        row: Row,
        read: impl FnOnce(&mut dyn FnMut(&Summary)) -> Result<Position, E>,
    ) -> Result<Option<(Pieces, Position)>, E> {
        match self.begin(org, row) {
            Begun::TooLong => return Ok(None),
            Begun::Known => {}
            Begun::Load(load) => {
                let mut rows = BTreeMap::new();
                let stood = read(&mut |job| drop(rows.insert(job.created_position, row(job).into())))?;
                if !load.end(rows, stood) {
                    return Ok(None);
                }
            }
        }
        let mut state = self.state();
        let stand = state.stand;
        // Another load may have begun anew in between.
        let known = state.orgs.get_mut(&org).filter(|org| org.loading.is_none());
        Ok(known.map(|org| {
            let rows = &org.rows;
            (org.list.get_or_insert_with(|| pieces(rows)).clone(), stand)
        }))
    }

    /// Begins a load where the rows are not known: from here on the changes are noted for it. It waits for a commit under way,
    /// whose changes were told of before.
    fn begin(&self, org: OrgId, row: Row) -> Begun<'_> {
        let mut state = self.state();
        self.stood.wait_while_for(&mut state, |state| state.moving, PATIENCE);
        if state.orgs.get(&org).is_some_and(|org| org.loading.is_none()) {
            return Begun::Known;
        }
        if state.moving {
            return Begun::TooLong;
        }
        let number = state.next;
        state.next += 1;
        let loading = Some(Loading { number, since: Vec::new() });
        let (rows, changes) = (BTreeMap::new(), Vec::new());
        state.orgs.insert(org, Org { row, rows, list: None, changes, loading, asked: Instant::now() });
        Begun::Load(Load { running: self, org, number })
    }
}

/// How a load begins.
enum Begun<'r> {
    /// The rows are known already.
    Known,
    /// A commit takes too long.
    TooLong,
    /// The rows are to be read.
    Load(Load<'r>),
}

/// A load of an organisation's rows. One that fails leaves nothing behind.
struct Load<'r> {
    running: &'r Running,
    org: OrgId,
    number: u64,
}

impl Load<'_> {
    /// Takes the rows that were read when the views stood at `stood`. `false` if the load was forgotten or replaced meanwhile.
    fn end(self, rows: BTreeMap<Position, Box<[u8]>>, stood: Position) -> bool {
        let mut state = self.running.state();
        let Some(org) = self.own(&mut state) else { return false };
        org.rows = rows;
        let since = org.loading.take().map(|load| load.since).unwrap_or_default();
        let since = since.into_iter().filter(|(position, _)| *position > stood);
        since.for_each(|(_, change)| org.change(change));
        true
    }

    /// The organisation, while it waits for this load.
    fn own<'s>(&self, state: &'s mut State) -> Option<&'s mut Org> {
        let org = state.orgs.get_mut(&self.org)?;
        org.loading.as_ref().is_some_and(|load| load.number == self.number).then_some(org)
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        let mut state = self.running.state();
        if self.own(&mut state).is_some() {
            state.orgs.remove(&self.org);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Completed, Created, Event, Fact, Job, Labels, RawJson, Spec, Started, TaskSpec, TaskType, Time};

    fn row(job: &Summary) -> Vec<u8> {
        job.key.id.to_string().into()
    }

    /// A running job that was created at `position`.
    fn job(id: &str, position: u64) -> Job {
        let spec = Spec::Task(TaskSpec { job_type: TaskType::FullSync, total_records: None });
        let spec_json = RawJson(r#"{"job_type":"full_sync"}"#.into());
        let key = JobKey { org: OrgId::default(), id: id.parse().unwrap() };
        let fact = |position, event| Fact {
            key: key.clone(),
            position: Position::new(position),
            time: Time::from_micros(0),
            actor: "worker".into(),
            event,
        };
        let created = Event::Created(Created { spec, spec_json, created_by: None, labels: Labels::new() });
        let mut job = Job::begin(fact(position, created)).unwrap();
        job.apply(fact(position + 1, Event::Started(Started::default()))).unwrap();
        job
    }

    /// A commit ends `job`, and the views stand at `position`.
    fn ends(running: &Running, job: &mut Job, position: u64) {
        let (key, position) = (job.key.clone(), Position::new(position));
        let event = Event::Completed(Completed::default());
        job.apply(Fact { key, position, time: Time::from_micros(0), actor: "worker".into(), event }).unwrap();
        running.moving([(&job.key, Some(&job.summary))].into_iter());
        running.stands(position);
    }

    fn begun(running: &Running) -> Load<'_> {
        match running.begin(OrgId::default(), row) {
            Begun::Load(load) => load,
            Begun::Known | Begun::TooLong => panic!("the rows are to be read"),
        }
    }

    /// The list, of rows that are known.
    fn list(running: &Running) -> String {
        let made = running.make(OrgId::default(), row, |_| Err("the rows are not known")).unwrap().unwrap();
        String::from_utf8(made.0.concat()).unwrap()
    }

    fn rows(jobs: &[&Job]) -> BTreeMap<Position, Box<[u8]>> {
        jobs.iter().map(|job| (job.created_position, row(job).into())).collect()
    }

    #[test]
    fn a_load_that_another_one_replaced_brings_back_no_finished_job() {
        let running = Running::default();
        let (mut ended, stays) = (job("ended", 1), job("stays", 3));
        running.stands(Position::new(10));
        let slow = begun(&running);
        ends(&running, &mut ended, 12);
        let second = begun(&running);
        assert!(!slow.end(rows(&[&ended, &stays]), Position::new(10)), "the changes since 10 are noted no more");
        assert!(second.end(rows(&[&stays]), Position::new(12)));
        assert_eq!(list(&running), "stays");
    }

    #[test]
    fn what_changes_during_a_load_is_in_the_list() {
        let running = Running::default();
        let (mut ended, stays) = (job("ended", 1), job("stays", 3));
        running.stands(Position::new(10));
        let load = begun(&running);
        ends(&running, &mut ended, 12);
        assert!(load.end(rows(&[&ended, &stays]), Position::new(10)));
        assert_eq!(list(&running), "stays");
    }

    #[test]
    fn a_load_that_fails_or_is_forgotten_leaves_nothing_behind() {
        let running = Running::default();
        running.stands(Position::new(10));
        assert_eq!(running.make(OrgId::default(), row, |_| Err("no views")).unwrap_err(), "no views");
        assert!(running.state().orgs.is_empty());
        let forgotten = begun(&running);
        running.clear();
        assert!(!forgotten.end(BTreeMap::new(), Position::new(10)));
        assert!(running.state().orgs.is_empty());
        // One that fails late leaves the one that replaced it alone.
        let (first, second) = (begun(&running), begun(&running));
        drop(first);
        assert!(second.end(rows(&[&job("a", 1)]), Position::new(10)));
        assert_eq!(list(&running), "a");
    }
}
