//! A page whose server goes away: killed, frozen, behind a proxy, or with another idea of who is signed in.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use jobledger::access::Role;
use jobledger::ledger::system_clock;
use serde_json::json;

use super::driven::Browser;
use super::ledger::numbered;
use super::signed_in;
use crate::support::cli::{Cli, Serving, cli, token};
use crate::support::wait::until;
use crate::support::{Client, event, nil, skipped};

const JOB: &str = "long-sync";
/// The steps in the timeline, oldest first.
const STEPS: &str = "return [...document.querySelectorAll('.timeline li[data-type=\"job.progress\"] p')].map(p => p.textContent).reverse().join()";

fn serve(folder: &Path, address: &str) -> Cli {
    cli(["serve", "--create", "--listen", address, "--data"]).arg(folder)
}

fn begin(worker: &Client) {
    let created = json!({"kind": "generic", "spec": {"job_type": "sync"}});
    worker.append(&json!([event("job.created", JOB, created), event("job.started", JOB, json!({}))])).expect(201);
    worker.append(&numbered(JOB, 1..=5)).expect(201);
}

/// Kills the server while `browser` shows the job, starts it again on the same port, and expects each event once.
fn survive_a_kill(browser: &Browser, server: Serving, folder: &Path, worker: &Client) -> Serving {
    browser.run("window.witness = true");
    worker.append(&numbered(JOB, 6..=10)).expect(201);
    browser.until_shows(".timeline", "step 10");
    let address = server.url.trim_start_matches("http://").to_owned();
    server.end("KILL");
    browser.until_shows("[data-live]", "not live since");
    let server = Serving::of(serve(folder, &address));
    worker.append(&numbered(JOB, 11..=15)).expect(201);
    let began = std::time::Instant::now();
    browser.until_shows(".timeline", "step 15");
    browser.until("document.querySelector('[data-live]').hidden");
    assert!(began.elapsed().as_secs() < 10, "live again after {:?}", began.elapsed());
    let steps: Vec<String> = (1..=15).map(|n| format!("step {n}")).collect();
    assert_eq!(browser.run(STEPS), steps.join(","), "nothing is lost or doubled");
    assert_eq!(browser.run("return window.witness"), true, "the page was not loaded again");
    browser.expect_no_fault();
    server
}

#[test]
fn a_page_says_since_when_its_server_is_gone_and_goes_on_with_the_next_one() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::of(serve(dir.path(), "127.0.0.1:0"));
    let worker = server.client(&token(dir.path(), "worker"));
    begin(&worker);
    browser.sign_in(&server.url, &format!("/jobs/{JOB}"), &token(dir.path(), "viewer"));
    let server = survive_a_kill(&browser, server, dir.path(), &worker);
    // A frozen server keeps its connections. The page hears nothing, as after a night in which the machine slept.
    server.signal("STOP");
    browser.run("const now = Date.now; Date.now = () => now() + 60_000");
    browser.until_shows("[data-live]", "not live since");
    server.signal("CONT");
    worker.append(&numbered(JOB, 16..=16)).expect(201);
    browser.until_shows(".timeline", "step 16");
    browser.until("document.querySelector('[data-live]').hidden");
}

/// nginx with its default settings, in front of one server.
struct Nginx {
    process: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Nginx {
    fn before(server: &str) -> Option<Nginx> {
        let folder = tempfile::tempdir().unwrap();
        // nginx takes no port 0. The port of a listener that was just closed is free.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "daemon off; pid nginx.pid; error_log error.log; events {{}}\n\
             http {{ access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n\
             server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {server}; }} }} }}"
        );
        std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).args(["-c", "nginx.conf", "-e", "error.log"]);
        let Ok(process) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            skipped("nginx");
            return None;
        };
        until("nginx listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(Nginx { process, url: format!("http://127.0.0.1:{port}"), _folder: folder })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM ends the workers too.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

#[test]
fn a_page_behind_nginx_goes_on_after_a_kill_too() {
    let Some(browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::of(serve(dir.path(), "127.0.0.1:0"));
    let Some(nginx) = Nginx::before(&server.url) else { return };
    let address = server.url.trim_start_matches("http://").to_owned();
    server.end("TERM");
    // nginx sends its own name of the server as `Host`, so the server must be told the address that browsers use.
    let server = Serving::of(serve(dir.path(), &address).args(["--public-url", &nginx.url]));
    let worker = server.client(&token(dir.path(), "worker"));
    begin(&worker);
    browser.sign_in(&nginx.url, &format!("/jobs/{JOB}"), &token(dir.path(), "viewer"));
    drop(survive_a_kill(&browser, server, dir.path(), &worker));
}

#[test]
fn a_session_that_ends_leads_to_the_sign_in_page_and_back_to_the_same_place() {
    let Some((server, worker, browser)) = signed_in(Role::Viewer, "/?kind=generic") else { return };
    server.access().revoke(nil(), "jana-viewer", system_clock()()).unwrap();
    browser.until("location.pathname === '/sign-in'");
    browser.type_into("#token", worker.token.as_ref().unwrap());
    browser.click("main button");
    browser.until("location.pathname === '/'");
    assert_eq!(browser.place(), "/?kind=generic");
    browser.expect_no_fault();
}
