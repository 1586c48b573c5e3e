//! A server, as a worker uses it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde_json::Value;
use uuid::Uuid;

use super::cancellation::Cancellation;
use super::claim::Claim;
use super::connection::{Answer, Connection};
use super::error::Error;
use super::gather::Gather;
use super::job::Job;
use super::lease::HeldLease;
use super::leftovers::Leftovers;
use super::new_job::NewJob;
use super::reporting::{Reporting, State};
use super::request::Tries;
use super::spool::Spool;
use super::status::Status;

/// A server, the token for it, and how to report to it. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    pub(super) connection: Connection,
    token: String,
    source: String,
    worker: String,
    pub(super) deadline: Duration,
    pace: Duration,
    pub(super) spool: Option<PathBuf>,
    spool_bytes: u64,
    pub(super) leftovers: Arc<Leftovers>,
}

impl fmt::Debug for Ledger {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("url", &self.connection.url).field("spool", &self.spool).finish_non_exhaustive()
    }
}

impl Ledger {
    /// The server at `url`, such as `http://127.0.0.1:8347`, and a token with the role `worker`.
    ///
    /// # Errors
    /// The URL or the token is none.
    pub fn new(url: &str, token: &str) -> Result<Ledger, Error> {
        Ok(Ledger {
            connection: Connection::new(url, token, None)?,
            token: token.to_owned(),
            source: "/rust".into(),
            worker: worker(),
            deadline: Duration::from_secs(60),
            pace: Duration::from_millis(500),
            spool: None,
            spool_bytes: 64 << 20,
            leftovers: Arc::default(),
        })
    }

    /// The server and token of `JOBLEDGER_URL` and `JOBLEDGER_TOKEN`. `JOBLEDGER_CA` may name a file for [`Ledger::with_ca`].
    ///
    /// # Errors
    /// A variable is missing or wrong.
    pub fn from_env() -> Result<Ledger, Error> {
        let given = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let needed = |name: &str, what: &str| {
            given(name).ok_or_else(|| Error::Setup(format!("{name}: expected {what}, found nothing; set the variable")))
        };
        let (url, token) = (needed("JOBLEDGER_URL", "the URL of a ledger")?, needed("JOBLEDGER_TOKEN", "a token")?);
        let ledger = Ledger::new(&url, &token)?;
        given("JOBLEDGER_CA").map_or(Ok(ledger.clone()), |ca| ledger.with_ca(Path::new(&ca)))
    }

    /// With the authorities whose certificates the file has, in PEM, instead of the public ones.
    ///
    /// # Errors
    /// The file has no certificate.
    pub fn with_ca(self, file: &Path) -> Result<Ledger, Error> {
        Ok(Ledger { connection: Connection::new(&self.connection.url, &self.token, Some(file))?, ..self })
    }

    /// With this `source` of the events, a URI-reference. By default `/rust`. A token that is bound to sources needs one of them.
    pub fn with_source(self, source: impl Into<String>) -> Ledger {
        Ledger { source: source.into(), ..self }
    }

    /// With this name of the worker, 1 to 128 bytes. By default the host's name and the process id.
    pub fn with_worker(self, worker: impl Into<String>) -> Ledger {
        Ledger { worker: worker.into(), ..self }
    }

    /// A call returns [`Error::Unavailable`] after so long without an answer. By default 60 s.
    pub fn with_deadline(self, deadline: Duration) -> Ledger {
        Ledger { deadline, ..self }
    }

    /// At most so many progress reports a second go to the ledger, from 0.01 to 1000. By default 2.
    pub fn with_progress_rate(self, a_second: f64) -> Ledger {
        Ledger { pace: Duration::from_secs_f64(1.0 / a_second.clamp(0.01, 1000.0)), ..self }
    }

    /// With a folder in which reports wait while the ledger is away, also after the process has ended: one file a job, with an event
    /// a line. The next ledger with the same folder delivers them, and so do `jobledger exec` and `jobledger append`. Several
    /// processes may share a folder. Reports of a job with a lease that ran out meanwhile come too late: their file stays, with the
    /// ending `.late`.
    ///
    /// At most 64 MiB of a job wait ([`Ledger::with_spool_bytes`]). Output beyond is left out, and a note on the job says how much.
    pub fn with_spool(self, folder: impl Into<PathBuf>) -> Ledger {
        Ledger { spool: Some(folder.into()), ..self }
    }

    /// With room for so many bytes of a job's reports in the spool, or in memory without one.
    pub fn with_spool_bytes(self, bytes: u64) -> Ledger {
        Ledger { spool_bytes: bytes, ..self }
    }

    /// The server's address, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.connection.url
    }

    /// Creates a job. The first report starts it. With a spool the job is created later if the ledger is away.
    ///
    /// # Errors
    /// The ledger refuses the job, or gives no answer until the deadline.
    pub fn create(&self, job: NewJob) -> Result<Job, Error> {
        self.deliver_beside();
        let (kind, spec) = (job.data["kind"].clone(), job.data["spec"].clone());
        let reporting = self.reporting(job.id, job.lease_sec)?;
        let created = reporting.event("job.created", job.data.into());
        let batch = serde_json::to_vec(&[&created]).expect("JSON");
        let mut tries = Tries::until(Some(Instant::now() + self.deadline));
        // What the file does not take waits in memory.
        let _ = reporting.spool.begin(&[created]);
        let is_kept = loop {
            match self.connection.append(&batch, None) {
                Answer::Done(_) => break false,
                Answer::Later { .. } if reporting.spool.path().is_some() => break true,
                Answer::Later { after, .. } if tries.sleep(after) => {}
                Answer::Later { why, .. } => return Err(reporting.unavailable(why)),
                Answer::Refused(mut refusal) => {
                    refusal.event = Some("job.created".into());
                    // The file is empty of anything that the ledger takes.
                    let _ = reporting.spool.remove();
                    return Err(Error::Refused(Box::new(refusal)));
                }
                Answer::Never(error) => {
                    let _ = reporting.spool.remove();
                    return Err(error);
                }
            }
        };
        if !is_kept {
            reporting.spool.delivered(1);
        }
        let job = Job::new(reporting, &kind, &spec);
        if is_kept {
            job.deliver();
        }
        Ok(job)
    }

    /// Claims the oldest pending job that fits, and starts it under a lease. Waits for one as long as the claim says; `None` if none
    /// comes.
    ///
    /// # Errors
    /// The ledger refuses the claim, or gives no answer until the deadline.
    pub fn claim(&self, claim: &Claim) -> Result<Option<Job>, Error> {
        self.deliver_beside();
        let mut id = Uuid::now_v7();
        let mut tries = Tries::until(Some(Instant::now() + claim.wait() + self.deadline));
        loop {
            match self.connection.claim(&claim.request(id, &self.worker), claim.wait()) {
                Answer::Done(Value::Null) => return Ok(None),
                Answer::Done(answer) => {
                    let (job, lease) = (&answer["job"], answer["lease"]["token"].as_str());
                    let (Some(id), Some(lease)) = (job["id"].as_str(), lease) else {
                        let expected = "a job with an id and a lease".to_owned();
                        return Err(Error::NotALedger { url: self.connection.url.clone(), expected });
                    };
                    let reporting = self.reporting(id.to_owned(), Some(claim.lease_sec))?;
                    reporting.lease.set(lease);
                    reporting.state.lock().is_started = true;
                    let job = Job::new(reporting, &job["kind"], &job["spec"]);
                    job.deliver();
                    return Ok(Some(job));
                }
                Answer::Later { after, .. } if tries.sleep(after) => {}
                Answer::Later { why, .. } => {
                    let url = self.connection.url.clone();
                    return Err(Error::Unavailable { url, why, waiting: 0, spool: None });
                }
                // An answer was lost, and the job of that claim has ended meanwhile.
                Answer::Refused(refusal) if refusal.code == "id-reused" => id = Uuid::now_v7(),
                Answer::Refused(refusal) => return Err(Error::Refused(Box::new(refusal))),
                Answer::Never(error) => return Err(error),
            }
        }
    }

    /// The reports of a job, before the first.
    fn reporting(&self, job: String, lease_sec: Option<u32>) -> Result<Reporting, Error> {
        let spool = match &self.spool {
            Some(folder) => Spool::in_folder(folder, self.spool_bytes)
                .map_err(|error| Error::Spool { path: folder.clone(), error: Arc::new(error) })?,
            None => Spool::in_memory(self.spool_bytes),
        };
        let gather = Gather::new(self.pace);
        Ok(Reporting {
            job,
            source: self.source.clone(),
            worker: self.worker.clone(),
            lease_sec,
            deadline: self.deadline,
            connection: self.connection.clone(),
            spool,
            lease: HeldLease::default(),
            cancellation: Cancellation::default(),
            status: Arc::new(Status::default()),
            state: Mutex::new(State { gather, is_started: false, is_closed: false, courier: None }),
            changed: Condvar::new(),
        })
    }
}

/// The host's name and the process id.
fn worker() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "rust" } else { host.trim() };
    format!("{host}:{}", std::process::id())
}
