//! A lock that another program, such as a backup, holds on `access.db`.

use std::thread::{JoinHandle, spawn};

use jobledger::access::Role;
use rusqlite::Connection;
use ureq::http::Method;

use crate::support::cli::on;
use crate::support::{Answer, Client, TestServer, nil, noted, task_job};

fn sign_in(client: &Client) -> Answer {
    client.send(Method::POST, "/session", &[], b"")
}

/// Holds the lock of a writer on the server's `access.db`.
fn locked(server: &TestServer) -> Connection {
    let file = Connection::open(server.path().join("access.db")).unwrap();
    file.execute_batch("BEGIN IMMEDIATE").unwrap();
    file
}

#[test]
fn a_lock_delays_no_request_and_sign_ins_are_told_to_try_again() {
    let server = TestServer::start();
    let (worker, viewer) = (server.client(Role::Worker), server.client(Role::Viewer));
    worker.append(&task_job("a")).expect(201);
    let lock = locked(&server);
    let waiting: Vec<JoinHandle<Answer>> = (0..4)
        .map(|_| {
            let viewer = viewer.clone();
            spawn(move || sign_in(&viewer))
        })
        .collect();
    // The test counts and measures no time: a request that waited for the lock would end after the sign-ins, which began earlier.
    let mut answered = 0;
    while waiting.iter().all(|sign_in| !sign_in.is_finished()) {
        server.anonymous().get("/healthz").expect(200);
        worker.append(&noted("a", "n")).expect(201);
        viewer.get("/ledger/jobs/a").expect(200);
        answered += 1;
    }
    assert!(answered >= 3, "{answered} rounds of requests were answered while the sign-ins waited");
    for answer in waiting {
        let answer = answer.join().unwrap().expect(503);
        assert_eq!((answer.header("retry-after"), &answer.json()["code"]), ("1", &"access-unavailable".into()));
    }
    drop(lock);
    sign_in(&viewer).expect(204);
}

#[test]
fn signing_out_is_told_to_try_again_and_the_session_goes_on() {
    let server = TestServer::start();
    let answer = sign_in(&server.client(Role::Viewer)).expect(204);
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let lock = locked(&server);
    server.anonymous().send(Method::DELETE, "/session", &headers, b"").expect(503);
    server.anonymous().get_with("/ledger/jobs", &headers).expect(200);
    drop(lock);
    server.anonymous().send(Method::DELETE, "/session", &headers, b"").expect(204);
    server.anonymous().get_with("/ledger/jobs", &headers).expect(401);
}

#[test]
fn a_server_starts_during_a_lock_and_tokens_are_listed() {
    let mut server = TestServer::start();
    let viewer = server.client(Role::Viewer);
    let lock = locked(&server);
    server.restart();
    viewer.at(&server.url).get("/ledger/jobs").expect(200);
    assert!(on(server.path(), "token list", &[]).expect(0).stdout.starts_with("viewer "));
    on(server.path(), "token create", &["--name", "w", "--role", "worker"]).refused(2, &["lock", "access.db", "again"]);
    drop(lock);
}

#[test]
fn a_token_that_is_revoked_after_a_lock_ends_at_once() {
    let server = TestServer::start();
    let viewer = server.client(Role::Viewer);
    let lock = locked(&server);
    viewer.get("/ledger/jobs").expect(200);
    drop(lock);
    server.access().revoke(nil(), "viewer", "2025-01-01T00:00:00Z".parse().unwrap()).unwrap();
    viewer.get("/ledger/jobs").expect(401);
}
