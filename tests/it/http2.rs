//! HTTP/2 over TLS: how a client comes to it, and many streams on one connection.

use std::io::{Read, Write};
use std::pin::pin;
use std::process::Command;

use axum::http::Method;
use h2::Reason;
use jobledger::access::Role;
use jobledger::http::{Bound, Bounds, HttpOptions};
use jobledger::ledger::system_clock;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::http2::{H2, Http2, PREFACE, Reading, error_of_goaway, read_all, with_tls};
use crate::support::raw::{connect, head, send};
use crate::support::{TestServer, nil, noted, problem, skipped, started, task_job};

const STREAM: &str = "text/event-stream";

#[test]
fn the_tls_handshake_chooses_the_protocol() {
    with_tls(HttpOptions::default(), async |tls| {
        let http1: &[u8] = b"http/1.1";
        for (offered, chosen) in [(&[H2][..], Some(H2)), (&[http1, H2], Some(H2)), (&[http1], Some(http1)), (&[], None)]
        {
            let mut stream = tls.connect(offered).await;
            assert_eq!(stream.get_ref().1.alpn_protocol(), chosen);
            if chosen != Some(H2) {
                stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
                let mut answer = String::new();
                let _ = stream.read_to_string(&mut answer).await;
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
        }
        tls.http2("none").await.get("/healthz").await.expect(200);
    });
}

#[test]
fn curl_speaks_both_protocols() {
    let features = Command::new("curl").arg("--version").output().map(|told| told.stdout).unwrap_or_default();
    if !String::from_utf8_lossy(&features).contains(" HTTP2 ") {
        return skipped("curl with HTTP/2");
    }
    with_tls(HttpOptions::default(), async |tls| {
        let told = "%{http_version} %{http_code}";
        for (option, expected) in [("--http2", "2 200"), ("--http1.1", "1.1 200")] {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--output", "/dev/null", "--write-out", told, option, "--cacert"]);
            let done = curl.arg(&tls.certificate).arg(format!("{}/healthz", tls.server.url)).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&done.stdout), expected);
        }
    });
}

#[test]
fn http2_in_clear_is_refused_and_harms_nothing() {
    let server = TestServer::start();
    let mut stream = connect(&server.url);
    stream.write_all(PREFACE).unwrap();
    let mut answer = Vec::new();
    // The server closes the connection, perhaps with bytes of the client unread.
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    // An upgrade is not offered either: the request is answered over HTTP/1.1.
    let upgrade = "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n";
    let answer = send(&mut connect(&server.url), &head("GET /healthz", "none", upgrade));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_request_is_answered_as_over_http1() {
    with_tls(HttpOptions::default(), async |tls| {
        let client = tls.http2(&tls.server.token("w", Role::Worker, nil())).await;
        let appended = client.append(&json!([task_job("a"), started("a")])).await.expect(201);
        assert_eq!(appended.json()["position"], 2);
        let job = client.get("/ledger/jobs/a").await.expect(200);
        assert_eq!((job.header("ledger-position"), &job.json()["status"]), ("2", &json!("running")));
        assert!(!job.header("x-request-id").is_empty() && !job.header("date").is_empty());
        problem(client.get("/nowhere").await, 404, "not-found");
        let lone = client.send(client.request(Method::HEAD, "/ledger/jobs/a"), "").await.expect(200);
        assert_eq!((lone.header("content-length"), lone.body.len()), (job.body.len().to_string().as_str(), 0));
        // `:authority` takes the place of `Host`; two hosts that differ are refused, as over HTTP/1.1.
        let twice = client.request(Method::GET, "/healthz").header("host", "other.example");
        problem(client.send(twice, "").await, 400, "bad-request");
        let once = client.request(Method::GET, "/healthz").header("host", tls.authority());
        client.send(once, "").await.expect(200);
        let auditor = tls.http2(&tls.server.token("a", Role::Auditor, nil())).await;
        let counted = r#"jobledger_http_requests_total{method="POST",route="/ledger/events",status="201"} 1"#;
        auditor.until_metric(counted).await;
    });
}

#[test]
fn twenty_tails_on_one_connection_see_an_append_beside_them() {
    with_tls(HttpOptions::default(), async |tls| {
        let client = tls.http2(&tls.server.token("w", Role::Worker, nil())).await;
        client.append(&json!([task_job("a"), started("a")])).await.expect(201);
        let paths = ["/ledger/events", "/ledger/jobs/a/events", "/ledger/jobs/a", "/ledger/jobs"];
        let mut tails = Vec::new();
        for n in 0..20 {
            tails.push(client.tail(paths[n % paths.len()]).await);
        }
        client.append(&noted("a", "seen by all")).await.expect(201);
        client.append(&task_job("last")).await.expect(201);
        for (n, tail) in tails.iter_mut().enumerate() {
            // A live list shows no notes; it shows the new job.
            tail.until(if n % paths.len() == 3 { "\"last\"" } else { "seen by all" }).await;
        }
    });
}

#[test]
fn a_client_with_too_many_streams_waits() {
    with_tls(HttpOptions::default(), async |tls| {
        let token = tls.server.token("w", Role::Worker, nil());
        let (client, other) = (tls.http2(&token).await, tls.http2(&token).await);
        other.append(&task_job("a")).await.expect(201);
        let mut tails = Vec::new();
        for _ in 0..100 {
            tails.push(client.tail("/ledger/events").await);
        }
        let mut waiting = pin!(client.get("/healthz"));
        let seen = async {
            other.append(&noted("a", "while one waits")).await.expect(201);
            for tail in &mut tails {
                tail.until("while one waits").await;
            }
        };
        tokio::select! {
            answer = &mut waiting => panic!("a stream too many was answered: {answer:?}"),
            () = seen => {}
        }
        drop(tails.pop());
        waiting.await.expect(200);
    });
}

#[test]
fn a_stream_that_its_client_resets_gives_its_place_back() {
    let bounds = Bounds { tails: Bound { total: 1, per_token: 1 }, ..Bounds::default() };
    with_tls(HttpOptions { bounds, ..HttpOptions::default() }, async |tls| {
        let client = tls.http2(&tls.server.token("w", Role::Worker, nil())).await;
        let tail = client.tail("/ledger/events").await;
        problem(client.begin("/ledger/events", STREAM).await.answer().await, 503, "too-many-tails");
        drop(tail);
        let mut next = client.begin("/ledger/events", STREAM).await;
        while next.status == 503 {
            next = client.begin("/ledger/events", STREAM).await;
        }
        assert_eq!(next.status, 200);
    });
}

#[test]
fn a_revoked_token_ends_its_streams_and_no_others_on_the_connection() {
    with_tls(HttpOptions::default(), async |tls| {
        let mut client = tls.http2(&tls.server.token("stays", Role::Worker, nil())).await;
        client.append(&task_job("a")).await.expect(201);
        let mut stays = client.tail("/ledger/events").await;
        let ending = tls.server.token("ends", Role::Viewer, nil());
        let own = std::mem::replace(&mut client.token, ending);
        let mut ends = client.tail("/ledger/events").await;
        tls.server.access().revoke(nil(), "ends", system_clock()()).unwrap();
        ends.rest().await.unwrap();
        client.token = own;
        client.append(&noted("a", "goes on")).await.expect(201);
        stays.until("goes on").await;
    });
}

/// Records a job with notes of 3 MB, more than a client with small windows takes.
async fn record_much(client: &Http2) {
    client.append(&task_job("much")).await.expect(201);
    for _ in 0..5 {
        let notes: Vec<_> = (0..40).map(|_| noted("much", &"x ".repeat(7_500))).collect();
        client.append(&json!(notes)).await.expect(201);
    }
}

#[test]
fn a_server_that_stops_ends_tails_answers_requests_and_says_goodbye() {
    let drain = std::time::Duration::from_secs(3600);
    with_tls(HttpOptions { drain, ..HttpOptions::default() }, async |mut tls| {
        let client = tls.http2(&tls.server.token("w", Role::Worker, nil())).await;
        let (idle, silent) = (tls.http2("none").await, tls.connect(&[H2]).await);
        idle.get("/healthz").await.expect(200);
        let mut no_request = tls.connect(&[H2]).await;
        no_request.write_all(PREFACE).await.unwrap();
        record_much(&client).await;
        let mut tails = [client.tail("/ledger/events").await, client.tail("/ledger/jobs/much").await];
        tails[1].until("snapshot").await;
        let mut export = client.begin("/ledger/events", "application/x-ndjson").await;
        // A request that never arrives whole, and one after it, whose answer shows that the server has the first one's head.
        let post = client.request(Method::POST, "/ledger/events").header("content-type", "application/json");
        let (unfinished, mut body) = client.open(post, false);
        body.send_data("{".into(), false).unwrap();
        client.get("/healthz").await.expect(200);
        tls.server.tell_to_stop();
        for tail in &mut tails {
            tail.rest().await.unwrap();
        }
        assert_eq!(unfinished.await.unwrap_err().reason(), Some(Reason::REFUSED_STREAM));
        export.rest().await.unwrap();
        assert_eq!(export.text.iter().filter(|byte| **byte == b'\n').count(), 201);
        // Every connection ends, without an error. The server does not wait for a client without a request.
        assert_eq!(error_of_goaway(&read_all(&mut no_request).await), 0);
        let _ = (client.connection.await.unwrap(), idle.connection.await.unwrap());
        tokio::task::spawn_blocking(move || tls.server.stop()).await.unwrap();
        drop(silent);
    });
}

#[test]
fn an_append_may_arrive_in_many_parts_beside_other_requests() {
    with_tls(HttpOptions::default(), async |tls| {
        let client = tls.http2(&tls.server.token("w", Role::Worker, nil())).await;
        let body = json!([task_job("a"), noted("a", "slow")]).to_string();
        let post = client.request(Method::POST, "/ledger/events").header("content-type", "application/json");
        let (answer, mut sending) = client.open(post, false);
        for byte in body.bytes() {
            sending.send_data(vec![byte].into(), false).unwrap();
            if byte == b'{' {
                client.get("/healthz").await.expect(200);
            }
        }
        sending.send_data(Default::default(), true).unwrap();
        assert_eq!(Reading::of(answer).await.answer().await.expect(201).json()["position"], 2);
    });
}
