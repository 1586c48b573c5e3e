//! A handler that panics: answered like any other failure, and nobody else notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jobledger::access::Role;
use jobledger::ledger::system_clock;

use crate::support::raw::{connect, head, send};
use crate::support::{TestServer, created, nil};

#[test]
fn a_panic_is_answered_in_the_form_of_its_path_and_the_connection_goes_on() {
    // Every request asks the clock, so a clock that panics makes every handler panic.
    let broken = Arc::new(AtomicBool::new(false));
    let clock = {
        let broken = broken.clone();
        move || if broken.load(Ordering::SeqCst) { panic!("the clock is broken") } else { system_clock()() }
    };
    let server = TestServer::start_with(Arc::new(clock));
    let worker = server.client(Role::Worker);
    worker.append(&created("a")).expect(201);
    let admin = server.client(Role::Admin);
    let token = server.token("reader", Role::Viewer, nil());
    let mut connection = connect(&server.url);
    // `HEAD`, because its answers are heads alone.
    let mut ask = || send(&mut connection, &head("HEAD /ledger/jobs/a", &token, ""));
    broken.store(true, Ordering::SeqCst);
    assert!(ask().starts_with("HTTP/1.1 500 "));
    for (path, content_type, code) in [
        ("/ledger/jobs/a", "application/problem+json", "/code"),
        ("/api/v1/jobs/a", "application/json", "/error/code"),
        ("/authorization/rules/jobs/a", "application/vnd.sas.error+json", "/httpStatusCode"),
    ] {
        let answer = admin.get(path).expect(500);
        assert_eq!(answer.header("content-type"), content_type);
        assert!(answer.json().pointer(code).is_some() && !answer.text().contains("clock"), "{}", answer.text());
        assert!(!answer.header("x-request-id").is_empty());
    }
    broken.store(false, Ordering::SeqCst);
    assert!(ask().starts_with("HTTP/1.1 200 "));
    worker.append(&created("b")).expect(201);
}
