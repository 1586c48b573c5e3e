//! The limits that `serve` takes as options.

use std::time::Duration;

use clap::{Args, value_parser};

use super::duration::some_time;
use super::size::{BadSize, size};
use crate::http::{Bound, Bounds};
use crate::memory::{BadMemory, Memory};

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct Limits {
    /// Memory that the server's caches and queues share: 256MiB to 1TiB. The default fits a machine of 1 GiB
    #[arg(long, env = "JOBLEDGER_MEMORY", default_value = "512MiB", value_name = "SIZE", value_parser = memory)]
    pub(super) memory: Memory,

    /// Open streams (server-sent events); one more is answered 503
    #[arg(long, env = "JOBLEDGER_MAX_TAILS", default_value_t = Bounds::default().tails.total, value_name = "N", value_parser = value_parser!(u32).range(1..=1_000_000))]
    max_tails: u32,

    /// Open streams of one token, its browser sessions included
    #[arg(long, env = "JOBLEDGER_MAX_TAILS_PER_TOKEN", default_value_t = Bounds::default().tails.per_token, value_name = "N", value_parser = value_parser!(u32).range(1..=1_000_000))]
    max_tails_per_token: u32,

    /// Exports and whole hook outputs that are being sent; one more is answered 503
    #[arg(long, env = "JOBLEDGER_MAX_EXPORTS", default_value_t = Bounds::default().exports.total, value_name = "N", value_parser = value_parser!(u32).range(1..=10_000))]
    max_exports: u32,

    /// Exports and whole hook outputs of one token
    #[arg(long, env = "JOBLEDGER_MAX_EXPORTS_PER_TOKEN", default_value_t = Bounds::default().exports.per_token, value_name = "N", value_parser = value_parser!(u32).range(1..=10_000))]
    max_exports_per_token: u32,

    /// Evidence bundles that are being made or sent; one more is answered 503
    #[arg(long, env = "JOBLEDGER_MAX_BUNDLES", default_value_t = Bounds::default().bundles.total, value_name = "N", value_parser = value_parser!(u32).range(1..=1000))]
    max_bundles: u32,

    /// Evidence bundles of one token
    #[arg(long, env = "JOBLEDGER_MAX_BUNDLES_PER_TOKEN", default_value_t = Bounds::default().bundles.per_token, value_name = "N", value_parser = value_parser!(u32).range(1..=1000))]
    max_bundles_per_token: u32,

    /// How long a client may take nothing of an answer before its connection is closed, or its stream of HTTP/2 is reset. A watcher
    /// that stops reading loses its tail so, and resumes after the last event that it got; a tail that has nothing to send stays open
    #[arg(long, env = "JOBLEDGER_STALL_TIMEOUT", default_value = "30s", value_name = "DURATION", value_parser = some_time)]
    pub(super) stall_timeout: Duration,
}

fn memory(text: &str) -> Result<Memory, BadOption> {
    Ok(Memory::new(size(text)?)?)
}

/// A value of `--memory` that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
enum BadOption {
    Size(#[from] BadSize),
    Memory(#[from] BadMemory),
}

impl Limits {
    pub(super) fn bounds(&self) -> Bounds {
        let bound = |total: u32, per_token: u32| Bound { total, per_token: per_token.min(total) };
        Bounds {
            tails: bound(self.max_tails, self.max_tails_per_token),
            exports: bound(self.max_exports, self.max_exports_per_token),
            bundles: bound(self.max_bundles, self.max_bundles_per_token),
            ..Bounds::default()
        }
    }
}
