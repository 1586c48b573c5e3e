//! A page whose server stands still. Its connections stay open, as after a night in which the machine slept.

use std::time::{Duration, Instant};

use chrono::{NaiveTime, Utc};

use super::driven::Browser;
use super::killed::{JOB, begin, expect_live, expect_live_again};
use super::ledger::numbered;
use crate::support::cli::{Serving, token};
use crate::support::wait::until_paced;

/// How long the server stands still.
const FROZEN: Duration = Duration::from_secs(40);
/// The page notices within this time.
const NOTICED: Duration = Duration::from_secs(35);

/// The time in the page's words, which must be no earlier than a heartbeat before `stopped` and not in the future.
#[track_caller]
fn expect_since(said: &str, stopped: NaiveTime) {
    let time = said.strip_prefix("not live since ").and_then(|rest| rest.strip_suffix(" UTC")).expect(said);
    let time = NaiveTime::parse_from_str(time, "%H:%M:%S").expect(said);
    // Over midnight the difference has another sign.
    let seconds = (time - stopped).num_seconds().rem_euclid(24 * 3600);
    let early = 24 * 3600 - seconds;
    assert!(seconds <= 1 || early <= 10, "{said}, and the server stopped at {stopped}");
}

#[test]
fn a_page_notices_a_server_that_stands_still_and_goes_on_with_it() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let worker = server.client(&token(dir.path(), "worker"));
    begin(&worker);
    browser.sign_in(&server.url, &format!("/jobs/{JOB}"), &token(dir.path(), "viewer"));
    expect_live(&browser, &worker);
    server.signal("STOP");
    let (stopped, clock) = (Instant::now(), Utc::now().time());
    browser.until_shows("[data-live]", "not live since");
    assert!(stopped.elapsed() < NOTICED, "noticed after {:?}", stopped.elapsed());
    expect_since(&browser.text("[data-live]"), clock);
    let since = std::thread::scope(|scope| {
        // A worker's request waits with the server.
        scope.spawn(|| worker.append(&numbered(JOB, 11..=15)).expect(201));
        until_paced("the server stood still long enough", Duration::from_millis(100), || stopped.elapsed() >= FROZEN);
        server.signal("CONT");
        Instant::now()
    });
    expect_live_again(&browser, since, 15);
}
