//! What `verify` says: one word and exit code for a whole report, and the report in lines for people.

use crate::audit::{Class, Report, Signer};
use crate::cli::output::{say, shown};
use crate::job::plural;

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

pub(super) fn verdict(report: &Report) -> &'static str {
    match exit_code(report) {
        0 => "verified",
        3 => "content was tampered with",
        4 => "a signature or key is not the log's",
        5 => "rolled back or forked",
        6 => "data is missing without an erasure",
        _ if report.pinned && is_unsigned(report) => {
            "in accordance with itself; it brings no signature to compare with the key"
        }
        _ if !report.pinned => "in accordance with itself; no key was pinned that must have signed it",
        _ => "in accordance with itself, but not signed by a pinned key",
    }
}

/// Whether there was no signature at all: none in what was given, and none beside it.
fn is_unsigned(report: &Report) -> bool {
    report.checkpoints == 0 && report.held == 0 && report.anchor.is_none()
}

/// What an audit of a log found, in lines for people.
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
        say!("  left behind  {checkpoints} of events lost before the log was continued");
    }
    print_findings(report);
}

/// What was erased, what is wrong, what is worth knowing, and what was not looked at.
pub(super) fn print_findings(report: &Report) {
    if report.erased > 0 {
        let events = plural(report.erased, "event", "events");
        say!("  erased       the data of {events}, each by a recorded erasure");
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
