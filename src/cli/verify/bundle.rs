//! `jobledger verify bundle`: what an evidence bundle proves, without the ledger and without trusting it.

use std::path::PathBuf;

use clap::Args;

use super::trust::Trust;
use super::verdict::print_findings;
use crate::cli::output::{say, shown};
use crate::cli::{Outcome, progress};
use crate::evidence::{BundleFiles, BundleReport, HeldNote, audit_bundle};
use crate::job::plural;

/// An evidence bundle of one job, as `jobledger evidence` writes it: the tar, or the folder that it unpacks to
///
/// A history that has its final event is proven complete, from its first one on. What lies in the bundle for reading
/// (job.json, timeline.html, vkey.claimed) is not believed and not checked. verify.py, README.txt and policy.txt must be those of
/// this program, byte for byte. Run a verify.py that you have from elsewhere, never the one that was sent to you.
#[derive(Debug, Args)]
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
