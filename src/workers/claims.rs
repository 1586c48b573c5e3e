//! Claims: a worker asks for a job, and the ledger starts the oldest pending job that fits for this worker alone.
//!
//! A claim is recorded as the job's `job.started`, under the claim's id. So a claim that is sent again finds its job, also after a
//! restart.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use uuid::Uuid;

use crate::job::{EventType, JobKey, LEDGER, Position, Refusal};
use crate::ledger::{Append, AppendError, Claimable, Ledger, ReadError, Shown};
use crate::log;
use crate::views::Wanted;
use crate::wire::{Incoming, Leaf};

/// Longest wait of a claim for a job, in seconds.
pub const MAX_WAIT_SEC: u64 = 60;
/// Most claims at once, those that wait for a job included.
const AT_ONCE: usize = 1024;

/// A worker's request for a job.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The request's id. The same id gets the same job while the job runs.
    pub id: Uuid,
    /// The name on the token.
    pub actor: String,
    /// Which jobs fit.
    pub wanted: Wanted,
    /// The worker's name, 1 to 128 bytes.
    pub worker: String,
    /// How long the lease lasts after each report, in seconds, 1 to 86,400.
    pub lease_sec: u32,
    /// How long to wait for a job, at most [`MAX_WAIT_SEC`].
    pub wait: Duration,
}

/// A job that a claim started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The job.
    pub key: JobKey,
    /// The position of its `job.started`, which names the lease.
    pub since: Position,
}

/// Why a claim has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The worker's name is not allowed.
    #[error("{0}")]
    Worker(String),
    /// The id belongs to an earlier claim of another worker, or of a job that has ended.
    #[error("the claim `{id}` started the job `{job}`, {why}; send a new claim with a new id")]
    IdReused {
        /// The id.
        id: Uuid,
        /// The job of the earlier claim.
        job: String,
        /// Why the answer is not the same again, as a clause.
        why: &'static str,
    },
    /// Too many claims wait.
    #[error("{AT_ONCE} claims wait for a job already; try again")]
    TooMany,
    /// The ledger takes no append now.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The pending jobs cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] log::Error),
}

/// The claims that are under way.
#[derive(Debug)]
pub struct Claims {
    /// Jobs that a claim is about to start. After the start the job stays here, with the position of its `job.started`, until the
    /// views show that.
    reserved: Mutex<HashMap<JobKey, Option<Position>>>,
    /// One claim at a time looks for a job, so that the oldest job goes to the first claim.
    turn: AsyncMutex<()>,
    room: Semaphore,
}

impl Default for Claims {
    fn default() -> Claims {
        Claims { reserved: Mutex::default(), turn: AsyncMutex::default(), room: Semaphore::new(AT_ONCE) }
    }
}

impl Claims {
    /// Starts the oldest pending job that fits, and waits for one if there is none. `None` if none came in time.
    ///
    /// # Errors
    ///
    /// A [`ClaimError`]. After an outcome that is unknown, the same claim with the same id finds out.
    pub async fn claim(&self, ledger: &Ledger, claim: &Claim) -> Result<Option<Claimed>, ClaimError> {
        let _room = self.room.try_acquire().map_err(|_| ClaimError::TooMany)?;
        let _counted = Counted::new(ledger);
        if let Some(earlier) = earlier(ledger, claim).await? {
            return Ok(Some(earlier));
        }
        let until = Instant::now() + claim.wait;
        let mut created = ledger.created_bell();
        let mut passed = HashSet::new();
        loop {
            created.mark_unchanged();
            match self.reserve(ledger, &claim.wanted, &passed).await? {
                Next::Job(reserved) => match start(ledger, claim, &reserved.key).await? {
                    Some(claimed) => {
                        reserved.started(&claimed);
                        return Ok(Some(claimed));
                    }
                    None => drop(passed.insert(reserved.key.clone())),
                },
                Next::After(pause) => {
                    let next = pause.map_or(until, |pause| until.min(Instant::now() + pause));
                    tokio::select! {
                        _ = created.changed() => {}
                        () = tokio::time::sleep_until(next.into()) => {}
                    }
                    if Instant::now() >= until {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Reserves the oldest job that fits, that no other claim has reserved, and that is not in `passed`.
    async fn reserve(
        &self,
        ledger: &Ledger,
        wanted: &Wanted,
        passed: &HashSet<JobKey>,
    ) -> Result<Next<'_>, ClaimError> {
        let _turn = self.turn.lock().await;
        let limit = self.reserved.lock().len() + passed.len() + 1;
        let Shown { value: Claimable { jobs, next }, position, now } = ledger.claimable(wanted, limit).await?;
        let mut reserved = self.reserved.lock();
        reserved.retain(|_, started| started.is_none_or(|started| started > position));
        let free = jobs.into_iter().find(|job| !reserved.contains_key(&job.key) && !passed.contains(&job.key));
        Ok(match free {
            Some(job) => {
                reserved.insert(job.key.clone(), None);
                Next::Job(Reserved { claims: self, key: job.key, is_started: false })
            }
            None => Next::After(next.map(|next| Duration::from_millis(next.millis_since(now) + 1))),
        })
    }
}

/// Counts a claim for `/metrics` until it is dropped.
struct Counted<'a>(&'a Ledger);

impl Counted<'_> {
    fn new(ledger: &Ledger) -> Counted<'_> {
        ledger.metrics().claims.inc();
        Counted(ledger)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.metrics().claims.dec();
    }
}

/// What a claim finds.
enum Next<'a> {
    /// A job.
    Job(Reserved<'a>),
    /// No job. The next one may be claimed after this pause; `None` if none waits for its time.
    After(Option<Duration>),
}

/// A job that one claim alone is about to start. Dropped without a start, the job is free again.
struct Reserved<'a> {
    claims: &'a Claims,
    key: JobKey,
    is_started: bool,
}

impl Reserved<'_> {
    fn started(mut self, claimed: &Claimed) {
        self.is_started = true;
        self.claims.reserved.lock().insert(self.key.clone(), Some(claimed.since));
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.is_started {
            self.claims.reserved.lock().remove(&self.key);
        }
    }
}

/// Starts the job; `None` if the job cannot be started any more.
async fn start(ledger: &Ledger, claim: &Claim, key: &JobKey) -> Result<Option<Claimed>, ClaimError> {
    let lease_until = ledger.now().plus(i64::from(claim.lease_sec) * 1_000_000_000);
    let data = serde_json::json!({
        "worker": claim.worker, "lease_sec": claim.lease_sec, "lease_until": lease_until.to_string(),
    });
    let event = Incoming::own(EventType::Started, id_of(claim), key.id.clone(), &data.to_string());
    let events = vec![event.map_err(|reject| ClaimError::Worker(reject.to_string()))?];
    let append = Append { org: key.org, actor: claim.actor.clone(), events, guard: None, lease: None };
    match ledger.append(append).await {
        Ok(appended) => Ok(Some(Claimed { key: key.clone(), since: appended.position() })),
        // The same claim was sent twice at the same time, and the other one is first.
        Err(AppendError::IdReused { .. }) => Ok(earlier(ledger, claim).await?),
        Err(
            AppendError::Refused { refusal: Refusal::Lifecycle(_) | Refusal::LeaseLost { .. }, .. }
            | AppendError::Unreadable { .. },
        ) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The id of the claim's `job.started`.
fn id_of(claim: &Claim) -> String {
    format!("claim:{}", claim.id)
}

/// The job that a claim with the same id started before.
async fn earlier(ledger: &Ledger, claim: &Claim) -> Result<Option<Claimed>, ClaimError> {
    let Some(found) = ledger.log(|log| log.named(Some(claim.wanted.org), LEDGER, &id_of(claim)))? else {
        return Ok(None);
    };
    let leaf = Leaf::parse(&found.leaf).ok();
    let subject = leaf.as_ref().and_then(|leaf| leaf.subject.as_deref()).unwrap_or_default().to_owned();
    let reused = |why| Err(ClaimError::IdReused { id: claim.id, job: subject.clone(), why });
    if leaf.as_ref().is_none_or(|leaf| leaf.actor != claim.actor) {
        return reused("for another token");
    }
    let Ok(id) = subject.parse() else { return reused("which cannot be read") };
    let key = JobKey { org: claim.wanted.org, id };
    let job = ledger.job(&key, None).await?.value;
    match job.as_ref().and_then(|job| job.worker.as_ref().zip(job.lease())) {
        Some((worker, lease)) if lease.since == found.position && worker.name == claim.worker => {
            Ok(Some(Claimed { key, since: found.position }))
        }
        Some((_, lease)) if lease.since == found.position => reused("for another worker"),
        _ => reused("which has ended"),
    }
}
