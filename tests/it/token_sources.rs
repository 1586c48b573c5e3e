//! Tokens that are bound to sources, and sources that a token owns.

use jobledger::access::{AccessError, NewToken, Role};
use jobledger::job::OrgId;
use jobledger::ledger::system_clock;
use serde_json::{Value, json};

use crate::support::{Client, TestServer, nil, noted, role_document, rule_document, started, task_job, with};

/// A client whose token is bound to `sources`.
fn bound(server: &TestServer, name: &str, role: Role, org: OrgId, sources: &[&str]) -> Client {
    let sources = sources.iter().map(|source| (*source).to_owned()).collect();
    let token = NewToken { sources, ..NewToken::new(name, role, org) };
    let secret = server.access().create(&token, system_clock()()).unwrap();
    Client::new(&server.url, Some(secret.reveal()))
}

fn from(source: &str, event: Value) -> Value {
    with(event, "source", json!(source))
}

#[track_caller]
fn refused(client: &Client, events: &Value, code: &str, index: Option<u64>) {
    let problem = client.append(events).expect(403).json();
    assert_eq!((problem["code"].as_str(), problem["index"].as_u64()), (Some(code), index), "{problem}");
    assert_eq!(problem["pointer"], "/source");
}

#[test]
fn a_source_that_a_token_owns_is_refused_to_others_and_a_bound_token_has_no_other() {
    let server = TestServer::start();
    let one = bound(&server, "one", Role::Worker, nil(), &["/workers/1", "/workers/1b"]);
    let two = bound(&server, "two", Role::Worker, nil(), &["/workers/2"]);
    let (free, admin) = (server.client(Role::Worker), server.client(Role::Admin));
    one.append(&from("/workers/1", task_job("a"))).expect(201);
    one.append(&from("/workers/1b", started("a"))).expect(201);
    for client in [&free, &admin] {
        refused(client, &from("/workers/1", noted("a", "n")), "source-owned", None);
        client.append(&from("/workers/3", noted("a", "n"))).expect(201);
    }
    for source in ["/workers/1", "/workers/3", "/workers/2/", "/Workers/2"] {
        refused(&two, &from(source, noted("a", "n")), "source-not-yours", None);
    }
    // A batch is refused whole, and the refusal names the event.
    let batch = json!([from("/workers/2", noted("a", "x")), from("/workers/1", noted("a", "y"))]);
    refused(&two, &batch, "source-not-yours", Some(1));
    assert_eq!(free.head(), 4);
    // In binary mode too.
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "b"),
        ("ce-source", "/workers/1"),
        ("ce-type", "job.noted"),
        ("ce-subject", "a"),
        ("content-type", "application/json"),
    ];
    let binary =
        |client: &Client| client.send(ureq::http::Method::POST, "/ledger/events", &headers, br#"{"text":"n"}"#).status;
    assert_eq!([&free, &one].map(binary), [403, 201]);
}

#[test]
fn an_admin_that_is_bound_is_not_exempt_but_uses_the_documented_routes() {
    let server = TestServer::start();
    server.client(Role::Worker).append(&json!([task_job("a"), started("a")])).expect(201);
    let admin = bound(&server, "ada", Role::Admin, nil(), &["/consoles/ada"]);
    refused(&admin, &noted("a", "n"), "source-not-yours", None);
    admin.append(&from("/consoles/ada", noted("a", "n"))).expect(201);
    admin.delete("/api/v1/jobs/a").expect(204);
    admin.post_json("/dbroles/jobs", &role_document()).expect(202);
    admin.post_json("/authorization/rules/jobs", &rule_document()).expect(202);
}

#[test]
fn sources_belong_to_an_organisation() {
    let server = TestServer::start();
    let other: OrgId = "37eebc20-d8df-416b-8ac2-01b6eb456318".parse().unwrap();
    bound(&server, "one", Role::Worker, nil(), &["/workers/1"]);
    let free = Client::new(&server.url, Some(&server.token("free", Role::Worker, other)));
    free.append(&from("/workers/1", task_job("a"))).expect(201);
    let theirs = bound(&server, "one", Role::Worker, other, &["/workers/1"]);
    theirs.append(&from("/workers/1", started("a"))).expect(201);
    refused(&free, &from("/workers/1", noted("a", "n")), "source-owned", None);
}

#[test]
fn a_source_has_one_owner_until_that_token_is_revoked() {
    let server = TestServer::start();
    let access = server.access();
    let claim = |name: &str, source: &str| {
        let token = NewToken { sources: vec![source.into()], ..NewToken::new(name, Role::Worker, nil()) };
        access.create(&token, system_clock()()).map(|secret| Client::new(&server.url, Some(secret.reveal())))
    };
    let one = claim("one", "/workers/1").unwrap();
    let taken = claim("two", "/workers/1").map(|_| ());
    assert!(matches!(taken, Err(AccessError::SourceTaken { owner, .. }) if owner == "one"));
    assert_eq!(access.list().unwrap().len(), 1, "a refused token leaves no trace");
    access.revoke(nil(), "one", system_clock()()).unwrap();
    let two = claim("two", "/workers/1").unwrap();
    two.append(&from("/workers/1", task_job("a"))).expect(201);
    one.append(&from("/workers/1", started("a"))).expect(401);
}

#[test]
fn a_token_that_has_expired_keeps_its_sources() {
    let server = TestServer::start();
    let token = NewToken {
        expires: Some("2020-01-01T00:00:00Z".parse().unwrap()),
        sources: vec!["/workers/1".into()],
        ..NewToken::new("gone", Role::Worker, nil())
    };
    server.access().create(&token, "2019-01-01T00:00:00Z".parse().unwrap()).unwrap();
    let free = server.client(Role::Worker);
    refused(&free, &from("/workers/1", task_job("a")), "source-owned", None);
    server.access().revoke(nil(), "gone", system_clock()()).unwrap();
    free.append(&from("/workers/1", task_job("a"))).expect(201);
}

#[test]
fn a_session_is_bound_as_its_token_is() {
    let server = TestServer::start();
    let one = bound(&server, "one", Role::Worker, nil(), &["/workers/1"]);
    let answer = one.send(ureq::http::Method::POST, "/session", &[], b"").expect(204);
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let append = |event: Value| server.anonymous().append_with(&event, &headers).status;
    assert_eq!(append(from("/workers/2", task_job("a"))), 403);
    assert_eq!(append(from("/workers/1", task_job("a"))), 201);
}

#[test]
fn sources_that_no_event_can_have_or_that_are_the_ledgers_own_are_refused() {
    let server = TestServer::start();
    let create = |sources: Vec<String>| {
        let token = NewToken { sources, ..NewToken::new("one", Role::Worker, nil()) };
        server.access().create(&token, system_clock()()).map(|_| ()).unwrap_err().to_string()
    };
    for (source, words) in [
        ("", "--source: expected"),
        ("a\nb", "--source: expected"),
        (&"s".repeat(2000), "--source: expected"),
        ("ledger", "the ledger itself"),
        ("/api/v1/jobs", "the ledger itself"),
        ("/dbroles/jobs", "the ledger itself"),
        ("/authorization/rules/jobs", "the ledger itself"),
    ] {
        let said = create(vec![source.to_owned()]);
        assert!(said.contains(words), "{said}");
    }
    assert!(create((0..65).map(|n| format!("/workers/{n}")).collect()).contains("at most 64"));
}
