//! A connection below HTTP, for clients that behave as no library would let them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Opens one to the server at `url`.
pub fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// The head of a request with a token; `more` holds further header lines, each with its line break.
pub fn head(request_line: &str, token: &str, more: &str) -> String {
    format!("{request_line} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\n{more}\r\n")
}

/// Sends it and reads what comes up to the end of the answer's head.
pub fn send(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}
