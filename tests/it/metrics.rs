//! `/metrics`: its two formats, the counts of requests and of the process, and the port that needs no token.

use std::io::Write;
use std::process::{Command, Stdio};

use jobledger::access::Role;
use serde_json::Value;

use crate::support::cli::{cli, token};
use crate::support::shell::lacking;
use crate::support::{Client, TestServer, nil, skipped, task_job};

const PLAIN: [(&str, &str); 1] = [("accept", "text/plain")];

/// The value of a sample, by its name with labels.
fn sample(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn the_format_is_the_one_that_is_asked_for() {
    let server = TestServer::start();
    let auditor = server.client(Role::Auditor);
    let newest = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for (accept, content_type) in [
        ("*/*", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (newest, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("text/plain", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/*, application/json", "text/plain; version=0.0.4; charset=utf-8"),
    ] {
        let answer = auditor.get_with("/metrics", &[("accept", accept)]).expect(200);
        assert_eq!(answer.header("content-type"), content_type, "{accept}");
        assert_eq!(answer.text().ends_with("# EOF\n"), content_type.starts_with("application/"), "{accept}");
    }
    auditor.get_with("/metrics", &[("accept", "image/png")]).expect(406);
}

#[test]
fn promtool_finds_no_fault() {
    if let Some(tool) = lacking(&["promtool"]) {
        return skipped(tool);
    }
    let server = TestServer::start();
    server.client(Role::Worker).append(&task_job("a")).expect(201);
    let auditor = server.client(Role::Auditor);
    auditor.get("/ledger/jobs/a").expect(200);
    let text = auditor.get_with("/metrics", &PLAIN).expect(200).text();
    let mut lint = Command::new("promtool");
    lint.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut lint = lint.spawn().unwrap();
    lint.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let done = lint.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success() && said.is_empty(), "{said}");
}

#[test]
fn requests_are_counted_by_route_and_status_and_timed() {
    let server = TestServer::start();
    let (worker, auditor) = (server.client(Role::Worker), server.client(Role::Auditor));
    worker.append(&task_job("a")).expect(201);
    for job in ["a", "a", "b", "c"] {
        worker.get(&format!("/ledger/jobs/{job}"));
    }
    worker.get("/nowhere/at/all").expect(404);
    worker.send("BREW".parse().unwrap(), "/ledger/jobs", &[], b"").expect(405);
    server.anonymous().get("/docs/index.css");
    let text = auditor.get_with("/metrics", &PLAIN).expect(200).text();
    for (labels, count) in [
        (r#"method="POST",route="/ledger/events",status="201""#, 1.0),
        (r#"method="GET",route="/ledger/jobs/{id}",status="200""#, 2.0),
        (r#"method="GET",route="/ledger/jobs/{id}",status="404""#, 2.0),
        (r#"method="GET",route="other",status="404""#, 1.0),
        (r#"method="other",route="/ledger/jobs",status="405""#, 1.0),
        (r#"method="GET",route="/docs/{file}",status="200""#, 1.0),
    ] {
        let name = format!("jobledger_http_requests_total{{{labels}}}");
        assert_eq!(sample(&text, &name), Some(count), "{name}");
    }
    let timed = |what: &str| sample(&text, &format!("jobledger_http_request_duration_seconds_{what}"));
    assert_eq!(timed(r#"count{route="/ledger/jobs/{id}"}"#), Some(4.0));
    assert_eq!(
        timed(r#"bucket{le="+Inf",route="/ledger/jobs/{id}"}"#)
            .or(timed(r#"bucket{route="/ledger/jobs/{id}",le="+Inf"}"#)),
        Some(4.0)
    );
    assert!(!text.contains("nowhere"), "a path is no label");
}

#[test]
fn metrics_of_the_process_have_the_usual_names() {
    let server = TestServer::start();
    let text = server.client(Role::Admin).get_with("/metrics", &PLAIN).expect(200).text();
    let value = |name: &str| sample(&text, name).unwrap_or_else(|| panic!("{name}"));
    assert!(value("process_cpu_seconds_total") > 0.0);
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
    assert!(value("process_open_fds") > 3.0 && value("process_open_fds") <= value("process_max_fds"));
    assert!(value("process_threads") > 3.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - 24.0 * 3600.0..now + 5.0).contains(&value("process_start_time_seconds")));
}

#[test]
fn metrics_are_of_all_organisations_and_for_admins_and_auditors() {
    let server = TestServer::start();
    for (role, status) in [(Role::Admin, 200), (Role::Auditor, 200), (Role::Worker, 403), (Role::Viewer, 403)] {
        server.client(role).get("/metrics").expect(status);
    }
    server.anonymous().get("/metrics").expect(401);
    let refused = Client::new(&server.url, Some(&server.token("v", Role::Viewer, nil()))).get("/metrics");
    assert!(refused.text().contains("--metrics-listen"), "{}", refused.text());
}

#[test]
fn the_metrics_port_needs_no_token_and_serves_only_metrics() {
    let dir = tempfile::tempdir().unwrap();
    let told = cli(["serve", "--json", "--listen", "127.0.0.1:0", "--metrics-listen", "localhost:0", "--data"]);
    let log = dir.path().join("log");
    let data = dir.path().join("data");
    let running = told.arg(&data).arg("--create").stderr(std::fs::File::create(&log).unwrap()).start();
    running.line().unwrap();
    let url = || {
        let lines = std::fs::read_to_string(&log).unwrap();
        let mut lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find_map(|line| line["fields"]["url"].as_str()?.strip_suffix("/metrics").map(str::to_owned))
    };
    crate::support::wait::until("the port is told", || url().is_some());
    let stranger = Client::new(&url().unwrap(), None);
    let text = stranger.get_with("/metrics", &PLAIN).expect(200).text();
    assert_eq!(sample(&text, "jobledger_head"), Some(0.0));
    let admin = Client::new(&url().unwrap(), Some(&token(&data, "admin")));
    for path in ["/", "/healthz", "/readyz", "/ledger/events", "/openapi.json", "/docs/"] {
        stranger.get(path).expect(404);
        admin.get(path).expect(404);
    }
    running.signal("TERM");
    running.wait().expect(0);
}

#[test]
fn the_metrics_show_each_share_of_the_memory_and_the_bytes_held() {
    let server = TestServer::start();
    server.client(Role::Worker).append(&task_job("a")).expect(201);
    let auditor = server.client(Role::Auditor);
    auditor.get("/ledger/jobs/a").expect(200);
    let text = auditor.get_with("/metrics", &PLAIN).expect(200).text();
    let shares = text.lines().filter_map(|line| line.strip_prefix("jobledger_memory_share_bytes{")?.split_once("} "));
    let total: u64 = shares.map(|(_, bytes)| bytes.parse::<u64>().unwrap()).sum();
    assert_eq!(total, 512 << 20, "{text}");
    for part in ["admission", "projector", "jobs"] {
        let held = sample(&text, &format!("jobledger_memory_held_bytes{{share=\"{part}\"}}"));
        assert!(held.is_some_and(|bytes| bytes > 0.0), "{part}: {text}");
    }
    assert_eq!(sample(&text, "jobledger_memory_held_bytes{share=\"queue\"}"), Some(0.0));
}
