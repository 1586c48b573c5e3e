//! The past of a job: links, arrow keys, the slider, the timeline's numbers.

use jobledger::access::Role;

use super::driven::{Browser, HOME, LEFT, RIGHT};
use super::ledger::RUNNING;
use super::signed_in;
use crate::support::noted;

/// Words of the job's newest events, newest first: those with the numbers 34 to 29.
const NEWER: [&str; 6] =
    ["look at it before noon", "without an owner", "bind refused", "postgres-prod", "active-directory", "workday"];

/// Expects that the page stands at `place`, and has none of `newer`.
#[track_caller]
fn expect_moment(browser: &Browser, place: &str, newer: &[&str]) {
    browser.until_shows("[data-place]", place);
    browser.until("document.readyState === 'complete'");
    let html = browser.run("return document.documentElement.outerHTML");
    for text in newer {
        assert!(!html.as_str().unwrap().contains(text), "{text} is newer than {place}");
    }
}

/// Presses a key that leads to another moment, and waits for its page.
#[track_caller]
fn step(browser: &Browser, key: char) {
    let before = browser.place();
    browser.press(&[key]);
    browser.until(&format!("location.pathname + location.search !== '{before}' && document.readyState === 'complete'"));
}

#[test]
fn the_past_shows_nothing_newer_and_keys_walk_through_it() {
    let Some((_server, _worker, browser)) = signed_in(Role::Viewer, &format!("/jobs/{RUNNING}")) else { return };
    step(&browser, LEFT);
    expect_moment(&browser, "event 33 of 34, job.hook_output by sync-worker", &NEWER[..1]);
    assert!(browser.text("[data-terminal]").contains("3 roles without an owner"));
    for _ in 0..5 {
        step(&browser, LEFT);
    }
    expect_moment(&browser, "event 28 of 34, job.progress by sync-worker", &NEWER);
    browser.until_shows(".changes", "2600");
    let spoken = "return document.querySelector('[data-slider] input').getAttribute('aria-valuetext')";
    assert_eq!(browser.run(spoken), "event 28 of 34, job.progress by sync-worker");
    step(&browser, RIGHT);
    expect_moment(&browser, "event 29 of 34, job.item_result by sync-worker", &NEWER[..5]);
    browser.run("document.querySelector('[data-slider] input').focus()");
    step(&browser, HOME);
    assert_eq!(browser.place(), format!("/jobs/{RUNNING}?event=1"));
    expect_moment(
        &browser,
        "event 1 of 34, job.created by sync-worker",
        &[&NEWER[..], &["batch", "four sources"]].concat(),
    );
    browser.expect_no_fault();
}

#[test]
fn the_slider_says_where_it_stands_and_leads_there() {
    let Some((_server, worker, browser)) = signed_in(Role::Viewer, &format!("/jobs/{RUNNING}")) else { return };
    let slide = |kind: &str| {
        browser.run(&format!(
            "const slider = document.querySelector('[data-slider] input');
             slider.value = 20;
             slider.dispatchEvent(new Event('{kind}', {{ bubbles: true }}));"
        ))
    };
    slide("input");
    assert_eq!(browser.text("[data-place]"), "event 20 of 34");
    slide("change");
    browser.until_at(&format!("/jobs/{RUNNING}?event=20"));
    expect_moment(&browser, "event 20 of 34, job.progress by sync-worker", &NEWER);
    worker.append(&noted(RUNNING, "later than the page")).expect(201);
    browser.click(".timeline li:nth-child(3) a.number");
    expect_moment(&browser, "event 18 of 35, job.progress by sync-worker", &NEWER);
    browser.click(".travel a:last-of-type");
    browser.until_at(&format!("/jobs/{RUNNING}"));
    browser.until_shows(".timeline", "later than the page");
    browser.expect_no_fault();
}
