//! Pages of other origins: those of the named origins read and append with a token, and no page uses the cookie.

use jobledger::access::Role;
use jobledger::http::HttpOptions;
use serde_json::Value;
use ureq::http::Method;

use crate::support::cli::on;
use crate::support::{Answer, Client, TestServer, task_job};

const PORTAL: &str = "https://portal.example";
const OTHER: &str = "https://evil.example";

fn shared() -> TestServer {
    let cors_origins = ["https://Portal.example:443", "http://localhost:5173"].map(|origin| origin.parse().unwrap());
    TestServer::serving(HttpOptions { cors_origins: cors_origins.into(), ..HttpOptions::default() })
}

/// What an answer says about sharing: which origin may read it, and whether caches keep it apart by origin.
fn said(answer: &Answer) -> (&str, bool) {
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    (answer.header("access-control-allow-origin"), answer.header("vary").split(", ").any(|name| name == "origin"))
}

fn preflight(client: &Client, path: &str, origin: &str, method: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", "authorization"),
    ];
    client.send(Method::OPTIONS, path, &headers, b"")
}

#[test]
fn a_page_of_a_named_origin_reads_and_appends() {
    let server = shared();
    let worker = server.client(Role::Admin);
    let sent = task_job("a").to_string();
    let headers = [("origin", PORTAL), ("content-type", "application/json")];
    let appended = worker.send(Method::POST, "/ledger/events", &headers, sent.as_bytes()).expect(201);
    assert_eq!(said(&appended), (PORTAL, true));
    for path in ["/ledger/jobs/a", "/ledger/jobs", "/ledger/events", "/api/v1/jobs/a", "/openapi.json"] {
        let answer = worker.get_with(path, &[("origin", PORTAL)]).expect(200);
        assert_eq!(said(&answer), (PORTAL, true), "{path}");
        assert!(answer.header("access-control-expose-headers").contains("ledger-position"), "{path}");
    }
    assert_eq!(
        said(&worker.get_with("/ledger/jobs", &[("origin", "http://localhost:5173")])).0,
        "http://localhost:5173"
    );
    // A page can read a refusal too, so that it can show the error.
    let refused = server.anonymous().get_with("/ledger/jobs", &[("origin", PORTAL)]).expect(401);
    assert_eq!((said(&refused), refused.json()["code"].as_str()), ((PORTAL, true), Some("unauthorized")));
}

#[test]
fn a_preflight_needs_no_token() {
    let server = shared();
    let browser = server.anonymous();
    for (path, method) in [("/ledger/events", "POST"), ("/ledger/jobs/a", "GET")] {
        let answer = preflight(&browser, path, PORTAL, method).expect(204);
        assert_eq!(said(&answer), (PORTAL, true));
        assert!(answer.header("access-control-allow-headers").contains("authorization"));
        assert_eq!(answer.header("access-control-allow-methods"), "GET, HEAD, POST");
    }
    for (path, origin, method) in [
        ("/ledger/events", OTHER, "POST"),
        ("/ledger/events", "https://portal.example.evil.example", "POST"),
        ("/ledger/events", "null", "POST"),
        ("/session", PORTAL, "POST"),
        ("/sign-out", PORTAL, "POST"),
        ("/ledger/rebuild", PORTAL, "POST"),
        ("/api/v1/jobs/a", PORTAL, "DELETE"),
    ] {
        let answer = preflight(&browser, path, origin, method);
        assert_eq!(said(&answer), ("", true), "{path} {origin} {method}");
        assert_ne!(answer.status, 204, "{path} {origin} {method}");
    }
}

#[test]
fn a_page_of_another_origin_may_read_nothing() {
    let server = shared();
    let viewer = server.client(Role::Viewer);
    assert_eq!(said(&viewer.get_with("/ledger/jobs", &[("origin", OTHER)]).expect(200)), ("", true));
    assert_eq!(said(&viewer.get("/ledger/jobs").expect(200)), ("", true));
    // Without the option answers do not depend on the origin.
    let closed = TestServer::start();
    let viewer = closed.client(Role::Viewer);
    assert_eq!(said(&viewer.get_with("/ledger/jobs", &[("origin", PORTAL)]).expect(200)), ("", false));
    assert_eq!(preflight(&viewer, "/ledger/jobs", PORTAL, "GET").status, 405);
}

#[test]
fn a_page_of_a_named_origin_cannot_write_by_cookie() {
    let server = shared();
    let admin = server.client(Role::Admin);
    let signed_in = admin.send(Method::POST, "/session", &[], b"").expect(204);
    let cookie = signed_in.header("set-cookie").split(';').next().unwrap().to_owned();
    let headers = [("origin", PORTAL), ("cookie", &cookie), ("content-type", "application/json")];
    let sent: Value = task_job("a");
    server.anonymous().send(Method::POST, "/ledger/events", &headers, sent.to_string().as_bytes()).expect(403);
}

#[test]
fn the_option_takes_origins_alone() {
    let dir = tempfile::tempdir().unwrap();
    for wrong in ["*", "portal.example", "https://portal.example/app", "https://*.example"] {
        on(&dir.path().join("data"), "serve", &["--cors-origin", wrong])
            .refused(2, &["--cors-origin", "expected an origin such as"]);
    }
}
