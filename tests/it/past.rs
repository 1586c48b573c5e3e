//! Long histories: a read of the past folds a few events and not all, and a limited number of such reads run at once.

use jobledger::access::Role;
use jobledger::history::{self, fold_job, job_facts};
use jobledger::job::{Event, JobKey, OrgId, Position};
use jobledger::ledger::{Options, system_clock};
use jobledger::log::Reader;
use jobledger::model::JobModel;
use jobledger::sqlite::READ_ONLY;
use jobledger::views::EVENTS_PER_SNAPSHOT;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::cli::{cli, on};
use crate::support::redactions::{NAME, files_with, redacted};
use crate::support::{Client, TestServer, completed, event, noted, problem, result, started, task_job};

/// Many events of the job `a`: repeated results of items, sometimes of a new item, notes, steps, output. Events of the job `b` lie
/// between them.
fn life(events: u64) -> Vec<Value> {
    let mut life = vec![task_job("b"), task_job("a"), started("a")];
    while (life.len() as u64) < events {
        let n = life.len() as u64;
        life.push(match n % 8 {
            0 => noted("b", "between"),
            1 => noted("a", &n.to_string()),
            2 => event("job.hook_output", "a", json!({"output": "x"})),
            3 => event("job.progress", "a", json!({"current_step": n.to_string(), "message": format!("m{n}")})),
            4 => result("a", &format!("once-{n}"), "completed"),
            _ => event(
                "job.item_result",
                "a",
                json!({"item": format!("i{}", n % 7), "status": "running", "message": n.to_string()}),
            ),
        });
    }
    life.push(completed("a"));
    life
}

pub fn append_all(client: &Client, events: &[Value]) {
    for batch in events.chunks(700) {
        client.append(&json!(batch)).expect(201);
    }
}

/// Checks that `verify db` finds the views equal to a replay of the log, snapshots included. The only finding is the missing pin.
#[track_caller]
fn verified(server: &TestServer) {
    cli(["verify", "db"]).arg(server.path()).run().expect(7);
}

fn folded(client: &Client) -> u64 {
    let text = client.get("/metrics").expect(200).text();
    let name = "jobledger_past_events_folded_total ";
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
}

/// The job that the tests read.
pub fn key_of_a() -> JobKey {
    JobKey { org: OrgId::default(), id: "a".parse().unwrap() }
}

/// The job `a` at `position`, folded from the log alone, with the whole output of its hook.
pub fn by_the_log(log: &Reader<'_>, position: u64) -> String {
    let (key, upto) = (key_of_a(), Position::new(position));
    let job = fold_job(log, &key, None, upto).unwrap().unwrap();
    let mut output = String::new();
    job_facts(log, &key, Position::GENESIS, upto, |fact| {
        if let Event::HookOutput(chunk) = fact.event {
            output.push_str(chunk.output.as_deref().unwrap_or_default());
        }
        Ok::<_, history::Error>(())
    })
    .unwrap();
    serde_json::to_string(&JobModel::shown(&job, output)).unwrap()
}

#[test]
fn a_read_of_the_past_is_what_the_log_says_and_folds_few_events() {
    let mut server = TestServer::start();
    let admin = server.client(Role::Admin);
    let life = life(7 * EVENTS_PER_SNAPSHOT / 2);
    append_all(&admin, &life);
    let (conn, last) = (Reader::open(&server.path().join("log.db")).unwrap(), life.len() as u64);
    let log = Reader::new(&conn);
    for position in (2..=last).step_by(61).chain([last - 1, last]) {
        let before = folded(&admin);
        let then = admin.get(&format!("/ledger/jobs/a?as_of={position}")).expect(200);
        assert_eq!(then.line(), by_the_log(&log, position), "as of {position}");
        let work = folded(&admin) - before;
        assert!(work < EVENTS_PER_SNAPSHOT, "{work} events for {position}");
    }
    // A diff folds the events between its moments, and none before the first moment.
    let before = folded(&admin);
    admin.get(&format!("/ledger/jobs/a/diff?from={}", last - 10)).expect(200);
    assert!(folded(&admin) - before < EVENTS_PER_SNAPSHOT);
    drop(conn);
    // Views made anew have the same snapshots, wherever the batches ended.
    server.stop();
    verified(&server);
    let snapshots = || {
        let views = Connection::open_with_flags(server.path().join("views.db"), READ_ONLY).unwrap();
        let count = |table: &str| -> i64 {
            views.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
        };
        (count("snapshot"), count("snapshot_item"))
    };
    let live = snapshots();
    assert!(live.0 == 3 && live.1 > 3, "{live:?}");
    on(server.path(), "rebuild", &[]).expect(0);
    assert_eq!(snapshots(), live);
    verified(&server);
}

#[test]
fn redacted_data_is_in_no_snapshot() {
    let mut server = TestServer::start();
    let admin = server.client(Role::Admin);
    let mut life = life(3 * EVENTS_PER_SNAPSHOT);
    let told = [
        (450, event("job.item_result", "a", json!({"item": "who", "status": "running", "message": NAME}))),
        (480, noted("a", NAME)),
        (560, event("job.progress", "a", json!({"current_step": NAME, "message": NAME}))),
    ];
    for (at, event) in &told {
        life[*at] = event.clone();
    }
    life[900] = result("a", "who", "completed");
    // Until after the snapshot the newest message is the redacted one.
    for event in &mut life[561..580] {
        *event = noted("a", "quiet");
    }
    append_all(&admin, &life);
    let last = admin.head();
    let moments: Vec<u64> = (440..last).step_by(25).collect();
    let reads = || -> Vec<Value> {
        moments.iter().map(|at| admin.get(&format!("/ledger/jobs/a?as_of={at}")).expect(200).json()).collect()
    };
    let before = reads();
    let views = Connection::open_with_flags(server.path().join("views.db"), READ_ONLY).unwrap();
    for sql in [
        format!("SELECT count(*) FROM snapshot WHERE message = '{NAME}' AND current_step = '{NAME}'"),
        format!("SELECT count(*) FROM snapshot_item WHERE message = '{NAME}'"),
    ] {
        assert_eq!(views.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap(), 1, "{sql}");
    }
    drop(views);
    let redactions: Vec<Value> = told.iter().map(|(at, _)| redacted("a", *at as u64 + 1)).collect();
    admin.append(&json!(redactions)).expect(201);
    assert!(files_with(server.path(), NAME).is_empty());
    for (before, after) in before.iter().zip(reads()) {
        assert_eq!(before.to_string().replace(NAME, "[redacted]"), after.to_string());
    }
    let folded_before = folded(&admin);
    admin.get(&format!("/ledger/jobs/a?as_of={}", last - 1)).expect(200);
    assert!(folded(&admin) - folded_before < EVENTS_PER_SNAPSHOT, "the snapshots are there again");
    server.stop();
    verified(&server);
}

#[test]
fn reads_of_the_past_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    // No turn ever comes.
    let server = TestServer::open(dir.path(), Options { turns: 0, clock: system_clock(), ..Options::default() });
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), started("a")])).expect(201);
    let reads = [
        "/ledger/jobs/a?as_of=1",
        "/ledger/jobs/a/output?as_of=1",
        "/ledger/jobs/a/diff?from=1",
        "/api/v1/jobs/a?as_of=1",
        "/api/v1/jobs/a/progress?as_of=1",
    ];
    std::thread::scope(|scope| {
        for path in reads {
            let admin = &admin;
            scope.spawn(move || {
                let refused = admin.get(path).expect(503);
                assert_eq!(refused.header("retry-after"), "1");
                if path.starts_with("/ledger") {
                    problem(refused, 503, "reads-busy");
                }
            });
        }
    });
    let metrics = admin.get("/metrics").expect(200).text();
    for line in ["held{limit=\"histories\"} 0", "most{limit=\"histories\"} 0", "refusals_total{limit=\"histories\"} 5"]
    {
        assert!(metrics.lines().any(|found| found == format!("jobledger_limit_{line}")), "{line}: {metrics}");
    }
    for path in ["/ledger/jobs/a", "/api/v1/jobs/a", "/ledger/jobs/a/output"] {
        admin.get(path).expect(200);
    }
}
