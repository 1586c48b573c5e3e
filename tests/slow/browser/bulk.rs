//! An administrator cancels all jobs that match.

use jobledger::access::Role;
use serde_json::{Value, json};

use super::ledger::RUNNING;
use super::signed_in;
use crate::support::{event, task_job};

#[test]
fn an_administrator_cancels_all_jobs_that_match_and_reads_each_answer() {
    let Some((_server, worker, browser)) = signed_in(Role::Admin, "/") else { return };
    browser.click("[data-bulk]");
    browser.until("document.querySelector('dialog').open");
    assert_eq!(browser.text("dialog h2"), "Cancel all 2 jobs that match?");
    // Meanwhile another client ends one of them.
    worker.append(&event("job.completed", RUNNING, json!({}))).expect(201);
    browser.type_into("dialog [name='reason']", "the source is being moved");
    browser.click("dialog form button");
    browser.until_shows("[data-bulk-said]", "1 of 2 cancelled, 1 refused");
    browser.until("document.querySelectorAll('[data-bulk-results] li').length === 2");
    let refused = browser.text("[data-bulk-results] .fault");
    assert!(refused.starts_with(&format!("{RUNNING}: ")) && refused.contains("completed"), "{refused}");
    let job = worker.get("/ledger/jobs/full-sync-45").json();
    let by = [&job["cancelled"]["by"], &job["cancelled"]["reason"]];
    assert_eq!(by, ["jana-admin", "the source is being moved"]);
    browser.click("[data-bulk-close]");
    browser.until_shows("[data-count='cancelled'] b", "2");
    browser.expect_no_fault();
}

#[test]
fn an_administrator_stops_half_way_and_the_other_jobs_go_on() {
    const JOBS: u64 = 60;
    let Some((_server, worker, browser)) = signed_in(Role::Admin, "/?id_prefix=many-") else { return };
    let many: Value = (0..JOBS).map(|n| task_job(&format!("many-{n}"))).collect();
    worker.append(&many).expect(201);
    browser.click("[data-bulk]");
    browser.until_shows("dialog h2", "Cancel all 60 jobs that match?");
    // The person stops as soon as the third answer is there.
    browser.run(
        "const list = document.querySelector('[data-bulk-results]');
         new MutationObserver(() => list.children.length >= 3 && document.querySelector('[data-bulk-stop]').click())
           .observe(list, { childList: true });",
    );
    browser.click("dialog form button");
    browser.until_shows("[data-bulk-said]", "stopped");
    let cancelled = worker.get("/ledger/jobs/counts?id_prefix=many-").json()["cancelled"].as_u64().unwrap();
    assert!((3..10).contains(&cancelled), "{cancelled}");
    let said = format!("{cancelled} of {JOBS} cancelled; stopped before {}", JOBS - cancelled);
    assert_eq!(browser.text("[data-bulk-said]"), said);
    assert_eq!(browser.count("[data-bulk-results] li"), cancelled);
    browser.click("[data-bulk-close]");
    browser.until_shows("[data-count='cancelled'] b", &cancelled.to_string());
    browser.until_shows("[data-count='pending'] b", &(JOBS - cancelled).to_string());
    browser.expect_no_fault();
}
