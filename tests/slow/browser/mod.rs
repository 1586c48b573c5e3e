//! The pages in a real browser: live, lost and found again, on a narrow screen, in the dark, without scripts.
//!
//! Each test drives a Chromium of its own. `target/screens/` shows each page as the newest run saw it.

mod accessibility;
mod audit;
mod bulk;
mod driven;
mod driver;
mod filters;
mod frozen;
mod job;
mod keyboard;
mod killed;
mod ledger;
mod list;
mod load;
mod pages;
mod past;
mod plain;
mod screens;
mod session;

use jobledger::access::Role;

use crate::support::{Client, TestServer};
use driven::Browser;

/// A server with a filled ledger, a client that writes, and a browser that is signed in as `role` on `path`.
fn signed_in(role: Role, path: &str) -> Option<(TestServer, Client, Browser)> {
    let browser = Browser::start()?;
    let server = TestServer::start();
    let worker = server.client_named(Role::Worker, "sync");
    ledger::fill(&worker);
    let reader = server.client_named(role, "jana");
    browser.sign_in(&server.url, path, &reader.token.unwrap());
    Some((server, worker, browser))
}
