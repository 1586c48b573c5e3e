//! Routes for operators: request ids, health, metrics, schemas, the reference page, and the routes that need no token.

use std::collections::{BTreeMap, BTreeSet};

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::{Answer, Client, TestServer, event, task_job};

#[test]
fn a_plain_request_id_comes_back() {
    let server = TestServer::start();
    for given in ["a", "3f2c-91", "trace:1.2_3", &"x".repeat(128)] {
        for path in ["/healthz", "/ledger/jobs", "/nowhere"] {
            let answer = server.anonymous().get_with(path, &[("x-request-id", given)]);
            assert_eq!(answer.header("x-request-id"), given, "{path}");
        }
    }
}

#[test]
fn a_request_without_a_plain_id_gets_a_fresh_one() {
    let server = TestServer::start();
    let mut seen = BTreeSet::new();
    for given in ["", "two words", "a\"b", "a,b", "é", &"x".repeat(129)] {
        let answer = server.anonymous().get_with("/healthz", &[("x-request-id", given)]);
        seen.insert(answer.header("x-request-id").to_owned());
    }
    seen.insert(server.anonymous().get("/healthz").header("x-request-id").to_owned());
    assert_eq!(seen.len(), 7);
    assert!(seen.iter().all(|id| id.len() > 8 && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')), "{seen:?}");
}

#[test]
fn a_stream_carries_the_request_id_too() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    let tail = worker.stream("/ledger/events?after=0", &[("x-request-id", "tail-1")]);
    assert_eq!(tail.headers["x-request-id"], "tail-1");
}

#[test]
fn healthz_says_that_the_process_lives_and_readyz_how_far_it_is() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), event("job.started", "a", json!({}))])).expect(201);
    // This read waits for the views, so the answer of `/readyz` no longer changes.
    worker.get("/ledger/jobs/a").expect(200);
    assert_eq!(server.anonymous().get("/healthz").expect(200).line(), r#"{"status":"ok"}"#);
    assert_eq!(worker.get("/readyz").expect(200).line(), r#"{"status":"ready","head":2,"views":2}"#);
    // Without a token the answer has only the status that a load balancer needs.
    for stranger in [server.anonymous(), Client::new(&server.url, Some("jl_nobody"))] {
        assert_eq!(stranger.get("/readyz").expect(200).line(), r#"{"status":"ready"}"#);
    }
}

/// The samples of `/metrics` by their names, labels included.
fn samples(client: &Client) -> BTreeMap<String, f64> {
    let answer = client.get("/metrics").expect(200);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap()).map(|(name, n)| (name.to_owned(), n.parse().unwrap())).collect()
}

#[test]
fn metrics_count_events_requests_and_positions() {
    let server = TestServer::start();
    let (worker, auditor) = (server.client(Role::Worker), server.client(Role::Auditor));
    let zero = samples(&auditor);
    for name in [
        "jobledger_events_appended_total",
        "jobledger_commit_events_count",
        "jobledger_commit_seconds_count",
        "jobledger_commits_failed_total",
        "jobledger_queue_requests",
        "jobledger_head",
        "jobledger_view_lag_events",
        "jobledger_tails_open",
    ] {
        assert_eq!(zero.get(name), Some(&0.0), "{name}");
    }
    let first = task_job("a");
    worker.append(&first).expect(201);
    worker.append(&json!([event("job.started", "a", json!({})), task_job("b")])).expect(201);
    worker.append(&first).expect(200);
    worker.append(&event("job.completed", "b", json!({}))).expect(409);
    worker.get("/ledger/jobs/a").expect(200);
    let counted = samples(&auditor);
    assert_eq!(counted["jobledger_events_appended_total"], 3.0);
    assert_eq!(counted[r#"jobledger_append_requests_total{outcome="appended"}"#], 2.0);
    assert_eq!(counted[r#"jobledger_append_requests_total{outcome="known"}"#], 1.0);
    assert_eq!(counted[r#"jobledger_append_requests_total{outcome="refused"}"#], 1.0);
    assert_eq!(counted["jobledger_commit_events_sum"], 3.0);
    assert!(counted["jobledger_commit_events_count"] >= 2.0);
    assert_eq!(counted[r#"jobledger_commit_events_bucket{le="+Inf"}"#], counted["jobledger_commit_events_count"]);
    assert_eq!(counted["jobledger_commit_seconds_count"], counted["jobledger_commit_events_count"]);
    assert!(counted["jobledger_commit_seconds_sum"] > 0.0);
    assert_eq!(counted["jobledger_commits_failed_total"], 0.0);
    assert_eq!(counted["jobledger_queue_requests"], 0.0);
    assert_eq!(counted["jobledger_head"], 3.0);
    assert_eq!(counted["jobledger_view_lag_events"], 0.0);
    assert!(counted["jobledger_wal_bytes"] > 0.0);
}

#[test]
fn open_tails_are_counted_while_they_are_open() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    let mut of_the_log = worker.stream("/ledger/events?after=0", &[]);
    let mut of_the_job = worker.stream("/ledger/jobs/a", &[]);
    let mut ends = worker.stream("/ledger/jobs/a/events?after=0", &[]);
    for stream in [&mut of_the_log, &mut of_the_job, &mut ends] {
        stream.next().unwrap();
    }
    let auditor = server.client(Role::Auditor);
    assert_eq!(samples(&auditor)["jobledger_tails_open"], 3.0);
    worker.append(&event("job.cancelled", "a", json!({}))).expect(201);
    // Both tails close after the final event. When the test has read them to their ends, they are no longer open.
    assert_eq!(ends.last().unwrap().event, "closed");
    assert_eq!(of_the_job.last().unwrap().event, "closed");
    assert_eq!(samples(&auditor)["jobledger_tails_open"], 1.0);
}

#[test]
fn every_event_schema_is_served_as_it_is_checked_in() {
    let server = TestServer::start();
    let anyone = server.anonymous();
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/schema/events")).unwrap();
    let mut served = 0;
    for file in files.map(Result::unwrap) {
        let answer = anyone.get(&format!("/schema/events/{}", file.file_name().to_str().unwrap())).expect(200);
        assert_eq!(answer.header("content-type"), "application/schema+json");
        assert_eq!(answer.body, std::fs::read(file.path()).unwrap());
        served += 1;
    }
    assert!(served >= 9);
    for unknown in ["job.created.v9.json", "..%2Flog.sql", "%2E%2E", "job.created.v1.json%00", "%FF"] {
        let answer = anyone.get(&format!("/schema/events/{unknown}"));
        assert!([400, 404].contains(&answer.status), "{unknown}: {}", answer.status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{unknown}");
    }
}

#[test]
fn the_schema_that_an_event_names_is_there() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    let page = worker.get("/ledger/events").expect(200).json();
    let schema = page["events"][0]["dataschema"].as_str().unwrap().to_owned();
    server.anonymous().get(&schema).expect(200);
}

/// A path with its parameter filled in, every method that it is described with, and whether it asks for a token.
fn described() -> Vec<(String, BTreeSet<String>, bool)> {
    let description: Value = serde_json::from_str(&jobledger::server::openapi()).unwrap();
    let paths = description["paths"].as_object().unwrap().iter();
    paths
        .map(|(path, item)| {
            let path = match path.split_once('{') {
                Some(("/ledger/events/", _)) => "/ledger/events/1".to_owned(),
                Some(("/schema/events/", _)) => "/schema/events/job.noted.v1.json".to_owned(),
                Some((before, rest)) => {
                    format!("{before}67d7d053-3caf-430e-97ba-6d4933d3fd5b{}", rest.split_once('}').unwrap().1)
                }
                None => path.clone(),
            };
            let methods = item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
            let public = item.as_object().unwrap().values().all(|says| says["security"] == json!([{}]));
            (path, methods, public)
        })
        .collect()
}

fn ask(client: &Client, method: &str, path: &str) -> Answer {
    client.send(method.parse().unwrap(), path, &[], b"")
}

#[test]
fn without_a_token_only_the_public_paths_answer() {
    let server = TestServer::start();
    let strangers = [server.anonymous(), Client::new(&server.url, Some("jl_nobody"))];
    let mut public = BTreeSet::new();
    for (path, methods, open) in described() {
        for (method, stranger) in methods.iter().flat_map(|method| strangers.iter().map(move |who| (method, who))) {
            let answer = ask(stranger, method, &path);
            let expected = match path.as_str() {
                "/sign-out" => 303,
                _ if open => 200,
                _ => 401,
            };
            assert_eq!(answer.status, expected, "{method} {path}: {}", answer.text());
            assert_eq!(answer.header("www-authenticate"), if open { "" } else { "Bearer" }, "{method} {path}");
        }
        public.extend(open.then_some(path));
    }
    let expected = ["/healthz", "/openapi.json", "/readyz", "/schema/events/job.noted.v1.json", "/sign-out"];
    assert_eq!(public.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    server.anonymous().get("/docs/").expect(200);
    server.anonymous().get("/nowhere").expect(404);
}

#[test]
fn a_method_that_a_path_lacks_is_answered_with_those_it_has() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    for (path, mut methods, _) in described() {
        if methods.contains("GET") {
            methods.insert("HEAD".into());
        }
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"] {
            if methods.contains(method) {
                continue;
            }
            let answer = ask(&admin, method, &path);
            assert_eq!(answer.status, 405, "{method} {path}");
            let allowed = answer.header("allow").split(',').map(|method| method.trim().to_owned());
            assert_eq!(allowed.collect::<BTreeSet<_>>(), methods, "{method} {path}");
            if method != "HEAD" {
                assert!(answer.header("content-type").ends_with("json"), "{method} {path}");
                assert!(answer.json().is_object(), "{method} {path}");
            }
        }
    }
}

/// The values of `name="…"` in a page.
fn attributes<'p>(page: &'p str, name: &str) -> Vec<&'p str> {
    page.split(&format!("{name}=\"")).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn the_reference_page_needs_nothing_from_outside() {
    let server = TestServer::start();
    let anyone = server.anonymous();
    assert_eq!(anyone.get("/docs").expect(303).header("location"), "/docs/");
    let page = anyone.get("/docs/").expect(200);
    assert!(page.header("content-type").starts_with("text/html"));
    let page = page.text();
    let mut assets = attributes(&page, "src");
    assets.extend(attributes(&page, "href"));
    assert!(assets.len() >= 5);
    for asset in assets {
        assert!(!asset.contains("//"), "{asset} is from outside");
        let answer = anyone.get(&format!("/docs/{}", asset.trim_start_matches("./"))).expect(200);
        // The policy forbids the browser to load anything from elsewhere, also for scripts.
        assert!(answer.header("content-security-policy").starts_with("default-src 'self'; "), "{asset}");
        if asset.ends_with(".css") {
            let text = answer.text();
            let urls = text.split("url(").skip(1).map(|rest| rest.trim_start_matches(['"', '\'']));
            urls.for_each(|url| assert!(url.starts_with("data:"), "{asset} loads {}", &url[..40]));
            assert!(!text.contains("@import"), "{asset}");
        }
    }
    let settings = anyone.get("/docs/swagger-initializer.js").expect(200).text();
    assert!(settings.contains(r#""url": "/openapi.json""#), "{settings}");
    assert!(settings.contains(r#""validatorUrl": "none""#), "{settings}");
    assert!(!settings.contains("://"), "{settings}");
}
