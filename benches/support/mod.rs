//! Shared by the benches: a ledger's server, its bare peers, a load generator, and figures.
//!
//! Compare figures of one run only, because absolute figures drift on shared machines. In a run the compared things take turns,
//! the tables show medians, and a probe measures the disk before and after.

#![allow(dead_code, unused_imports, reason = "not every bench needs everything")]

mod bare;
mod compared;
mod figures;
mod load;
mod long_job;
#[path = "../../tests/slow/cluster/servers.rs"]
mod nats;
#[path = "../../tests/support/nats_server.rs"]
pub mod nats_server;
mod nodes;
mod postgres;
mod processor;
mod server;
mod serving;
mod tail_reader;
mod to;
#[path = "../../tests/support/wait.rs"]
pub mod wait;
mod watching;
mod work;

pub use bare::{BARE_COMMIT, BareWriter, bare_commits, constant_server, queue_server};
pub use compared::Compared;
pub use figures::{Table, latency, median, of, per_second, percent, percentile, probe, thousands};
pub use load::{Connection, Request, Round, Series, client, latencies, run_paced, run_paced_while, run_round};
pub use long_job::{LongJob, Reports};
pub use nodes::Nodes;
pub use postgres::Postgres;
pub use processor::{Processor, Spent};
pub use server::{BenchServer, Running, token};
pub use serving::{Memory, Serving, connections_within_limit};
pub use tail_reader::{Follows, TailReader};
pub use to::{Certificate, Stream, To};
pub use watching::Watchers;
pub use work::{
    Jobs, LIFE, Life, fill, get, get_after, open_jobs, post, progress_at_random, progress_of_each, running_jobs,
    singles, time_ordered,
};

use std::path::PathBuf;

/// The allocator of the command `jobledger`. The bare peers use it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The size of a run: `full`, `quick` for `cargo bench --bench append -- --quick`, or `once` for `cargo test`, which only shows that
/// the bench still works.
pub fn size<T>(full: T, quick: T, once: T) -> T {
    let is_given = |name: &str| std::env::args().any(|arg| arg == name);
    match (is_given("--bench"), is_given("--quick")) {
        (false, _) => once,
        (true, true) => quick,
        (true, false) => full,
    }
}

/// The value of `--name value`.
pub fn option(name: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|arg| arg.strip_prefix("--") != Some(name));
    args.nth(1)
}

/// A temporary folder in cargo's target folder, so on a disk and not in memory. Dropping it removes the folder.
pub fn folder() -> tempfile::TempDir {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&target).expect("the target folder can be written");
    tempfile::tempdir_in(target).expect("the target folder can be written")
}
