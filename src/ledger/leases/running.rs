//! The leases that last, with the moment at which each runs out.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::LeaseSecret;
use crate::job::{Event, Fact, Job, JobKey, Lease, Position};

/// Shortest pause between two looks for leases that ran out: so many leases that end together end in one look.
const STEP: Duration = Duration::from_millis(50);

/// The leases of running jobs.
#[derive(Debug)]
pub(in crate::ledger) struct Leases {
    secret: LeaseSecret,
    state: Mutex<State>,
    /// Rung when another lease may be the first to run out.
    changed: Notify,
    /// Rung when leases have to be taken from the log.
    resume: Notify,
    /// The position of the newest `job.created`.
    created: watch::Sender<Position>,
    /// The position of the newest `job.failed`.
    failed: watch::Sender<Position>,
}

#[derive(Debug)]
struct State {
    running: HashMap<JobKey, Running>,
    /// The jobs that ended meanwhile, while leases are taken from the log; `None` afterwards.
    ended: Option<HashSet<JobKey>>,
}

/// A lease that lasts.
#[derive(Debug, Clone)]
struct Running {
    lease: Lease,
    worker: String,
    runs_out: Instant,
    /// The position of the job's newest event.
    newest: Position,
    /// Whether the lease ran out, and the ledger is about to end the job.
    is_overdue: bool,
}

/// A lease that ran out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// The job.
    pub key: JobKey,
    /// The lease.
    pub lease: Lease,
    /// The worker's name.
    pub worker: String,
    /// The position of the job's newest event when the lease ran out.
    pub newest: Position,
}

/// What a commit brings for claims and retries: the positions of its newest `job.created` and `job.failed`.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Work {
    created: Option<Position>,
    failed: Option<Position>,
}

/// The answer to a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The lease has its full time again.
    Renewed,
    /// The lease is over, or there never was such a lease.
    Lost,
    /// The ledger still takes leases from the log, and does not know this one yet. If the job runs under it, it gets its full time.
    Resuming,
}

impl Leases {
    pub(in crate::ledger) fn new(secret: LeaseSecret) -> Leases {
        let state = State { running: HashMap::new(), ended: Some(HashSet::new()) };
        let (resume, changed) = (Notify::new(), Notify::new());
        resume.notify_one();
        let (created, failed) = (watch::Sender::new(Position::GENESIS), watch::Sender::new(Position::GENESIS));
        Leases { secret, state: Mutex::new(state), changed, resume, created, failed }
    }

    pub(super) fn created_bell(&self) -> watch::Receiver<Position> {
        self.created.subscribe()
    }

    pub(super) fn failed_bell(&self) -> watch::Receiver<Position> {
        self.failed.subscribe()
    }

    pub(super) fn secret(&self) -> &LeaseSecret {
        &self.secret
    }

    /// Takes over the events of a commit. The writer thread calls this before it answers their appends.
    pub(in crate::ledger) fn committed(&self, facts: &[Fact], now: Instant) -> Work {
        let mut state = self.state.lock();
        let (mut begun, mut work) = (false, Work::default());
        for fact in facts {
            match fact.event {
                Event::Created(_) => work.created = Some(fact.position),
                Event::Failed(_) => work.failed = Some(fact.position),
                _ => {}
            }
            begun |= state.take(fact, now);
        }
        drop(state);
        if begun {
            self.changed.notify_one();
        }
        work
    }

    /// Wakes the claims and the retries that wait for `work`. The writer thread calls this after it has shown the new head: a read
    /// that one of them begins at once waits for that head.
    pub(in crate::ledger) fn ring(&self, work: Work) {
        if let Some(position) = work.created {
            self.created.send_replace(position);
        }
        if let Some(position) = work.failed {
            self.failed.send_replace(position);
        }
    }

    /// Tells that the log may hold events that were not told here. The writer thread calls this after a commit that failed.
    pub(in crate::ledger) fn lost_track(&self) {
        self.state.lock().ended.get_or_insert_default();
        self.resume.notify_one();
        self.created.send_modify(|_| ());
        self.failed.send_modify(|_| ());
    }

    pub(super) async fn to_resume(&self) {
        self.resume.notified().await;
    }

    pub(super) fn resume(&self, job: &Job, now: Instant) {
        let (Some(lease), Some(worker)) = (job.lease(), &job.worker) else { return };
        let mut state = self.state.lock();
        let has_ended = state.ended.as_ref().is_none_or(|ended| ended.contains(&job.key));
        if !has_ended && !state.running.contains_key(&job.key) {
            let running = Running::begin(lease, worker.name.clone(), job.position, now);
            state.running.insert(job.key.clone(), running);
        }
        drop(state);
        self.changed.notify_one();
    }

    pub(super) fn resumed(&self) {
        self.state.lock().ended = None;
    }

    pub(super) fn count(&self) -> usize {
        self.state.lock().running.len()
    }

    pub(super) fn left(&self, key: &JobKey, since: Position, now: Instant) -> Option<Duration> {
        let state = self.state.lock();
        let running = state.running.get(key).filter(|running| running.lease.since == since && !running.is_overdue)?;
        Some(running.runs_out.saturating_duration_since(now))
    }

    pub(super) fn renew(&self, key: &JobKey, since: Position, now: Instant) -> Renewal {
        let mut state = self.state.lock();
        let resuming = state.ended.as_ref().is_some_and(|ended| !ended.contains(key));
        match state.running.get_mut(key) {
            Some(running) if running.lease.since == since && !running.is_overdue => {
                running.renew(now);
                Renewal::Renewed
            }
            None if resuming => Renewal::Resuming,
            _ => Renewal::Lost,
        }
    }

    pub(super) async fn overdue(&self) -> Vec<Overdue> {
        loop {
            let first = self.state.lock().first();
            let Some(first) = first else {
                self.changed.notified().await;
                continue;
            };
            tokio::select! {
                () = tokio::time::sleep_until(first.into()) => {}
                () = self.changed.notified() => continue,
            }
            tokio::time::sleep(STEP).await;
            let overdue = self.state.lock().take_overdue(Instant::now());
            if !overdue.is_empty() {
                return overdue;
            }
        }
    }

    pub(super) fn goes_on(&self, key: &JobKey, since: Position) {
        if let Some(running) = self.state.lock().running.get_mut(key)
            && running.lease.since == since
        {
            running.is_overdue = false;
        }
        self.changed.notify_one();
    }

    pub(super) fn is_over(&self, key: &JobKey, since: Position) {
        let mut state = self.state.lock();
        if state.running.get(key).is_some_and(|running| running.lease.since == since) {
            state.running.remove(key);
        }
    }
}

impl State {
    /// Folds an event; answers whether a lease began.
    fn take(&mut self, fact: &Fact, now: Instant) -> bool {
        match &fact.event {
            Event::Started(started) => {
                let (Some(seconds), Some(worker)) = (started.lease_sec, &started.worker) else { return false };
                let lease = Lease { seconds, since: fact.position };
                let running = Running::begin(lease, worker.clone(), fact.position, now);
                self.running.insert(fact.key.clone(), running);
                true
            }
            event => {
                let ends = event.event_type().ends_job();
                if ends {
                    self.ended.iter_mut().for_each(|ended| ended.extend([fact.key.clone()]));
                }
                if self.running.is_empty() {
                    return false;
                }
                if ends {
                    self.running.remove(&fact.key);
                } else if let Some(running) = self.running.get_mut(&fact.key) {
                    running.newest = fact.position;
                    if !matches!(event, Event::Noted(_)) {
                        running.renew(now);
                    }
                }
                false
            }
        }
    }

    /// When the first lease runs out, of those that the ledger is not about to end.
    fn first(&self) -> Option<Instant> {
        self.running.values().filter(|running| !running.is_overdue).map(|running| running.runs_out).min()
    }

    fn take_overdue(&mut self, now: Instant) -> Vec<Overdue> {
        let over = self.running.iter_mut().filter(|(_, running)| !running.is_overdue && running.runs_out <= now);
        let taken = over.map(|(key, running)| {
            running.is_overdue = true;
            Overdue { key: key.clone(), lease: running.lease, worker: running.worker.clone(), newest: running.newest }
        });
        taken.collect()
    }
}

impl Running {
    fn begin(lease: Lease, worker: String, newest: Position, now: Instant) -> Running {
        let mut running = Running { lease, worker, runs_out: now, newest, is_overdue: false };
        running.renew(now);
        running
    }

    fn renew(&mut self, now: Instant) {
        self.runs_out = now + Duration::from_secs(self.lease.seconds.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::samples::{created, fact};
    use crate::job::{Cancelled, Progress, Started};

    fn started(position: u64) -> Fact {
        let worker = Some("w".to_owned());
        fact("a", position, Event::Started(Started { worker, lease_sec: Some(10), ..Started::default() }))
    }

    fn running_job() -> Job {
        let mut job = Job::begin(fact("a", 1, created())).unwrap();
        job.apply(started(2)).unwrap();
        job
    }

    fn leases() -> (tempfile::TempDir, Leases) {
        let folder = tempfile::tempdir().unwrap();
        let secret = LeaseSecret::of_file(&folder.path().join("lease.key")).unwrap();
        (folder, Leases::new(secret))
    }

    #[test]
    fn a_report_and_a_renewal_start_the_time_anew() {
        let ((_folder, leases), start) = (leases(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let (key, since) = (started(2).key, Position::new(2));
        leases.committed(&[started(2)], start);
        assert_eq!(leases.left(&key, since, at(4)), Some(Duration::from_secs(6)));
        leases.committed(&[fact("a", 3, Event::Progress(Progress::default()))], at(4));
        assert_eq!(leases.left(&key, since, at(4)), Some(Duration::from_secs(10)));
        assert_eq!(leases.renew(&key, since, at(8)), Renewal::Renewed);
        assert_eq!(leases.state.lock().take_overdue(at(17)), []);
        let overdue = leases.state.lock().take_overdue(at(18));
        assert_eq!(overdue[0].newest, Position::new(3));
        assert_eq!(leases.renew(&key, since, at(18)), Renewal::Lost, "the ledger is about to end the job");
        leases.goes_on(&key, since);
        assert_eq!(leases.renew(&key, since, at(18)), Renewal::Renewed);
    }

    #[test]
    fn an_end_ends_the_lease_also_while_leases_are_resumed() {
        let ((_folder, leases), now) = (leases(), Instant::now());
        leases.committed(&[started(2), fact("a", 3, Event::Cancelled(Cancelled::default()))], now);
        assert_eq!(leases.count(), 0);
        leases.resume(&running_job(), now);
        assert_eq!(leases.count(), 0, "the job ended after the start");
    }
}
