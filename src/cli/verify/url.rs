//! `jobledger verify url`: checks the log of a running server against its signed checkpoints.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::trust::Trust;
use crate::audit;
use crate::cli::client::{Authorities, Remote, failed, problem, server};
use crate::cli::remote::Named;
use crate::cli::{Failure, Outcome, progress};

/// Check a running server with a token of the role auditor; the command fetches the whole log and recomputes it
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger verify url https://ledger.example --vkey KEY
  jobledger verify url https://ledger.example --vkey KEY --anchor auditor.checkpoint")]
pub(super) struct Url {
    /// The server, such as http://127.0.0.1:8347
    #[arg(value_name = "URL", env = "JOBLEDGER_URL", value_parser = server)]
    url: String,

    /// The token of an auditor. Default: that of the login at this address
    #[arg(long, env = "JOBLEDGER_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,

    #[command(flatten)]
    authorities: Authorities,

    #[command(flatten)]
    trust: Trust,

    /// The anchor, which is the newest checkpoint outside the database: its file or folder
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
}

impl Url {
    pub(super) fn run(self) -> Outcome {
        let mut auditor = self.trust.auditor(self.anchor.as_deref(), None)?;
        let remote = Remote::of(Named::Url(self.url), self.token, self.authorities);
        let remote = remote.map_err(|error| Failure::Refused(error.to_string()))?;
        let agent = remote.agent(Duration::from_secs(60))?;
        let get = |path: &str| -> Result<Box<dyn Read>, Failure> {
            let mut answer =
                agent.get(remote.at(path)).header("authorization", remote.bearer()).call().map_err(failed)?;
            if answer.status() != 200 {
                let (text, _) = problem(&mut answer);
                return Err(Failure::CouldNotRun(format!("cannot read `{path}`: {text}")));
            }
            Ok(Box::new(answer.into_body().into_reader()))
        };
        let bar = progress::bar(0, "events");
        audit::audit_site(get, &mut auditor, |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        })?;
        bar.finish_and_clear();
        self.trust.tell_log(auditor)
    }
}
