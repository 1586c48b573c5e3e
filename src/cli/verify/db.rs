//! `jobledger verify db`: whether the log in a folder is what was recorded and signed.

use std::path::PathBuf;

use clap::Args;

use super::trust::Trust;
use crate::audit;
use crate::cli::{Outcome, progress};
use crate::ledger::Folder;

/// A data folder, beside a server or without one; reads only
#[derive(Debug, Args)]
pub(super) struct Db {
    /// The data folder
    #[arg(value_name = "DIR", env = "JOBLEDGER_DATA")]
    data: PathBuf,

    #[command(flatten)]
    trust: Trust,

    /// The anchor: the newest checkpoint, held outside the database; the file, or its folder [default: DIR/anchor, if it is there]
    #[arg(long, env = "JOBLEDGER_ANCHOR", value_name = "FILE")]
    anchor: Option<PathBuf>,
}

impl Db {
    pub(super) fn run(self) -> Outcome {
        let folder = Folder::new(&self.data);
        // Before the log is read: beside a server that writes the log is never behind it then.
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
