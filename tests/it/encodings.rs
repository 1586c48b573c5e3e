//! Request bodies with a `Content-Encoding`.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use jobledger::access::Role;
use serde_json::json;
use ureq::http::Method;

use crate::support::{Answer, Client, TestServer, noted, problem, started, task_job};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 3).unwrap()
}

fn post(client: &Client, encoding: &str, body: &[u8]) -> Answer {
    let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
    client.send(Method::POST, "/ledger/events", &headers, body)
}

#[test]
fn an_encoded_body_is_the_body_that_it_decodes_to() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    for (name, encode) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("x-gzip", gzip), ("ZSTD", zstd)] {
        let batch = json!([noted("a", name), noted("a", &"n".repeat(16_000))]);
        post(&worker, name, &encode(batch.to_string().as_bytes())).expect(201);
        let again = worker.append(&batch).expect(200).json();
        assert!(again["events"].as_array().unwrap().iter().all(|event| event["duplicate"] == true), "{name}");
    }
    post(&worker, "identity", noted("a", "as it is").to_string().as_bytes()).expect(201);
    // Gzip may come in several members, zstd in several frames.
    let text = noted("a", "in two parts").to_string();
    let (one, two) = text.as_bytes().split_at(20);
    post(&worker, "gzip", &[gzip(one), gzip(two)].concat()).expect(201);
    post(&worker, "zstd", &[zstd(one), zstd(two)].concat()).expect(200);
}

#[test]
fn a_body_that_does_not_decode_is_refused() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let event = task_job("a").to_string();
    for (name, encoded) in [("gzip", gzip(event.as_bytes())), ("zstd", zstd(event.as_bytes()))] {
        problem(post(&worker, name, &encoded[..encoded.len() - 3]), 400, "bad-request");
        problem(post(&worker, name, &[&encoded[..], b"{}"].concat()), 400, "bad-request");
        problem(post(&worker, name, event.as_bytes()), 400, "bad-request");
    }
    let mut wide = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
    wide.window_log(27).unwrap();
    wide.write_all(event.as_bytes()).unwrap();
    problem(post(&worker, "zstd", &wide.finish().unwrap()), 400, "bad-request");
    for unknown in ["br", "deflate", "compress", "gzip, zstd", "gzip, gzip"] {
        let refused = post(&worker, unknown, &gzip(event.as_bytes()));
        assert_eq!(refused.header("accept-encoding"), "gzip, zstd", "{unknown}");
        problem(refused, 415, "unsupported-encoding");
    }
    assert_eq!(worker.head(), 0);
    // A list of encodings may be empty.
    post(&worker, "", event.as_bytes()).expect(201);
}

#[test]
fn the_limit_of_a_body_holds_for_what_it_decodes_to() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let event = task_job("a").to_string();
    let padded = |size: usize| (event.clone() + &" ".repeat(size - event.len())).into_bytes();
    let (largest, too_large) = (padded(16 << 20), padded((16 << 20) + 1));
    for (name, encode) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("zstd", zstd)] {
        problem(post(&admin, name, &encode(&too_large)), 413, "too-large");
        let answer = post(&admin, name, &encode(&largest));
        assert!([200, 201].contains(&answer.status), "{}", answer.text());
    }
    // The server gives back the memory of the decoded bodies.
    let metrics = admin.get("/metrics").text();
    assert!(metrics.contains("jobledger_limit_held{limit=\"body_bytes\"} 0\n"), "{metrics}");
}
