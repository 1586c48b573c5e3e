//! The verdict of `verify` on a report: its exit code, its words, and the report in lines for people.

use crate::audit::{Class, Report, Signer};
use crate::cli::exit::Exit;
use crate::cli::output::{say, shown};
use crate::job::plural;

pub(super) fn exit(report: &Report) -> Exit {
    match (report.class(), &report.signer) {
        (Some(Class::Content), _) => Exit::Tampered,
        (Some(Class::Signature), _) => Exit::Signature,
        (Some(Class::Forked), _) => Exit::Forked,
        (Some(Class::Missing), _) => Exit::Missing,
        (None, Signer::NotPinned) => Exit::NotPinned,
        (None, Signer::Pinned) => Exit::Done,
    }
}

pub(super) fn verdict(report: &Report) -> &'static str {
    match exit(report) {
        Exit::Done => "verified",
        Exit::Tampered => "content was tampered with",
        Exit::Signature => "a signature or key is not the log's",
        Exit::Forked => "rolled back or forked",
        Exit::Missing => "data is missing without a redaction",
        _ if report.pinned && is_unsigned(report) => "consistent; the input has no signature to compare with the key",
        _ if !report.pinned => "consistent; no key was pinned, so the signer is not checked",
        _ => "consistent, but not signed by a pinned key",
    }
}

/// Whether the audit had no signature at all: neither in the input nor in checkpoints held outside.
fn is_unsigned(report: &Report) -> bool {
    report.checkpoints == 0 && report.held == 0 && report.anchor.is_none()
}

/// Prints the report of a log in lines for people.
pub(super) fn print_log(report: &Report) {
    say!("  origin       {}", shown(report.origin.as_deref().unwrap_or("none")));
    if let Some(head) = &report.head {
        say!("  events       {}\n  root         {}", head.size, head.root);
    }
    say!("  checkpoints  {} of its own, {} held outside", report.checkpoints, report.held);
    if let Some(anchor) = &report.anchor {
        say!("  anchor       {}, in `{}`", plural(anchor.size, "event", "events"), anchor.path);
    }
    if report.left_behind > 0 {
        let checkpoints = plural(report.left_behind, "checkpoint", "checkpoints");
        say!("  left behind  {checkpoints} over events that were lost before `recover`");
    }
    print_findings(report);
}

/// Prints redactions, faults, remarks, and the parts that the audit did not check.
pub(super) fn print_findings(report: &Report) {
    if report.erased > 0 {
        let events = plural(report.erased, "event", "events");
        say!("  redacted     the data of {events}, each by a recorded redaction");
    }
    for fault in &report.faults {
        let position = fault.position.map(|position| format!(" at position {position}")).unwrap_or_default();
        let job = fault.job.as_ref().map(|job| format!(", job {}", shown(job))).unwrap_or_default();
        say!("  fault{position}{job}: {}", shown(&fault.what));
    }
    if report.faulty > report.faults.len() as u64 {
        let more = report.faulty - report.faults.len() as u64;
        say!("  and {}", plural(more, "more fault", "more faults"));
    }
    for remark in &report.remarks {
        say!("  remark: {}", shown(remark));
    }
    if report.signer == Signer::NotPinned {
        let next = match report.pinned {
            true if is_unsigned(report) => "give a checkpoint that it signed, by --since or --anchor",
            true => "no checkpoint that the pinned key stands for covers all of it",
            false => "compare it with what you know, and pin it by --vkey",
        };
        report.keys.iter().for_each(|key| say!("  names the key {key}; {next}"));
    }
    for what in &report.unchecked {
        say!("  not checked: {}", shown(what));
    }
}
