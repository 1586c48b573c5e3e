//! `jobledger verify bundle`: what an evidence bundle proves, without the ledger and without trusting it.

use std::path::PathBuf;

use clap::Args;

use super::log::{exit_code, note, print_findings, verdict};
use crate::audit::{BundleFiles, BundleReport, HeldNote, audit_bundle};
use crate::cli::{Failure, Outcome, progress};
use crate::tree::VerifierKey;

/// An evidence bundle of one job, as `jobledger evidence` writes it: the tar, or the folder that it unpacks to
///
/// A history that has its final event is proven complete, from its first one on. What lies in the bundle for reading
/// (job.json, timeline.html, vkey.claimed) is not believed and not checked.
#[derive(Debug, Args)]
pub(super) struct BundleFile {
    /// The bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The key that must have signed, as `jobledger key show` printed it once; from somebody else than who gave the bundle
    #[arg(long, env = "JOBLEDGER_VKEY", value_name = "KEY")]
    vkey: Option<VerifierKey>,

    /// Checkpoints that somebody holds: the bundle's log must continue each of them
    #[arg(long, value_name = "CHECKPOINT", num_args = 1..)]
    since: Vec<PathBuf>,

    /// The report as one JSON object
    #[arg(long)]
    json: bool,
}

impl BundleFile {
    pub(super) fn run(self) -> Outcome {
        let held = self
            .since
            .iter()
            .map(|path| Ok(HeldNote { name: format!("the checkpoint `{}`", path.display()), note: note(path)? }));
        let held = held.collect::<Result<Vec<_>, Failure>>()?;
        let files = BundleFiles::open(&self.file)?;
        let bar = progress::bar(0, "events");
        let report = audit_bundle(&files, self.vkey, held, |done| bar.set_position(done))?;
        bar.finish_and_clear();
        let code = exit_code(&report.log);
        if self.json {
            let report = serde_json::to_value(&report).expect("a report is JSON");
            println!("{}", serde_json::json!({"exit_code": code, "verdict": verdict(code), "report": report}));
        } else {
            print(&report, code);
        }
        if code == 0 { Ok(()) } else { Err(Failure::Verdict(code, verdict(code).to_owned())) }
    }
}

fn print(BundleReport { log, job }: &BundleReport, code: u8) {
    println!("{}", verdict(code));
    if let Some(job) = job {
        println!("  job          {} of organisation {}, kind {}", job.id, job.org, job.kind);
        println!("  events       {}, from position {} to {}", job.events, job.first, job.last);
        match &job.ended {
            Some(end) => println!(
                "  complete     from its first event to its final one, {} at {} by {}",
                end.event_type,
                end.position,
                end.actor.escape_debug()
            ),
            None => println!("  open         from its first event to the one at {}; it had not ended", job.last),
        }
    }
    println!("  log          {}", log.origin.as_deref().unwrap_or("none"));
    if let Some(head) = &log.head {
        println!("  checkpoint   {} events, root {}", head.size, head.root);
    }
    if log.held > 0 {
        println!("  continues    {} checkpoints held outside", log.held);
    }
    if log.erased > 0 {
        println!("  erased       the data of {} events, each by a recorded erasure", log.erased);
    }
    print_findings(log);
}
