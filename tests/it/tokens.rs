//! Tokens: names, revocation, expiry, last use.

use jobledger::access::{AccessError, NewToken, Role};
use jobledger::job::{OrgId, Time};

use crate::support::{Client, HandClock, TestServer, nil, task_job};

const NOW: &str = "2025-01-01T00:00:00Z";

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

fn token(name: &str, org: OrgId) -> NewToken {
    NewToken::new(name, Role::Worker, org)
}

#[test]
fn a_name_is_given_once_for_ever_in_an_organisation() {
    let server = TestServer::start();
    let access = server.access();
    let other = "37eebc20-d8df-416b-8ac2-01b6eb456318".parse().unwrap();
    access.create(&token("ann", nil()), time(NOW)).unwrap();
    access.create(&token("ann", other), time(NOW)).unwrap();
    access.create(&token("Ann", nil()), time(NOW)).unwrap();
    let again = || access.create(&token("ann", nil()), time(NOW)).map(|_| ());
    assert!(matches!(again(), Err(AccessError::Taken(name)) if name == "ann"));
    access.revoke(nil(), "ann", time(NOW)).unwrap();
    assert!(matches!(again(), Err(AccessError::Taken(_))), "the log names it as an actor");
    assert!(matches!(access.revoke(nil(), "bob", time(NOW)), Err(AccessError::Unknown(_))));
}

#[test]
fn reserved_and_malformed_names_are_refused() {
    let server = TestServer::start();
    let create = |name: &str| server.access().create(&token(name, nil()), time(NOW)).map(|_| ());
    for reserved in ["ledger", "Ledger", "LEDGER"] {
        assert!(matches!(create(reserved), Err(AccessError::Reserved)), "{reserved}");
    }
    for bad in ["", "a b", "é", "a/b", "a\n", &"x".repeat(65)] {
        assert!(matches!(create(bad), Err(AccessError::BadName(_))), "{bad}");
    }
    create(&"x".repeat(64)).unwrap();
    create("ledger-2").unwrap();
}

#[test]
fn a_running_server_honours_changes_at_once() {
    let server = TestServer::start();
    for n in 0..20 {
        let name = format!("w-{n}");
        let client = Client::new(&server.url, Some(&server.token(&name, Role::Worker, nil())));
        client.append(&task_job(&name)).expect(201);
        server.access().revoke(nil(), &name, time(NOW)).unwrap();
        client.get("/ledger/jobs").expect(401);
        client.append(&task_job("never")).expect(401);
    }
    assert_eq!(server.client(Role::Viewer).get("/ledger/jobs/never").status, 404);
}

#[test]
fn a_revoked_token_stays_revoked_after_a_restart() {
    let mut server = TestServer::start();
    let gone = server.client(Role::Admin);
    let kept = server.client(Role::Viewer);
    server.access().revoke(nil(), "admin", time(NOW)).unwrap();
    server.restart();
    gone.at(&server.url).get("/ledger/jobs").expect(401);
    kept.at(&server.url).get("/ledger/jobs").expect(200);
}

#[test]
fn a_token_expires_by_the_ledgers_clock() {
    let hands = HandClock::at(NOW);
    let server = TestServer::start_with(hands.clock());
    let expires = Some(time("2025-01-01T01:00:00Z"));
    let secret = server.access().create(&NewToken { expires, ..token("short", nil()) }, time(NOW)).unwrap();
    let client = Client::new(&server.url, Some(secret.reveal()));
    hands.set("2025-01-01T00:59:59.999999Z");
    client.get("/ledger/jobs").expect(200);
    hands.set("2025-01-01T01:00:00Z");
    client.get("/ledger/jobs").expect(401);
}

#[test]
fn last_use_is_written_down() {
    let hands = HandClock::at(NOW);
    let mut server = TestServer::start_with(hands.clock());
    let (used, _unused) = (server.client(Role::Viewer), server.client(Role::Admin));
    hands.set("2025-01-01T00:00:05Z");
    used.get("/ledger/jobs").expect(200);
    hands.set("2025-01-01T00:00:09Z");
    used.get("/ledger/jobs/none").expect(404);
    server.stop();
    let tokens = server.access().list().unwrap();
    let shown: Vec<_> = tokens.iter().map(|token| (token.name.as_str(), token.created, token.used)).collect();
    assert_eq!(shown, [("viewer", time(NOW), Some(time("2025-01-01T00:00:09Z"))), ("admin", time(NOW), None)]);
}

#[test]
fn secrets_are_kept_as_hashes_only() {
    let mut server = TestServer::start();
    let client = server.client(Role::Worker);
    client.append(&task_job("a")).expect(201);
    let session = client.send(ureq::http::Method::POST, "/session", &[], b"").expect(204);
    let cookie = session.header("set-cookie").split([';', '=']).nth(1).unwrap().to_owned();
    let token = client.token.clone().unwrap();
    assert!(token.starts_with("jl_") && token.len() == 46, "{token}");
    server.stop();
    for file in std::fs::read_dir(server.path()).unwrap().filter(|file| file.as_ref().unwrap().path().is_file()) {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for secret in [&token[3..], &cookie] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{}", path.display());
        }
    }
}

#[test]
fn the_authorization_scheme_is_bearer_in_any_case() {
    let server = TestServer::start();
    let token = server.token("ann", Role::Viewer, nil());
    for (authorization, status) in [
        (format!("Bearer {token}"), 200),
        (format!("bearer {token}"), 200),
        (format!("BEARER  {token}"), 200),
        (token.clone(), 401),
        (format!("Basic {token}"), 401),
        (format!("Bearer {token}x"), 401),
        (format!("Bearer {}", &token[3..]), 401),
        (format!("Bearer {}", token.to_uppercase()), 401),
    ] {
        server.anonymous().get_with("/ledger/jobs", &[("authorization", &authorization)]).expect(status);
    }
}

#[test]
fn there_are_ten_thousand_tokens_that_are_not_revoked() {
    let server = TestServer::start();
    let access = server.access();
    access.create(&token("first", nil()), time(NOW)).unwrap();
    let file = rusqlite::Connection::open(server.path().join("access.db")).unwrap();
    let many = "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 9998) \
                INSERT INTO token (org, name, role, created_at) SELECT org, name || n, role, created_at FROM token, n";
    file.execute_batch(many).unwrap();
    access.create(&token("last", nil()), time(NOW)).unwrap();
    let more = || access.create(&token("more", nil()), time(NOW)).map(|_| ());
    assert!(matches!(more(), Err(AccessError::TooMany)));
    access.revoke(nil(), "first", time(NOW)).unwrap();
    more().unwrap();
}
