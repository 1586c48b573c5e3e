//! `POST /session` and `DELETE /session`: a browser's cookie instead of a token.

use jobledger::access::{NewToken, Role};
use serde_json::json;
use ureq::http::Method;

use crate::support::{Answer, Client, HandClock, TestServer, nil, noted, task_job};

/// Signs in with the client's token. Returns the value of the `Cookie` header.
#[track_caller]
fn sign_in(client: &Client) -> String {
    let answer = client.send(Method::POST, "/session", &[], b"").expect(204);
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

/// The status of a read with a cookie and without a token.
fn read(server: &TestServer, cookie: &str) -> u16 {
    server.anonymous().get_with("/ledger/jobs", &[("cookie", cookie)]).status
}

/// Appends a note to the job `a` with a cookie. `headers` name the page that sends the request.
fn write(server: &TestServer, cookie: &str, headers: &[(&str, &str)]) -> Answer {
    let mut all = vec![("cookie", cookie)];
    all.extend(headers);
    server.anonymous().append_with(&noted("a", "n"), &all)
}

#[test]
fn a_browser_sends_the_cookie_to_this_server_only_and_shows_it_to_no_script() {
    let server = TestServer::start();
    let answer = server.client(Role::Viewer).send(Method::POST, "/session", &[], b"").expect(204);
    let cookie = answer.header("set-cookie");
    let (secret, rest) = cookie.strip_prefix("jobledger_session=").unwrap().split_once("; ").unwrap();
    assert_eq!((secret.len(), rest), (43, "Path=/; Max-Age=43200; HttpOnly; SameSite=Lax"));
    assert_eq!(answer.text(), "");
    assert_eq!(read(&server, &format!("theme=dark; jobledger_session={secret}; x=y")), 200);
    assert_eq!(read(&server, "jobledger_session="), 401);
    assert_eq!(read(&server, &format!("jobledger_session={secret}x")), 401);
    assert_eq!(read(&server, &format!("other_jobledger_session={secret}")), 401);
}

#[test]
fn only_a_token_makes_a_session() {
    let server = TestServer::start();
    let viewer = server.client(Role::Viewer);
    let cookie = sign_in(&viewer);
    assert_eq!(read(&server, &cookie), 200);
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    server.anonymous().send(Method::POST, "/session", &headers, b"").expect(401);
    // The session's secret is no token, and a token is no session, even after each was used correctly.
    let secret = cookie.split_once('=').unwrap().1;
    let posing = Client::new(&server.url, Some(secret));
    posing.get("/ledger/jobs").expect(401);
    posing.send(Method::POST, "/session", &[], b"").expect(401);
    viewer.get("/ledger/jobs").expect(200);
    assert_eq!(read(&server, &format!("jobledger_session={}", viewer.token.as_deref().unwrap())), 401);
}

#[test]
fn a_write_by_cookie_must_come_from_a_page_of_this_server() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    let cookie = sign_in(&worker);
    let host = server.url.strip_prefix("http://").unwrap();
    let https = format!("https://{host}");
    for (headers, status) in [
        (vec![], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("sec-fetch-site", "same-site")], 403),
        (vec![("sec-fetch-site", "none")], 403),
        (vec![("origin", "http://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("origin", host)], 403),
        (vec![("sec-fetch-site", "cross-site"), ("origin", server.url.as_str())], 403),
        (vec![("sec-fetch-site", "same-origin")], 201),
        (vec![("origin", server.url.as_str())], 201),
        (vec![("origin", https.as_str())], 403),
        (vec![("origin", "http://")], 403),
    ] {
        let answer = write(&server, &cookie, &headers).expect(status);
        assert!(status == 201 || answer.json()["code"] == "forbidden", "{headers:?}");
    }
    assert_eq!(worker.head(), 3);
    assert_eq!(worker.get("/ledger/events/3").expect(200).json()["actor"], "worker", "the actor is the token's name");
    let elsewhere = [("sec-fetch-site", "cross-site"), ("origin", "http://evil.example")];
    worker.append_with(&noted("a", "a token cannot be sent by accident"), &elsewhere).expect(201);
}

#[test]
fn cancelling_by_cookie_needs_the_same_origin_too() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&task_job("a")).expect(201);
    let cookie = sign_in(&admin);
    let cancel = |site| {
        let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", site)];
        server.anonymous().send(Method::DELETE, "/api/v1/jobs/a", &headers, b"")
    };
    let refused = cancel("cross-site").expect(403).json();
    assert_eq!(refused["error"]["code"], "FORBIDDEN");
    assert_eq!(admin.head(), 1);
    cancel("same-origin").expect(204);
}

#[test]
fn a_session_lasts_twelve_hours() {
    let hands = HandClock::at("2025-01-01T00:00:00Z");
    let mut server = TestServer::start_with(hands.clock());
    let cookie = sign_in(&server.client(Role::Viewer));
    hands.set("2025-01-01T11:59:59.999999Z");
    assert_eq!(read(&server, &cookie), 200);
    server.restart();
    assert_eq!(read(&server, &cookie), 200, "it outlives the process");
    hands.set("2025-01-01T12:00:00Z");
    assert_eq!(read(&server, &cookie), 401);
}

#[test]
fn a_session_ends_with_its_token() {
    let hands = HandClock::at("2025-01-01T00:00:00Z");
    let server = TestServer::start_with(hands.clock());
    let kept = sign_in(&server.client(Role::Viewer));
    let revoked = sign_in(&Client::new(&server.url, Some(&server.token("revoked", Role::Viewer, nil()))));
    let expires = Some("2025-01-01T01:00:00Z".parse().unwrap());
    let short = NewToken { expires, ..NewToken::new("short", Role::Viewer, nil()) };
    let now = "2025-01-01T00:00:00Z".parse().unwrap();
    let short = server.access().create(&short, now).unwrap().reveal().to_owned();
    let short = sign_in(&Client::new(&server.url, Some(&short)));
    assert_eq!([&kept, &revoked, &short].map(|cookie| read(&server, cookie)), [200; 3]);
    server.access().revoke(nil(), "revoked", now).unwrap();
    assert_eq!([&kept, &revoked, &short].map(|cookie| read(&server, cookie)), [200, 401, 200]);
    hands.set("2025-01-01T01:00:00Z");
    assert_eq!([&kept, &revoked, &short].map(|cookie| read(&server, cookie)), [200, 401, 401]);
}

#[test]
fn signing_out_ends_this_session_and_no_other() {
    let server = TestServer::start();
    let viewer = server.client(Role::Viewer);
    let (this, other) = (sign_in(&viewer), sign_in(&viewer));
    assert_ne!(this, other);
    let sign_out = |site| {
        let headers = [("cookie", this.as_str()), ("sec-fetch-site", site)];
        server.anonymous().send(Method::DELETE, "/session", &headers, b"")
    };
    sign_out("cross-site").expect(403);
    assert_eq!((read(&server, &this), read(&server, &other)), (200, 200));
    let answer = sign_out("same-origin").expect(204);
    assert_eq!(
        answer.header("set-cookie"),
        "jobledger_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
        "the browser forgets it too"
    );
    assert_eq!((read(&server, &this), read(&server, &other)), (401, 200));
    sign_out("same-origin").expect(401);
    viewer.get("/ledger/jobs").expect(200);
}

#[test]
fn signing_out_ends_the_streams_of_this_session_and_no_others() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    let viewer = server.client(Role::Viewer);
    let (this, other) = (sign_in(&viewer), sign_in(&viewer));
    let streams = |cookie: &str| {
        let open = |path| server.anonymous().tail(path, &[("cookie", cookie)]);
        let mut streams = ["/ledger/events", "/ledger/jobs/a/events", "/ledger/jobs/a"].map(open);
        assert_eq!(streams[2].event().event, "snapshot");
        streams
    };
    let (ending, staying, mut by_token) = (streams(&this), streams(&other), viewer.tail("/ledger/events", &[]));
    let headers = [("cookie", this.as_str()), ("sec-fetch-site", "same-origin")];
    server.anonymous().send(Method::DELETE, "/session", &headers, b"").expect(204);
    for stream in ending {
        assert_eq!(stream.rest(), []);
    }
    worker.append(&noted("a", "2")).expect(201);
    for mut stream in staying {
        assert_eq!(stream.event().id, Some(2));
    }
    assert_eq!(by_token.ids(1), [2]);
}

#[test]
fn a_wrong_token_is_refused_even_beside_a_valid_cookie() {
    let server = TestServer::start();
    let cookie = sign_in(&server.client(Role::Viewer));
    for authorization in ["Bearer jl_wrong", "Basic dmlld2VyOng=", "Bearer"] {
        let headers = [("cookie", cookie.as_str()), ("authorization", authorization)];
        server.anonymous().get_with("/ledger/jobs", &headers).expect(401);
    }
    let answer = server.anonymous().send(Method::POST, "/session", &[("authorization", "Bearer jl_wrong")], b"");
    assert_eq!(answer.expect(401).header("set-cookie"), "");
    let both = json!([task_job("a")]);
    server.client(Role::Worker).append_with(&both, &[("cookie", &cookie)]).expect(201);
}

#[test]
fn a_token_has_twenty_sessions_and_the_oldest_goes() {
    let server = TestServer::start();
    let (viewer, other) = (server.client(Role::Viewer), server.client_named(Role::Viewer, "other"));
    let theirs = sign_in(&other);
    let cookies: Vec<String> = (0..22).map(|_| sign_in(&viewer)).collect();
    let statuses: Vec<u16> = cookies.iter().map(|cookie| read(&server, cookie)).collect();
    assert_eq!(statuses, [&[401; 2][..], &[200; 20]].concat());
    assert_eq!(read(&server, &theirs), 200);
}

#[test]
fn there_are_ten_thousand_sessions_in_all_and_the_oldest_goes() {
    let server = TestServer::start();
    let (viewer, other) = (server.client(Role::Viewer), server.client_named(Role::Viewer, "other"));
    let oldest = sign_in(&other);
    let file = rusqlite::Connection::open(server.path().join("access.db")).unwrap();
    let many = "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 9999) \
                INSERT INTO session (hash, secret, expires_at) SELECT randomblob(32), secret, expires_at FROM session, n";
    file.execute_batch(many).unwrap();
    assert_eq!(read(&server, &oldest), 200);
    let newest = sign_in(&viewer);
    assert_eq!([&oldest, &newest].map(|cookie| read(&server, cookie)), [401, 200]);
    let count: u32 = file.query_row("SELECT count(*) FROM session", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 10_000);
}
