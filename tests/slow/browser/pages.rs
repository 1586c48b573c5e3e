//! The pages of the ledger that `ledger::fill` makes.

use super::ledger::RUNNING;

/// Every page, with a name for its pictures.
pub fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("jobs", "/".to_owned()),
        ("jobs-filtered", "/?status=failed&created_by=marta.k&ended_after=2026-01-01T00:00:00Z".to_owned()),
        ("jobs-none", "/?kind=dbrole".to_owned()),
        ("job-running", format!("/jobs/{RUNNING}")),
        ("job-past", format!("/jobs/{RUNNING}?event=20")),
        ("job-failed", "/jobs/quarterly-revocations".to_owned()),
        ("job-unknown", "/jobs/none".to_owned()),
        ("job-events", format!("/jobs/{RUNNING}/events?failures=1")),
        ("job-output", format!("/jobs/{RUNNING}/output")),
        ("job-two-moments", format!("/jobs/{RUNNING}/diff?from=30")),
        ("audit", format!("/audit?job={RUNNING}")),
        ("log", "/log".to_owned()),
        ("sign-in", "/sign-in?next=/&failed=1".to_owned()),
    ]
}
