//! The list of jobs.

use jobledger::access::Role;
use serde_json::json;

use super::ledger::RUNNING;
use super::signed_in;
use crate::support::event;

#[test]
fn a_new_job_appears_in_the_list_and_is_counted_without_a_reload() {
    let Some((_server, worker, browser)) = signed_in(Role::Viewer, "/") else { return };
    assert_eq!(browser.place(), "/");
    browser.until_shows("[data-count='pending'] b", "1");
    browser.run("window.witness = true");
    let created = json!({"kind": "generic", "spec": {"job_type": "rotation"}, "created_by": "marta.k"});
    worker.append(&event("job.created", "rotate-keys", created)).expect(201);
    browser.until_shows("tbody tr:first-child [data-field='id']", "rotate-keys");
    browser.until_shows("[data-count='pending'] b", "2");
    browser.until_shows("[data-count=''] b", "9");
    worker.append(&event("job.started", "rotate-keys", json!({"message": "reading the vault"}))).expect(201);
    browser.until_shows("tbody tr:first-child [data-field='status']", "running");
    browser.until_shows("tbody tr:first-child [data-field='doing']", "reading the vault");
    assert_eq!(browser.run("return window.witness"), true, "the page was not loaded again");
    assert_eq!(browser.count("tbody tr"), 9, "no row is there twice");
    browser.expect_no_fault();
}

#[test]
fn new_jobs_wait_while_the_reader_is_busy_and_a_paused_list_stands_still() {
    let Some((_server, worker, browser)) = signed_in(Role::Viewer, "/") else { return };
    let create = |job: &str| {
        let created = json!({"kind": "generic", "spec": {"job_type": "rotation"}});
        worker.append(&event("job.created", job, created)).expect(201);
    };
    browser.run("document.querySelector('tbody a').focus()");
    create("first-new");
    create("second-new");
    browser.until_shows("[data-fresh]", "2 new");
    assert_eq!(browser.count("tbody tr"), 8, "nothing moves under the reader");
    browser.click("[data-fresh]");
    browser.until_shows("tbody tr:first-child [data-field='id']", "second-new");
    browser.click("[data-pause] input");
    create("while-paused");
    browser.until("document.querySelector('[data-pause] input').checked");
    assert_eq!(browser.count("tbody tr"), 10);
    browser.click("[data-pause] input");
    browser.until("document.querySelector('[data-fresh]').textContent === '1 new' && !document.querySelector('[data-fresh]').hidden || document.querySelectorAll('tbody tr').length === 11");
    browser.expect_no_fault();
}

#[test]
fn filters_are_in_the_address_and_survive_reload_and_back() {
    let Some((_server, _worker, browser)) = signed_in(Role::Viewer, "/?kind=task") else { return };
    assert_eq!(browser.count("tbody tr"), 6);
    browser.type_into("[name='job_type']", "account_sync");
    browser.click(".filters > button");
    browser.until("location.search.includes('job_type')");
    assert_eq!(browser.place(), "/?kind=task&job_type=account_sync", "empty fields are not in the address");
    assert_eq!(browser.count("tbody tr"), 3);
    browser.click("[data-count='failed']");
    browser.until("location.search.includes('status')");
    assert_eq!(browser.place(), "/?kind=task&job_type=account_sync&status=failed");
    assert_eq!(browser.text("tbody [data-field='status']"), "failed");
    assert_eq!(browser.text("[data-count='completed'] b"), "2", "the other states are still counted");
    browser.reload();
    assert_eq!(browser.count("tbody tr"), 1);
    assert_eq!(browser.run("return document.querySelector('[name=job_type]').value"), "account_sync");
    browser.back();
    browser.until("!location.search.includes('status')");
    assert_eq!(browser.count("tbody tr"), 3);
    browser.expect_no_fault();
}

#[test]
fn the_pages_are_whole_without_scripts() {
    let Some((server, _worker, browser)) = signed_in(Role::Viewer, "/") else { return };
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.open(&format!("{}/?status=running", server.url));
    assert_eq!(browser.text("tbody [data-field='id']"), RUNNING);
    browser.click("tbody [data-field='id']");
    browser.until_shows("[data-place]", "event 34 of 34");
    browser.until_shows("[data-terminal]", "bind refused");
    browser.click("[data-previous]");
    browser.until_shows("[data-place]", "event 33 of 34");
    browser.click(".timeline li:nth-child(5) a.number");
    browser.until_shows("[data-place]", "event 29 of 34");
}

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
