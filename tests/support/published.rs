//! The files that a ledger publishes, fetched as an auditor fetches them. A test changes the files and serves them as a liar would.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::client::Client;

/// Published files: bytes by path and query.
#[derive(Clone)]
pub struct Published(pub BTreeMap<String, Vec<u8>>);

/// A server of published files, perhaps changed. Dropping the value ends the server.
pub struct Liar {
    pub url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Published {
    /// Fetches every file that `verify url` reads from the ledger of `auditor`. The caller appends nothing meanwhile.
    pub fn of(auditor: &Client) -> Published {
        let mut files = BTreeMap::new();
        let mut fetch = |path: String| {
            let body = auditor.get(&path).expect(200).body;
            files.insert(path, body.clone());
            body
        };
        let note = String::from_utf8(fetch("/ledger/checkpoint".into())).unwrap();
        let size: u64 = note.lines().nth(1).unwrap().parse().unwrap();
        fetch("/ledger/checkpoints?from=1&limit=1000".into());
        fetch("/ledger/export".into());
        for level in ["entries", "0", "1", "2"] {
            let hashes = size >> (8 * level.parse().unwrap_or(0));
            (0..hashes / 256).for_each(|index| drop(fetch(tile(level, index, 256))));
            if !hashes.is_multiple_of(256) {
                fetch(tile(level, hashes / 256, hashes % 256));
            }
        }
        Published(files)
    }

    /// The same files, with the first `from` in the file `path` replaced by `to`.
    pub fn with(&self, path: &str, from: &str, to: &str) -> Published {
        let mut changed = self.clone();
        let file = changed.0.get_mut(path).unwrap_or_else(|| panic!("{path} was not published"));
        let at = file.windows(from.len()).position(|part| part == from.as_bytes()).expect("the text is there");
        file.splice(at..at + from.len(), to.bytes());
        changed
    }

    /// Starts a server of the files.
    pub fn serve(self) -> Liar {
        let files = Arc::new(self.0);
        let (told, url) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let answer = move |uri: Uri| std::future::ready(answer(&files, &uri));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
                let server = axum::serve(listener, Router::new().fallback(answer));
                tokio::select! { served = server => served.unwrap(), _ = stopped => {} }
            });
        });
        Liar { url: url.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }
}

fn answer(files: &BTreeMap<String, Vec<u8>>, uri: &Uri) -> Response {
    match files.get(&uri.to_string()) {
        Some(bytes) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// The path of a tile below the server's root, for logs of fewer than 256,000 events.
pub fn tile(level: &str, index: u64, width: u64) -> String {
    let partial = if width == 256 { String::new() } else { format!(".p/{width}") };
    format!("/ledger/tile/{level}/{index:03}{partial}")
}
