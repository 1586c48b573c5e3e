//! `jobledger recover`.

use clap::Args;

use super::output::{remark, say};
use super::{AnchorDir, Data, Failure, Outcome};
use crate::ledger::{Continued, continue_log, system_clock};

/// Continue a copy (an import, a backup, an older state) under a new name and key; an event in its log names both
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger recover --data copy
  jobledger recover --data copy --anchor /mnt/anchor")]
pub(super) struct Recover {
    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    anchor: AnchorDir,
}

impl Recover {
    pub(super) fn run(self) -> Outcome {
        let folder = self.anchor.of(self.data.folder());
        match continue_log(&folder, &system_clock())? {
            Some(Continued { previous, identity, position, kept }) => {
                // The same name means that `recover` has completed an interrupted change of keys.
                match previous == identity.origin {
                    true => say!(
                        "completed an interrupted change of keys: `{previous}` takes writes at position {position}"
                    ),
                    false => say!("continued `{previous}` as `{}` at position {position}", identity.origin),
                }
                say!("{}", identity.verifier_key());
                if let Some(kept) = kept {
                    remark!("the earlier content of the anchor is kept in `{}`", kept.display());
                }
                Ok(())
            }
            None => {
                let path = folder.path().display();
                Err(Failure::Refused(format!("`{path}` takes writes already; there is nothing to recover")))
            }
        }
    }
}
