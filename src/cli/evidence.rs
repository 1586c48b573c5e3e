//! `jobledger evidence`: everything that proves one job's history, in one file.

use std::fs::File;
use std::io::{Seek, Write, copy, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::checkpoint::checkpoint;
use super::client::{Remote, expect_type, failed, refused};
use super::export::{is_stdout, to_file};
use super::output::{say, shown};
use super::target::Target;
use super::{Failure, Outcome};
use crate::chain;
use crate::evidence::BundleFiles;
use crate::evidence::{EvidenceError, write_evidence};
use crate::job::{JobId, JobKey, OrgId};
use crate::ledger::Folder;
use crate::log::Reader;
use crate::tree::Size;

/// Write a bundle that proves one job's history to whoever has the verifier key, and needs no ledger
///
/// From a data folder, beside a running server too, or from a running server: both give the same bytes. It is a tar with
/// everything to check it by hand, `verify.py`, and a timeline to read; `jobledger verify bundle` checks it too.
#[derive(Debug, Args)]
pub(super) struct Evidence {
    /// The job
    #[arg(value_name = "JOB")]
    job: JobId,

    #[command(flatten)]
    target: Target,

    /// The job's organisation; that of the token where --url is told, or else the default one
    #[arg(long, env = "JOBLEDGER_ORG", value_name = "UUID")]
    org: Option<OrgId>,

    /// A checkpoint that somebody holds: the bundle then proves that its log continues it; may repeat
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
            say!(
                "wrote `{}`: give it away with the key that it can be checked by, each by a way of its own",
                self.output.display()
            );
        }
        Ok(())
    }

    /// Puts the bundle that `write` makes where it is wanted, once it is whole.
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
        let agent = remote.agent(Duration::from_secs(600))?;
        let org = self.org.map(|org| ("org", org.to_string()));
        let query = org.into_iter().chain(since.iter().map(|size| ("since", size.to_string())));
        let request = agent.get(remote.at(&format!("/ledger/jobs/{}/evidence", self.job)));
        let answer = request.query_pairs(query).header("authorization", remote.bearer()).call();
        let mut answer = answer.map_err(failed)?;
        if answer.status() != 200 {
            return Err(refused(&mut answer));
        }
        expect_type(&answer, "application/x-tar")?;
        self.put(|file| {
            // ureq fails where less comes than was announced.
            copy(&mut answer.into_body().into_reader(), file)?;
            BundleFiles::of(file.try_clone()?).and_then(|files| files.check_names()).map_err(|error| {
                Failure::CouldNotRun(format!("the server answers no evidence bundle: {}", shown(&chain(&error))))
            })
        })
    }
}

/// The size that a checkpoint says; whether it is true is for `verify bundle` to find out.
fn size(path: &Path) -> Result<Size, Failure> {
    checkpoint("--since", path).map(|(_, checkpoint)| checkpoint.head.size)
}
