//! A page whose server is killed and started again, with and without a proxy between.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::driven::Browser;
use super::ledger::numbered;
use crate::nginx::Nginx;
use crate::support::cli::{Cli, Serving, cli, token};
use crate::support::{Client, event, started};

/// The job that the page shows.
pub const JOB: &str = "long-sync";
/// A page is live again so soon after its server is.
pub const AGAIN: Duration = Duration::from_secs(10);

/// Creates and starts the job, with five numbered events.
pub fn begin(worker: &Client) {
    let created = json!({"kind": "generic", "spec": {"job_type": "sync"}});
    worker.append(&json!([event("job.created", JOB, created), started(JOB)])).expect(201);
    worker.append(&numbered(JOB, 1..=5)).expect(201);
}

/// Expects that the page is live: it shows the numbered events up to 10. Leaves a witness by which a reload is noticed.
#[track_caller]
pub fn expect_live(browser: &Browser, worker: &Client) {
    browser.run("window.witness = true");
    worker.append(&numbered(JOB, 6..=10)).expect(201);
    browser.until_shows(".timeline", "step 10");
}

/// Expects that the page is live within [`AGAIN`] of `since`, and that its timeline has each numbered event up to `newest` once.
#[track_caller]
pub fn expect_live_again(browser: &Browser, since: Instant, newest: u64) {
    browser.until_shows(".timeline", &format!("step {newest}"));
    browser.until("document.querySelector('[data-live]').hidden");
    assert!(since.elapsed() < AGAIN, "live again after {:?}", since.elapsed());
    let shown = browser.run(
        "return [...document.querySelectorAll('.timeline li[data-type=\"job.progress\"] p')].map(p => p.textContent).reverse()",
    );
    let steps: Vec<String> = (1..=newest).map(|n| format!("step {n}")).collect();
    assert_eq!(shown, json!(steps), "nothing is lost or doubled");
    assert_eq!(browser.run("return window.witness"), true, "the page was not loaded again");
    browser.expect_no_fault();
}

fn serve(folder: &Path, address: &str) -> Cli {
    cli(["serve", "--create", "--listen", address, "--data"]).arg(folder)
}

/// Kills the server while `browser` shows the job, starts `again` on the same port, and expects each event once.
fn survive_a_kill(browser: &Browser, server: Serving, again: Cli, worker: &Client) {
    expect_live(browser, worker);
    server.end("KILL");
    browser.until_shows("[data-live]", "not live since");
    let server = Serving::of(again);
    let since = Instant::now();
    worker.append(&numbered(JOB, 11..=15)).expect(201);
    expect_live_again(browser, since, 15);
    drop(server);
}

#[test]
fn a_page_says_that_its_server_is_gone_and_goes_on_with_the_next_one() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let worker = server.client(&token(dir.path(), "worker"));
    begin(&worker);
    browser.sign_in(&server.url, &format!("/jobs/{JOB}"), &token(dir.path(), "viewer"));
    let again = serve(dir.path(), server.url.trim_start_matches("http://"));
    survive_a_kill(&browser, server, again, &worker);
}

#[test]
fn a_page_behind_nginx_goes_on_after_a_kill_too() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let Some(nginx) = Nginx::before(&server.url) else { return };
    let address = server.url.trim_start_matches("http://").to_owned();
    server.end("TERM");
    // nginx sends its own name of the server as `Host`, so the server must be told the address that browsers use.
    let serve = || serve(dir.path(), &address).args(["--public-url", &nginx.url]);
    let server = Serving::of(serve());
    let worker = server.client(&token(dir.path(), "worker"));
    begin(&worker);
    browser.sign_in(&nginx.url, &format!("/jobs/{JOB}"), &token(dir.path(), "viewer"));
    survive_a_kill(&browser, server, serve(), &worker);
}
