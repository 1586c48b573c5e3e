//! `jobledger verify export`: checks an export against signed checkpoints.

use std::io::BufReader;
use std::path::PathBuf;

use clap::Args;

use super::trust::Trust;
use crate::audit;
use crate::cli::checkpoint::unreadable;
use crate::cli::{Outcome, progress};

/// Check an export of a whole log
///
/// An export has no signature, unless `jobledger export --checkpoint` made it. Otherwise give a checkpoint that you hold by
/// --since or --anchor.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger verify export log.ndjson --vkey KEY
  jobledger verify export log.ndjson --vkey KEY --json")]
pub(super) struct ExportFile {
    /// The export
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    trust: Trust,

    /// The anchor, which is the newest checkpoint outside the database: its file or folder
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
}

impl ExportFile {
    pub(super) fn run(self) -> Outcome {
        let mut auditor = self.trust.auditor(self.anchor.as_deref(), None)?;
        let file = std::fs::File::open(&self.file).map_err(|error| unreadable(&self.file, &error))?;
        let bar = progress::bytes(file.metadata().map_or(0, |file| file.len()));
        audit::audit_export(BufReader::with_capacity(1 << 20, file), &mut auditor, |read| bar.inc(read))?;
        bar.finish_and_clear();
        self.trust.tell_log(auditor)
    }
}
