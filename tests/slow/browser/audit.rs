//! The page for auditors: it checks signatures and proofs, and says what fails.

use jobledger::access::Role;
use serde_json::json;

use super::ledger::RUNNING;
use super::signed_in;
use crate::support::noted;

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

    // A browser that saw another log of this name, as after the ledger was put back and went on.
    browser.run("localStorage.setItem('jobledger-seen', localStorage.getItem('jobledger-seen').replace(/\"size\":\\d+/, '\"size\":9'))");
    browser.click("[data-check] button");
    browser.until_shows(".verdict", "Not verified: this log does not begin with the 9 events");
    browser.run("localStorage.setItem('jobledger-seen', localStorage.getItem('jobledger-seen').replace(/\"size\":\\d+/, '\"size\":999999'))");
    browser.click("[data-check] button");
    browser.until_shows(".verdict", "this browser has seen a log of 999999 events");

    let script = format!(
        "document.querySelector('[data-check] input').value = {}",
        json!(key.replace('+', "+0").replacen("+0", "+", 1))
    );
    browser.run(&script);
    browser.click("[data-check] button");
    browser.until_shows(".verdict", "Not verified");
    browser.expect_no_fault();
}
