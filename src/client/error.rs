//! Why the ledger has not recorded what a worker reports.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::cancellation::Stop;

/// Why a call failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client was set up wrongly. The text names the setting, what was expected and what was found.
    #[error("{0}")]
    Setup(String),
    /// The file for the certificates of authorities cannot be used.
    #[error("cannot use `{path}`: {why}")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What was expected and found.
        why: String,
    },
    /// A folder or a file of the spool cannot be used.
    #[error("cannot use the spool `{path}`: {error}")]
    Spool {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        error: Arc<io::Error>,
    },
    /// The ledger refused a request. A refused report is left out, and later ones go on.
    #[error("the ledger refused {0}")]
    Refused(Box<Refusal>),
    /// The job was cancelled: stop the work.
    #[error("job {0} was cancelled: stop its work")]
    Cancelled(String),
    /// The job is no longer this worker's: stop the work. The ledger may have repeated the job.
    #[error("the lease of job {0} is lost: stop its work, because the ledger may have repeated it")]
    LeaseLost(String),
    /// The ledger gave no answer until the deadline, or only "not now".
    #[error("no answer from {url}: {why}; {}", Waiting(*waiting, spool))]
    Unavailable {
        /// The server's address.
        url: String,
        /// The last answer or error.
        why: String,
        /// How many reports have no answer. The ledger may have recorded some of them.
        waiting: u64,
        /// The file in which they wait; `None` without a spool.
        spool: Option<PathBuf>,
    },
    /// The request cannot be sent, or the server cannot prove its name. Another try would fail too.
    #[error("cannot ask {url}: {why}; check the URL and JOBLEDGER_CA")]
    Unreachable {
        /// The server's address.
        url: String,
        /// The cause.
        why: String,
    },
    /// The answer is not that of a ledger.
    #[error("the answer of {url} is not that of a ledger: expected {expected}; check the URL")]
    NotALedger {
        /// The server's address.
        url: String,
        /// What was expected and found.
        expected: String,
    },
}

struct Waiting<'a>(u64, &'a Option<PathBuf>);

impl fmt::Display for Waiting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Waiting(0, _) => f.write_str("try again later"),
            Waiting(waiting, Some(path)) => write!(
                f,
                "reports that wait in `{}`: {waiting}; the next ledger with this spool delivers them, and so does `jobledger append`",
                path.display()
            ),
            Waiting(waiting, None) => write!(f, "reports that may be missing: {waiting}; a spool would keep them"),
        }
    }
}

/// The ledger's refusal of a request.
#[derive(Debug, Clone, Default)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The code of the problem, such as `lifecycle`; empty if the server gave none.
    pub code: String,
    /// What was expected and found.
    pub detail: String,
    /// The member of the event that is wrong, as a JSON pointer.
    pub pointer: Option<String>,
    /// The state of the job, if that is the reason.
    pub state: Option<String>,
    /// The type of the refused event.
    pub event: Option<String>,
    /// The place of the refused event in its request, from 0.
    pub(super) index: Option<usize>,
}

impl Refusal {
    /// Reads the problem that a server answers.
    pub(super) fn of(status: u16, body: &str) -> Refusal {
        let problem: Value = serde_json::from_str(body).unwrap_or_default();
        let text = |name: &str| problem[name].as_str().map(str::to_owned);
        Refusal {
            status,
            code: text("code").unwrap_or_default(),
            detail: text("detail").or(text("title")).unwrap_or_default(),
            pointer: text("pointer"),
            state: text("state"),
            event: None,
            index: problem["index"].as_u64().and_then(|index| usize::try_from(index).ok()),
        }
    }

    /// Why the work on the job must stop, if the refusal says so.
    pub(super) fn stop(&self) -> Option<Stop> {
        match self.state.as_deref() {
            _ if self.status != 409 => None,
            Some("cancelled") => Some(Stop::Cancelled),
            Some("completed" | "failed") => Some(Stop::LeaseLost),
            _ if self.code == "lease-lost" => Some(Stop::LeaseLost),
            _ => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.event.as_deref().unwrap_or("the request"))?;
        self.pointer.iter().try_for_each(|pointer| write!(f, ", `{pointer}`"))?;
        write!(f, ": {} ({} {})", self.detail, self.status, self.code)
    }
}
