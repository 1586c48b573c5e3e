//! The bare peers, which do the same work without a ledger: SQLite alone, and axum routes with and without SQLite.

use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

use super::server::Running;

/// Rows in one commit of SQLite alone.
pub const BARE_COMMIT: usize = 100;
const ANSWERED_AT_ONCE: usize = 4096;

/// One plain table, with the settings of the log: WAL, FULL, and copying back after as many pages.
fn open(path: &Path) -> Connection {
    let conn = Connection::open(path).expect("a new file");
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 10000; \
         PRAGMA cache_size = -131072; CREATE TABLE row (position INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;",
    )
    .expect("a plain table");
    conn
}

/// SQLite alone: a connection with one plain table.
pub struct BareWriter {
    conn: Connection,
}

impl BareWriter {
    pub fn new(path: &Path) -> BareWriter {
        BareWriter { conn: open(path) }
    }

    fn insert(&self, bodies: &[impl AsRef<[u8]>]) -> i64 {
        self.conn.execute_batch("BEGIN IMMEDIATE").expect("one writer");
        let mut statement = self.conn.prepare_cached("INSERT INTO row (body) VALUES (?1)").expect("a plain statement");
        for body in bodies {
            statement.execute(params![body.as_ref()]).expect("a plain row");
        }
        self.conn.execute_batch("COMMIT").expect("a commit");
        self.conn.last_insert_rowid()
    }
}

/// The time in which SQLite alone inserts `bodies`, in commits of `commit` rows.
pub fn bare_commits(writer: &BareWriter, bodies: &[String], commit: usize) -> Duration {
    let started = Instant::now();
    for rows in bodies.chunks(commit) {
        writer.insert(rows);
    }
    started.elapsed()
}

type Asked = (Bytes, oneshot::Sender<i64>);

/// A bare axum route over an SQLite writer with group commits. The route queues the bytes, the writer inserts them unchanged, and the
/// route answers when the commit has returned.
pub fn queue_server(path: &Path) -> Running {
    let writer = BareWriter::new(path);
    Running::start(move |listener, mut stopping| async move {
        let (sender, mut queue) = mpsc::channel::<Asked>(ANSWERED_AT_ONCE);
        let thread = std::thread::Builder::new().name("writer".into()).spawn(move || {
            while let Some(first) = queue.blocking_recv() {
                let (mut bodies, mut answers) = (vec![first.0], vec![first.1]);
                while let Ok((body, answer)) = queue.try_recv() {
                    bodies.push(body);
                    answers.push(answer);
                }
                let newest = writer.insert(&bodies);
                for answer in answers {
                    let _ = answer.send(newest);
                }
            }
        });
        let router = Router::new().route("/ledger/events", post(take)).with_state(sender);
        let stopped = async move { drop(stopping.wait_for(|stopping| *stopping).await) };
        // Drops the queue without draining it: the bench has its answers before it stops the server.
        tokio::select! {
            () = async { axum_serve(listener, router).await } => {}
            () = stopped => {}
        }
        drop(thread.expect("a thread"));
    })
}

async fn take(State(queue): State<mpsc::Sender<Asked>>, body: Bytes) -> impl IntoResponse {
    let (answer, answered) = oneshot::channel();
    queue.send((body, answer)).await.expect("the writer lives");
    let position = answered.await.expect("the writer answers");
    ([(CONTENT_TYPE, "application/json")], format!("{{\"position\":{position}}}"))
}

/// A bare axum route that answers `body` to every `GET`.
pub fn constant_server(body: Vec<u8>) -> Running {
    let body = Bytes::from(body);
    Running::start(move |listener, mut stopping| async move {
        let answer = move || async move { ([(CONTENT_TYPE, "application/json")], body.clone()) };
        let router = Router::new().route("/{*path}", get(answer));
        let stopped = async move { drop(stopping.wait_for(|stopping| *stopping).await) };
        tokio::select! {
            () = async { axum_serve(listener, router).await } => {}
            () = stopped => {}
        }
    })
}

/// Stands for `axum::serve`, which this build of axum lacks: one hyper connection for each socket, and nothing else.
async fn axum_serve(listener: tokio::net::TcpListener, router: Router) {
    loop {
        let (stream, _) = listener.accept().await.expect("connections come in");
        stream.set_nodelay(true).expect("a TCP socket");
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let io = hyper_util::rt::TokioIo::new(stream);
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        });
    }
}
