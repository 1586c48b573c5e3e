//! The start of a tail that begins at the first event of a large log: when its first event comes, and when it has seen all.

use std::time::{Duration, Instant};

use jobledger::access::Role;

use crate::Bench;
use crate::support::{
    BenchServer, Connection, Follows, LIFE, Serving, Table, TailReader, fill, get, median, post, token,
};

use tokio::io::AsyncReadExt;

pub fn measure(bench: &Bench) {
    let data = bench.data("late");
    let (job, events) = build(bench, &data);
    let server = Serving::start(&data, &[]);
    let token = token(&data, Role::Admin);
    println!("\ntails that begin at the first of {events} events");
    let mut table =
        Table::new(["tail of", "head of the answer after, ms", "first event after, ms", "memory of the server, MiB"]);
    let tails = [
        ("all events", "/ledger/events?after=0".to_owned()),
        ("the kind of all jobs", "/ledger/events?after=0&kind=task".to_owned()),
        ("the kind of the newest job", "/ledger/events?after=0&kind=generic".to_owned()),
        ("the type of the newest event", "/ledger/events?after=0&type=job.failed".to_owned()),
        ("the newest job", format!("/ledger/jobs/{job}/events?after=0")),
    ];
    for (name, path) in tails {
        let request = get(&path, &token, "text/event-stream");
        let mut rounds = Vec::new();
        for _ in 0..bench.rounds {
            rounds.push(bench.client.block_on(first_event(&server, &request)));
        }
        let ms = |which: usize| {
            let times: Vec<f64> = rounds.iter().map(|times| 1e3 * times[which].as_secs_f64()).collect();
            format!("{:.1}", median(&times))
        };
        table.row([name.to_owned(), ms(0), ms(1), (server.memory().all >> 10).to_string()]);
    }
    table.print();
}

/// Makes a log whose last job is the only one of its kind, and the only one that failed. Returns its id, and the count of events.
fn build(bench: &Bench, data: &std::path::Path) -> (String, u64) {
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

/// The time until the answer begins, and until its first event has come.
async fn first_event(server: &Serving, request: &[u8]) -> [Duration; 2] {
    let connection = Connection::open(server.address).await;
    let started = Instant::now();
    let mut stream = connection.start(request).await;
    let (mut reader, mut buffer) = (TailReader::new(Follows::Some, None), vec![0; 64 << 10]);
    let mut begun = None;
    loop {
        let read = stream.read(&mut buffer).await.expect("the server answers");
        assert_ne!(read, 0, "the tail ended before its first event");
        begun.get_or_insert_with(|| started.elapsed());
        if reader.take(&buffer[..read]).events > 0 {
            return [begun.unwrap_or_default(), started.elapsed()];
        }
    }
}
