//! The page for auditors: it checks signatures and proofs, and says which of them fails.

use jobledger::access::Role;

use super::driven::Browser;
use super::ledger::RUNNING;
use super::signed_in;
use crate::support::noted;

/// Makes the browser believe that it saw a log of `size` events.
fn has_seen(browser: &Browser, size: u64) {
    browser.run(&format!(
        "localStorage.setItem('jobledger-seen', localStorage.getItem('jobledger-seen').replace(/\"size\":\\d+/, '\"size\":{size}'))"
    ));
}

#[test]
fn a_browser_checks_the_log_against_a_key_and_against_what_it_saw_before() {
    let place = format!("/audit?job={RUNNING}");
    let Some((server, worker, browser)) = signed_in(Role::Viewer, &place) else { return };
    let key = browser.text("[aria-label='The log'] code");
    browser.type_into("[data-check] input", &key);
    browser.click("[data-check] button");
    browser.until_shows(".verdict", "Verified");
    assert!(browser.text(".verdict").contains("job.noted by sync-worker"));
    assert!(browser.text(".verdict").contains("has seen no earlier checkpoint"));

    worker.append(&noted(RUNNING, "one more")).expect(201);
    browser.open(&format!("{}{place}", server.url));
    browser.click("[data-check] button");
    browser.until_shows(".verdict", "The log begins with the");
    browser.until_shows(".verdict", "Verified");

    // A browser that saw another log of this name, as after the ledger was put back and went on.
    has_seen(&browser, 9);
    browser.click("[data-check] button");
    browser.until_shows(".verdict", "Not verified: this log does not begin with the 9 events");
    has_seen(&browser, 999_999);
    browser.click("[data-check] button");
    browser.until_shows(".verdict", "Not verified: this browser has seen a log of 999999 events");

    browser.run("document.querySelector('[data-check] input').value += 'A'");
    browser.click("[data-check] button");
    browser.until_shows(".verdict", "Not verified: expected a verifier key");
    browser.expect_no_fault();
}
