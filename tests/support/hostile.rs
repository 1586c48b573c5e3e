//! A server that gives every request the same answer, which a ledger would not give.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The running server. Dropping the value ends the server.
pub struct Hostile {
    pub url: String,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Starts a server that answers every request with this status, media type and body.
pub fn hostile(status: &str, media_type: &str, body: impl Into<Vec<u8>>) -> Hostile {
    let body = body.into();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let answer = [head.into_bytes(), body].concat();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let ended = Arc::new(AtomicBool::new(false));
    let thread = std::thread::spawn({
        let ended = ended.clone();
        move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                // The client may close the connection early.
                let _ = stream.and_then(|stream| serve(stream, &answer));
            }
        }
    });
    Hostile { url, ended, thread: Some(thread) }
}

fn serve(stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut reader = BufReader::new(&stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        let header = line.to_ascii_lowercase();
        if let Some(found) = header.strip_prefix("content-length:") {
            length = found.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    (&stream).write_all(answer)
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // The thread waits for a connection, so this connection lets it see `ended`.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
