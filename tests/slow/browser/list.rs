//! The list of jobs, live.

use jobledger::access::Role;
use serde_json::json;

use super::signed_in;
use crate::support::event;

#[test]
fn a_new_job_appears_in_the_list_and_is_counted_without_a_reload() {
    let Some((_server, worker, browser)) = signed_in(Role::Viewer, "/") else { return };
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
    assert_eq!(browser.count("tbody tr"), 10);
    browser.click("[data-pause] input");
    browser.until_shows("tbody tr:first-child [data-field='id']", "while-paused");
    assert_eq!(browser.count("tbody tr"), 11);
    browser.expect_no_fault();
}
