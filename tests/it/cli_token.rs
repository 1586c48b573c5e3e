//! `jobledger token create`, `rotate`, `list` and `revoke`.

use crate::support::cli::{Serving, on, token};
use crate::support::{event, task_job};

const ORG: &str = "37eebc20-d8df-416b-8ac2-01b6eb456318";

#[test]
fn token_create_prints_the_token_alone_and_the_server_accepts_it_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let made = on(dir.path(), "token create", &["--name", "w", "--role", "worker"]).expect(0);
    let secret = made.stdout.strip_suffix('\n').unwrap();
    assert!(secret.starts_with("jl_") && secret.len() > 40 && !secret.contains(char::is_whitespace), "{secret}");
    assert_eq!(made.stderr, "");
    let worker = server.client(secret);
    worker.append(&task_job("a")).expect(201);
    assert_eq!(worker.get("/ledger/events").json()["events"][0]["actor"], "w");
    // The file keeps only a hash of the token.
    let bytes = std::fs::read(dir.path().join("access.db")).unwrap();
    assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
}

#[test]
fn a_folder_without_tokens_is_named_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = dir.path().join("wrong");
    on(&wrong, "token list", &[]).refused(2, &["no tokens", "--data"]);
    on(&wrong, "token revoke", &["--name", "w"]).refused(2, &["no tokens", "--data"]);
    assert!(!wrong.exists());
    // Before the first start one can be made, and it says what it is good for.
    let made = on(&wrong, "token create", &["--name", "w", "--role", "worker"]).expect(0);
    assert!(made.stderr.contains("no ledger in"), "{}", made.stderr);
}

#[test]
fn a_revoked_token_ends_at_once_and_its_tail_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let worker = server.client(&token(dir.path(), "worker"));
    let mut tail = worker.stream("/ledger/events", &[]);
    assert_eq!(tail.next().unwrap().retry, Some(1000));
    on(dir.path(), "token revoke", &["--name", "worker"]).expect(0);
    worker.append(&task_job("a")).expect(401);
    worker.get("/ledger/events").expect(401);
    assert_eq!(tail.next(), None);
    // The revocation is final: a second one changes nothing, and the name stays taken.
    on(dir.path(), "token revoke", &["--name", "worker"]).expect(0);
    on(dir.path(), "token create", &["--name", "worker", "--role", "admin"]).refused(1, &["`worker`", "for ever"]);
    worker.get("/ledger/events").expect(401);
}

#[test]
fn an_expired_token_ends_and_its_tail_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let soon = (chrono::Utc::now() + chrono::TimeDelta::seconds(3)).to_rfc3339();
    let made = on(dir.path(), "token create", &["--name", "t", "--role", "viewer", "--expires", &soon]).expect(0);
    let viewer = server.client(made.stdout.trim_end());
    let mut tail = viewer.stream("/ledger/events", &[]);
    assert_eq!(tail.next().unwrap().retry, Some(1000));
    // Nothing is appended, so only the expiry can end it.
    assert_eq!(tail.next(), None);
    viewer.get("/ledger/events").expect(401);
}

#[test]
fn bad_names_roles_organisations_and_times_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let create = |name: &str, more: &[&str]| {
        on(dir.path(), "token create", &[&["--name", name, "--role", "viewer"], more].concat())
    };
    for name in ["", " ", "a b", "é", "a/b", &"n".repeat(65)] {
        create(name, &[]).refused(1, &["name"]);
    }
    create(&"n".repeat(64), &[]).expect(0);
    create("A.b_c@d-9", &[]).expect(0);
    for name in ["ledger", "Ledger", "LEDGER"] {
        create(name, &[]).refused(1, &["reserved"]);
    }
    create("late", &["--expires", "2020-01-01T00:00:00Z"]).refused(1, &["--expires"]);
    create("odd", &["--expires", "tomorrow"]).refused(2, &["--expires"]);
    create("odd", &["--org", "acme"]).refused(2, &["--org"]);
    on(dir.path(), "token create", &["--name", "odd", "--role", "king"]).refused(2, &["--role", "king"]);
    on(dir.path(), "token create", &["--name", "odd"]).refused(2, &["--role"]);
    on(dir.path(), "token revoke", &["--name", "nobody"]).refused(1, &["`nobody`"]);
    assert_eq!(on(dir.path(), "token list", &["--json"]).json_lines().len(), 2);
}

#[test]
fn names_are_taken_once_an_organisation() {
    let dir = tempfile::tempdir().unwrap();
    let create =
        |more: &[&str]| on(dir.path(), "token create", &[&["--name", "sync", "--role", "worker"], more].concat());
    let (nil, other) = (create(&[]).expect(0), create(&["--org", ORG]).expect(0));
    create(&[]).refused(1, &["`sync`", "taken"]);
    create(&["--org", &ORG.to_uppercase()]).refused(1, &["`sync`", "taken"]);
    let server = Serving::start(dir.path());
    let (nil, other) = (server.client(nil.stdout.trim_end()), server.client(other.stdout.trim_end()));
    nil.append(&task_job("a")).expect(201);
    other.get("/ledger/jobs/a").expect(404);
    other.append(&task_job("a")).expect(201);
    assert_eq!(other.get("/ledger/jobs/a").expect(200).json()["org_id"], ORG);
    // A token of the same name in another organisation stays valid.
    on(dir.path(), "token revoke", &["--name", "sync", "--org", ORG]).expect(0);
    other.get("/ledger/jobs/a").expect(401);
    nil.append(&event("job.started", "a", serde_json::json!({}))).expect(201);
}

#[test]
fn the_list_shows_every_token_and_when_it_was_last_used() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(on(dir.path(), "token list", &[]).expect(0).stdout, "");
    let worker = token(dir.path(), "worker");
    let later = "2100-01-01T00:00:00Z";
    on(dir.path(), "token create", &["--name", "v", "--role", "viewer", "--org", ORG, "--expires", later]).expect(0);
    on(dir.path(), "token revoke", &["--name", "v", "--org", ORG]).expect(0);
    let server = Serving::start(dir.path());
    let before = on(dir.path(), "token list", &["--json"]).expect(0).json_lines();
    assert!(before[0]["last_used"].is_null() && before[0]["created"].is_string());
    server.client(&worker).append(&task_job("a")).expect(201);
    // A server that stops writes the last use that it has not written yet.
    server.end("TERM").expect(0);
    let after = on(dir.path(), "token list", &["--json"]).expect(0);
    assert!(!after.stdout.contains(&worker), "no list shows a token");
    let tokens = after.json_lines();
    assert_eq!((&tokens[0]["name"], &tokens[0]["role"]), (&"worker".into(), &"worker".into()));
    assert_eq!(tokens[0]["org"], "00000000-0000-0000-0000-000000000000");
    assert!(tokens[0]["last_used"].as_str() >= tokens[0]["created"].as_str());
    assert!(tokens[0]["revoked"].is_null() && tokens[0]["expires"].is_null());
    assert_eq!((&tokens[1]["org"], &tokens[1]["expires"]), (&ORG.into(), &later.into()));
    assert!(tokens[1]["revoked"].is_string() && tokens[1]["last_used"].is_null());
    let text = on(dir.path(), "token list", &[]).expect(0).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("worker ") && lines[0].contains("last used 20"), "{text}");
    assert!(lines[1].starts_with("v ") && lines[1].contains("revoked 20") && lines[1].contains("never used"), "{text}");
}

#[test]
fn an_expiry_date_means_the_end_of_that_day_in_utc() {
    let dir = tempfile::tempdir().unwrap();
    let today = chrono::Utc::now().date_naive();
    let create = |name: &str, date: &str| {
        on(dir.path(), "token create", &["--name", name, "--role", "viewer", "--expires", date])
    };
    create("today", &today.to_string()).expect(0);
    create("leap", "2096-02-29").expect(0);
    create("past", &(today - chrono::Days::new(1)).to_string()).refused(1, &["--expires"]);
    for bad in ["2097-02-29", "2096-2-9", "28.11.2096", "2999-01-01", "2096-02", "2096-02-01T12:30:60Z"] {
        create("bad", bad).refused(2, &["--expires", "RFC 3339", "date"]);
    }
    let listed = on(dir.path(), "token list", &["--json"]).expect(0).json_lines();
    let end = (today + chrono::Days::new(1)).to_string() + "T00:00:00Z";
    assert_eq!((&listed[0]["expires"], &listed[1]["expires"]), (&end.into(), &"2096-03-01T00:00:00Z".into()));
}

#[test]
fn rotation_prints_a_new_secret_and_the_old_one_goes_on_for_the_overlap() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let old = server.client(&token(dir.path(), "worker"));
    let rotate = |more: &[&str]| on(dir.path(), "token rotate", &[&["--name", "worker"], more].concat());
    let rotated = rotate(&[]).expect(0);
    assert!(rotated.stderr.contains("`worker` stays valid for 1h"), "{}", rotated.stderr);
    let new = server.client(rotated.stdout.strip_suffix('\n').unwrap());
    old.append(&task_job("a")).expect(201);
    new.append(&event("job.started", "a", serde_json::json!({}))).expect(201);
    let newest = rotate(&["--overlap", "0s"]).expect(0);
    assert_eq!(newest.stderr, "");
    old.get("/ledger/jobs").expect(401);
    new.get("/ledger/jobs").expect(401);
    server.client(newest.stdout.trim_end()).get("/ledger/jobs").expect(200);
    let text = on(dir.path(), "token list", &[]).expect(0).stdout;
    assert!(text.contains(", rotated 20") && text.contains(", old secret until 20"), "{text}");
    for bad in ["1", "soon", "1fortnight", "31days"] {
        rotate(&["--overlap", bad]).refused(2, &["--overlap", "expected"]);
    }
    on(dir.path(), "token rotate", &["--name", "nobody"]).refused(1, &["`nobody`"]);
    on(dir.path(), "token revoke", &["--name", "worker"]).expect(0);
    rotate(&[]).refused(1, &["`worker` is revoked"]);
}

#[test]
fn a_revoked_name_is_taken_again_and_the_list_says_so() {
    let dir = tempfile::tempdir().unwrap();
    token(dir.path(), "worker");
    let again = |more: &[&str]| on(dir.path(), "token create", &[&["--name", "worker"], more].concat());
    again(&["--role", "worker", "--reuse-name"]).refused(1, &["`worker`", "taken"]);
    on(dir.path(), "token revoke", &["--name", "worker"]).expect(0);
    again(&["--role", "worker"]).refused(1, &["`worker`", "taken", "--reuse-name"]);
    again(&["--role", "admin", "--reuse-name"]).refused(1, &["`worker`", "role worker"]);
    again(&["--role", "worker", "--reuse-name"]).expect(0);
    let listed = on(dir.path(), "token list", &["--json"]).expect(0).json_lines();
    assert_eq!((&listed[0]["name_reused"], &listed[1]["name_reused"]), (&false.into(), &true.into()));
    let text = on(dir.path(), "token list", &[]).expect(0).stdout;
    assert!(text.lines().nth(1).unwrap().ends_with(", takes the name of a revoked token"), "{text}");
}

#[test]
fn a_token_is_bound_to_sources_and_the_list_shows_them() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let create = |name: &str, sources: &[&str]| {
        on(dir.path(), "token create", &[&["--name", name, "--role", "worker"], sources].concat())
    };
    let made = create("one", &["--source", "/tests/worker", "--source", "/workers/1"]).expect(0);
    create("two", &["--source", "/workers/1"]).refused(1, &["`/workers/1`", "`one`", "rotate"]);
    create("two", &["--source", ""]).refused(1, &["--source"]);
    server.client(made.stdout.trim_end()).append(&task_job("a")).expect(201);
    let free = create("free", &[]).expect(0);
    let refused = server.client(free.stdout.trim_end()).append(&task_job("b")).expect(403);
    assert_eq!(refused.json()["code"], "source-owned");
    let listed = on(dir.path(), "token list", &["--json"]).expect(0).json_lines();
    assert_eq!(listed[0]["sources"], serde_json::json!(["/tests/worker", "/workers/1"]));
    assert_eq!(listed[1]["sources"], serde_json::json!([]));
    let text = on(dir.path(), "token list", &[]).expect(0).stdout;
    assert!(text.lines().next().unwrap().ends_with(", sources /tests/worker /workers/1"), "{text}");
}
