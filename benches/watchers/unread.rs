//! Watchers that do not read: what they cost while events flow, and when the server closes them.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::net::{TcpSocket, TcpStream};

use crate::support::{Connection, Follows, Series, Table, Watchers, progress_at_random, run_round, thousands};
use crate::{Bench, CONNECTIONS, Served};

/// Watchers that do not read, if the limits of the run allow so many.
const UNREAD: usize = 100;
/// The server closes a connection that takes nothing for so long.
const STALL_TIMEOUT: &str = "2s";

pub fn measure(bench: &Bench) {
    let unread = UNREAD.min(bench.tails);
    println!(
        "\n{unread} watchers of all events do not read, --stall-timeout {STALL_TIMEOUT}; {CONNECTIONS} connections append"
    );
    let served = bench.serve("unread", &["--stall-timeout", STALL_TIMEOUT], None);
    let mut table = Table::new([
        "appends/s without",
        "appends/s with",
        "memory without, MiB",
        "most memory with",
        "memory after",
        "closed after, s",
    ]);
    table.row(bench.client.block_on(row(bench, &served, unread)));
    table.print();
}

async fn row(bench: &Bench, served: &Served, unread: usize) -> [String; 6] {
    let jobs = served.running_jobs(100).await;
    let requests = || progress_at_random(CONNECTIONS, bench.appends / CONNECTIONS, &served.token, &jobs);
    let all_events = |count| served.tails(count, |_| "/ledger/events".to_owned());
    let (mut without, mut with) = (Series::default(), Series::default());
    // A watcher that reads makes the server render events in both rounds. It sees all of them.
    let reader = Watchers::begun(&served.to, all_events(1), Follows::Each).await;
    without.add(run_round(served.serving.address, requests()).await);
    let before = served.serving.memory();
    let mut open = Vec::new();
    for request in all_events(unread) {
        open.push(Connection::over(narrow(served.serving.address).await).start(&request).await);
    }
    served.until_open(unread + 1).await;
    with.add(run_round(served.serving.address, requests()).await);
    let appended = Instant::now();
    served.until_open(1).await;
    let closed = appended.elapsed().as_secs_f64();
    reader.all_see(2 * bench.appends as u64).await;
    let after = served.serving.memory();
    let mib = |kib: u64| format!("{:.0}", kib as f64 / 1024.0);
    let (without, with) = (thousands(without.rate()), thousands(with.rate()));
    [without, with, mib(before.all), mib(after.peak), mib(after.all), format!("{closed:.1}")]
}

/// A connection whose client takes few bytes without reading.
async fn narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("the kernel takes the size");
    socket.connect(address).await.expect("the server listens")
}
