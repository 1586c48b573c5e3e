//! `jobledger note`: adds a remark to a job.

use clap::Args;

use super::Outcome;
use super::client::Remote;
use super::output::say;
use super::server::Server;
use super::telling::{Source, Told};
use crate::job::JobId;

/// Add a note to a job of a running server, as the actor of the token
///
/// A note moves nothing, and a job takes notes after its end too. The ledger never deletes a note.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger note sync-9 \"asked the vendor, case 4711\"
  jobledger note sync-9 \"ran again as sync-10\" --json")]
pub(super) struct Note {
    /// The job
    #[arg(value_name = "JOB")]
    job: JobId,

    /// The text of the note
    #[arg(value_name = "TEXT")]
    text: String,

    #[command(flatten)]
    remote: Remote,

    #[command(flatten)]
    source: Source,

    /// Print the job and the event's position as JSON
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

impl Note {
    pub(super) fn run(self) -> Outcome {
        let server = Server::new(self.remote)?;
        let event = self.source.event("job.noted", &self.job, serde_json::json!({ "text": self.text }));
        match Told::by(&server, &event)? {
            Told::Recorded { position, .. } if self.json => {
                say!("{}", serde_json::json!({ "job": self.job.as_str(), "position": position }));
            }
            Told::Recorded { position, .. } => say!("{} has the note, at position {position}", self.job),
            Told::Refused { failure, .. } => return Err(failure),
        }
        Ok(())
    }
}
