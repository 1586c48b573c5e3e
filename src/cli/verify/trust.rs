//! The options that every `verify` command has: the key and checkpoints that the verifier trusts. This file also prints the
//! verdict.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::verdict::{exit, verdict};
use crate::audit::{Auditor, Report};
use crate::cli::checkpoint::checkpoint;
use crate::cli::exit::Exit;
use crate::cli::output::say;
use crate::cli::{Failure, Outcome};
use crate::ledger::{ANCHOR_FILE, Folder};
use crate::tree::VerifierKey;

/// A key and checkpoints from outside the log.
#[derive(Debug, Args)]
pub(super) struct Trust {
    /// The verifier key that must have signed, from `jobledger key show`; get it from a source that you trust, not from the
    /// verified files
    #[arg(long, env = "JOBLEDGER_VKEY", value_name = "KEY")]
    pub(super) vkey: Option<VerifierKey>,

    /// A checkpoint that you or another party holds: the log must contain it; may repeat
    #[arg(long, value_name = "CHECKPOINT")]
    since: Vec<PathBuf>,

    /// The report as one JSON object
    #[arg(long)]
    json: bool,
}

impl Trust {
    /// The checkpoints held outside, each with its name in the report.
    pub(super) fn held(&self) -> Result<Vec<(String, String)>, Failure> {
        let held =
            |path: &PathBuf| Ok((format!("the checkpoint `{}`", path.display()), checkpoint("--since", path)?.0));
        self.since.iter().map(held).collect()
    }

    /// An audit against the checkpoints held outside and `anchor`; without `anchor`, against the one in `folder`.
    pub(super) fn auditor(&self, anchor: Option<&Path>, folder: Option<&Folder>) -> Result<Auditor, Failure> {
        let mut auditor = Auditor::new(self.vkey.clone());
        for (name, note) in self.held()? {
            auditor.hold(name, note);
        }
        let given = anchor.map(|path| if path.is_dir() { path.join(ANCHOR_FILE) } else { path.to_owned() });
        let beside = folder.map(Folder::anchored).filter(|path| given.is_none() && path.exists());
        if let Some(path) = given.as_ref().or(beside.as_ref()) {
            auditor.hold_anchor(path.display().to_string(), checkpoint("--anchor", path)?.0);
        }
        if self.since.is_empty() && given.is_none() {
            let (what, found) = match (&beside, folder) {
                (Some(_), _) => ("folder and anchor were both replaced by older copies", ""),
                (None, Some(_)) => ("newer events were cut off", "there is no anchor in the folder; "),
                (None, None) => ("newer events were cut off", ""),
            };
            let hint = "give a checkpoint held outside by --since or --anchor";
            auditor.unchecked(format!("whether {what}: {found}{hint}"));
        }
        Ok(auditor)
    }

    /// Prints the report as JSON or with `print`. The findings in `log` decide on the verdict.
    pub(super) fn tell<R: Serialize>(&self, report: &R, log: &Report, print: impl FnOnce(&R)) -> Outcome {
        let (exit, verdict) = (exit(log), verdict(log));
        if self.json {
            let report = serde_json::to_value(report).expect("a report is JSON");
            say!("{}", serde_json::json!({"exit_code": exit.code(), "verdict": verdict, "report": report}));
        } else {
            say!("{verdict}");
            print(report);
        }
        if exit == Exit::Done { Ok(()) } else { Err(Failure::Verdict(exit, verdict.to_owned())) }
    }

    /// Prints the report of an audit of a log.
    pub(super) fn tell_log(&self, auditor: Auditor) -> Outcome {
        let report = auditor.finish();
        self.tell(&report, &report, super::verdict::print_log)
    }
}
