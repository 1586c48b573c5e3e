//! `jobledger evidence`: writes the bundle that proves one job's history.

use std::fs::File;
use std::io::{Seek, Write, copy, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use ureq::Body;
use ureq::http::Response;

use super::checkpoint::checkpoint;
use super::client::{Remote, expect_type, failed, refused};
use super::export::{is_stdout, to_file};
use super::output::{say, shown};
use super::target::Target;
use super::{Failure, Outcome};
use crate::chain;
use crate::evidence::{BundleError, BundleFiles, EvidenceError, write_evidence};
use crate::job::{JobId, JobKey, OrgId};
use crate::ledger::Folder;
use crate::log::Reader;
use crate::tree::Size;

/// Write a bundle that proves one job's history; a reader needs the verifier key and no ledger
///
/// Reads a data folder, even while a server runs, or asks a running server: both give the same bytes. The bundle is a tar. It
/// has all files for a check by hand, `verify.py`, and a timeline to read. `jobledger verify bundle` checks it too.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger evidence sync-9 --data ledger -o sync-9.tar
  jobledger evidence sync-9 --server prod --since auditor.checkpoint -o -")]
pub(super) struct Evidence {
    /// The job
    #[arg(value_name = "JOB")]
    job: JobId,

    #[command(flatten)]
    target: Target,

    /// The job's organisation. Default: with --url that of the token, with --data the default organisation
    #[arg(long, env = "JOBLEDGER_ORG", value_name = "UUID")]
    org: Option<OrgId>,

    /// An older checkpoint that the reader holds; the bundle then proves that the log continues it. May repeat
    #[arg(long, value_name = "CHECKPOINT")]
    since: Vec<PathBuf>,

    /// Where to write; - is stdout
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

impl Evidence {
    pub(super) fn run(self) -> Outcome {
        let since = self.since.iter().map(|path| size(path)).collect::<Result<Vec<_>, _>>()?;
        match &self.target {
            Target::Folder(data) => self.local(&Folder::new(data), &since)?,
            Target::Server(remote) => self.remote(remote, &since)?,
        }
        if !is_stdout(&self.output) {
            say!("wrote `{}`: send the reader the bundle and the verifier key by separate ways", self.output.display());
        }
        Ok(())
    }

    /// Lets `write` make the bundle, and puts it into the output file or on stdout once it is whole.
    fn put(&self, write: impl FnOnce(&mut File) -> Outcome) -> Outcome {
        if !is_stdout(&self.output) {
            return to_file(&self.output, write);
        }
        let mut file = tempfile::tempfile()?;
        write(&mut file)?;
        file.rewind()?;
        let mut out = stdout().lock();
        copy(&mut file, &mut out)?;
        Ok(out.flush()?)
    }

    fn local(&self, folder: &Folder, since: &[Size]) -> Outcome {
        let conn = Reader::open(&folder.log())?;
        let key = JobKey { org: self.org.unwrap_or_default(), id: self.job.clone() };
        let refused = |error| match error {
            EvidenceError::NoSuchJob => Failure::Refused(format!("no job `{}` in this organisation", key.id)),
            EvidenceError::NoCheckpoint | EvidenceError::NotCovered(_) | EvidenceError::Since { .. } => {
                Failure::Refused(error.to_string())
            }
            error => error.into(),
        };
        self.put(|file| write_evidence(&Reader::new(&conn), &key, since, file).map(|_| ()).map_err(refused))
    }

    fn remote(&self, remote: &Remote, since: &[Size]) -> Outcome {
        let answer = asked(remote, &self.job, self.org, since)?;
        self.put(|file| received(answer, file).map(|_| ()))
    }
}

/// Asks a server for the bundle of a job.
pub(super) fn asked(
    remote: &Remote,
    job: &JobId,
    org: Option<OrgId>,
    since: &[Size],
) -> Result<Response<Body>, Failure> {
    let agent = remote.agent(Duration::from_secs(600))?;
    let org = org.map(|org| ("org", org.to_string()));
    let query = org.into_iter().chain(since.iter().map(|size| ("since", size.to_string())));
    let request = agent.get(remote.at(&format!("/ledger/jobs/{job}/evidence")));
    let answer = request.query_pairs(query).header("authorization", remote.bearer()).call();
    let mut answer = answer.map_err(failed)?;
    if answer.status() != 200 {
        return Err(refused(&mut answer));
    }
    expect_type(&answer, "application/x-tar")?;
    Ok(answer)
}

/// Writes the bundle in an answer into `file`, and opens it.
pub(super) fn received(answer: Response<Body>, file: &mut File) -> Result<BundleFiles, Failure> {
    // ureq fails if the body is shorter than announced.
    copy(&mut answer.into_body().into_reader(), file)?;
    let opened = BundleFiles::of(file.try_clone()?).and_then(|files| files.check_names().map(|()| files));
    opened.map_err(no_bundle)
}

/// The failure of a server that answers with something else.
pub(super) fn no_bundle(error: BundleError) -> Failure {
    Failure::CouldNotRun(format!("the answer is no evidence bundle: {}", shown(&chain(&error))))
}

/// The size that a checkpoint claims. `verify bundle` checks the claim.
fn size(path: &Path) -> Result<Size, Failure> {
    checkpoint("--since", path).map(|(_, checkpoint)| checkpoint.head.size)
}
