//! Large jobs: how large a job may become, which part of it a read shows, and the rendering that many readers share.

use jobledger::access::Role;
use jobledger::ledger::{Options, system_clock};
use serde_json::{Value, json};

use crate::support::{Client, ROLE_JOB, TestServer, completed, event, noted, problem, role_job, started, task_job};

fn counted(client: &Client, name: &str) -> u64 {
    let text = client.get("/metrics").expect(200).text();
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse().unwrap()
}

/// How many large jobs the server rendered during `read`.
fn renderings(client: &Client, read: impl FnOnce()) -> u64 {
    let name = "jobledger_large_renderings_total";
    let before = counted(client, name);
    read();
    counted(client, name) - before
}

/// Reads `path` with twenty clients at once. Checks that all answers are equal, and returns one.
fn read_by_many(client: &Client, path: &str) -> Vec<u8> {
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..20).map(|_| scope.spawn(|| client.get(path).expect(200).body)).collect();
        let mut bodies: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "{path}");
        bodies.remove(0)
    })
}

#[test]
fn a_full_job_refuses_events_that_need_room_and_shows_its_newest_notes() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), started("a")])).expect(201);
    // A control character is six bytes of JSON.
    let note = |n: usize| noted("a", &format!("{n}{}", "\u{1}".repeat(16_000)));
    for batch in [0..80, 80..160] {
        admin.append(&json!(batch.map(note).collect::<Vec<_>>())).expect(201);
    }
    let mut notes = 160;
    let refused = loop {
        match admin.append(&note(notes)) {
            answer if answer.status == 201 => notes += 1,
            answer => break problem(answer, 422, "job-full"),
        }
    };
    assert_eq!(refused["pointer"], "/data/text");
    assert!(refused["detail"].as_str().unwrap().contains("at most 16777216 bytes"), "{refused}");
    let in_batch = problem(admin.append(&json!([noted("a", "short"), note(notes)])), 422, "job-full");
    assert_eq!(in_batch["index"], 1);

    let shown = admin.get("/ledger/jobs/a").expect(200).json();
    let texts = |shown: &Value| -> Vec<String> {
        let notes = shown["notes"].as_array().unwrap().iter();
        notes.map(|note| note["text"].as_str().unwrap().trim_end_matches('\u{1}').to_owned()).collect()
    };
    assert_eq!(texts(&shown), (notes - 100..notes).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(shown["notes_left_out"], notes - 100);
    // The rest is among the events.
    let oldest = admin.get("/ledger/jobs/a/events?type=job.noted&limit=2").expect(200).json();
    assert!(oldest["events"][1]["data"]["text"].as_str().unwrap().starts_with("1\u{1}"));
    // A read as of an earlier moment with fewer notes leaves none out.
    let before = admin.get("/ledger/jobs/a?as_of=50").expect(200).json();
    assert_eq!((texts(&before).len(), before.get("notes_left_out")), (48, None));

    // One rendering serves all readers of a revision, live ones too; the next revision is rendered anew.
    admin.append(&noted("a", "short")).expect(201);
    let rendered = renderings(&admin, || {
        let body = read_by_many(&admin, "/ledger/jobs/a");
        let tag = admin.get("/ledger/jobs/a").expect(200).header("etag").to_owned();
        admin.get_with("/ledger/jobs/a", &[("if-none-match", &tag)]).expect(304);
        let live = admin.stream("/ledger/jobs/a", &[]).find(|frame| frame.event == "snapshot").unwrap();
        assert_eq!(live.data.as_bytes(), body.trim_ascii_end());
    });
    assert_eq!(rendered, 1);
    let now = admin.get("/ledger/jobs/a").expect(200).text();
    let head = admin.head();
    assert_eq!(renderings(&admin, || assert_eq!(admin.get(&format!("/ledger/jobs/a?as_of={head}")).text(), now)), 1);
    admin.append(&completed("a")).expect(201);
    assert_eq!(renderings(&admin, || drop(read_by_many(&admin, "/ledger/jobs/a"))), 1);
    // A read that shows no notes does not load them.
    let rendered = renderings(&admin, || {
        for path in ["/api/v1/jobs/a", "/api/v1/jobs/a/progress", "/ledger/jobs/a/output"] {
            admin.get(path).expect(200);
        }
    });
    assert_eq!(rendered, 0);
}

#[test]
fn readers_that_wait_for_one_rendering_are_refused_together() {
    let dir = tempfile::tempdir().unwrap();
    // No turn ever comes.
    let server = TestServer::open(dir.path(), Options { turns: 0, clock: system_clock(), ..Options::default() });
    let admin = server.client(Role::Admin);
    let notes = (0..5).map(|_| noted("a", &"x".repeat(16_000)));
    admin.append(&json!([task_job("a"), started("a")].into_iter().chain(notes).collect::<Vec<_>>())).expect(201);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| problem(admin.get("/ledger/jobs/a"), 503, "reads-busy"));
        }
    });
    // The first reader waits 2 s for its turn. All readers that arrive meanwhile are refused with it.
    assert!(counted(&admin, "jobledger_limit_refusals_total{limit=\"histories\"}") < 10);
}

#[test]
fn a_documented_read_of_a_large_job_is_whole_and_rendered_once() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let message = "m".repeat(200);
    let result = |n: usize| {
        event(
            "job.item_result",
            ROLE_JOB,
            json!({"item": format!("role-{n}"), "status": "running", "message": message}),
        )
    };
    let mut life = vec![role_job(ROLE_JOB), started(ROLE_JOB)];
    life.extend((0..900).map(result));
    admin.append(&json!(life)).expect(201);
    let path = format!("/dbroles/jobs/{ROLE_JOB}");
    assert_eq!(renderings(&admin, || drop(read_by_many(&admin, &path))), 1);
    let shown = admin.get(&path).expect(200).json();
    let roles: Vec<_> = shown["status"]["result"].as_array().unwrap().iter().map(|role| &role["user_role"]).collect();
    assert_eq!(roles, (0..900).map(|n| json!(format!("role-{n}"))).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    // The same job in the ledger's own model is another rendering.
    assert_eq!(renderings(&admin, || drop(read_by_many(&admin, &format!("/ledger/jobs/{ROLE_JOB}")))), 1);
}

#[test]
fn output_in_many_small_pieces_is_read_once_for_a_revision() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let wrote = |n: usize| event("job.hook_output", "a", json!({"output": format!("{n} é\n")}));
    let whole: String = (0..1900).map(|n| format!("{n} é\n")).collect();
    admin.append(&json!([task_job("a"), started("a")])).expect(201);
    for batch in [0..950, 950..1900] {
        admin.append(&json!(batch.map(wrote).collect::<Vec<_>>())).expect(201);
    }
    let rendered = renderings(&admin, || {
        read_by_many(&admin, "/ledger/jobs/a");
        assert_eq!(admin.get("/ledger/jobs/a").expect(200).json()["hook"]["output"], whole);
    });
    assert_eq!(rendered, 1);
    assert_eq!(admin.get("/ledger/jobs/a/output").expect(200).text(), whole);
    let half: String = (0..950).map(|n| format!("{n} é\n")).collect();
    assert_eq!(admin.get("/ledger/jobs/a?as_of=952").expect(200).json()["hook"]["output"], half);
}

#[test]
fn a_page_of_jobs_with_long_texts_is_short_and_loses_none() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let long = "x".repeat(16_000);
    let jobs: Vec<String> = (0..300).map(|n| format!("j{n}")).collect();
    for some in jobs.chunks(150) {
        let failed = |job: &String| [task_job(job), event("job.failed", job, json!({"message": long}))];
        admin.append(&json!(some.iter().flat_map(failed).collect::<Vec<_>>())).expect(201);
    }
    let (mut listed, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = admin.get(&format!("/ledger/jobs?first=1000{after}")).expect(200);
        assert!(page.body.len() < 5 << 20);
        let page = page.json();
        listed.extend(page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    listed.reverse();
    assert_eq!((listed, pages), (jobs, 2));
}
