//! What the benches share: a ledger's server, its bare peers, a load generator, and figures.
//!
//! Every figure is compared inside one run only: rounds of the things compared take turns, medians are shown, and the disk is
//! probed before and after, because absolute figures drift on shared machines.

#![allow(dead_code, unused_imports, reason = "not every bench needs everything")]

mod bare;
mod figures;
mod load;
mod processor;
mod server;
mod work;

pub use bare::{BARE_COMMIT, BareWriter, bare_commits, constant_server, queue_server};
pub use figures::{Table, latency, median, of, per_second, percent, probe, thousands};
pub use load::{Connection, Request, Round, Series, client, run_round};
pub use processor::{Processor, Spent};
pub use server::{BenchServer, Running, token};
pub use work::{Jobs, LIFE, Life, fill, get, post, singles};

use std::path::PathBuf;

/// The command's allocator, for all that is compared.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whether the bench is to be short: `cargo bench --bench append -- --quick`.
pub fn quick() -> bool {
    std::env::args().any(|arg| arg == "--quick")
}

/// The value of `--name value`.
pub fn option(name: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|arg| arg.strip_prefix("--") != Some(name));
    args.nth(1)
}

/// A folder on the disk that cargo builds on, not on one in memory; removed when dropped.
pub fn folder() -> tempfile::TempDir {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&target).expect("the target folder can be written");
    tempfile::tempdir_in(target).expect("the target folder can be written")
}
