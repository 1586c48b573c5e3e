//! Secrets in appends: what the ledger then stores, answers, counts and logs.

use std::path::Path;

use jobledger::access::Role;
use jobledger::ledger::Options;
use jobledger::mask::{Mask, OwnRule};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::cli::{Serving, cli, on, token};
use crate::support::exports::exported;
use crate::support::secrets::{self, letters};
use crate::support::{Client, ROLE_JOB, TestServer, event, noted, role_job, rule_job, started, task_job, with};

/// A token of GitHub's shape.
fn github() -> String {
    ["gh", "p_", &letters(36)].concat()
}

/// How many secrets a rule stopped, from `/metrics`.
fn stopped(client: &Client, rule: &str) -> u64 {
    let text = client.get("/metrics").expect(200).text();
    let line = format!("jobledger_secrets_stopped_total{{rule=\"{rule}\"}} ");
    text.lines().find_map(|found| found.strip_prefix(&line)).unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

/// Whether any file below `dir` has these bytes.
fn anywhere(dir: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().map(Result::unwrap).any(|entry| match entry.file_type().unwrap().is_dir() {
        true => anywhere(&entry.path(), bytes),
        false => std::fs::read(entry.path()).unwrap().windows(bytes.len()).any(|window| window == bytes),
    })
}

#[test]
fn a_masked_secret_is_in_no_file_and_no_answer() {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    let tail = worker.stream("/ledger/events?after=0", &[]);
    let output = event("job.hook_output", "a", json!({ "output": format!("export GH={}\n", github()) }));
    worker
        .append(&json!([task_job("a"), started("a"), output, noted("a", &secrets::pem("PRIVATE KEY", "\n"))]))
        .expect(201);
    let told: Vec<String> = tail.filter(|frame| !frame.data.is_empty()).take(4).map(|frame| frame.data).collect();
    assert!(told[2].contains(r#""output":"export GH=[masked:github]\n""#), "{}", told[2]);
    assert!(told[3].contains(r#""text":"[masked:private-key]""#), "{}", told[3]);
    let job = worker.get("/ledger/jobs/a").expect(200).json();
    assert_eq!(job["hook"]["output"], "export GH=[masked:github]\n");
    assert_eq!(worker.get("/ledger/jobs/a/output").expect(200).text(), "export GH=[masked:github]\n");
    assert_eq!(job["notes"][0]["text"], "[masked:private-key]");
    let auditor = server.leading(Role::Auditor);
    assert_eq!((stopped(&auditor, "github"), stopped(&auditor, "private-key"), stopped(&auditor, "jwt")), (1, 1, 0));
    server.stop();
    assert!(anywhere(server.path(), b"[masked:github]"));
    assert!(!anywhere(server.path(), github().as_bytes()));
    assert!(exported(server.path(), &[]).contains("[masked:github]"));
}

#[test]
fn a_retry_with_a_secret_is_compared_in_its_masked_form() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    let first = noted("a", &format!("found {}", github()));
    let position = worker.append(&first).expect(201).json()["position"].clone();
    for again in [&first, &with(first.clone(), "data", json!({"text": "found [masked:github]"}))] {
        let answer = worker.append(again).expect(200).json();
        assert_eq!((&answer["position"], &answer["events"][0]["duplicate"]), (&position, &json!(true)));
    }
    let other = with(first, "data", json!({"text": "found nothing"}));
    assert_eq!(worker.append(&other).expect(409).json()["code"], "id-reused");
}

#[test]
fn the_refusal_of_a_member_named_like_a_secret_shows_only_its_place() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let spec = json!({"job_type": "full_sync"});
    let labelled = |labels: Value| event("job.created", "t", json!({"kind": "task", "spec": spec, "labels": labels}));
    let ruled = |rule: Value| {
        let actions = json!([{"id": "a", "type": "create", "rule": {}}, {"id": "b", "type": "create", "rule": rule}]);
        event("job.created", "r", json!({"kind": "rule", "spec": {"actions": actions}}))
    };
    let role = |more: Value| {
        let mut spec = json!({"db_arn": "arn:db", "db_engine": "postgres"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event("job.created", ROLE_JOB, json!({"kind": "dbrole", "spec": spec}))
    };
    let detail =
        |detail: Value| event("job.item_result", ROLE_JOB, json!({"item": "i", "status": "running", "detail": detail}));
    let info = |name: &str| json!({"credentials_info": {"secrets_manager_provider": "vault", name: "hunter2"}});
    for (sent, pointer) in [
        (labelled(json!({"ticket": "AC-1", "api_key": "hunter2"})), "/data/labels/api_key"),
        (labelled(json!({"db/password": "hunter2"})), "/data/labels/db~1password"),
        (labelled(json!({"token": 424242})), "/data/labels/token"),
        (
            ruled(json!({"conditions": [{"clientSecret": "hunter2"}]})),
            "/data/spec/actions/1/rule/conditions/0/clientSecret",
        ),
        (ruled(json!({"p\u{e4}": {"Authorization": ["hunter2"]}})), "/data/spec/actions/1/rule/pä/Authorization"),
        (ruled(json!({"env": [{"name": "DB_PASSWORD", "value": "hunter2"}]})), "/data/spec/actions/1/rule/env/0/value"),
        (role(json!({"password": "hunter2"})), "/data/spec/password"),
        (role(json!({"db_tags": [{"key": "root-passwd", "value": "hunter2"}]})), "/data/spec/db_tags/0/value"),
        (detail(info("password")), "/data/detail/credentials_info/password"),
        (event("job.started", "t", json!({"message": "m", "private_key": {"d": "hunter2"}})), "/data/private_key"),
        (event("job.progress", "t", json!({"progress": "hunter2", "secret": "hunter2"})), "/data/secret"),
    ] {
        for (body, index) in [(sent.clone(), Value::Null), (json!([started("t"), sent]), json!(1))] {
            let answer = worker.append(&body).expect(422);
            assert!(!answer.text().contains("hunter2") && !answer.text().contains("424242"), "{}", answer.text());
            let problem = answer.json();
            assert_eq!((&problem["code"], &problem["pointer"]), (&json!("secret"), &json!(pointer)), "{problem}");
            assert_eq!(problem["index"], index);
        }
    }
    assert_eq!((worker.head(), stopped(&server.leading(Role::Auditor), "names")), (0, 22));
    // A member that readers may read differently is refused under any name, and the refusal does not repeat it.
    let nested =
        |levels| format!(r#"{{"password":"hunter2","x":{}1{}}}"#, r#"{"a":"#.repeat(levels), "}".repeat(levels));
    for rule in [r#"{"password":"hunter2","password":null}"#.to_owned(), nested(64), nested(121), nested(200)] {
        let event = ruled(json!(0)).to_string().replace(r#""rule":0"#, &format!(r#""rule":{rule}"#));
        let answer =
            worker.send(Method::POST, "/ledger/events", &[("content-type", "application/json")], event.as_bytes());
        assert!(!answer.text().contains("hunter2"), "{}", answer.text());
        assert!(["secret", "invalid"].contains(&answer.expect(422).json()["code"].as_str().unwrap()));
    }
    assert_eq!(worker.head(), 0);
}

#[test]
fn a_reference_to_a_secret_passes() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let info =
        json!({"secrets_manager_provider": "vault", "secret_id": "dbsecrets/data/role", "secret_keys": ["PASSWORD"]});
    let detail = json!({"item": "i", "status": "completed", "detail": {"credentials_info": info}});
    let rule =
        json!({"requires_password": true, "token": null, "secret_id": "x", "secret_keys": ["A"], "token_bucket": 7});
    let actions = json!([{"id": "a", "type": "create", "rule": rule}]);
    worker
        .append(&json!([
            role_job(ROLE_JOB),
            started(ROLE_JOB),
            event("job.item_result", ROLE_JOB, detail),
            event(
                "job.created",
                "r",
                json!({"kind": "rule", "spec": {"actions": actions}, "labels": {"retry_of": "x"}})
            ),
        ]))
        .expect(201);
    let job = worker.get(&format!("/ledger/jobs/{ROLE_JOB}")).expect(200).json();
    assert_eq!(job["items"][0]["detail"]["credentials_info"], info);
}

#[test]
fn a_refusal_does_not_repeat_a_secret() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    for (data, status) in [
        (json!({"progress": github()}), 422),
        (json!(github()), 422),
        (json!({"records_processed": {"a": github()}}), 422),
    ] {
        let answer = worker.append(&event("job.progress", "a", data)).expect(status);
        assert!(!answer.text().contains(&github()), "{}", answer.text());
    }
    let odd = with(noted("a", "n"), "datacontenttype", json!(github()));
    assert!(worker.append(&odd).expect(400).text().contains("[masked:github]"));
}

#[test]
fn a_refusal_repeats_neither_a_long_name_nor_a_long_text() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    let long = "x".repeat(1 << 20);
    let rule = json!({ &long: { "password": "hunter2" } });
    let actions = json!([{ "id": "a", "type": "create", "rule": rule }]);
    let named = event("job.created", "r", json!({ "kind": "rule", "spec": { "actions": actions } }));
    let refused = worker.append(&named).expect(422).json();
    assert_eq!(refused["pointer"], "/data/spec/actions/0/rule");
    for data in [json!({ "progress": long }), json!({ "message": { &long: 1 } }), json!(long)] {
        let answer = worker.append(&event("job.progress", "a", data)).expect(422);
        assert!(answer.text().len() < 8 * 1024, "{} bytes", answer.text().len());
    }
}

#[test]
fn rules_can_be_disabled_and_added() {
    let own = [OwnRule { name: "badge".into(), pattern: "BDG-[0-9]+".into() }];
    let dir = tempfile::tempdir().unwrap();
    let options = Options { mask: Mask::new("all,-github,-names", &own).unwrap(), ..Options::default() };
    let server = TestServer::open(dir.path(), options);
    let worker = server.client(Role::Worker);
    let rule = json!({"id": "a", "type": "create", "rule": {"password": "hunter2"}});
    worker.append(&event("job.created", "a", json!({"kind": "rule", "spec": {"actions": [rule]}}))).expect(201);
    worker.append(&noted("a", &format!("{} BDG-17", github()))).expect(201);
    let job = worker.get("/ledger/jobs/a").expect(200).json();
    assert_eq!(job["notes"][0]["text"], format!("{} [masked:badge]", github()));
    assert_eq!(stopped(&server.leading(Role::Auditor), "badge"), 1);
}

#[test]
fn the_command_append_stops_secrets_too() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let events = |text: &str| format!("{}\n{}\n", with(task_job("a"), "id", json!("1")), noted("a", text));
    let append = || cli(["append", "-", "--create", "--data"]).arg(&data);
    append().run_with(events(&format!("{} BDG-1", github()))).expect(0);
    let own = append().args(["--mask", "-github", "--mask-rule", "badge=BDG-[0-9]"]);
    own.run_with(noted("a", &format!("{} BDG-1", github())).to_string()).expect(0);
    let file = dir.path().join("jobledger.toml");
    std::fs::write(&file, "mask = 'none'\nmask-rule = ['badge=BDG-[0-9]']\n").unwrap();
    append().arg("--config").arg(&file).run_with(noted("a", "BDG-1").to_string()).expect(0);
    let told = on(&data, "replay", &["a"]).expect(0).stdout;
    for text in ["[masked:github] BDG-1", &format!("{} [masked:badge]", github()), "\"BDG-1\""] {
        assert!(told.contains(text), "{text}: {told}");
    }
    let named = event(
        "job.created",
        "b",
        json!({"kind": "task", "spec": {"job_type": "full_sync"}, "labels": {"token": "hunter2"}}),
    );
    let refused = append().run_with(named.to_string()).expect(1);
    assert!(refused.stderr.contains("/data/labels/token") && !refused.stderr.contains("hunter2"), "{}", refused.stderr);
    append().args(["--mask", "most"]).run_with("").refused(2, &["--mask", "`most`", "private-key"]);
    append().args(["--mask-rule", "badge=("]).run_with("").refused(2, &["--mask", "`badge`"]);
}

#[test]
fn the_most_detailed_log_has_nothing_that_a_client_sent() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::of(cli(["serve", "--listen", "127.0.0.1:0", "--log", "trace", "--data"]).arg(dir.path()));
    let worker = token(dir.path(), "worker");
    let admin = token(dir.path(), "admin");
    let client = server.client(&worker);
    client.append(&json!([task_job("a"), started("a"), rule_job("r", &["x"])])).expect(201);
    // Each request sends another text: in headers, queries and bodies, of accepted and refused requests.
    let mut sent = vec![worker.clone(), admin.clone()];
    let mut fresh = || {
        sent.push(format!("Zq{}{}", sent.len(), letters(30)));
        sent.last().unwrap().clone()
    };
    client.append(&noted("a", &fresh())).expect(201);
    client.append(&noted("a", &format!("password={}", fresh()))).expect(201);
    client
        .append(&event("job.hook_output", "a", json!({"output": format!("GH={} {}", github(), fresh())})))
        .expect(201);
    client.append(&with(task_job("b"), "data", json!({"kind": "task", "spec": {"password": fresh()}}))).expect(422);
    client.append(&event("job.progress", "a", json!({"progress": fresh()}))).expect(422);
    client.append(&with(noted("a", "n"), "traceparent", json!(fresh()))).expect(400);
    client.append(&noted("nobody", &fresh())).expect(404);
    client.post("application/json", format!("{{\"broken\": \"{}", fresh()).as_bytes()).expect(400);
    client.post("text/plain", fresh().as_bytes()).expect(415);
    client.post("application/json", &[fresh().as_bytes(), b"\xff"].concat()).expect(400);
    client.get(&format!("/ledger/jobs?label=token:{}", fresh())).expect(200);
    client.get(&format!("/ledger/jobs?nothing={}", fresh())).expect(400);
    client.get_with("/ledger/jobs", &[("x-api-key", &fresh()), ("cookie", &format!("a={}", fresh()))]).expect(200);
    let anonymous = Client::new(&server.url, None);
    for (name, value, status) in [
        ("authorization", format!("Bearer {}", fresh()), 401),
        ("authorization", format!("Bearer jl_{}", fresh()), 401),
        ("authorization", format!("Basic {}", fresh()), 401),
        ("cookie", format!("jobledger_session={}", fresh()), 403),
    ] {
        anonymous.append_with(&noted("a", &fresh()), &[(name, &value)]).expect(status);
    }
    let session = server.client(&admin).send(Method::POST, "/session", &[], b"").expect(204);
    let cookie = session.header("set-cookie").split(';').next().unwrap().to_owned();
    client.get_with("/ledger/jobs/a", &[("if-none-match", "*")]).expect(304);
    anonymous.get_with("/ledger/jobs", &[("cookie", &cookie)]).expect(200);
    sent.push(cookie.split_once('=').unwrap().1.to_owned());
    sent.push(github());
    let log = server.end("TERM").expect(0).stderr;
    assert!(log.contains("DEBUG") && log.contains("/ledger/events"), "the log says little: {log}");
    for secret in sent {
        assert!(!log.contains(&secret), "{secret} is in the log:\n{log}");
    }
}
