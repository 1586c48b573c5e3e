//! A handler that panics: the client gets a 500 in the form of its path, and other requests go on.

use std::backtrace::Backtrace;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jobledger::access::Role;
use jobledger::ledger::{Options, system_clock};

use crate::support::anchors::not_ready;
use crate::support::raw::{connect, head, send};
use crate::support::wait::until;
use crate::support::{TestServer, nil, problem, task_job};

#[test]
fn a_panic_is_answered_in_the_form_of_its_path_and_the_connection_goes_on() {
    // Every request asks the clock, so a clock that panics makes every handler panic. So does the watcher of the tokens, whose
    // panic would end the process.
    let broken = Arc::new(AtomicBool::new(false));
    let clock = {
        let broken = broken.clone();
        let asked_by_watcher = || Backtrace::force_capture().to_string().contains("watch_access");
        move || {
            if broken.load(Ordering::SeqCst) && !asked_by_watcher() {
                panic!("the clock is broken")
            } else {
                system_clock()()
            }
        }
    };
    let server = TestServer::start_with(Arc::new(clock));
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
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
    worker.append(&task_job("b")).expect(201);
}

/// A server whose clock panics in the threads that `place` selects, while `broken` is set. Here the end of the process only parks the
/// thread. The server is never dropped, because its stop would wait for that thread.
fn breaking(dir: &Path, broken: &Arc<AtomicBool>, place: fn() -> bool) -> ManuallyDrop<TestServer> {
    let broken = broken.clone();
    let clock = move || if broken.load(Ordering::SeqCst) && place() { panic!("no time") } else { system_clock()() };
    let end = || loop {
        std::thread::park();
    };
    let options = Options { clock: Arc::new(clock), end, ..Options::default() };
    ManuallyDrop::new(TestServer::open(dir, options))
}

#[test]
fn a_ledger_whose_writer_panics_is_not_ready_and_accepts_no_append() {
    let (dir, broken) = (tempfile::tempdir().unwrap(), Arc::default());
    let server = breaking(dir.path(), &broken, || std::thread::current().name() == Some("writer"));
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    broken.store(true, Ordering::SeqCst);
    problem(worker.append(&task_job("b")), 503, "outcome-unknown");
    until("the panic is told", || not_ready(&worker, "the writer has panicked"));
    assert_eq!(server.anonymous().get("/readyz").expect(503).json()["code"], "thread-panicked");
    problem(worker.append(&task_job("b")), 503, "stopping");
    worker.get("/healthz").expect(200);
}

#[test]
fn a_task_of_the_server_that_panics_ends_the_process_too() {
    let (dir, broken) = (tempfile::tempdir().unwrap(), Arc::default());
    let server = breaking(dir.path(), &broken, || Backtrace::force_capture().to_string().contains("watch_access"));
    let worker = server.client(Role::Worker);
    broken.store(true, Ordering::SeqCst);
    until("the panic is told", || not_ready(&worker, "the watcher of the tokens has panicked"));
}
