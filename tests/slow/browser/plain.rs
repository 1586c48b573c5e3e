//! The pages without scripts.

use jobledger::access::Role;

use super::driven::Browser;
use super::ledger::{self, RUNNING};
use crate::support::TestServer;

#[test]
fn the_pages_are_whole_without_scripts() {
    let Some(browser) = Browser::start() else { return };
    let server = TestServer::start();
    ledger::fill(&server.client_named(Role::Worker, "sync"));
    browser.without_scripts();
    browser.sign_in(&server.url, "/?status=running", server.client(Role::Viewer).token.as_ref().unwrap());
    assert_eq!(browser.text("tbody [data-field='id']"), RUNNING);
    browser.click("tbody [data-field='id']");
    browser.until_shows("[data-place]", "event 34 of 34");
    browser.until_shows("[data-terminal]", "bind refused");
    browser.click("[data-previous]");
    browser.until_shows("[data-place]", "event 33 of 34");
    browser.click(".timeline li:nth-child(5) a.number");
    browser.until_shows("[data-place]", "event 29 of 34");
    browser.click("[data-filter] [name='failures']");
    browser.click("[data-filter] button");
    browser.until_shows("h1", "Events of");
    assert_eq!(browser.count(".timeline li"), 0, "event 30 is the failure");
    browser.click("header nav a[href='/']");
    browser.until_shows("h1", "Jobs");
    browser.type_into("[name='job_type']", "account_sync");
    browser.click(".filters > button");
    browser.until("location.search.includes('job_type=account_sync')");
    assert_eq!(browser.count("tbody tr"), 3);
    browser.click("header form button");
    browser.until("location.pathname === '/sign-in'");
}
