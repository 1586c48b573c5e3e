//! The pages by keyboard alone.

use jobledger::access::Role;
use serde_json::json;

use super::driven::{Browser, ENTER, ESCAPE, LEFT, SHIFT, TAB};
use super::ledger::{self, RUNNING};
use crate::support::TestServer;

/// More stops than any of the pages has.
const STOPS: usize = 300;

/// Presses Tab until the focus is on an element that matches. Fails if a stop on the way cannot be seen. Behind the last stop the body
/// has the focus, and the way begins again.
#[track_caller]
fn tab_to(browser: &Browser, css: &str) {
    let look = format!(
        "const at = document.activeElement, box = at.getBoundingClientRect(), style = getComputedStyle(at);
         const seen = at === document.body || style.outlineStyle !== 'none' && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
         return {{ there: at.matches({}), seen, name: at.outerHTML.slice(0, 200) }}",
        json!(css)
    );
    for _ in 0..STOPS {
        browser.press(&[TAB]);
        let at = browser.run(&look);
        assert_eq!(at["seen"], true, "the focus cannot be seen on {}", at["name"]);
        if at["there"] == true {
            return;
        }
    }
    panic!("Tab does not lead to {css}");
}

/// Types a text where the focus is, and ends it with Enter.
#[track_caller]
fn type_and_enter(browser: &Browser, text: &str) {
    let keys: Vec<char> = text.chars().chain([ENTER]).collect();
    browser.press(&keys);
}

#[test]
fn a_person_with_a_keyboard_alone_signs_in_looks_back_notes_and_cancels() {
    let Some(browser) = Browser::start() else { return };
    let server = TestServer::start();
    ledger::fill(&server.client_named(Role::Worker, "sync"));
    let admin = server.client_named(Role::Admin, "jana");
    browser.open(&format!("{}/", server.url));
    type_and_enter(&browser, admin.token.as_ref().unwrap());
    browser.until_at("/");
    tab_to(&browser, ".skip");
    browser.press(&[ENTER]);
    tab_to(&browser, "main [name='kind']");
    tab_to(&browser, "tbody a");
    browser.press(&[ENTER]);
    let place = format!("/jobs/{RUNNING}");
    browser.until_at(&place);
    browser.press(&[LEFT]);
    browser.until_shows("[data-place]", "event 33 of 34");
    browser.until("document.readyState === 'complete'");
    tab_to(&browser, ".travel a:last-of-type");
    browser.press(&[ENTER]);
    browser.until_at(&place);
    tab_to(&browser, "[data-note] input");
    type_and_enter(&browser, "by keyboard");
    browser.until_shows(".timeline li:first-child", "by keyboard");
    tab_to(&browser, ".timeline summary");
    browser.press(&[ENTER]);
    browser.until_shows(".timeline [data-json]", "\"by keyboard\"");
    browser.press_with(SHIFT, TAB);
    assert_eq!(browser.run("return document.activeElement.className"), "number", "Shift and Tab lead back");
    browser.reload();
    tab_to(&browser, "[data-cancel] input");
    type_and_enter(&browser, "a wrong quarter");
    browser.until_shows("[data-field='cancelled']", "cancelled by jana-admin: a wrong quarter");
    browser.expect_no_fault();
}

#[test]
fn a_person_with_a_keyboard_alone_cancels_many_jobs() {
    let Some((_server, worker, browser)) = super::signed_in(Role::Admin, "/") else { return };
    tab_to(&browser, "[data-bulk]");
    browser.press(&[ENTER]);
    browser.until("document.querySelector('dialog').contains(document.activeElement)");
    browser.press(&[ESCAPE]);
    browser.until("document.activeElement.matches('[data-bulk]')");
    browser.press(&[ENTER]);
    browser.until("document.activeElement.matches('dialog [name=reason]')");
    type_and_enter(&browser, "the source is being moved");
    browser.until_shows("[data-bulk-said]", "2 of 2 cancelled");
    browser.until("document.activeElement.matches('[data-bulk-close]')");
    browser.press(&[ENTER]);
    browser.until("document.activeElement.matches('[data-bulk]')");
    assert_eq!(worker.get("/ledger/jobs/counts").json()["cancelled"], 3);
    tab_to(&browser, "header form button");
    browser.press(&[ENTER]);
    browser.until("location.pathname === '/sign-in'");
    browser.expect_no_fault();
}
