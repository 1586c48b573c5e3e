//! `jobledger verify bundle`: checks an evidence bundle without the ledger and without trust in it.

use std::path::PathBuf;

use clap::Args;

use super::trust::Trust;
use super::verdict::print_findings;
use crate::cli::output::{say, shown};
use crate::cli::{Outcome, progress};
use crate::evidence::{BundleFiles, BundleReport, HeldNote, audit_bundle};
use crate::job::plural;

/// Check an evidence bundle of one job from `jobledger evidence`: the tar, or the unpacked folder
///
/// If the bundle has the final event of the job, the history is proven complete. The command does not check the files for
/// reading (job.json, timeline.html, vkey.claimed), and does not rely on them. verify.py, README.txt and policy.txt must be
/// byte for byte those of this program. Never run the verify.py of a bundle that you received; take that file from a source
/// that you trust.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger verify bundle sync-9.tar --vkey KEY
  jobledger verify bundle sync-9.tar --vkey KEY --json")]
pub(super) struct BundleFile {
    /// The bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    trust: Trust,
}

impl BundleFile {
    pub(super) fn run(self) -> Outcome {
        let held = self.trust.held()?.into_iter().map(|(name, note)| HeldNote { name, note }).collect();
        let files = BundleFiles::open(&self.file)?;
        let bar = progress::bar(0, "events");
        let report = audit_bundle(&files, self.trust.vkey.clone(), held, |done| bar.set_position(done))?;
        bar.finish_and_clear();
        self.trust.tell(&report, &report.log, print)
    }
}

fn print(BundleReport { log, job }: &BundleReport) {
    if let Some(job) = job {
        say!("  job          {} of organisation {}, kind {}", shown(&job.id), shown(&job.org), shown(&job.kind));
        say!("  events       {}, from position {} to {}", job.events, job.first, job.last);
        match &job.ended {
            Some(end) => say!(
                "  complete     from its first event to its final one, {} at {} by {}",
                shown(&end.event_type),
                end.position,
                shown(&end.actor)
            ),
            None => say!("  open         from its first event to the one at {}, with no final one", job.last),
        }
    }
    say!("  log          {}", shown(log.origin.as_deref().unwrap_or("none")));
    if let Some(head) = &log.head {
        say!("  checkpoint   {}, root {}", plural(head.size, "event", "events"), head.root);
    }
    if log.held > 0 {
        say!("  continues    {} held outside", plural(log.held, "checkpoint", "checkpoints"));
    }
    print_findings(log);
}
