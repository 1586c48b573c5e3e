//! Caches change no answer. While writers append and the views are rebuilt, each answer has the same bytes as the log alone
//! gives for the position that the answer names, and that position is no older than any position answered before.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;

use jobledger::access::Role;
use jobledger::cache::job_weight;
use jobledger::mask::Mask;
use jobledger::wire;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::given::given;
use crate::rebuilds::{JOBS, reported};
use crate::support::answers::{SINGLE_READS, admin_of};
use crate::support::{
    Answer, Client, HandClock, ROLE_JOB, TestServer, event, noted, output, processed, started, task_job,
};

/// A client, and the newest position in any answer so far.
struct Told<'a> {
    client: &'a Client,
    newest: &'a AtomicU64,
}

impl Told<'_> {
    fn append(&self, event: &Value) {
        let answer = self.client.append(event);
        if answer.status == 201 {
            self.newest.fetch_max(answer.json()["position"].as_u64().unwrap(), Ordering::SeqCst);
        }
    }

    /// Reads `path`. Returns the answer with the position that it names; an answer without a position comes with the oldest position
    /// that it may show.
    fn read(&self, path: &str) -> (Answer, u64) {
        let before = self.newest.load(Ordering::SeqCst);
        let answer = self.client.get(path);
        let Ok(shown) = answer.header("ledger-position").parse() else { return (answer, before) };
        assert!(shown >= before, "{path} showed {shown} after {before} was answered");
        self.newest.fetch_max(shown, Ordering::SeqCst);
        (answer, shown)
    }

    fn as_of(&self, path: &str, position: u64) -> Answer {
        self.client.get(&format!("{path}?as_of={position}"))
    }

    fn read_a_job(&self, path: &str) {
        let (answer, position) = self.read(path);
        let then = self.as_of(path, position);
        assert_eq!((answer.status, answer.text()), (then.status, then.text()), "{path} at {position}");
    }

    /// Reads in several threads until all `writers` are done, and rebuilds the views again and again if `rebuilds`.
    fn read_beside(&self, writers: &[ScopedJoinHandle<'_, ()>], rebuilds: bool) {
        let mut reads: Vec<fn(&Self)> =
            vec![Self::read_the_list, Self::read_the_running, Self::read_the_jobs, Self::read_the_jobs];
        if rebuilds {
            reads.push(Self::rebuild_the_views);
        }
        std::thread::scope(|readers| {
            for read in reads {
                readers.spawn(move || self.repeat_beside(writers, read));
            }
        });
    }

    fn repeat_beside(&self, writers: &[ScopedJoinHandle<'_, ()>], read: fn(&Self)) {
        while writers.iter().any(|writer| !writer.is_finished()) {
            read(self);
        }
    }

    fn rebuild_the_views(&self) {
        drop(self.client.send(Method::POST, "/ledger/rebuild", &[], b""));
    }

    fn read_the_jobs(&self) {
        for job in JOBS {
            SINGLE_READS.iter().for_each(|path| self.read_a_job(&path.replace("{}", job)));
        }
    }

    fn read_the_running(&self) {
        let (answer, position) = self.read("/api/v1/jobs/running");
        let listed = answer.expect(200).json()["jobs"].as_array().unwrap().clone();
        let mut running = Vec::new();
        for id in JOBS {
            let then = self.as_of(&format!("/api/v1/jobs/{id}"), position);
            if then.status == 200 && then.json()["status"] == "running" {
                let job = then.json();
                let row = ["id", "job_type", "status", "progress", "start_time"]
                    .map(|name| (name.to_owned(), job[name].clone()));
                running.push(Value::Object(row.into_iter().collect()));
            }
        }
        let by_id = |row: &Value| row["id"].as_str().unwrap().to_owned();
        let sorted = |mut rows: Vec<Value>| {
            rows.sort_by_key(by_id);
            rows
        };
        assert_eq!(sorted(listed), sorted(running), "at {position}");
    }

    fn read_the_list(&self) {
        let (answer, position) = self.read("/ledger/jobs");
        let mut listed = BTreeSet::new();
        for entry in answer.expect(200).json()["jobs"].as_array().unwrap() {
            let id = entry["id"].as_str().unwrap();
            let job = self.as_of(&format!("/ledger/jobs/{id}"), position).expect(200).json();
            for (name, value) in entry.as_object().unwrap() {
                assert_eq!(*value, job[name], "{name} of {id} at {position}");
            }
            listed.insert(id.to_owned());
        }
        let there = JOBS.iter().filter(|id| self.as_of(&format!("/ledger/jobs/{id}"), position).status == 200);
        assert_eq!(listed, there.map(|id| (*id).to_owned()).collect(), "at {position}");
    }
}

#[test]
fn cached_answers_are_those_of_the_log_while_writers_append() {
    compare_all_reads(false);
}

#[test]
fn cached_answers_are_those_of_the_log_while_the_views_are_rebuilt() {
    compare_all_reads(true);
}

fn compare_all_reads(rebuilds: bool) {
    let config = Config { cases: 3, failure_persistence: None, ..Config::default() };
    let events = || prop::collection::vec(reported(), 60..80);
    let compared = TestRunner::new(config).run(&(events(), events()), |(ours, theirs)| {
        compare_beside_two_writers(&ours, &theirs, rebuilds);
        Ok(())
    });
    compared.unwrap();
}

/// Two writers append at once while readers compare each answer with the log's; then the readers compare once more.
fn compare_beside_two_writers(ours: &[Value], theirs: &[Value], rebuilds: bool) {
    // The clock stands still, because `elapsed_ms` of a running job is part of the answers.
    let server = TestServer::start_with(HandClock::new().clock());
    let (client, newest) = (server.client(Role::Admin), AtomicU64::new(0));
    let told = Told { client: &client, newest: &newest };
    std::thread::scope(|scope| {
        let writers = [ours, theirs].map(|events| scope.spawn(|| events.iter().for_each(|event| told.append(event))));
        told.read_beside(&writers, rebuilds);
    });
    // Two more rounds without writers: the caches give nearly all answers of the second round.
    for _ in 0..2 {
        told.read_the_list();
        told.read_the_running();
        told.read_the_jobs();
    }
}

/// The events of the log, byte for byte, from an export, which no cache serves.
fn exported(client: &Client, query: &str) -> Vec<String> {
    let answer = client.get_with(&format!("/ledger/events{query}"), &[("accept", "application/x-ndjson")]);
    answer.expect(200).text().lines().map(str::to_owned).collect()
}

/// The page that the lines of an export give, without the `first` lines before the page.
fn page_of(lines: &[String], shown: usize, first: usize, head: u64) -> String {
    let page = &lines[first.min(lines.len())..(first + shown).min(lines.len())];
    let position =
        |line: &String| serde_json::from_str::<Value>(line).unwrap()["position"].as_str().unwrap().to_owned();
    let last = page.last().filter(|_| page.len() == shown).map(position).filter(|last| *last != head.to_string());
    let next = last.unwrap_or_else(|| "null".into());
    format!("{{\"events\":[{}],\"next\":{next},\"head\":{head}}}", page.join(","))
}

#[test]
fn a_cached_page_of_events_is_the_page_that_the_log_gives() {
    let server = TestServer::start();
    let (admin, auditor) = (server.client(Role::Admin), server.client(Role::Auditor));
    let other = admin_of(&server, "0195b3a0-0000-7000-8000-000000000001");
    for n in 0..60 {
        let mine = [task_job(&format!("a-{n}")), noted(&format!("a-{n}"), "é \" \\ ,\"datadigest\":\"")];
        admin.append(&json!(mine)).expect(201);
        other.append(&task_job(&format!("b-{n}"))).expect(201);
        if n == 40 {
            // Too large for a sheet.
            admin.append(&json!([started("a-0"), output("a-0", &"x".repeat(300_000))])).expect(201);
        }
    }
    let head = admin.head();
    for client in [&admin, &auditor, &other] {
        let lines = exported(client, "");
        // Each page twice: a cache serves the second.
        for after in (0..=head + 1).step_by(7).flat_map(|after| [after, after]) {
            let before = lines.len() - exported(client, &format!("?after={after}")).len();
            for limit in [1, 50, 100, 101] {
                let answer = client.get(&format!("/ledger/events?after={after}&limit={limit}")).expect(200);
                assert_eq!(answer.header("ledger-position"), head.to_string());
                assert_eq!(answer.line(), page_of(&lines, limit, before, head), "{limit} after {after}");
            }
        }
    }
}

#[test]
fn a_reader_of_pages_misses_nothing_while_others_append() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), started("a")])).expect(201);
    let expected: Vec<Value> = (1..=301).map(|n| json!(n.to_string())).collect();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (1..300).for_each(|n| drop(admin.append(&processed("a", n)).expect(201))));
        let (writer, admin, expected) = (&writer, &admin, &expected);
        std::thread::scope(|scope| {
            for limit in [7, 32, 50] {
                scope.spawn(move || assert_eq!(positions_by(limit, admin, || writer.is_finished()), *expected));
            }
        });
    });
}

/// Reads the log page by page until it ends and `done` says that nothing comes any more.
fn positions_by(limit: usize, client: &Client, done: impl Fn() -> bool) -> Vec<Value> {
    let (mut read, mut after, mut head) = (Vec::new(), 0, 0);
    loop {
        let last = done();
        let page = client.get(&format!("/ledger/events?after={after}&limit={limit}")).expect(200).json();
        assert!(page["head"].as_u64().unwrap() >= head, "the head never falls");
        head = page["head"].as_u64().unwrap();
        read.extend(page["events"].as_array().unwrap().iter().map(|event| event["position"].clone()));
        after = page["next"].as_u64().unwrap_or(head);
        if last && after == head {
            return read;
        }
    }
}

/// A cache is bounded by the weight of its jobs, so no producer decides how much memory the ledger takes.
#[test]
fn a_job_weighs_at_least_as_much_as_its_data() {
    let long = "x".repeat(16_000);
    let tags: Vec<Value> = (0..500).map(|n| json!({"key": format!("key-{n}"), "value": long})).collect();
    let spec = json!({"db_arn": "arn:db", "db_engine": "postgres", "db_tags": tags});
    let info = json!({"secrets_manager_provider": "vault", "secret_id": long, "secret_keys": vec!["K"; 1000]});
    let result = |item: &str| {
        let data = json!({"item": item, "status": "running", "message": long, "detail": {"credentials_info": info}});
        event("job.item_result", ROLE_JOB, data)
    };
    let mut events = vec![event("job.created", ROLE_JOB, json!({"kind": "dbrole", "spec": spec})), started(ROLE_JOB)];
    events.extend((0..50).map(|n| result(&format!("role-{n}"))));
    events.extend((0..50).map(|_| noted(ROLE_JOB, &long)));
    let events = events.iter().map(|event| wire::single(event.to_string().as_bytes(), &Mask::default()).unwrap());
    let (mut bytes, mut happened) = (0, Vec::new());
    for event in events {
        bytes += event.data.len();
        happened.push(event.event);
    }
    assert!(bytes > 9_000_000);
    assert!(job_weight(&given(happened).job()) > bytes);
}
