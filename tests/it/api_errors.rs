//! The error bodies of the three documented APIs, for every status, byte for byte.

use jobledger::access::Role;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{Answer, Client, ROLE_JOB, TestServer, role_job, rule_job, task_job};

/// A documented API: its content type for errors, and its body for a status, a message and a path.
#[derive(Clone, Copy)]
struct Api {
    content_type: &'static str,
    message: &'static str,
    body: fn(u16, &Value, &str) -> String,
}

const ROLES: Api = Api {
    content_type: "application/json",
    message: "/message",
    body: |_, message, _| format!(r#"{{"message":{message}}}"#),
};

const TASKS: Api = Api {
    content_type: "application/json",
    message: "/error/message",
    body: |status, message, _| {
        let code = match status {
            400 | 405 | 406 => "VALIDATION_ERROR",
            401 => "UNAUTHORIZED",
            403 => "FORBIDDEN",
            404 => "NOT_FOUND",
            500.. => "INTERNAL_ERROR",
            _ => unreachable!("not asked for here"),
        };
        format!(r#"{{"error":{{"code":"{code}","message":{message}}}}}"#)
    },
};

const RULES: Api = Api {
    content_type: "application/vnd.sas.error+json",
    message: "/message",
    body: |status, message, path| {
        format!(
            r#"{{"version":2,"httpStatusCode":{status},"errorCode":0,"message":{message},"details":["path: {path}"],"links":[]}}"#
        )
    },
};

impl Api {
    /// Checks that the answer is an error of this API. Returns its message.
    #[track_caller]
    fn message(self, answer: Answer, status: u16, path: &str) -> String {
        let answer = answer.expect(status);
        assert_eq!(answer.header("content-type"), self.content_type, "{path}");
        let message = answer.json().pointer(self.message).cloned().unwrap_or_default();
        let path = path.split('?').next().unwrap();
        assert_eq!(answer.text(), (self.body)(status, &message, path), "{path}");
        message.as_str().unwrap().to_owned()
    }
}

/// A server with a job of each kind in the default organisation (all three ids are UUIDs), and clients with different tokens.
struct Ledger {
    server: TestServer,
    admin: Client,
    task: &'static str,
    rule: &'static str,
}

const TASK: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const RULE: &str = "cc2cb37c-24e6-4398-b7c8-4b6603bc4608";
const NOWHERE: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

fn ledger() -> Ledger {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([role_job(ROLE_JOB), task_job(TASK), rule_job(RULE, &["a"])])).expect(201);
    Ledger { server, admin, task: TASK, rule: RULE }
}

impl Ledger {
    /// Every single-job read of the three APIs: the API, the path before and after the id, and the id of a job of its kind.
    fn reads(&self) -> [(Api, &'static str, &'static str, &'static str); 5] {
        [
            (ROLES, "/dbroles/jobs/", "", ROLE_JOB),
            (TASKS, "/api/v1/jobs/", "", self.task),
            (TASKS, "/api/v1/jobs/", "/progress", self.task),
            (RULES, "/authorization/rules/jobs/", "", self.rule),
            (RULES, "/authorization/rules/jobs/", "/state", self.rule),
        ]
    }
}

#[test]
fn a_job_that_is_not_shown_has_one_answer_for_every_reason() {
    let ledger = ledger();
    let org = "37eebc20-d8df-416b-8ac2-01b6eb456318".parse().unwrap();
    let other = Client::new(&ledger.server.url, Some(&ledger.server.token("other", Role::Admin, org)));
    for (api, before, after, own) in ledger.reads() {
        let path = |job: &str| format!("{before}{job}{after}");
        ledger.admin.get(&path(own)).expect(200);
        let unknown = api.message(ledger.admin.get(&path(NOWHERE)), 404, &path(NOWHERE));
        for kind in [ROLE_JOB, ledger.task, ledger.rule].into_iter().filter(|job| *job != own) {
            assert_eq!(api.message(ledger.admin.get(&path(kind)), 404, &path(kind)), unknown, "of another kind");
        }
        assert_eq!(api.message(other.get(&path(own)), 404, &path(own)), unknown, "of another organisation");
        let named = format!("{}?org=37eebc20-d8df-416b-8ac2-01b6eb456318", path(own));
        assert_eq!(api.message(ledger.admin.get(&named), 404, &named), unknown, "in an organisation not one's own");
        let early = format!("{}?as_of=0", path(own));
        assert_eq!(api.message(ledger.admin.get(&early), 404, &early), unknown, "not yet");
    }
    let said = |path: &str| ledger.admin.get(path).expect(404).text();
    assert_eq!(said(&format!("/dbroles/jobs/{NOWHERE}")), r#"{"message":"job not found"}"#);
    let path = format!("/authorization/rules/jobs/{NOWHERE}");
    assert!(said(&path).contains(r#""message":"No rule job with the specified ID was found.""#));
}

#[test]
fn an_unknown_path_is_not_found_in_the_form_of_its_api() {
    let ledger = ledger();
    for (api, path) in [
        (ROLES, "/dbroles/jobs/".to_owned()),
        (ROLES, format!("/dbroles/jobs/{ROLE_JOB}/state")),
        (TASKS, "/api/v1/jobs/".to_owned()),
        (TASKS, format!("/api/v1/jobs/{TASK}/state")),
        (TASKS, format!("/api/v1/jobs/{TASK}/progress/x")),
        (RULES, format!("/authorization/rules/jobs/{RULE}/progress")),
        (RULES, format!("/authorization/rules/jobs/{RULE}/state/")),
    ] {
        api.message(ledger.admin.get(&path), 404, &path);
        api.message(ledger.server.anonymous().get(&path), 404, &path);
    }
    for path in ["/dbroles/jobsx", "/dbroles", "/api/v1", "/api/v1/jobs-1/a", "/authorization/rules/jobz/a"] {
        assert_eq!(ledger.admin.get(path).expect(404).header("content-type"), "application/problem+json");
    }
}

#[test]
fn a_request_without_a_token_is_refused_in_the_apis_own_words() {
    let ledger = ledger();
    let wrong = Client::new(&ledger.server.url, Some("jl_wrong"));
    let lists = [(TASKS, "/api/v1/jobs", "", ""), (TASKS, "/api/v1/jobs/running", "", "")];
    for (api, before, after, job) in ledger.reads().into_iter().chain(lists) {
        let path = format!("{before}{job}{after}");
        for client in [&ledger.server.anonymous(), &wrong] {
            let answer = client.get(&path);
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            api.message(answer, 401, &path);
        }
    }
    let answer = ledger.server.anonymous().get(&format!("/dbroles/jobs/{ROLE_JOB}"));
    assert_eq!(answer.text(), r#"{"message":"access denied"}"#);
}

#[test]
fn background_jobs_are_for_administrators() {
    let ledger = ledger();
    for role in [Role::Worker, Role::Viewer, Role::Auditor] {
        let client = ledger.server.client(role);
        for path in ["/api/v1/jobs", "/api/v1/jobs/running", "/api/v1/jobs/x", "/api/v1/jobs/x/progress"] {
            TASKS.message(client.get(path), 403, path);
        }
        let path = format!("/api/v1/jobs/{TASK}");
        TASKS.message(client.get(&path), 403, &path);
        TASKS.message(client.delete(&path), 403, &path);
    }
    assert_eq!(ledger.admin.head(), 3, "no job was cancelled");
}

#[test]
fn another_method_is_refused_and_the_answer_lists_the_allowed_ones() {
    let ledger = ledger();
    let lists = [(TASKS, "/api/v1/jobs", "", ""), (TASKS, "/api/v1/jobs/running", "", "")];
    for (api, before, after, job) in ledger.reads().into_iter().chain(lists) {
        let path = format!("{before}{job}{after}");
        let allowed: &[&str] =
            if path == format!("/api/v1/jobs/{TASK}") { &["DELETE", "GET", "HEAD"] } else { &["GET", "HEAD"] };
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            if allowed.contains(&method.as_str()) {
                continue;
            }
            let answer = ledger.admin.send(method, &path, &[], b"");
            let mut allow: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
            allow.sort_unstable();
            assert_eq!(allow, allowed, "{path}");
            api.message(answer, 405, &path);
        }
    }
    for (api, path) in [(ROLES, "/dbroles/jobs"), (RULES, "/authorization/rules/jobs")] {
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            let answer = ledger.admin.send(method, path, &[], b"");
            assert_eq!(answer.header("allow"), "POST", "{path}");
            api.message(answer, 405, path);
        }
    }
}

#[test]
fn a_media_type_that_no_answer_has_is_refused() {
    let ledger = ledger();
    for (api, before, after, job) in ledger.reads() {
        let path = format!("{before}{job}{after}");
        let message = api.message(ledger.admin.get_with(&path, &[("accept", "image/png")]), 406, &path);
        assert!(message.contains("text/event-stream"), "{message}");
    }
}

#[test]
fn an_error_names_the_faulty_part_of_a_request() {
    let ledger = ledger();
    for (api, before, after, job) in ledger.reads() {
        for (query, named) in [
            ("verbose=1", "`verbose`"),
            ("as_of=4", "at or before 3"),
            ("as_of=yesterday", "`as_of`"),
            ("as_of=1&as_of=2", "`as_of`"),
            ("as_of=-1", "`as_of`"),
            ("min_position=x", "`min_position`"),
            ("org=me", "`org`"),
        ] {
            let path = format!("{before}{job}{after}?{query}");
            let message = api.message(ledger.admin.get(&path), 400, &path);
            assert!(message.contains(named), "{message}");
        }
        let path = format!("{before}%ff{after}");
        api.message(ledger.admin.get(&path), 400, &path);
    }
    for id in ["nope", "67d7d053", "67d7d0533caf430e97ba6d4933d3fd5b", "%7B67d7d053-3caf-430e-97ba-6d4933d3fd5b%7D"] {
        let path = format!("/dbroles/jobs/{id}");
        assert!(ROLES.message(ledger.admin.get(&path), 400, &path).contains("UUID"));
    }
}

#[test]
fn a_ledger_that_takes_no_writes_cancels_nothing() {
    let mut ledger = ledger();
    ledger.server.stop();
    std::fs::remove_file(jobledger::ledger::Folder::new(ledger.server.path()).key()).unwrap();
    ledger.server.restart();
    let admin = ledger.admin.at(&ledger.server.url);
    let path = format!("/api/v1/jobs/{TASK}");
    let answer = admin.delete(&path);
    assert_eq!(answer.header("retry-after"), "1");
    TASKS.message(answer, 503, &path);
    assert_eq!(admin.get(&path).expect(200).json()["status"], "pending");
}
