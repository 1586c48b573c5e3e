//! The pages that a browser shows: whole without scripts, live by scripts, and nothing in them that a stored text could become.

use jobledger::access::Role;
use serde_json::json;

use crate::support::redactions::redacted;
use crate::support::{Answer, Client, TestServer, event};

const JOB: &str = "nightly";

/// A server with a job of seven events, and a client that reads its pages.
fn server() -> (TestServer, Client) {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let created = json!({"kind": "generic", "spec": {"job_type": "enrich"}, "labels": {"team": "identity"}});
    for (event_type, data) in [
        ("job.created", created),
        ("job.started", json!({"total_records": 100})),
        ("job.progress", json!({"records_processed": 10, "current_step": "first step"})),
        ("job.hook_output", json!({"output": "\u{1b}[31mred\u{1b}[0m <b>bold</b>\nnext line\n"})),
        ("job.item_result", json!({"item": "source-a", "status": "completed", "message": "42 entries"})),
        ("job.progress", json!({"records_processed": 65, "current_step": "<script>alert(1)</script>"})),
        ("job.noted", json!({"text": "slow tonight"})),
    ] {
        worker.append(&event(event_type, JOB, data)).expect(201);
    }
    let viewer = server.client(Role::Viewer);
    (server, viewer)
}

#[track_caller]
fn page(client: &Client, path: &str) -> String {
    let answer = client.get(path).expect(200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{path}");
    answer.text()
}

#[test]
fn a_person_without_a_session_is_led_to_the_sign_in_page_and_back() {
    let (server, _) = server();
    let stranger = server.anonymous();
    let answer = stranger.get("/jobs/nightly?as_of=3").expect(303);
    assert_eq!(answer.header("location"), "/sign-in?next=%2Fjobs%2Fnightly%3Fas_of%3D3");
    let sign_in = page(&stranger, answer.header("location"));
    assert!(sign_in.contains(r#"<input type="hidden" name="next" value="/jobs/nightly?as_of=3">"#), "{sign_in}");
    assert!(!sign_in.contains("role=\"alert\""));
    assert!(page(&stranger, "/sign-in?failed=1").contains("does not know this token"));
    assert!(page(&stranger, "/sign-in?failed=later").contains("Try again"));
    let hostile = page(&stranger, "/sign-in?next=%22%3E%3Cscript%3E");
    assert!(!hostile.contains("<script>"), "{hostile}");
}

#[test]
fn the_files_of_the_pages_are_public_and_kept_for_good() {
    let (server, _) = server();
    let stranger = server.anonymous();
    let sign_in = page(&stranger, "/sign-in");
    let paths: Vec<&str> = sign_in.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert_eq!(paths.len(), 3, "{paths:?}");
    for path in &paths {
        let answer = stranger.get(path).expect(200);
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
    }
    let base = paths[0].rsplit_once('/').unwrap().0;
    for script in [
        "ansi.js",
        "audit.js",
        "bulk.js",
        "dom.js",
        "job.js",
        "jobs.js",
        "live.js",
        "log.js",
        "output.js",
        "timeline.js",
        "times.js",
        "tree.js",
    ] {
        let answer = stranger.get(&format!("{base}/{script}")).expect(200);
        assert_eq!(answer.header("content-type"), "text/javascript; charset=utf-8");
        assert!(!answer.text().contains("innerHTML"), "{script}");
    }
    stranger.get(&format!("{base}/none.js")).expect(404);
    stranger.get("/assets/0000000000000000/page.css").expect(404);
}

#[test]
fn the_list_shows_each_job_and_its_filters_are_those_of_the_api() {
    let (server, viewer) = server();
    let worker = server.client_named(Role::Worker, "second");
    worker.append(&event("job.created", "other", json!({"kind": "rule", "spec": {"actions": []}}))).expect(422);
    worker.append(&event("job.created", "other", json!({"kind": "generic", "spec": {"job_type": "sync"}}))).expect(201);
    let all = page(&viewer, "/");
    assert!(all.find("other").unwrap() < all.find("nightly").unwrap(), "newest first");
    assert!(all.contains("65 of 100"), "{all}");
    let running = page(&viewer, "/?kind=&status=running&job_type=&label=team:identity");
    assert!(running.contains("/jobs/nightly\"") && !running.contains("/jobs/other\""));
    assert!(running.contains("<option selected>running</option>"));
    assert!(running.contains(r#"name="label" value="team:identity""#));
    assert!(page(&viewer, "/?status=failed").contains("No job matches"));
    let wrong = viewer.get("/?status=odd").expect(400);
    assert!(wrong.text().contains("parameter `status`"), "{}", wrong.text());
    assert_eq!(wrong.header("content-type"), "text/html; charset=utf-8");
}

#[test]
fn a_refusal_has_the_header_of_every_page_for_a_person_who_is_signed_in() {
    let (server, viewer) = server();
    let header = |text: &str| text.split_once("<header>").unwrap().1.split_once("</header>").unwrap().0.to_owned();
    let usual = header(&page(&viewer, "/"));
    assert!(usual.contains("<nav") && usual.contains("Sign out"), "{usual}");
    for (status, path) in [
        (404, "/jobs/none"),
        (400, "/?status=odd"),
        (400, "/log?type=odd"),
        (404, "/audit?job=none"),
        (404, "/jobs/none/output"),
    ] {
        let refused = viewer.get(path).expect(status);
        assert_eq!(refused.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(header(&refused.text()), usual, "{path}");
    }
    let stranger = server.anonymous().get("/sign-in?odd=1").expect(400).text();
    assert!(!header(&stranger).contains("<nav"), "{stranger}");
}

#[test]
fn an_empty_ledger_says_how_to_append_the_first_event() {
    let server = TestServer::start();
    let empty = page(&server.client(Role::Viewer), "/");
    assert!(empty.contains("jobledger token create --name worker --role worker"), "{empty}");
}

#[test]
fn a_list_of_many_jobs_has_older_pages() {
    let (server, viewer) = server();
    let worker = server.client_named(Role::Worker, "second");
    let created =
        |n: usize| event("job.created", &format!("job-{n}"), json!({"kind": "generic", "spec": {"job_type": "x"}}));
    worker.append(&(0..60).map(created).collect()).expect(201);
    let newest = page(&viewer, "/?kind=generic");
    let older = newest.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let older = page(&viewer, &older.replace("&#38;", "&").replace("&amp;", "&"));
    assert!(newest.contains("/jobs/job-10\"") && !newest.contains("/jobs/job-9\""));
    assert!(older.contains("/jobs/job-9\"") && older.contains("/jobs/nightly\"") && !older.contains("job-10"));
    assert!(newest.contains("data-follow") && !older.contains("data-follow"), "an older page is not live");
}

#[test]
fn a_job_is_shown_whole() {
    let (_server, viewer) = server();
    let job = page(&viewer, "/jobs/nightly");
    for shown in [
        "state running",
        "65 %",
        "event 7 of 7, job.noted by",
        "source-a",
        "42 entries",
        "slow tonight",
        r#"<span class="fg-1">red</span> &#60;b&#62;bold"#,
        "next line",
        r#"<polyline points="0,60"#,
        r#"<a href="/?label=team%3Aidentity">identity</a>"#,
        "first step",
    ] {
        assert!(job.contains(shown), "{shown}: {job}");
    }
    assert!(!job.contains("<script>alert"), "a stored text is text");
}

#[test]
fn a_moment_shows_nothing_newer_and_what_its_event_changed() {
    let (_server, viewer) = server();
    for path in ["/jobs/nightly?as_of=3", "/jobs/nightly?event=3"] {
        let past = page(&viewer, path);
        for newer in ["source-a", "42 entries", "alert(1)", "slow tonight", "next line", "65 %"] {
            assert!(!past.contains(newer), "{path} shows {newer}: {past}");
        }
        assert!(past.contains("event 3 of 7, job.progress by"), "{past}");
        assert!(past.contains("<mark>first step</mark>") && past.contains("<mark>10</mark>"), "{past}");
        assert!(
            past.contains(r#"href="?as_of=2&amp;" data-previous"#)
                && past.contains(r#"href="?as_of=4&amp;" data-next"#)
        );
        assert!(!past.contains("data-follow"), "the past is not live");
    }
    assert!(!page(&viewer, "/jobs/nightly?event=1").contains("data-previous"));
    assert!(!page(&viewer, "/jobs/nightly?event=7").contains("data-next"));
    for wrong in ["event=0", "event=8", "event=x", "event=3&as_of=3", "as_of=99", "odd=1"] {
        let answer = viewer.get(&format!("/jobs/nightly?{wrong}")).expect(400);
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{wrong}");
    }
}

#[test]
fn an_unknown_job_and_one_of_another_organisation_are_the_same_page() {
    let (server, viewer) = server();
    let foreign = "11111111-1111-1111-1111-111111111111".parse().unwrap();
    let other = Client::new(&server.url, Some(&server.token("other", Role::Viewer, foreign)));
    // The header names the person who asks.
    let body = |answer: Answer| answer.expect(404).text().split_once("</header>").unwrap().1.to_owned();
    assert_eq!(body(viewer.get("/jobs/none")), body(other.get("/jobs/nightly")));
    assert_eq!(
        body(other.get("/jobs/nightly?org=00000000-0000-0000-0000-000000000000")),
        body(viewer.get("/jobs/none"))
    );
    assert!(!page(&other, "/").contains("/jobs/nightly") && !page(&other, "/log").contains("/jobs/nightly"));
    // An auditor reads the jobs of all organisations, and each link names the organisation.
    let auditor = Client::new(&server.url, Some(&server.token("auditor", Role::Auditor, foreign)));
    let link = "/jobs/nightly?org=00000000-0000-0000-0000-000000000000";
    assert!(page(&auditor, "/").contains(&format!("href=\"{link}\"")));
    assert!(page(&auditor, link).contains("as_of=6&#38;org=00000000"));
    assert!(page(&auditor, "/log").contains(&format!("href=\"{link}\"")));
}

#[test]
fn a_page_offers_what_the_role_may_do() {
    let (server, viewer) = server();
    let worker = server.client_named(Role::Worker, "second");
    assert!(page(&worker, "/jobs/nightly").contains("data-cancel"));
    assert!(!page(&worker, "/jobs/nightly?as_of=3").contains("data-cancel"), "the past cannot be cancelled");
    let shown = page(&viewer, "/jobs/nightly");
    assert!(!shown.contains("data-cancel") && shown.contains("need the role worker or admin"));
    worker.append(&event("job.cancelled", JOB, json!({"reason": "wrong source"}))).expect(201);
    let ended = page(&worker, "/jobs/nightly");
    assert!(ended.contains("cancelled by second-worker: wrong source") && !ended.contains("data-cancel"), "{ended}");
}

#[test]
fn the_log_shows_the_newest_events_first() {
    let (_server, viewer) = server();
    let log = page(&viewer, "/log");
    assert!(log.find("job.noted").unwrap() < log.find("<td data-field=\"type\">job.created").unwrap());
    let filtered = page(&viewer, "/log?kind=&type=job.progress&job=nightly");
    assert_eq!(filtered.matches("<td data-field=\"type\">job.progress").count(), 2);
    assert!(!filtered.contains("<td data-field=\"type\">job.noted"));
    assert!(page(&viewer, "/log?type=job.failed").contains("None of the newest events matches"));
}

#[test]
fn a_filter_of_the_log_looks_beyond_the_newest_events() {
    let (server, viewer) = server();
    let worker = server.client_named(Role::Worker, "second");
    let progress = |n: usize| event("job.progress", JOB, json!({"current_step": format!("more {n}")}));
    worker.append(&(0..900).map(progress).collect()).expect(201);
    let head = viewer.head();
    let created = "<td data-field=\"type\">job.created";
    assert!(!page(&viewer, "/log").contains(created));
    assert!(page(&viewer, "/log?type=job.created").contains(created));
    for newest in [page(&viewer, "/log"), page(&viewer, "/log?job=nightly")] {
        // One row more is the blank one that scripts clone.
        assert_eq!(newest.matches("<tr data-position").count(), 201);
        assert!(newest.contains(&format!("<tr data-position=\"{head}\"")), "{newest}");
    }
}

#[test]
fn a_page_lets_a_browser_load_nothing_from_elsewhere_and_run_no_text() {
    let (server, viewer) = server();
    for path in [
        "/",
        "/jobs/nightly",
        "/jobs/nightly?as_of=3",
        "/jobs/nightly/events",
        "/jobs/nightly/output",
        "/jobs/nightly/diff?from=1",
        "/jobs/none",
        "/log",
        "/audit?job=nightly",
        "/sign-in",
    ] {
        let answer = viewer.get(path);
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("require-trusted-types-for 'script'"));
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        let html = answer.text();
        assert!(!html.contains(" style=") && !html.contains("<style") && !html.contains(" onclick="), "{path}");
        assert!(
            html.matches("<script").count() == html.matches("<script type=\"module\" src=\"/assets/").count(),
            "{path}"
        );
    }
    drop(server);
}

#[test]
fn redacted_data_is_on_no_page() {
    let (server, viewer) = server();
    let admin = server.client_named(Role::Admin, "root");
    admin.append(&event("job.completed", JOB, json!({}))).expect(201);
    admin.append(&redacted(JOB, 6)).expect(201);
    admin.append(&redacted(JOB, 4)).expect(201);
    for path in [
        "/",
        "/jobs/nightly",
        "/jobs/nightly?as_of=6",
        "/jobs/nightly?as_of=4",
        "/jobs/nightly/events",
        "/jobs/nightly/diff?from=1",
        "/log",
    ] {
        let shown = page(&viewer, path);
        assert!(!shown.contains("alert(1)") && !shown.contains("next line"), "{path}: {shown}");
    }
}
