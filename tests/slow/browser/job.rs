//! The page of one job.

use jobledger::access::Role;
use serde_json::json;

use super::ledger::{RUNNING, numbered};
use super::signed_in;
use crate::support::{event, noted, output, result};

fn page() -> String {
    format!("/jobs/{RUNNING}")
}

#[test]
fn a_job_is_live_with_its_progress_items_and_output() {
    let Some((_server, worker, browser)) = signed_in(Role::Viewer, &page()) else { return };
    browser.run("window.witness = true");
    let progress = json!({"records_processed": 3000, "current_step": "batch 30 of 40"});
    let events = json!([
        event("job.progress", RUNNING, progress),
        result(RUNNING, "active-directory", "completed"),
        result(RUNNING, "github", "completed"),
        output(RUNNING, "\u{1b}[32mok\u{1b}[0m   github: <b>12</b>\n\u{1b}]0;window\u{7}last "),
    ]);
    worker.append(&events).expect(201);
    worker.append(&output(RUNNING, "line")).expect(201);
    browser.until_shows("[data-field='progress']", "75 %");
    browser.until_shows("[data-field='current_step']", "batch 30 of 40");
    browser.until_shows("[data-item='active-directory'] [data-field='status']", "completed");
    browser.until_shows("[data-item='github'] [data-field='status']", "completed");
    browser.until_shows("[data-terminal]", "github: <b>12</b>\n");
    browser.until_shows("[data-terminal]", "last line");
    browser.until("document.querySelectorAll('.timeline li').length === 39");
    assert_eq!(browser.count("[data-item]"), 4, "an item that changes stays in its place");
    assert!(!browser.text("[data-terminal]").contains("window"), "an escape sequence draws nothing");
    worker.append(&event("job.completed", RUNNING, json!({"message": "reviewed"}))).expect(201);
    browser.until_shows("header.title [data-field='status']", "completed");
    assert_eq!(browser.run("return window.witness"), true, "the page was not loaded again");
    browser.expect_no_fault();
}

#[test]
fn notes_stand_in_their_section_and_the_output_goes_on_beyond_its_first_mebibyte() {
    let Some((_server, worker, browser)) = signed_in(Role::Viewer, &page()) else { return };
    let before = browser.count("[data-notes] li");
    worker.append(&noted(RUNNING, "seen by <b>Jana</b>")).expect(201);
    browser.until_shows("[data-notes] li:last-child", "seen by <b>Jana</b>");
    assert_eq!(browser.count("[data-notes] li"), before + 1);
    let block = format!("{}\n", "x".repeat(99)).repeat(500);
    for n in 1..=24 {
        worker.append(&output(RUNNING, &format!("block {n}\n{block}"))).expect(201);
    }
    browser.until_shows("[data-terminal]", "block 24");
    worker.append(&output(RUNNING, "the last of 12,000 lines\n")).expect(201);
    browser.until_shows("[data-terminal] > :last-child", "the last of 12,000 lines");
    let gaps = "[...document.querySelectorAll('[data-line]')].every((line, n, all) =>
                  !n || Number(line.dataset.line) === Number(all[n - 1].dataset.line) + 1)";
    assert_eq!(browser.run(&format!("return {gaps}")), true, "no line is lost or doubled");
    browser.expect_no_fault();
}

#[test]
fn a_link_to_a_line_that_the_page_does_not_have_loads_it() {
    let Some((server, worker, browser)) = signed_in(Role::Viewer, "/") else { return };
    let lines = |numbers: std::ops::Range<usize>| numbers.map(|n| format!("line number {n}\n")).collect::<String>();
    worker.append(&output(RUNNING, &lines(1..1500))).expect(201);
    worker.append(&output(RUNNING, &lines(1500..3000))).expect(201);
    browser.open(&format!("{}{}#L500", server.url, page()));
    browser.until("document.querySelector('#L500')?.matches(':target')");
    browser.run("location.hash = '#L7'");
    browser.until("document.querySelector('#L7')?.matches(':target')");
    assert_eq!(browser.count("[data-line='7']"), 1);
    // A line that is far back stands on a page of its own.
    for n in 2..=6 {
        worker.append(&output(RUNNING, &lines(n * 1500..(n + 1) * 1500))).expect(201);
    }
    browser.open(&format!("{}/", server.url));
    browser.open(&format!("{}{}#L9", server.url, page()));
    browser.until("location.pathname.endsWith('/output') && document.querySelector('#L9')?.matches(':target')");
    browser.expect_no_fault();
}

#[test]
fn a_worker_notes_and_cancels_with_a_reason() {
    let Some((_server, worker, browser)) = signed_in(Role::Admin, &page()) else { return };
    browser.type_into("[data-note] input", "seen <b>by</b> Jana");
    browser.click("[data-note] button");
    browser.until_shows("[data-said]", "The note is recorded");
    browser.until_shows(".timeline li:first-child", "seen <b>by</b> Jana");
    browser.type_into("[data-cancel] input", "asked for the wrong quarter");
    browser.click("[data-cancel] button");
    browser.until_shows("header.title [data-field='status']", "cancelled");
    browser.until_shows("[data-field='cancelled']", "cancelled by jana-admin: asked for the wrong quarter");
    browser.until("document.querySelector('[data-cancel]').hidden");
    let job = worker.get(&format!("/ledger/jobs/{RUNNING}")).json();
    assert_eq!(job["cancelled"]["reason"], "asked for the wrong quarter");
    browser.expect_no_fault();
}

#[test]
fn the_timeline_is_filtered_and_goes_back_on_demand() {
    let Some((server, worker, browser)) = signed_in(Role::Viewer, "/") else { return };
    worker.append(&numbered(RUNNING, 1..=120)).expect(201);
    browser.open(&format!("{}{}", server.url, page()));
    assert_eq!(browser.count(".timeline li"), 100);
    browser.click("[data-older]");
    browser.until("document.querySelectorAll('.timeline li').length === 154");
    browser.until_shows(".timeline li:last-child", "job.created");
    browser.until("document.querySelector('[data-older]').parentElement.hidden");
    browser.click("[data-filter] [name='failures']");
    browser.until("document.querySelectorAll('.timeline li').length === 1");
    browser.until_shows(".timeline", "active-directory failed");
    // The filter also holds for events that arrive.
    worker.append(&json!([numbered(RUNNING, 121..=121)[0], result(RUNNING, "github", "failed")])).expect(201);
    browser.until_shows(".timeline li:first-child", "github failed");
    assert_eq!(browser.count(".timeline li"), 2);
    browser.expect_no_fault();
}
