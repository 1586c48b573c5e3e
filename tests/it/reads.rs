//! Single-job reads: as of a moment, and conditional ones.

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::{
    Client, HandClock, ROLE_JOB, TestServer, completed, event, noted, result, role_job, rule_job, started, task_job,
};

/// For each kind of job its events, and every route that shows the job. A route that depends on the clock has no `ETag`.
fn lives() -> [(Vec<Value>, Vec<String>); 3] {
    let hook = |data| event("job.hook_output", ROLE_JOB, data);
    let routes = |job: &str, own: &[String]| {
        let mut routes = own.to_vec();
        routes.extend([format!("/ledger/jobs/{job}"), format!("/ledger/jobs/{job}/output")]);
        routes
    };
    let role = vec![
        role_job(ROLE_JOB),
        started(ROLE_JOB),
        result(ROLE_JOB, "hoop_ro", "running"),
        result(ROLE_JOB, "hoop_ro", "completed"),
        hook(json!({"output": "one"})),
        hook(json!({"output": "two", "exit_code": 1, "execution_time_sec": 2})),
        completed(ROLE_JOB),
        noted(ROLE_JOB, "checked"),
    ];
    let task = vec![
        task_job("t"),
        started("t"),
        event("job.progress", "t", json!({"records_processed": 5, "total_records": 9})),
        event("job.cancelled", "t", json!({"reason": "r"})),
        noted("t", "n"),
    ];
    let rule = vec![
        rule_job("r", &["a", "b"]),
        started("r"),
        result("r", "b", "failed"),
        event("job.failed", "r", json!({"message": "m"})),
    ];
    let rules = "/authorization/rules/jobs/r";
    [
        (role, routes(ROLE_JOB, &[format!("/dbroles/jobs/{ROLE_JOB}")])),
        (task, routes("t", &["/api/v1/jobs/t".into(), "/api/v1/jobs/t/progress".into()])),
        (rule, routes("r", &[rules.into(), format!("{rules}/state")])),
    ]
}

fn shown(client: &Client, path: &str) -> String {
    client.get(path).expect(200).text()
}

#[test]
fn a_read_as_of_a_moment_repeats_the_answer_of_that_moment() {
    let hands = HandClock::at("2025-01-01T00:00:00Z");
    let server = TestServer::start_with(hands.clock());
    let admin = server.client(Role::Admin);
    let mut moments = Vec::new();
    let mut position = 0;
    for (life, routes) in lives() {
        admin.append(&task_job(&format!("before-{position}"))).expect(201);
        position += 1;
        for route in &routes {
            assert_eq!(admin.get(&format!("{route}?as_of={position}")).status, 404, "no job yet: {route}");
        }
        for event in life {
            position += 1;
            let time = format!("2025-01-01T00:{:02}:00Z", position);
            hands.set(&time);
            admin.append(&event).expect(201);
            moments.extend(routes.iter().map(|route| (route.clone(), position, time.clone(), shown(&admin, route))));
        }
    }
    hands.set("2025-01-02T00:00:00Z");
    for (route, position, time, text) in &moments {
        let by_position = admin.get(&format!("{route}?as_of={position}")).expect(200);
        assert_eq!(
            (by_position.text(), by_position.header("ledger-position")),
            (text.clone(), position.to_string().as_str())
        );
        assert_eq!(shown(&admin, &format!("{route}?as_of={time}")), *text, "a time is inclusive: {route} {time}");
    }
    for route in moments.iter().map(|(route, ..)| route) {
        admin.get(&format!("{route}?as_of={}", position + 1)).expect(400);
        admin.get(&format!("{route}?as_of=2025-01-02T00:00:00.001Z")).expect(400);
        admin.get(&format!("{route}?as_of=2024-12-31T00:00:00Z")).expect(404);
    }
}

#[test]
fn a_moment_between_two_events_shows_the_one_before() {
    let hands = HandClock::at("2025-01-01T00:00:00Z");
    let server = TestServer::start_with(hands.clock());
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("t"), task_job("other")])).expect(201);
    let pending = shown(&admin, "/api/v1/jobs/t");
    hands.set("2025-01-01T00:00:10Z");
    admin.append(&started("t")).expect(201);
    for moment in ["2", "2025-01-01T00:00:09.999999Z", "2025-01-01T02:00:09%2B02:00"] {
        assert_eq!(shown(&admin, &format!("/api/v1/jobs/t?as_of={moment}")), pending);
    }
}

#[test]
fn a_revision_that_the_client_has_is_not_sent_again() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    for (life, routes) in lives() {
        let job = life[0]["subject"].as_str().unwrap().to_owned();
        admin.append(&json!(life)).expect(201);
        let newest = admin.head();
        let unconditional = ["/progress", "/output"];
        for route in routes.iter().filter(|route| !unconditional.iter().any(|end| route.ends_with(end))) {
            let etag = format!("\"{newest}\"");
            assert_eq!(admin.get(route).expect(200).header("etag"), etag, "{route}");
            for known in [etag.clone(), format!("W/{etag}"), format!("\"0\", {etag}"), "*".into()] {
                let answer = admin.get_with(route, &[("if-none-match", &known)]).expect(304);
                assert_eq!((answer.text().as_str(), answer.header("etag")), ("", etag.as_str()));
            }
            for other in ["\"0\"".to_owned(), newest.to_string(), format!("\"{newest}0\"")] {
                admin.get_with(route, &[("if-none-match", &other)]).expect(200);
            }
            let before = format!("{route}?as_of={}", newest - 1);
            assert_eq!(admin.get(&before).expect(200).header("etag"), format!("\"{}\"", newest - 1));
            admin.get_with(&before, &[("if-none-match", &etag)]).expect(200);
        }
        // The tag is what an append may be guarded with.
        let guard = format!("\"{newest}\"");
        admin.append_with(&noted(&job, "guarded"), &[("if-match", &guard)]).expect(201);
    }
    assert_eq!(admin.get("/api/v1/jobs/t/progress").expect(200).header("etag"), "", "it depends on the clock");
}
