//! Clients of HTTP/2 that take nothing of a stream, or are gone. The other streams of the connection go on.

use std::time::Duration;

use axum::http::Method;
use h2::Reason;
use h2::client::Builder;
use jobledger::access::Role;
use jobledger::http::HttpOptions;
use jobledger::ledger::system_clock;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::support::http2::{H2, Http2, PREFACE, Reading, TlsServer, frame, frames, literal, read_all, with_tls};
use crate::support::raw::STUCK;
use crate::support::{nil, noted, output, started, task_job};

/// How much of a stream a client of [`narrow`] takes without reading it, in bytes.
const WINDOW: usize = 20_000;

fn stalling(stall_timeout: Duration) -> HttpOptions {
    HttpOptions { stall_timeout, ..HttpOptions::default() }
}

/// A connection whose streams have small windows, so that the server soon waits for a stream that is not read. The window of the
/// connection stays open.
async fn narrow(tls: &TlsServer, token: &str) -> Http2 {
    tls.http2_with(token, Builder::new().initial_window_size(WINDOW as u32).initial_connection_window_size(16 << 20))
        .await
}

/// Records a job with 12 MiB of output.
async fn record_large_job(client: &Http2) {
    client.append(&json!([task_job("a"), started("a")])).await.expect(201);
    for _ in 0..3 {
        client.append(&json!([(); 4].map(|()| output("a", &"x".repeat(1 << 20))))).await.expect(201);
    }
}

/// The line of the metrics that shows `count` units of the limit as taken.
fn held(limit: &str, count: u32) -> String {
    format!("jobledger_limit_held{{limit=\"{limit}\"}} {count}")
}

/// Reads what had arrived before the server reset the stream.
async fn cut_off(mut stuck: Reading) {
    let error = stuck.rest().await.expect_err("the stream is reset");
    assert!(error.is_remote() && error.reason() == Some(Reason::CANCEL), "{error}");
    assert!(stuck.text.len() <= WINDOW, "{}", stuck.text.len());
}

#[test]
fn a_stream_that_is_not_read_is_reset_and_the_others_go_on() {
    with_tls(stalling(Duration::from_millis(300)), async |tls| {
        let client = narrow(&tls, &tls.server.token("w", Role::Admin, nil())).await;
        record_large_job(&client).await;
        let mut read = client.tail("/ledger/events").await;
        let mut stuck = Vec::new();
        for (path, media_type, _) in STUCK {
            stuck.push(client.begin(path, media_type).await);
            assert_eq!(stuck.last().unwrap().status, 200, "{path}");
        }
        client.append(&noted("a", "beside six stuck streams")).await.expect(201);
        read.until("beside six stuck streams").await;
        // The server gives each of them up, although the client reads other streams all the time.
        for (.., limit) in STUCK {
            client.until_metric(&held(limit, u32::from(limit == "tails"))).await;
        }
        for stuck in stuck {
            cut_off(stuck).await;
        }
        client.append(&noted("a", "and after them")).await.expect(201);
        read.until("and after them").await;
    });
}

#[test]
fn the_last_bytes_of_a_large_answer_hold_no_permit() {
    with_tls(stalling(Duration::from_secs(3600)), async |tls| {
        let admin = tls.server.token("w", Role::Admin, nil());
        let client = tls.http2(&admin).await;
        record_large_job(&client).await;
        let path = "/ledger/events?limit=1000";
        let whole = client.get(path).await.expect(200).body.len();
        // This client has room for all of the answer but its last bytes.
        let mut settings = Builder::new();
        settings.initial_window_size(u32::try_from(whole).unwrap() - 10).initial_connection_window_size(32 << 20);
        let narrow = tls.http2_with(&admin, &settings).await;
        let stuck = narrow.begin(path, "application/json").await;
        assert_eq!(stuck.status, 200);
        client.until_metric(&held("answers", 0)).await;
        assert_eq!(stuck.answer().await.body.len(), whole);
    });
}

#[test]
fn a_revoked_token_resets_a_stream_that_is_not_read_and_no_other() {
    with_tls(stalling(Duration::from_secs(3600)), async |tls| {
        let mut client = narrow(&tls, &tls.server.token("stays", Role::Worker, nil())).await;
        record_large_job(&client).await;
        let auditor = tls.http2(&tls.server.token("auditor", Role::Auditor, nil())).await;
        let mut stays = client.tail("/ledger/events").await;
        for (n, (path, media_type, limit)) in STUCK.into_iter().take(5).enumerate() {
            let (name, others) = (format!("v{n}"), u32::from(limit == "tails"));
            let own = std::mem::replace(&mut client.token, tls.server.token(&name, Role::Viewer, nil()));
            let mut stuck = client.begin(path, media_type).await;
            assert_eq!(stuck.status, 200, "{path}");
            // An answer that is not stuck yet ends by itself, with an error.
            stuck.until_unread(WINDOW).await;
            auditor.until_metric(&held(limit, others + 1)).await;
            tls.server.access().revoke(nil(), &name, system_clock()()).unwrap();
            auditor.until_metric(&held(limit, others)).await;
            cut_off(stuck).await;
            client.token = own;
        }
        client.append(&noted("a", "goes on")).await.expect(201);
        stays.until("goes on").await;
    });
}

#[test]
fn a_connection_without_a_stream_ends_and_one_with_a_tail_stays() {
    let limits = HttpOptions { head_timeout: Duration::from_secs(2), ..stalling(Duration::from_secs(2)) };
    with_tls(limits, async |tls| {
        let token = tls.server.token("w", Role::Worker, nil());
        let (idle, watching) = (tls.http2(&token).await, tls.http2(&token).await);
        idle.append(&task_job("a")).await.expect(201);
        let mut tail = watching.tail("/ledger/events").await;
        let _ = idle.connection.await.unwrap();
        // One that never had a stream ends too. Both end without an error.
        assert_eq!(tls.goaway(PREFACE).await, 0);
        watching.append(&noted("a", "still here")).await.expect(201);
        tail.until("still here").await;
    });
}

#[test]
fn a_client_that_is_gone_is_noticed_although_nothing_is_sent() {
    let limits = HttpOptions { head_timeout: Duration::from_secs(2), ..stalling(Duration::from_millis(300)) };
    with_tls(limits, async |tls| {
        let bearer = format!("Bearer {}", tls.server.token("w", Role::Worker, nil()));
        let mut stream = tls.connect(&[H2]).await;
        // `:method GET` and `:scheme https` are in the static table.
        let mut headers = vec![0x82, 0x87];
        for (name, value) in [
            (":path", "/ledger/events"),
            (":authority", tls.authority()),
            ("accept", "text/event-stream"),
            ("authorization", &bearer),
        ] {
            headers.extend(literal(name, value));
        }
        stream.write_all(&[PREFACE, &frame(1, 5, 1, &headers)].concat()).await.unwrap();
        // This client reads and never writes again, as one whose answers are lost on the way.
        let read = read_all(&mut stream).await;
        let frames = frames(&read);
        let is_ping = |(kind, payload): &(u8, Vec<u8>)| *kind == 6 && payload.len() == 8;
        assert!(frames.iter().any(is_ping), "{frames:?}");
        assert!(String::from_utf8_lossy(&read).contains("retry: "), "the tail had begun");
        let auditor = tls.http2(&tls.server.token("a", Role::Auditor, nil())).await;
        auditor.until_metric(&held("tails", 0)).await;
    });
}

#[test]
fn a_body_that_stops_arriving_holds_up_no_other_stream() {
    with_tls(HttpOptions::default(), async |tls| {
        let client = tls.http2(&tls.server.token("w", Role::Worker, nil())).await;
        client.append(&task_job("a")).await.expect(201);
        let mut begun = Vec::new();
        for _ in 0..50 {
            let post = client.request(Method::POST, "/ledger/events").header("content-type", "application/json");
            let (answer, mut sending) = client.open(post, false);
            sending.send_data("[".into(), false).unwrap();
            begun.push((answer, sending));
        }
        client.append(&noted("a", "between them")).await.expect(201);
        for (answer, mut sending) in begun {
            sending.send_data("]".into(), true).unwrap();
            assert_eq!(Reading::of(answer).await.status, 400);
        }
    });
}
