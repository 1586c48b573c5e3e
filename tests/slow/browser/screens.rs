//! Every page on a wide and a narrow screen, light and dark, as pictures in `target/screenshots/`.

use jobledger::access::Role;

use super::driven::Browser;
use super::ledger::RUNNING;
use super::signed_in;

/// The width of a small telephone, in pixels.
const NARROW: u32 = 375;
const WIDE: u32 = 1280;

/// Takes the pictures of a page, and fails if its body scrolls sideways on a narrow screen.
fn pictures(browser: &Browser, url: &str, name: &str) {
    browser.open(url);
    browser.screenshot(&format!("{name}-light"));
    browser.dark(true);
    browser.screenshot(&format!("{name}-dark"));
    browser.width(NARROW);
    let wide = browser.run("return document.documentElement.scrollWidth > innerWidth");
    browser.screenshot(&format!("{name}-narrow-dark"));
    browser.dark(false);
    browser.screenshot(&format!("{name}-narrow"));
    browser.width(WIDE);
    assert_eq!(wide, false, "{name} scrolls sideways");
}

#[test]
fn every_page_has_room_on_a_narrow_screen_and_can_be_seen_in_the_dark() {
    let Some((server, _worker, browser)) = signed_in(Role::Admin, "/") else { return };
    for (name, path) in [
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
        ("sign-in", "/sign-in?next=/".to_owned()),
    ] {
        pictures(&browser, &format!("{}{path}", server.url), name);
    }
    browser.expect_no_fault();
}
