//! TCP connections, for clients that break rules which an HTTP library keeps.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// The requests of clients that read no answer: the path, the media type, and the limit that counts the answer.
pub const STUCK: [(&str, &str, &str); 6] = [
    ("/ledger/events?after=0", "text/event-stream", "tails"),
    ("/ledger/jobs/a/events?after=0", "text/event-stream", "tails"),
    ("/ledger/events", "application/x-ndjson", "exports"),
    ("/ledger/jobs/a/output", "*/*", "exports"),
    ("/ledger/jobs/a/evidence", "*/*", "bundles"),
    ("/ledger/events?limit=1000", "application/json", "answers"),
];

/// Opens a connection to the server at `url`.
pub fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Opens a connection with a small receive buffer, so the server blocks soon while the test reads nothing.
pub fn connect_narrow(url: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket.into()
}

/// The head of a request with a token; `more` holds further header lines, each with its line break.
pub fn head(request_line: &str, token: &str, more: &str) -> String {
    format!("{request_line} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\n{more}\r\n")
}

/// Sends `request`, and reads the answer up to the end of its head.
pub fn send(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}
