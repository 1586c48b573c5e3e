//! `jobledger verify db`: checks the log in a data folder against its signed checkpoints.

use std::path::PathBuf;

use clap::Args;

use super::trust::Trust;
use crate::audit;
use crate::cli::{Outcome, progress};
use crate::ledger::Folder;

/// Check a data folder; reads only, and works while a server runs
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger verify db ledger --vkey KEY
  jobledger verify db ledger --vkey KEY --anchor /mnt/anchor --json")]
pub(super) struct Db {
    /// The data folder
    #[arg(value_name = "DIR", env = "JOBLEDGER_DATA")]
    data: PathBuf,

    #[command(flatten)]
    trust: Trust,

    /// The anchor, which is the newest checkpoint outside the database: its file or folder [default: DIR/anchor, if it exists]
    #[arg(long, env = "JOBLEDGER_ANCHOR", value_name = "FILE")]
    anchor: Option<PathBuf>,
}

impl Db {
    pub(super) fn run(self) -> Outcome {
        let folder = Folder::new(&self.data);
        // Reads the anchor before the log. So the log is never behind the anchor, even while a server writes both.
        let mut auditor = self.trust.auditor(self.anchor.as_deref(), Some(&folder))?;
        let bar = progress::bar(0, "events read and replayed");
        audit::audit_database(&folder.log(), &folder.views(), &mut auditor, |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        })?;
        bar.finish_and_clear();
        self.trust.tell_log(auditor)
    }
}
