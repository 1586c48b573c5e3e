//! `jobledger::client`: what a worker in Rust reports reaches the ledger, once and in order.

use std::path::PathBuf;
use std::time::Duration;

use jobledger::client::{Claim, Error, Item, Ledger, NewJob, Progress, Stop, Stream};
use serde_json::{Value, json};

use crate::support::cli::Serving;
use crate::support::event;
use crate::support::line::Line;
use crate::support::place::Place;
use crate::support::wait::{PATIENCE, until};

impl Place {
    fn ledger(&self) -> Ledger {
        Ledger::new(&self.server.url, &self.token).unwrap()
    }

    fn files(&self) -> usize {
        self.spool().read_dir().unwrap().count()
    }

    fn cancel(&self, id: &str) {
        self.client().append(&event("job.cancelled", id, json!({"reason": "wrong target"}))).expect(201);
    }

    /// Kills the server.
    fn stop(self) -> Stopped {
        let Place { dir, server, token } = self;
        let address = server.url.strip_prefix("http://").unwrap().to_owned();
        server.end("KILL");
        Stopped { dir, address, token }
    }
}

/// A place whose server was killed.
struct Stopped {
    dir: tempfile::TempDir,
    address: String,
    token: String,
}

impl Stopped {
    /// Starts the server again, at the same address.
    fn start(self) -> Place {
        let Stopped { dir, address, token } = self;
        let server = Serving::on(&dir.path().join("ledger"), &address);
        Place { dir, server, token }
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

fn task() -> NewJob {
    NewJob::new("task", json!({"job_type": "account_sync"}))
}

#[test]
fn a_whole_job_is_recorded_in_order() {
    let place = Place::new();
    let ledger = place.ledger().with_source("/sync").with_worker("host-7").with_spool(place.spool());
    let job = NewJob::new("generic", json!({"job_type": "account_sync"})).created_by("ada").label("ticket", "A-17");
    let job = ledger.create(job.lease_sec(20)).unwrap();
    let id = job.id().to_owned();
    assert_eq!(place.job(&id)["status"], "pending");
    job.start().unwrap();
    job.output("one").unwrap();
    job.output("two\n").unwrap();
    job.output_of(Stream::Stderr, "three").unwrap();
    job.item(Item::failed("hoop_ro", "no such role").detail(json!({"code": 7}))).unwrap();
    job.progress(Progress::records(3, 4).created(2).step("ada")).unwrap();
    job.note("checked by hand").unwrap();
    job.flush().unwrap();
    let shown = place.job(&id);
    assert_eq!(
        (&shown["status"], &shown["worker"], &shown["lease_sec"]),
        (&json!("running"), &json!("host-7"), &json!(20))
    );
    job.complete("all in").unwrap();
    let shown = place.job(&id);
    assert_eq!((&shown["status"], &shown["message"]), (&json!("completed"), &json!("all in")), "{shown}");
    assert_eq!((&shown["labels"]["ticket"], &shown["created_by"]), (&json!("A-17"), &json!("ada")));
    assert_eq!((&shown["records_processed"], &shown["records_created"]), (&json!(3), &json!(2)));
    assert_eq!(shown["items"][0]["detail"], json!({"code": 7}));
    let events = place.events(&id);
    let [output, item] = ["job.hook_output", "job.item_result"];
    let expected = ["job.created", "job.started", output, output, item, "job.progress", "job.noted", "job.completed"];
    assert_eq!(types(&events), expected);
    assert_eq!(events[2]["data"], json!({"output": "one\ntwo\n", "stream": "stdout"}));
    assert_eq!(events[3]["data"], json!({"output": "three\n", "stream": "stderr"}));
    assert!(events.iter().all(|event| event["source"] == "/sync"));
    assert_eq!(place.files(), 0, "the spool is empty");
}

#[test]
fn progress_is_thinned_out_and_the_last_one_goes() {
    let place = Place::new();
    let ledger = place.ledger().with_progress_rate(0.01);
    let job = ledger.create(task()).unwrap();
    let id = job.id().to_owned();
    for count in 1..=500 {
        job.progress(Progress::records(count, 500)).unwrap();
    }
    job.complete(None).unwrap();
    let events = place.events(&id);
    assert_eq!(types(&events), ["job.created", "job.started", "job.progress", "job.progress", "job.completed"]);
    let counts: Vec<&Value> = events[2..4].iter().map(|event| &event["data"]["records_processed"]).collect();
    assert_eq!(counts, [1, 500]);
    // At a higher rate the last one goes by itself.
    let job = place.ledger().with_progress_rate(20.0).create(task()).unwrap();
    (1..=50).for_each(|count| job.progress(Progress::records(count, 50)).unwrap());
    until("the last progress", || place.job(job.id())["records_processed"] == 50);
    assert!(place.events(job.id()).len() < 20);
    job.complete(None).unwrap();
}

#[test]
fn nothing_is_lost_or_doubled_when_the_server_is_killed() {
    let place = Place::new();
    let job = place.ledger().with_progress_rate(1000.0).create(task()).unwrap();
    let id = job.id().to_owned();
    let report = |numbers: std::ops::Range<u32>| {
        numbers.for_each(|number| job.item(Item::completed(number.to_string())).unwrap());
    };
    report(0..40);
    until("some reports are recorded", || place.events(&id).len() > 2);
    let stopped = place.stop();
    report(40..80);
    let place = stopped.start();
    report(80..120);
    job.complete(None).unwrap();
    let events = place.events(&id);
    let items: Vec<&str> = events.iter().filter_map(|event| event["data"]["item"].as_str()).collect();
    assert_eq!(items, (0..120).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!((types(&events)[0], *types(&events).last().unwrap()), ("job.created", "job.completed"));
}

#[test]
fn a_cancellation_reaches_the_work() {
    let place = Place::new();
    let job = place.ledger().create(task().lease_sec(3)).unwrap();
    let stop = job.cancellation();
    job.start().unwrap();
    job.flush().unwrap();
    assert_eq!((stop.is_cancelled(), stop.wait(Duration::ZERO)), (false, None));
    place.cancel(job.id());
    // The renewal of the lease learns of it; the job reports nothing.
    assert_eq!(stop.wait(PATIENCE), Some(Stop::Cancelled));
    let error = job.progress(Progress::percent(50)).unwrap_err();
    assert!(matches!(&error, Error::Cancelled(id) if id == job.id()), "{error}");
    let id = job.id().to_owned();
    assert!(matches!(job.complete(None), Err(Error::Cancelled(_))));
    assert_eq!(types(&place.events(&id)), ["job.created", "job.started", "job.cancelled"]);
}

#[test]
fn a_report_learns_of_a_cancellation_and_notes_are_kept() {
    let place = Place::new();
    let job = place.ledger().create(task().without_lease()).unwrap();
    let id = job.id().to_owned();
    job.start().unwrap();
    job.flush().unwrap();
    place.cancel(&id);
    job.note("before the answer").unwrap();
    // One of these may be refused at once, if the courier was faster.
    let _ = job.item(Item::completed("x"));
    let error = job.flush().unwrap_err();
    assert!(matches!(error, Error::Cancelled(_)), "{error}");
    assert_eq!(job.cancellation().stop(), Some(Stop::Cancelled));
    drop(job);
    assert_eq!(types(&place.events(&id)), ["job.created", "job.started", "job.cancelled", "job.noted"]);
}

#[test]
fn a_claimed_job_is_done_under_its_lease() {
    let place = Place::new();
    let planner = place.ledger();
    let wish = Claim::new("task").job_type("account_sync").label("site", "b").lease_sec(2).wait_sec(0);
    assert!(planner.claim(&wish).unwrap().is_none());
    for site in ["a", "b"] {
        // Nothing is reported on these, so they stay pending.
        drop(planner.create(task().id(site).label("site", site)).unwrap());
    }
    let job = place.ledger().with_worker("w").claim(&wish).unwrap().unwrap();
    assert_eq!((job.id(), job.kind(), &job.spec()["job_type"]), ("b", "task", &json!("account_sync")));
    // Longer than the lease: it is renewed meanwhile.
    assert_eq!(job.cancellation().wait(Duration::from_secs(4)), None);
    job.progress(Progress::percent(50)).unwrap();
    job.complete(None).unwrap();
    assert_eq!((&place.job("b")["status"], &place.job("b")["worker"]), (&json!("completed"), &json!("w")));
    assert_eq!(place.job("a")["status"], "pending");
    assert!(planner.claim(&wish).unwrap().is_none());
}

#[test]
fn a_lost_lease_stops_the_work_and_keeps_its_reports() {
    let place = Place::new();
    let line = Line::to(place.server.url.strip_prefix("http://").unwrap());
    let ledger = Ledger::new(&line.url, &place.token).unwrap().with_worker("w").with_spool(place.spool());
    let job = ledger.create(task().lease_sec(2)).unwrap();
    let id = job.id().to_owned();
    job.start().unwrap();
    job.flush().unwrap();
    line.cut(true);
    job.item(Item::completed("too late")).unwrap();
    until("the ledger ends the job", || place.job(&id)["status"] == "failed");
    assert_eq!(place.job(&id)["message"], "worker w was lost: no report for 2 s");
    assert_eq!(job.cancellation().stop(), None);
    line.cut(false);
    assert_eq!(job.cancellation().wait(PATIENCE), Some(Stop::LeaseLost));
    let error = job.progress(Progress::percent(50)).unwrap_err();
    assert!(matches!(&error, Error::LeaseLost(lost) if *lost == id), "{error}");
    assert!(matches!(job.complete(None), Err(Error::LeaseLost(_))));
    let late: Vec<PathBuf> = place.spool().read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    assert!(late.iter().all(|file| file.extension().is_some_and(|ending| ending == "late")), "{late:?}");
    assert!(std::fs::read_to_string(&late[0]).unwrap().contains("too late"));
}

#[test]
fn a_later_ledger_delivers_the_spool() {
    let place = Place::new();
    let (spool, url, token) = (place.spool(), place.server.url.clone(), place.token.clone());
    let stopped = place.stop();
    let offline = || Ledger::new(&url, &token).unwrap().with_spool(&spool).with_deadline(Duration::from_millis(300));
    let job = offline().create(task().id("offline")).unwrap();
    job.item(Item::completed("x")).unwrap();
    let error = job.complete(None).unwrap_err();
    let Error::Unavailable { waiting, spool: Some(file), .. } = &error else { panic!("{error}") };
    assert_eq!((*waiting, file.parent()), (4, Some(spool.as_path())), "{error}");
    assert!(matches!(offline().deliver(), Err(Error::Unavailable { .. })));
    let place = stopped.start();
    place.ledger().with_spool(&spool).deliver().unwrap();
    assert_eq!(types(&place.events("offline")), ["job.created", "job.started", "job.item_result", "job.completed"]);
    assert_eq!(place.files(), 0, "the spool is empty");
    place.ledger().with_spool(&spool).deliver().unwrap();
}

#[test]
fn a_job_without_a_spool_says_what_may_be_missing() {
    let place = Place::new();
    let job = place.ledger().with_deadline(Duration::from_millis(300)).create(task()).unwrap();
    let url = place.server.url.clone();
    let _stopped = place.stop();
    job.item(Item::completed("x")).unwrap();
    let error = job.flush().unwrap_err();
    assert!(error.to_string().starts_with(&format!("no answer from {url}: ")), "{error}");
    assert!(error.to_string().ends_with("reports that may be missing: 2; a spool would keep them"), "{error}");
    assert!(matches!(job.fail("gone"), Err(Error::Unavailable { spool: None, .. })));
}

#[test]
fn a_refused_report_is_left_out_and_told_once() {
    let place = Place::new();
    let job = place.ledger().create(task()).unwrap();
    let id = job.id().to_owned();
    job.start().unwrap();
    job.progress(Progress::percent(101)).unwrap();
    job.item(Item::completed("x")).unwrap();
    let error = job.flush().unwrap_err();
    let Error::Refused(refusal) = &error else { panic!("{error}") };
    assert_eq!((refusal.status, refusal.pointer.as_deref()), (422, Some("/data/progress")), "{error}");
    assert_eq!(refusal.event.as_deref(), Some("job.progress"));
    job.progress(Progress::percent(50)).unwrap();
    job.complete(None).unwrap();
    let expected = ["job.created", "job.started", "job.item_result", "job.progress", "job.completed"];
    assert_eq!(types(&place.events(&id)), expected);
    // A refusal that was not told yet fails the job.
    let job = place.ledger().create(task()).unwrap();
    let id = job.id().to_owned();
    job.item(Item::completed("")).unwrap();
    let error = job.complete(None).unwrap_err();
    assert!(error.to_string().starts_with("the ledger refused job.item_result, `/data/item`: "), "{error}");
    let shown = place.job(&id);
    assert_eq!((&shown["status"], &shown["message"]), (&json!("failed"), &json!(error.to_string())));
}

#[test]
fn a_refused_job_is_none() {
    let place = Place::new();
    let ledger = place.ledger().with_spool(place.spool());
    let Err(error) = ledger.create(NewJob::new("task", json!({}))) else { panic!("a task has a type") };
    assert!(error.to_string().contains("the ledger refused job.created, `/data/spec"), "{error}");
    assert_eq!(place.files(), 0);
    let stranger = Ledger::new(&place.server.url, "jl_no_such_token").unwrap();
    let Err(Error::Refused(refusal)) = stranger.create(task()) else { panic!("a token is needed") };
    assert_eq!(refusal.status, 401);
    for (url, token) in [("ftp://host", "jl_x"), ("host", "jl_x"), ("http://host", ""), ("http://host", "a b")] {
        assert!(matches!(Ledger::new(url, token), Err(Error::Setup(_))), "{url} {token}");
    }
}

#[test]
fn a_dropped_job_fails_if_it_was_started() {
    let place = Place::new();
    let job = place.ledger().create(task()).unwrap();
    let id = job.id().to_owned();
    job.progress(Progress::percent(7)).unwrap();
    drop(job);
    let shown = place.job(&id);
    assert_eq!((&shown["status"], &shown["progress"]), (&json!("failed"), &json!(7)));
    assert_eq!(shown["message"], "the worker dropped the job before its end");
    let job = place.ledger().create(task()).unwrap();
    let id = job.id().to_owned();
    let worker = std::thread::spawn(move || {
        job.start().unwrap();
        panic!("a test of a panic");
    });
    assert!(worker.join().is_err());
    assert_eq!(place.job(&id)["message"], "the worker panicked");
    let job = place.ledger().create(task()).unwrap();
    let id = job.id().to_owned();
    job.fail("no such host").unwrap();
    let failed = place.job(&id);
    assert_eq!((&failed["status"], &failed["message"]), (&json!("failed"), &json!("no such host")));
}
