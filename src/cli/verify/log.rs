//! `jobledger verify db` and `jobledger verify export`: whether a log is what was recorded and signed.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::audit::{self, Auditor, Class, Report, Signer};
use crate::cli::{Failure, Outcome, progress};
use crate::ledger::{ANCHOR_FILE, Folder};
use crate::tree::VerifierKey;

/// A data folder, beside a server or without one; reads only
#[derive(Debug, Args)]
pub(super) struct Db {
    /// The data folder
    #[arg(value_name = "DIR")]
    data: PathBuf,

    #[command(flatten)]
    trust: Trust,

    /// The anchor: the newest checkpoint, held outside the database; the file, or its folder [default: DIR/anchor, if it is there]
    #[arg(long, env = "JOBLEDGER_ANCHOR", value_name = "FILE")]
    anchor: Option<PathBuf>,
}

/// An export, which must begin with the first event
#[derive(Debug, Args)]
pub(super) struct ExportFile {
    /// The export
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    trust: Trust,

    /// The anchor: the newest checkpoint, held outside the database; the file, or its folder
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
}

/// What is known from elsewhere than the log.
#[derive(Debug, Args)]
pub(super) struct Trust {
    /// The key that must have signed, as `jobledger key show` printed it once; not taken from what is verified
    #[arg(long, env = "JOBLEDGER_VKEY", value_name = "KEY")]
    vkey: Option<VerifierKey>,

    /// Checkpoints that somebody holds: the log must contain each of them
    #[arg(long, value_name = "CHECKPOINT", num_args = 1..)]
    since: Vec<PathBuf>,

    /// The report as one JSON object
    #[arg(long)]
    json: bool,
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
        self.trust.tell(auditor)
    }
}

impl ExportFile {
    pub(super) fn run(self) -> Outcome {
        let mut auditor = self.trust.auditor(self.anchor.as_deref(), None)?;
        let file = std::fs::File::open(&self.file).map_err(|error| unreadable(&self.file, &error))?;
        let bar = progress::bytes(file.metadata().map_or(0, |file| file.len()));
        audit::audit_export(BufReader::with_capacity(1 << 20, file), &mut auditor, |read| bar.inc(read))?;
        bar.finish_and_clear();
        self.trust.tell(auditor)
    }
}

impl Trust {
    /// An audit against what is held outside, and against `anchor`; where none is given, against the one in `folder`.
    pub(super) fn auditor(&self, anchor: Option<&Path>, folder: Option<&Folder>) -> Result<Auditor, Failure> {
        let mut auditor = Auditor::new(self.vkey.clone());
        for path in &self.since {
            auditor.hold(format!("the checkpoint `{}`", path.display()), note(path)?);
        }
        let given = anchor.map(|path| if path.is_dir() { path.join(ANCHOR_FILE) } else { path.to_owned() });
        let beside = folder.map(Folder::anchored).filter(|path| given.is_none() && path.exists());
        if let Some(path) = given.as_ref().or(beside.as_ref()) {
            auditor.anchor(path.display().to_string(), note(path)?);
        }
        if self.since.is_empty() && given.is_none() {
            let (what, found) = match (&beside, folder) {
                (Some(_), _) => ("folder and anchor were put back together", ""),
                (None, Some(_)) => ("newer events were cut off", "there is no anchor in the folder; "),
                (None, None) => ("newer events were cut off", ""),
            };
            let hint = "give a checkpoint held outside by --since or --anchor";
            auditor.leaves_out(&format!("whether {what}: {found}{hint}"));
        }
        Ok(auditor)
    }

    pub(super) fn tell(&self, auditor: Auditor) -> Outcome {
        let report = auditor.finish();
        let code = exit_code(&report);
        if self.json {
            let report = serde_json::to_value(&report).expect("a report is JSON");
            println!("{}", serde_json::json!({"exit_code": code, "verdict": verdict(code), "report": report}));
        } else {
            print(&report, code);
        }
        if code == 0 { Ok(()) } else { Err(Failure::Verdict(code, verdict(code).to_owned())) }
    }
}

pub(super) fn note(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::CouldNotRun(format!("cannot read `{}`: {error}", path.display()))
}

pub(super) fn exit_code(report: &Report) -> u8 {
    match (report.class(), &report.signer) {
        (Some(Class::Content), _) => 3,
        (Some(Class::Signature), _) => 4,
        (Some(Class::Forked), _) => 5,
        (Some(Class::Missing), _) => 6,
        (None, Signer::NotPinned) => 7,
        (None, Signer::Pinned) => 0,
    }
}

pub(super) fn verdict(code: u8) -> &'static str {
    match code {
        0 => "verified",
        3 => "content was tampered with",
        4 => "a signature or key is not the log's",
        5 => "rolled back or forked",
        6 => "data is missing without an erasure",
        _ => "in accordance with itself, but not signed by a pinned key",
    }
}

fn print(report: &Report, code: u8) {
    println!("{}", verdict(code));
    println!("  origin       {}", report.origin.as_deref().unwrap_or("none"));
    if let Some(head) = &report.head {
        println!("  events       {}\n  root         {}", head.size, head.root);
    }
    println!("  checkpoints  {} of its own, {} held outside", report.checkpoints, report.held);
    if let Some(anchor) = &report.anchor {
        println!("  anchor       {} events, in `{}`", anchor.size, anchor.path);
    }
    if report.left_behind > 0 {
        println!("  left behind  {} checkpoints of events lost before the log was continued", report.left_behind);
    }
    if report.erased > 0 {
        println!("  erased       the data of {} events, each by a recorded erasure", report.erased);
    }
    print_findings(report);
}

/// What is wrong, what is worth knowing, and what was not looked at.
pub(super) fn print_findings(report: &Report) {
    for fault in &report.faults {
        let position = fault.position.map(|position| format!(" at position {position}")).unwrap_or_default();
        let job = fault.job.as_ref().map(|job| format!(", job {job}")).unwrap_or_default();
        // Whoever forged an entry chose its texts, and a terminal obeys some.
        let what = fault.what.replace(char::is_control, "\u{fffd}");
        println!("  fault{position}{job}: {what}");
    }
    if report.faulty > report.faults.len() as u64 {
        println!("  and {} more faults", report.faulty - report.faults.len() as u64);
    }
    for remark in &report.remarks {
        println!("  remark: {remark}");
    }
    if report.signer == Signer::NotPinned {
        for key in &report.keys {
            println!("  names the key {key}; compare it with what you know, and pin it by --vkey");
        }
    }
    for what in &report.unchecked {
        println!("  not checked: {what}");
    }
}
