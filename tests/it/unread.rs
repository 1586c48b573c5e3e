//! Requests that the server refuses before it reads their bodies. The client gets the answer, and can use the connection again.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use jobledger::access::Role;

use crate::support::TestServer;

/// Opens a connection. A server that is silent too long fails the test.
fn connect(server: &TestServer) -> TcpStream {
    let stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Reads one answer with its body. Returns its head in lower case.
fn answer(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    head
}

/// Requests that are refused with any body: without a token, without the permission, at an unknown path, with a wrong method.
fn refused(server: &TestServer) -> [(String, &'static str); 4] {
    let viewer = server.token("viewer", Role::Viewer, Default::default());
    [
        ("POST /ledger/events HTTP/1.1\r\n".into(), "401"),
        (format!("POST /ledger/events HTTP/1.1\r\nauthorization: Bearer {viewer}\r\n"), "403"),
        ("POST /nowhere HTTP/1.1\r\n".into(), "404"),
        ("PUT /ledger/events HTTP/1.1\r\n".into(), "405"),
    ]
}

#[test]
fn a_refusal_before_the_body_keeps_the_connection_open() {
    let server = TestServer::start();
    for (request, status) in refused(&server) {
        let mut stream = connect(&server);
        write!(stream, "{request}host: x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n").unwrap();
        stream.write_all(&[b' '; 50_000]).unwrap();
        stream.write_all(&[b' '; 50_000]).unwrap();
        let head = answer(&mut stream);
        assert!(head.starts_with(&format!("http/1.1 {status}")) && !head.contains("connection: close"), "{head}");
        write!(stream, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        assert!(answer(&mut stream).starts_with("http/1.1 200"), "{request}");
    }
}

#[test]
fn a_body_that_is_too_long_to_wait_for_ends_the_connection_and_says_so() {
    let server = TestServer::start();
    for (request, status) in refused(&server) {
        let mut stream = connect(&server);
        write!(stream, "{request}host: x\r\ncontent-length: 99999999999\r\n\r\n").unwrap();
        let chunk = vec![b' '; 1 << 20];
        // A little more than the server reads and drops. Sending may fail, because the server closes the connection.
        let _ = (0..17).try_for_each(|_| stream.write_all(&chunk));
        let head = answer(&mut stream);
        assert!(head.starts_with(&format!("http/1.1 {status}")) && head.contains("connection: close"), "{head}");
    }
}

#[test]
fn a_client_that_expects_100_continue_is_refused_before_it_sends_the_body() {
    let server = TestServer::start();
    for (request, status) in refused(&server) {
        let mut stream = connect(&server);
        write!(stream, "{request}host: x\r\nexpect: 100-continue\r\ncontent-length: 1000\r\n\r\n").unwrap();
        let head = answer(&mut stream);
        assert!(head.starts_with(&format!("http/1.1 {status}")) && head.contains("connection: close"), "{head}");
    }
}
