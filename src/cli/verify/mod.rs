//! `jobledger verify`: proofs that need no trust in the server. One file holds each form of the command.
//!
//! Not here: the audit itself (`audit`, `evidence`).

mod bundle;
mod db;
mod export;
mod receipt;
mod trust;
mod url;
mod verdict;

use clap::{Args, Subcommand};

use super::Outcome;

/// Prove that nothing was changed: recompute everything from the entries, and compare it with the signed checkpoints
///
/// Exit codes: 0 verified, 1 usage, 2 unreadable, 3 content tampered with, 4 signature or key, 5 rolled back or forked, 6 data
/// missing without a redaction, 7 consistent, but not signed by a key that --vkey pins.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger verify db ledger --vkey KEY
  jobledger verify bundle sync-9.tar --vkey KEY")]
pub(super) struct Verify {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Db(db::Db),
    Export(export::ExportFile),
    Receipt(receipt::ReceiptFile),
    Url(url::Url),
    Bundle(bundle::BundleFile),
}

impl Verify {
    pub(super) fn run(self) -> Outcome {
        match self.what {
            What::Db(db) => db.run(),
            What::Export(export) => export.run(),
            What::Receipt(receipt) => receipt.run(),
            What::Url(url) => url.run(),
            What::Bundle(bundle) => bundle.run(),
        }
    }
}
