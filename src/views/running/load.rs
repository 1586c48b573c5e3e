//! Loading the rows of an organisation while the projector goes on. A load reads the file without a lock, and meanwhile each commit
//! adds its changes to the load.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Org, RenderRow, RowChange, RunningLists, State};
use crate::job::{OrgId, Position};

/// Longest wait for a commit of the views.
const PATIENCE: Duration = Duration::from_secs(2);

/// A load under way, noted at its organisation.
#[derive(Debug)]
pub(super) struct Loading {
    /// The load's number. If another load has replaced a load, the replaced one finds another number here.
    number: u64,
    /// The changes that were committed since the load began, each with the position of its commit.
    since: Vec<(Position, RowChange)>,
}

impl Loading {
    /// Notes the changes of the commit at `position`.
    pub(super) fn note(&mut self, position: Position, changes: Vec<RowChange>) {
        self.since.extend(changes.into_iter().map(|change| (position, change)));
    }
}

/// How a load begins.
pub(super) enum Begun<'r> {
    /// Memory has the rows already.
    Loaded,
    /// A commit takes too long.
    TooLong,
    /// The caller must read the rows.
    Load(Load<'r>),
}

/// A load of an organisation's rows. Dropping an unfinished load removes its traces.
pub(super) struct Load<'r> {
    lists: &'r RunningLists,
    org: OrgId,
    number: u64,
}

impl RunningLists {
    /// Begins a load if memory lacks the rows. First waits for a commit under way, because that commit announced its changes before
    /// this load could note them.
    pub(super) fn begin_load(&self, org: OrgId, render: RenderRow) -> Begun<'_> {
        let mut state = self.state.lock();
        self.committed.wait_while_for(&mut state, |state| state.committing, PATIENCE);
        if state.orgs.get(&org).is_some_and(|org| org.loading.is_none()) {
            return Begun::Loaded;
        }
        if state.committing {
            return Begun::TooLong;
        }
        let number = state.next_load;
        state.next_load += 1;
        let loading = Some(Loading { number, since: Vec::new() });
        let (rows, changes, read_at) = (BTreeMap::new(), Vec::new(), Instant::now());
        state.orgs.insert(org, Org { render, rows, list: None, changes, loading, read_at });
        Begun::Load(Load { lists: self, org, number })
    }
}

impl Load<'_> {
    /// Takes the rows, which the caller read when the views were at `position`, and applies the changes since. `false` if another
    /// load has replaced this one, or the rows were evicted.
    pub(super) fn end(self, rows: BTreeMap<Position, Box<[u8]>>, position: Position) -> bool {
        let mut state = self.lists.state.lock();
        let Some(org) = self.own(&mut state) else { return false };
        org.rows = rows;
        let since = org.loading.take().map(|loading| loading.since).unwrap_or_default();
        let newer = since.into_iter().filter(|(committed, _)| *committed > position);
        newer.for_each(|(_, change)| org.change(change));
        true
    }

    /// The organisation, if this load is still its load.
    fn own<'s>(&self, state: &'s mut State) -> Option<&'s mut Org> {
        let org = state.orgs.get_mut(&self.org)?;
        org.loading.as_ref().is_some_and(|loading| loading.number == self.number).then_some(org)
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        let mut state = self.lists.state.lock();
        if self.own(&mut state).is_some() {
            state.orgs.remove(&self.org);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ChangedJob;
    use super::*;
    use crate::job::samples::{created, fact};
    use crate::job::{Completed, Event, Job, Started, Summary};

    fn row(job: &Summary) -> Vec<u8> {
        job.key.id.to_string().into()
    }

    /// A running job that was created at `position`.
    fn job(id: &str, position: u64) -> Job {
        let mut job = Job::begin(fact(id, position, created())).unwrap();
        job.apply(fact(id, position + 1, Event::Started(Started::default()))).unwrap();
        job
    }

    /// A commit ends `job`, and the views are at `position`.
    fn ends(lists: &RunningLists, job: &mut Job, position: u64) {
        let id = job.key.id.to_string();
        job.apply(fact(&id, position, Event::Completed(Completed::default()))).unwrap();
        lists.begin_commit([ChangedJob { key: &job.key, job: Some(&job.summary) }].into_iter());
        lists.end_commit(Position::new(position));
    }

    fn begun(lists: &RunningLists) -> Load<'_> {
        match lists.begin_load(OrgId::default(), row) {
            Begun::Load(load) => load,
            Begun::Loaded | Begun::TooLong => panic!("the rows are to be read"),
        }
    }

    /// The list, of rows that are here.
    fn list(lists: &RunningLists) -> String {
        let made = lists.make(OrgId::default(), row, |_| Err("the rows are not here")).unwrap().unwrap();
        String::from_utf8(made.rows.concat()).unwrap()
    }

    fn rows(jobs: &[&Job]) -> BTreeMap<Position, Box<[u8]>> {
        jobs.iter().map(|job| (job.created_position, row(job).into())).collect()
    }

    #[test]
    fn a_load_that_was_replaced_brings_back_no_finished_job() {
        let lists = RunningLists::default();
        let (mut ended, stays) = (job("ended", 1), job("stays", 3));
        lists.end_commit(Position::new(10));
        let slow = begun(&lists);
        ends(&lists, &mut ended, 12);
        let second = begun(&lists);
        assert!(!slow.end(rows(&[&ended, &stays]), Position::new(10)), "it has no note of the changes since 10");
        assert!(second.end(rows(&[&stays]), Position::new(12)));
        assert_eq!(list(&lists), "stays");
    }

    #[test]
    fn a_change_during_a_load_is_in_the_list() {
        let lists = RunningLists::default();
        let (mut ended, stays) = (job("ended", 1), job("stays", 3));
        lists.end_commit(Position::new(10));
        let load = begun(&lists);
        ends(&lists, &mut ended, 12);
        assert!(load.end(rows(&[&ended, &stays]), Position::new(10)));
        assert_eq!(list(&lists), "stays");
    }

    #[test]
    fn a_load_that_fails_or_is_evicted_leaves_nothing_behind() {
        let lists = RunningLists::default();
        lists.end_commit(Position::new(10));
        assert_eq!(lists.make(OrgId::default(), row, |_| Err("no views")).unwrap_err(), "no views");
        assert!(lists.state.lock().orgs.is_empty());
        let evicted = begun(&lists);
        lists.clear();
        assert!(!evicted.end(BTreeMap::new(), Position::new(10)));
        assert!(lists.state.lock().orgs.is_empty());
        // A load that fails after it was replaced leaves the newer one alone.
        let (first, second) = (begun(&lists), begun(&lists));
        drop(first);
        assert!(second.end(rows(&[&job("a", 1)]), Position::new(10)));
        assert_eq!(list(&lists), "a");
    }
}
