//! Signing in and out, and sessions that end while a page is open.

use chrono::{SecondsFormat, Utc};
use jobledger::access::Role;
use jobledger::ledger::system_clock;

use super::driven::Browser;
use super::ledger::{self, RUNNING};
use super::signed_in;
use crate::support::{HandClock, TestServer, nil, noted};

#[test]
fn a_person_signs_in_with_the_right_token_only_and_signs_out() {
    let Some(browser) = Browser::start() else { return };
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    ledger::fill(&worker);
    let place = format!("/jobs/{RUNNING}?event=20");
    browser.open(&format!("{}{place}", server.url));
    browser.enter("jl_wrong");
    browser.until_shows("[role='alert']", "does not know this token");
    browser.enter(worker.token.as_ref().unwrap());
    browser.until_at(&place);
    assert!(browser.text(".visitor").starts_with("worker"));
    browser.click("header form button");
    browser.until("location.pathname === '/sign-in'");
    browser.back();
    browser.until("location.pathname === '/sign-in' && location.search.startsWith('?next')");
    assert_eq!(browser.count("[data-job]"), 0, "a person who signed out sees no job by going back");
    browser.expect_no_fault();
}

#[test]
fn a_revoked_token_leads_to_the_sign_in_page_and_back_to_the_same_place() {
    let Some((server, worker, browser)) = signed_in(Role::Viewer, "/?kind=generic") else { return };
    server.access().revoke(nil(), "jana-viewer", system_clock()()).unwrap();
    browser.until("location.pathname === '/sign-in'");
    browser.enter(worker.token.as_ref().unwrap());
    browser.until_at("/?kind=generic");
    browser.expect_no_fault();
}

#[test]
fn a_session_that_expires_leads_back_to_the_same_place_after_one_sign_in() {
    let Some(browser) = Browser::start() else { return };
    let hands = HandClock::at(&Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true));
    let server = TestServer::start_with(hands.clock());
    let worker = server.client_named(Role::Worker, "sync");
    ledger::fill(&worker);
    let viewer = server.client(Role::Viewer).token.unwrap();
    let place = format!("/jobs/{RUNNING}");
    browser.sign_in(&server.url, &place, &viewer);
    // A session lasts 12 h.
    hands.pass(13 * 3_600_000_000);
    browser.until("location.pathname === '/sign-in'");
    browser.enter(&viewer);
    browser.until_at(&place);
    worker.append(&noted(RUNNING, "seen after the sign-in")).expect(201);
    browser.until_shows(".timeline", "seen after the sign-in");
    browser.expect_no_fault();
}
