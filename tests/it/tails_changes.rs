//! `/ledger/jobs/{id}`, live: the whole job once, then the members that change, then `closed`. A client that applies every message has
//! the job.

use std::time::Instant;

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::watching::JobClient;
use crate::support::{
    Client, Frame, ROLE_JOB, Stream, TestServer, completed, event, noted, output, processed, result, role_job,
    rule_job, started, task_job,
};

/// Opens a live read of a job and reads its snapshot.
fn watch(client: &Client, job: &str) -> (JobClient, Stream) {
    let mut stream = client.tail(&format!("/ledger/jobs/{job}"), &[]);
    let mut shown = JobClient::default();
    assert_eq!(shown.read(&mut stream).event, "snapshot");
    (shown, stream)
}

/// The job as of the position that the client shows.
fn as_of(client: &Client, job: &str, shown: &JobClient) -> Value {
    client.get(&format!("/ledger/jobs/{job}?as_of={}", shown.job["position"])).expect(200).json()
}

/// The members of a message besides `last_event_at`, which each message has.
fn told(frame: &Frame) -> Value {
    let mut told = frame.json();
    assert!(told.as_object_mut().unwrap().remove("last_event_at").unwrap().is_string());
    told
}

/// The names of these members.
fn members(frame: &Frame) -> Vec<String> {
    let mut names: Vec<String> = told(frame).as_object().unwrap().keys().cloned().collect();
    names.sort();
    names
}

#[test]
fn a_live_job_sends_itself_once_and_then_only_what_changed() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&task_job("a")).expect(201);
    let (mut shown, mut stream) = watch(&admin, "a");
    assert_eq!(shown.job, admin.get("/ledger/jobs/a").expect(200).json());
    let mut changes = |change: Value| {
        admin.append(&change).expect(201);
        let frame = shown.read(&mut stream);
        assert_eq!(frame.event, "changed");
        assert_eq!(shown.job, admin.get("/ledger/jobs/a").expect(200).json());
        frame
    };
    let frame = changes(started("a"));
    assert_eq!((frame.id, members(&frame)), (Some(2), ["position", "started_at", "status"].map(str::to_owned).into()));
    let frame = changes(processed("a", 5));
    assert_eq!(told(&frame), json!({"records_processed": 5, "position": 3}));
    let frame = changes(result("a", "one", "running"));
    assert_eq!(members(&frame), ["items", "position"]);
    let frame =
        changes(json!([result("a", "two", "running"), result("a", "one", "failed"), result("a", "two", "failed")]));
    let items = frame.json()["items"].clone();
    assert_eq!([&items[0]["item"], &items[1]["item"], &items[1]["status"]], ["two", "one", "failed"]);
    let frame = changes(json!([output("a", "é"), output("a", "x\n")]));
    let hook = json!({"output": "", "exit_code": null, "execution_time_sec": null});
    let added = json!({"offset": 0, "text": "éx\n"});
    assert_eq!(told(&frame), json!({"hook": hook, "output": added, "position": 9}));
    let exit = json!({"output": "end", "exit_code": 0, "execution_time_sec": 5});
    let frame = changes(event("job.hook_output", "a", exit));
    let hook = json!({"exit_code": 0, "execution_time_sec": 5});
    assert_eq!(told(&frame), json!({"hook": hook, "output": {"offset": 4, "text": "end"}, "position": 10}));
    let frame = changes(noted("a", "hm"));
    assert_eq!(
        (members(&frame), frame.json()["notes"][0]["text"].as_str()),
        (vec!["notes".into(), "position".into()], Some("hm"))
    );
    changes(event("job.cancelled", "a", json!({"reason": "enough"})));
    let closed = stream.event();
    assert_eq!((closed.event.as_str(), closed.id, closed.json()), ("closed", Some(12), json!({"position": 12})));
    assert_eq!(stream.next(), None);
}

#[test]
fn a_change_of_a_large_job_costs_the_change() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let names: Vec<String> = (0..3000).map(|n| format!("action-{n}")).collect();
    admin
        .append(&json!([rule_job("a", &names.iter().map(String::as_str).collect::<Vec<_>>()), started("a")]))
        .expect(201);
    admin.append(&json!([(); 3].map(|()| output("a", &"line\n".repeat(60_000))))).expect(201);
    let (mut shown, mut stream) = watch(&admin, "a");
    for change in [result("a", "action-7", "completed"), output("a", "more\n"), noted("a", "hm")] {
        admin.append(&change).expect(201);
        let frame = shown.read(&mut stream);
        assert!(frame.event == "changed" && frame.data.len() < 500, "{} {}", frame.event, frame.data);
    }
    assert_eq!(shown.job, admin.get("/ledger/jobs/a").expect(200).json());
}

#[test]
fn output_beyond_what_a_job_shows_is_not_sent() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), started("a")])).expect(201);
    let (mut shown, mut stream) = watch(&admin, "a");
    // The last character that begins below 1 MiB ends beyond it.
    for some in ["x".repeat(1_000_001), "€".repeat(20_000), "y".into()] {
        admin.append(&output("a", &some)).expect(201);
        shown.read(&mut stream);
        assert_eq!(shown.job, admin.get("/ledger/jobs/a").expect(200).json());
    }
    assert_eq!(shown.job["hook"]["output"].as_str().unwrap().len(), (1 << 20) - 2);
    admin.append(&json!([output("a", "more"), completed("a")])).expect(201);
    assert!(!members(&shown.read(&mut stream)).contains(&"output".to_owned()));
}

#[test]
fn the_newest_notes_are_sent_with_the_number_of_the_others() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), started("a")])).expect(201);
    let (mut shown, mut stream) = watch(&admin, "a");
    // The job becomes a large one.
    for notes in [0..99, 99..100, 100..101, 101..130] {
        let notes: Vec<Value> = notes.map(|n| noted("a", &format!("{n} {}", "x".repeat(1000)))).collect();
        admin.append(&json!(notes)).expect(201);
        shown.read(&mut stream);
        assert_eq!(shown.job, admin.get("/ledger/jobs/a").expect(200).json());
    }
    assert_eq!(shown.job["notes_left_out"], 30);
}

#[test]
fn a_job_that_changed_too_much_for_a_message_is_sent_whole() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), started("a")])).expect(201);
    let (mut shown, mut stream) = watch(&admin, "a");
    admin.append(&json!([(); 4].map(|()| output("a", &"x".repeat(1 << 20))))).expect(201);
    assert_eq!(shown.read(&mut stream).event, "snapshot");
    assert_eq!(shown.job, admin.get("/ledger/jobs/a").expect(200).json());
    admin.append(&processed("a", 1)).expect(201);
    assert_eq!(shown.read(&mut stream).event, "changed");
    // More events than one message takes come in commits of at most 1000.
    let many: Vec<Value> = (0..1000).map(|n| processed("a", n + 1)).collect();
    admin.append(&json!(many)).expect(201);
    admin.append(&completed("a")).expect(201);
    let frames = stream.rest();
    let (closed, changes) = frames.split_last().unwrap();
    changes.iter().for_each(|frame| shown.take(frame));
    assert_eq!((closed.event.as_str(), closed.id), ("closed", Some(1008)));
    assert_eq!(shown.job, admin.get("/ledger/jobs/a").expect(200).json());
}

#[test]
fn data_that_was_redacted_is_redacted_in_the_last_message() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), started("a")])).expect(201);
    let (mut shown, mut stream) = watch(&admin, "a");
    let redacted = event("job.redacted", "a", json!({"position": 3, "reason": "a name"}));
    admin.append(&json!([output("a", "Jane Doe"), completed("a"), redacted])).expect(201);
    let frame = shown.read(&mut stream);
    assert_eq!(frame.event, "snapshot");
    assert!(!frame.data.contains("Jane"), "{}", frame.data);
    assert_eq!(shown.job, admin.get("/ledger/jobs/a").expect(200).json());
    assert_eq!(stream.event().event, "closed");
}

#[test]
fn at_most_five_messages_a_second_for_each_of_many_watchers() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), started("a")])).expect(201);
    let began = Instant::now();
    let mut watchers: Vec<_> = (0..8).map(|_| watch(&admin, "a")).collect();
    for n in 1..=300 {
        admin.append(&processed("a", n)).expect(201);
        if n % 60 == 0 {
            watchers.push(watch(&admin, "a"));
        }
    }
    admin.append(&completed("a")).expect(201);
    for (mut shown, stream) in watchers {
        let frames = stream.rest();
        let took = began.elapsed();
        let (closed, changes) = frames.split_last().unwrap();
        assert!((changes.len() as u128 - 1) * 200 <= took.as_millis(), "{} messages in {took:?}", changes.len());
        assert!(changes.is_sorted_by(|one, next| one.id < next.id));
        changes.iter().for_each(|frame| shown.take(frame));
        assert_eq!(
            (shown.job["records_processed"].as_u64(), shown.job["status"].as_str()),
            (Some(300), Some("completed"))
        );
        assert_eq!((closed.event.as_str(), closed.id), ("closed", Some(303)));
    }
}

#[test]
fn a_value_that_comes_back_reaches_a_watcher_that_came_in_between() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let progress = |percent: u64| event("job.progress", "a", json!({"progress": percent}));
    admin.append(&json!([task_job("a"), started("a")])).expect(201);
    let (mut first, mut stream) = watch(&admin, "a");
    // A message follows another one after a pause, and the second watcher begins in this pause.
    admin.append(&noted("a", "hm")).expect(201);
    first.read(&mut stream);
    admin.append(&progress(32)).expect(201);
    let second = watch(&admin, "a");
    admin.append(&progress(0)).expect(201);
    let now = admin.get("/ledger/jobs/a").expect(200).json();
    for (mut shown, mut stream) in [(first, stream), second] {
        while shown.job["position"] != now["position"] {
            shown.read(&mut stream);
        }
        assert_eq!(shown.job, now);
    }
}

/// A random event of the job.
fn something(random: &mut fastrand::Rng, job: &str, kind: &str) -> Value {
    let item = match kind {
        "dbrole" => random.choice(["hoop_ro", "hoop_rw", "hoop_ddl"]),
        _ => random.choice(["one", "two", "three"]),
    };
    let text = random.choice(["", "a", "é€😀\n", "line\r\n"]).unwrap().repeat(random.usize(1..40));
    match random.u32(0..9) {
        0 => event("job.progress", job, json!({"message": text, "progress": random.u32(0..=100)})),
        1 => event("job.progress", job, json!({"current_step": format!("step {}", random.u32(0..9))})),
        2 => processed(job, random.u64(0..100)),
        3 | 4 => {
            let status = random.choice(["running", "completed", "failed"]);
            event("job.item_result", job, json!({"item": item, "status": status, "message": text}))
        }
        5 | 6 => output(job, &text),
        7 if random.u32(0..9) == 0 => {
            event("job.hook_output", job, json!({"output": text, "exit_code": 3, "execution_time_sec": 1}))
        }
        _ => noted(job, &format!("note {text}")),
    }
}

/// Records a random history of a job, with watchers that come at random moments.
fn history(admin: &Client, job: &str, kind: &str, seed: u64) {
    let random = &mut fastrand::Rng::with_seed(seed);
    let created = match kind {
        "dbrole" => role_job(job),
        "rule" => rule_job(job, &["one", "two", "three"]),
        _ => task_job(job),
    };
    admin.append(&created).expect(201);
    let mut watchers = vec![watch(admin, job)];
    admin.append(&started(job)).expect(201);
    for _ in 0..14 {
        for _ in 0..random.usize(1..7) {
            let status = admin.append(&something(random, job, kind)).status;
            assert!([201, 409, 422].contains(&status), "{status}");
        }
        // Each message gives the job as of its position, whichever message a watcher began with.
        let some = random.usize(0..watchers.len());
        let (shown, stream) = &mut watchers[some];
        if shown.job["position"].as_u64() < admin.get(&format!("/ledger/jobs/{job}")).json()["position"].as_u64() {
            shown.read(stream);
            assert_eq!(shown.job, as_of(admin, job, shown), "seed {seed}");
        }
        if watchers.len() < 4 {
            watchers.push(watch(admin, job));
        }
    }
    admin.append(&event("job.failed", job, json!({"message": "the end"}))).expect(201);
    let whole = admin.get(&format!("/ledger/jobs/{job}")).expect(200).json();
    for (mut shown, stream) in watchers {
        let frames = stream.rest();
        let (closed, changes) = frames.split_last().unwrap();
        for frame in changes {
            shown.take(frame);
            assert_eq!(shown.job, as_of(admin, job, &shown), "seed {seed}");
        }
        assert_eq!((closed.event.as_str(), &shown.job), ("closed", &whole), "seed {seed}");
    }
}

#[test]
fn every_message_gives_the_job_as_of_its_position() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let seed = fastrand::u64(..);
    println!("the seed is {seed}");
    std::thread::scope(|scope| {
        for (job, kind) in [("a", "task"), ("b", "rule"), (ROLE_JOB, "dbrole")] {
            let admin = &admin;
            scope.spawn(move || history(admin, job, kind, seed));
        }
    });
}
