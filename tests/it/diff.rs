//! Diffs of a job between two moments: the fields that differ, their values, and the events that changed them.

use std::collections::BTreeSet;

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::cli::{cli, on};
use crate::support::exports::{exported, small_ledger};
use crate::support::{
    Client, HandClock, TestServer, completed, event, nil, noted, output, processed, result, role_job, rule_job,
    started, task_job, with,
};

const ROLES: &str = "67d7d053-3caf-430e-97ba-6d4933d3fd5b";
const SECOND: i64 = 1_000_000;

/// The events of a job of each kind, interleaved.
fn lives() -> Vec<Value> {
    let labelled = json!({"kind": "task", "spec": {"job_type": "full_sync"}, "labels": {"ticket/a": "AC-1"}});
    let detail = json!({"credentials_info": {"secrets_manager_provider": "vault", "secret_id": "a", "secret_keys": ["K", "L", "M"]}});
    // A later result replaces the earlier one. Members that the later one lacks are gone.
    let less = json!({"credentials_info": {"secrets_manager_provider": "database", "secret_keys": ["L"]}});
    vec![
        role_job(ROLES),
        event("job.created", "task", labelled),
        started(ROLES),
        rule_job("rule", &["one", "two"]),
        result(ROLES, "ro", "running"),
        event("job.started", "task", json!({"total_records": 10, "message": "go"})),
        started("rule"),
        output(ROLES, "first\n"),
        processed("task", 4),
        result("rule", "two", "completed"),
        noted("task", "a remark"),
        event("job.item_result", ROLES, json!({"item": "ro", "status": "completed", "detail": detail})),
        event("job.progress", "task", json!({"message": "go on", "current_step": "second"})),
        event("job.hook_output", ROLES, json!({"output": "end", "exit_code": 1, "execution_time_sec": 3})),
        result(ROLES, "rw", "failed"),
        event("job.item_result", ROLES, json!({"item": "ro", "status": "completed", "detail": less})),
        result(ROLES, "ro", "completed"),
        event("job.progress", "task", json!({"message": "go"})),
        completed(ROLES),
        event("job.cancelled", "task", json!({"reason": "enough"})),
        event("job.failed", "rule", json!({"message": "one of two"})),
        noted(ROLES, "after the end"),
    ]
}

fn diff(client: &Client, job: &str, query: &str) -> Value {
    client.get(&format!("/ledger/jobs/{job}/diff?{query}")).expect(200).json()
}

/// The value at `pointer`; null if there is none.
fn at<'v>(model: &'v Value, pointer: &str) -> &'v Value {
    model.pointer(pointer).unwrap_or(&Value::Null)
}

/// The innermost fields of a model, and empty lists and objects.
fn fields(pointer: &str, model: &Value, found: &mut Vec<String>) {
    match model {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                fields(&format!("{pointer}/{name}"), value, found);
            }
        }
        Value::Array(values) if !values.is_empty() => {
            values.iter().enumerate().for_each(|(n, value)| fields(&format!("{pointer}/{n}"), value, found));
        }
        _ => found.push(pointer.to_owned()),
    }
}

/// Whether there is something at `pointer` to tell of.
fn is_empty(value: &Value) -> bool {
    value.is_null() || *value == json!([]) || *value == json!({})
}

#[test]
fn a_diff_is_the_exact_difference_of_the_reads_of_both_moments() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    lives().iter().for_each(|event| drop(worker.append(event).expect(201)));
    let head = worker.head();
    let mut told = 0;
    for job in [ROLES, "task", "rule"] {
        let read = |position: u64| match worker.get(&format!("/ledger/jobs/{job}?as_of={position}")) {
            answer if answer.status == 404 => Value::Null,
            answer => answer.expect(200).json(),
        };
        let models: Vec<Value> = (0..=head).map(read).collect();
        for (from, to) in (0..=head).flat_map(|from| (from..=head).map(move |to| (from, to))) {
            let (before, after) = (&models[from as usize], &models[to as usize]);
            let query = format!("from={from}&to={to}");
            if after.is_null() {
                worker.get(&format!("/ledger/jobs/{job}/diff?{query}")).expect(404);
                continue;
            }
            let diff = diff(&worker, job, &query);
            assert_eq!(
                (&diff["job"], &diff["from"]["position"], &diff["to"]["position"]),
                (&json!(job), &json!(from), &json!(to))
            );
            let changes = diff["changes"].as_array().unwrap();
            for change in changes {
                let pointer = change["pointer"].as_str().unwrap();
                assert_eq!(
                    (&change["from"], &change["to"]),
                    (at(before, pointer), at(after, pointer)),
                    "{query} {pointer}"
                );
                assert_ne!(change["from"], change["to"]);
                // The actor of a change is the actor of the event between two reads that differ.
                let by = (from + 1..=to)
                    .filter(|n| at(&models[*n as usize - 1], pointer) != at(&models[*n as usize], pointer));
                let by: Vec<u64> = by.collect();
                let named: Vec<u64> =
                    change["by"].as_array().unwrap().iter().map(|by| by["position"].as_u64().unwrap()).collect();
                assert_eq!(named, by, "{query} {pointer}");
                told += 1;
            }
            let mut innermost = Vec::new();
            fields("", after, &mut innermost);
            let mut gone = Vec::new();
            fields("", before, &mut gone);
            innermost.extend(gone.into_iter().filter(|field| !is_empty(at(before, field))));
            for field in innermost
                .iter()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .filter(|field| !["/position", "/last_event_at"].contains(&field.as_str()))
            {
                let differs =
                    at(before, field) != at(after, field) && !(before.is_null() && is_empty(at(after, field)));
                let named = changes.iter().filter(|change| {
                    let pointer = change["pointer"].as_str().unwrap();
                    *field == pointer || field.starts_with(&format!("{pointer}/"))
                });
                let expected = usize::from(differs || named.clone().any(|change| change["pointer"] != **field));
                assert_eq!(named.count(), expected, "{query} {field}");
            }
        }
    }
    assert!(told > 1000, "{told}");
}

#[test]
fn a_diff_names_the_actor_and_the_time_of_each_change() {
    let clock = HandClock::new();
    let server = TestServer::start_with(clock.clock());
    let ann = Client::new(&server.url, Some(&server.token("ann", Role::Worker, nil())));
    let bob = Client::new(&server.url, Some(&server.token("bob", Role::Admin, nil())));
    ann.append(&json!([rule_job("r", &["one", "two"]), started("r")])).expect(201);
    clock.pass(SECOND);
    ann.append(&with(result("r", "two", "running"), "time", json!("2025-03-01T12:00:00.5Z"))).expect(201);
    clock.pass(SECOND);
    bob.append(&result("r", "two", "completed")).expect(201);
    clock.pass(SECOND);
    let act = |position: u64, actor: &str, time: &str| json!({"position": position, "type": "job.item_result", "actor": actor, "time": time});
    let both = [act(3, "ann", "2025-03-01T12:00:00.500Z"), act(4, "bob", "2025-03-01T12:00:02Z")];
    let expected = |then: &str| {
        json!({
            "job": "r",
            "from": {"position": 2, "time": "2025-03-01T12:00:00Z"},
            "to": {"position": 4, "time": then},
            "changes": [
                {"pointer": "/items/1/at", "item": "two", "from": null, "to": "2025-03-01T12:00:02Z", "by": both},
                {"pointer": "/items/1/status", "item": "two", "from": "pending", "to": "completed", "by": both},
            ],
        })
    };
    for query in ["from=2", "from=2025-03-01T12:00:00Z", "from=2&to=4", "from=2&min_position=4"] {
        assert_eq!(diff(&ann, "r", query), expected("2025-03-01T12:00:02Z"), "{query}");
    }
    let later = "2025-03-01T12:00:03Z";
    assert_eq!(diff(&ann, "r", &format!("from=2&to={later}")), expected(later));
    let answer = ann.get("/ledger/jobs/r/diff?from=2025-03-01T13:00:00%2B01:00&to=3").expect(200);
    assert_eq!((answer.header("ledger-position"), &answer.json()["changes"][1]["to"]), ("3", &json!("running")));
    assert_eq!(diff(&ann, "r", "from=4&to=4")["changes"], json!([]));
}

#[test]
fn a_job_that_was_not_there_yet_is_compared_with_nothing() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("other"), rule_job("r", &["one"])])).expect(201);
    let diff = diff(&worker, "r", "from=1");
    let changes = diff["changes"].as_array().unwrap();
    let pointers: Vec<&str> = changes.iter().map(|change| change["pointer"].as_str().unwrap()).collect();
    assert_eq!(
        pointers,
        ["/created_at", "/created_by", "/id", "/items/0", "/kind", "/org_id", "/progress", "/spec", "/status"]
    );
    assert!(changes.iter().all(|change| change["from"].is_null() && change["by"][0]["type"] == "job.created"));
}

#[test]
fn a_diff_refuses_moments_that_cannot_be_compared() {
    let clock = HandClock::new();
    let server = TestServer::start_with(clock.clock());
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("other"), task_job("a"), started("a")])).expect(201);
    clock.pass(SECOND);
    for (query, words) in [
        ("", &["`from`"][..]),
        ("to=2", &["`from`"]),
        ("from=3&to=2", &["`from`", "`to`"]),
        ("from=2025-03-01T12:00:00.5Z&to=2025-03-01T12:00:00.4Z", &["`from`", "`to`"]),
        ("from=4", &["`from`", "at or before 3"]),
        ("from=1&to=4", &["`to`", "at or before 3"]),
        ("from=1&to=2200-01-01T00:00:00Z", &["`to`"]),
        ("from=soon", &["`from`", "`soon`"]),
        ("from=1&to=", &["`to`"]),
        ("from=1&from=2", &["`from`"]),
        ("from=1&as_of=2", &["`as_of`"]),
        ("from=1&min_position=x", &["`min_position`"]),
    ] {
        let answer = worker.get(&format!("/ledger/jobs/a/diff?{query}")).expect(400);
        assert!(words.iter().all(|word| answer.text().contains(word)), "{query}: {}", answer.text());
    }
    for path in
        ["a/diff?from=0&to=1", "nobody/diff?from=0", "a%2fb/diff?from=0", "a/diff?from=0&to=2025-03-01T11:00:00Z"]
    {
        let answer = worker.get(&format!("/ledger/jobs/{path}"));
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.text());
    }
    worker.get("/ledger/jobs/a/diff?from=0&to=1").expect(404);
    worker.get("/ledger/jobs/nobody/diff?from=0").expect(404);
    worker.get("/ledger/jobs/a/diff?from=2025-03-01T10:00:00Z&to=2").expect(200);
}

#[test]
fn long_texts_and_long_lists_are_cut_and_say_so() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a"), output("a", &"é".repeat(3000))])).expect(201);
    worker.append(&json!([output("a", "more"), noted("a", &"n".repeat(16_000))])).expect(201);
    let found = diff(&worker, "a", "from=3");
    let [output, note] = found["changes"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!((&output["pointer"], &note["pointer"]), (&json!("/hook/output"), &json!("/notes/0")));
    let ends = |value: &Value, end: &str| value.as_str().is_some_and(|text| text.ends_with(end) && text.len() < 4200);
    assert!(ends(&output["from"], "… (6000 bytes)") && ends(&output["to"], "… (6004 bytes)"), "{output}");
    assert!(ends(&note["to"]["text"], "… (16000 bytes)"), "{note}");

    let counts: Vec<Value> = (1..=1000).map(|n| processed("a", n)).collect();
    worker.append(&json!(counts)).expect(201);
    worker.append(&json!([processed("a", 1001), processed("a", 1002)])).expect(201);
    let found = diff(&worker, "a", "from=5");
    let change = &found["changes"].as_array().unwrap().iter().find(|c| c["pointer"] == "/records_processed").unwrap();
    let by = change["by"].as_array().unwrap();
    assert_eq!(
        (by.len(), &by[0]["position"], &by[999]["position"], &change["more"]),
        (1000, &json!(8), &json!(1007), &json!(true))
    );
}

#[test]
fn an_auditor_names_the_organisation_and_other_roles_may_not() {
    let server = TestServer::start();
    let other = "37eebc20-d8df-416b-8ac2-01b6eb456318".parse().unwrap();
    let theirs = Client::new(&server.url, Some(&server.token("theirs", Role::Worker, other)));
    theirs.append(&task_job("a")).expect(201);
    let path = format!("/ledger/jobs/a/diff?from=0&org={other}");
    server.client(Role::Auditor).get(&path).expect(200);
    server.client(Role::Admin).get(&path).expect(404);
    server.client(Role::Worker).get("/ledger/jobs/a/diff?from=0").expect(404);
}

/// Without a second moment the diff ends at the newest event, and shows the time at which that event was recorded.
#[test]
fn an_open_end_is_the_newest_event_for_the_server_and_the_command() {
    let clock = HandClock::new();
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("ledger");
    let server = TestServer::on(&folder, clock.clock());
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a"), task_job("b")])).expect(201);
    clock.pass(60 * SECOND);
    let file = dir.path().join("all.ndjson");
    std::fs::write(&file, exported(&folder, &[])).unwrap();
    for from in ["1", "3", "2025-03-01T12:00:30Z"] {
        let answered = diff(&worker, "a", &format!("from={from}"));
        assert_eq!(answered["to"], json!({"position": 3, "time": "2025-03-01T12:00:00Z"}), "{from}");
        let args = ["a", "--json", "--diff", &format!("{from}..")];
        assert_eq!(on(&folder, "replay", &args).expect(0).json_lines()[0], answered, "{from}");
        assert_eq!(cli(["replay", "--file"]).arg(&file).args(args).run().expect(0).json_lines()[0], answered, "{from}");
    }
}

#[test]
fn the_command_tells_what_the_server_answers() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let file = dir.path().join("all.ndjson");
    std::fs::write(&file, exported(&folder, &[])).unwrap();
    let server = TestServer::on(&folder, jobledger::ledger::system_clock());
    let worker = server.client(Role::Worker);
    for (range, query) in
        [("0..8", "from=0&to=8"), ("2..4", "from=2&to=4"), ("1..1", "from=1&to=1"), ("4..7", "from=4&to=7")]
    {
        let answered = diff(&worker, "a", query);
        let args = ["a", "--json", "--diff", range];
        assert_eq!(on(&folder, "replay", &args).expect(0).json_lines()[0], answered, "{range}");
        assert_eq!(
            cli(["replay", "--file"]).arg(&file).args(args).run().expect(0).json_lines()[0],
            answered,
            "{range}"
        );
    }
    let told = on(&folder, "replay", &["a", "--diff", "2.."]).expect(0).stdout;
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("a from 2 (") && lines[0].contains(") to 8 ("), "{told}");
    let status = lines.iter().position(|line| *line == "status: \"running\" → \"completed\"").expect(&told);
    assert!(
        lines[status + 1].starts_with("    #7 ") && lines[status + 1].ends_with(" job.completed by local"),
        "{told}"
    );
    assert!(on(&folder, "replay", &["a", "--diff", "5..6"]).expect(0).stdout.ends_with("\nnothing differs\n"));
    on(&folder, "replay", &["a", "--diff", "3..2"]).refused(1, &["--diff"]);
    on(&folder, "replay", &["a", "--diff", "3..99"]).refused(1, &["--diff", "99"]);
    on(&folder, "replay", &["a", "--diff", "0..0"]).refused(1, &["`a`"]);
    on(&folder, "replay", &["a", "--diff", "soon.."]).refused(2, &["--diff", "soon"]);
    on(&folder, "replay", &["a", "--diff", "..3"]).refused(2, &["--diff"]);
    on(&folder, "replay", &["a", "--diff", "1..2", "--as-of", "1"]).refused(2, &["--diff", "--as-of"]);
}
