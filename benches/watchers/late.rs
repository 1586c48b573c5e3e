//! Tails that begin at the first event of a large log: when their first event comes.

use std::path::Path;
use std::time::{Duration, Instant};

use jobledger::access::Role;
use tokio::io::AsyncReadExt;

use crate::Bench;
use crate::support::{BenchServer, Connection, Follows, LIFE, Serving, Table, TailReader, fill, get, post, token};

pub fn measure(bench: &Bench) {
    let data = bench.data("late");
    let (job, events) = build(bench, &data);
    let server = Serving::start(&data, &[]);
    let token = token(&data, Role::Admin);
    println!("\ntails that begin at the first of {events} events");
    let mut table =
        Table::new(["tail of", "first event after, ms", "the same tail again, ms", "memory of the server, MiB"]);
    let tails = [
        ("all events", "/ledger/events?after=0".to_owned()),
        ("the kind of all jobs", "/ledger/events?after=0&kind=task".to_owned()),
        ("the kind of the newest job", "/ledger/events?after=0&kind=generic".to_owned()),
        ("the type of the newest event", "/ledger/events?after=0&type=job.failed".to_owned()),
        ("the newest job", format!("/ledger/jobs/{job}/events?after=0")),
    ];
    for (name, path) in tails {
        let request = get(&path, &token, "text/event-stream");
        let ms = |took: Duration| format!("{:.1}", 1e3 * took.as_secs_f64());
        // The server keeps what a late tail read, so only the first tail reads the log.
        let first = bench.client.block_on(first_event(&server, &request));
        let again = bench.client.block_on(first_event(&server, &request));
        table.row([name.to_owned(), ms(first), ms(again), (server.memory().all >> 10).to_string()]);
    }
    table.print();
}

/// Makes a log whose last job is the only one of its kind, and the only one that failed. Returns its id, and the count of events.
fn build(bench: &Bench, data: &Path) -> (String, u64) {
    let started = Instant::now();
    let server = BenchServer::start(data);
    let job = "the-newest";
    let event = |name: &str, data: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"{name}","source":"/bench","type":"job.{name}","subject":"{job}","data":{data}}}"#
        )
    };
    let body = [
        event("created", r#"{"kind":"generic","spec":{"job_type":"bench"}}"#),
        event("started", "{}"),
        event("failed", r#"{"message":"The directory is away"}"#),
    ];
    bench.client.block_on(async {
        fill(&server.ledger, bench.events / LIFE).await;
        let mut worker = Connection::open(server.address()).await;
        worker.ask(&post("/ledger/events", &server.token, &format!("[{}]", body.join(",")))).await;
    });
    println!("\n{} events after {:.0} s", bench.events, started.elapsed().as_secs_f64());
    (job.to_owned(), server.ledger.head().get())
}

/// The time until the first event of the tail has come.
async fn first_event(server: &Serving, request: &[u8]) -> Duration {
    let connection = Connection::open(server.address).await;
    let started = Instant::now();
    let mut stream = connection.start(request).await;
    let (mut reader, mut buffer) = (TailReader::new(Follows::Some, None), vec![0; 64 << 10]);
    loop {
        let read = stream.read(&mut buffer).await.expect("the server answers");
        assert_ne!(read, 0, "the tail ended before its first event");
        if reader.take(&buffer[..read]).events > 0 {
            return started.elapsed();
        }
    }
}
