//! The memory of a tail: what the server's resident memory grows by, divided by the tails. The kernel's memory of sockets is not in it.

use crate::support::{Certificate, Connection, Follows, Table, Watchers, progress_of_each, size};
use crate::{Bench, Served};

/// Tails that are open before the first measurement: the ring and the caches of the server are then as full as after it.
const FIRST: usize = 10;

pub fn measure(bench: &Bench) {
    println!("\nmemory of an idle tail, KiB (resident memory of the server's process; the kernel has the sockets)");
    let mut table = Table::new(["tails", "of", "TLS", "open", "after an event each", "after a heartbeat each"]);
    let certificate = Certificate::make(bench.folder.path());
    if certificate.is_none() {
        println!("skipped: needs openssl");
    }
    let with_tls = certificate.as_ref().map(Some);
    for (name, certificate) in [("no", None)].into_iter().chain(with_tls.map(|made| ("yes", made))) {
        for (of, each_job) in [("all events", false), ("a job each", true)] {
            let served = bench.serve(&format!("memory {name} {of}"), &[], certificate);
            let cells = bench.client.block_on(grown(bench, &served, each_job));
            let [open, event, heartbeat] = cells.map(|kib| format!("{kib:.1}"));
            table.row([bench.tails.to_string(), of.to_owned(), name.to_owned(), open, event, heartbeat]);
        }
    }
    table.print();
}

/// KiB a tail when the tails are open, when each has shown an event, and when each has had a heartbeat after that.
async fn grown(bench: &Bench, served: &Served, each_job: bool) -> [f64; 3] {
    let jobs = served.running_jobs(bench.tails).await;
    let mut worker = Connection::over(served.to.connect().await);
    let requests = |count: usize| match each_job {
        true => served.tails_of(&jobs[..count]),
        false => served.tails(count, |_| "/ledger/events".to_owned()),
    };
    let follows = if each_job { Follows::Some } else { Follows::Each };
    let first = Watchers::begun(&served.to, requests(FIRST), follows).await;
    progress_of_each(&mut worker, &served.token, &jobs).await;
    first.all_see((if each_job { FIRST } else { FIRST * jobs.len() }) as u64).await;

    let before = served.serving.memory().all;
    let kib = || served.serving.memory().all.saturating_sub(before) as f64 / bench.tails as f64;
    let watchers = Watchers::begun(&served.to, requests(bench.tails), follows).await;
    let open = kib();
    // A tail of all events needs one event, a tail of a job one of its job.
    let appended = if each_job { &jobs[..] } else { &jobs[..1] };
    progress_of_each(&mut worker, &served.token, appended).await;
    watchers.all_see(bench.tails as u64).await;
    let event = kib();
    // A heartbeat comes after 15 s, for which `cargo test` does not wait.
    if size(true, true, false) {
        watchers.all_beat().await;
    }
    [open, event, kib()]
}
