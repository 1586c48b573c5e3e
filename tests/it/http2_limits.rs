//! Requests of HTTP/2 that are too large, and clients that flood a connection.

use std::time::Duration;

use axum::http::Method;
use jobledger::access::Role;
use jobledger::http::HttpOptions;
use serde_json::json;

use crate::support::http2::{Http2, PREFACE, frame, literal, with_tls};
use crate::support::{Answer, nil, problem, task_job};

/// Asks for `path` with these further headers.
async fn asks(client: &Http2, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = client.request(Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(request, "").await
}

#[test]
fn headers_that_are_too_large_are_refused_with_the_body_of_the_path() {
    with_tls(HttpOptions::default(), async |tls| {
        let client = tls.http2(&tls.server.token("v", Role::Viewer, nil())).await;
        let long = "y".repeat(33 << 10);
        problem(asks(&client, "/ledger/jobs", &[("x-long", &long)]).await, 431, "headers-too-large");
        let refused = asks(&client, "/api/v1/jobs", &[("x-long", &long)]).await.expect(431);
        assert_eq!(refused.json()["error"]["code"], json!("VALIDATION_ERROR"));
        problem(asks(&client, &format!("/ledger/jobs?q={long}"), &[]).await, 431, "headers-too-large");
        let names: Vec<String> = (0..101).map(|n| format!("x-{n}")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "y")).collect();
        problem(asks(&client, "/ledger/jobs", &many).await, 431, "headers-too-large");
        asks(&client, "/ledger/jobs", &many[..90]).await.expect(200);
        // A browser may send each of its cookies in a header of its own.
        asks(&client, "/ledger/jobs", &[("cookie", "a=b"); 150]).await.expect(200);
        // Of much longer headers the server reads only a part, and answers without a body.
        for headers in [&[("x-long", "y".repeat(70 << 10).as_str())][..], &[("a", long.as_str()), ("b", &long)]] {
            assert_eq!(asks(&client, "/ledger/jobs", headers).await.expect(431).body, b"");
        }
        client.get("/ledger/jobs").await.expect(200);
    });
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    with_tls(HttpOptions::default(), async |tls| {
        let client = tls.http2(&tls.server.token("w", Role::Worker, nil())).await;
        let post = || client.request(Method::POST, "/ledger/events").header("content-type", "application/json");
        problem(client.send(post(), vec![b' '; 17 << 20]).await, 413, "too-large");
        // The server refuses this one without its body. It reads the body all the same, so that the client sees the answer.
        let nowhere = client.request(Method::POST, "/nowhere");
        problem(client.send(nowhere, vec![b' '; 1 << 20]).await, 404, "not-found");
        client.append(&task_job("a")).await.expect(201);
    });
}

#[test]
fn floods_end_their_connection_and_no_other() {
    /// `ENHANCE_YOUR_CALM`.
    const CALM: u8 = 0xb;
    with_tls(HttpOptions::default(), async |tls| {
        let other = tls.http2("none").await;
        // `:method GET`, `:scheme https` and `:path /` are in the static table.
        let headers = [vec![0x82, 0x87, 0x84], literal(":authority", tls.authority())].concat();
        let mut resets = PREFACE.to_vec();
        for stream in (1..200).step_by(2) {
            resets.extend(frame(1, 5, stream, &headers));
            resets.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
        }
        assert_eq!(tls.goaway(&resets).await, CALM);
        // Headers without an end, in more and more frames.
        let mut endless = [PREFACE, &frame(1, 1, 1, &headers)].concat();
        for n in 0..100 {
            endless.extend(frame(9, 0, 1, &literal("x", &n.to_string())));
        }
        assert_ne!(tls.goaway(&endless).await, 0);
        // Requests that are malformed: HTTP/2 has no such header.
        let mut malformed = PREFACE.to_vec();
        for stream in (1..400).step_by(2) {
            malformed.extend(frame(1, 5, stream, &[headers.clone(), literal("connection", "close")].concat()));
        }
        assert_eq!(tls.goaway(&malformed).await, CALM);
        other.get("/healthz").await.expect(200);
        tls.http2("none").await.get("/healthz").await.expect(200);
    });
}

#[test]
fn a_client_that_abandons_request_after_request_loses_its_connection() {
    with_tls(HttpOptions { head_timeout: Duration::from_secs(3600), ..HttpOptions::default() }, async |tls| {
        let client = tls.http2(&tls.server.token("w", Role::Worker, nil())).await;
        let mut opened = 0;
        loop {
            // The server has the head of this request, and waits for its body. The client resets the stream before the next.
            let post = client.request(Method::POST, "/ledger/events").header("content-type", "application/json");
            let _waiting = client.try_open(post, false);
            let Ok(healthy) = client.try_get("/healthz").await else { break };
            healthy.expect(200);
            opened += 1;
            assert!(opened <= 150, "the connection goes on");
        }
        assert!(opened >= 100, "{opened}");
        tls.http2("none").await.get("/healthz").await.expect(200);
    });
}
