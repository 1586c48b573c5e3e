//! `jobledger recover`.

use clap::Args;

use super::output::{remark, say};
use super::{AnchorDir, Data, Failure, Outcome};
use crate::ledger::{Continued, continue_log, system_clock};

/// Continue a copy (an import, a backup, an older state) under a new name and key, both named by an event in its log
#[derive(Debug, Args)]
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
                // What an interrupted change of keys had left to do is not a new name.
                match previous == identity.origin {
                    true => say!("finished what was begun: `{previous}` takes writes at position {position}"),
                    false => say!("continued `{previous}` as `{}` at position {position}", identity.origin),
                }
                say!("{}", identity.verifier_key());
                if let Some(kept) = kept {
                    remark!("what the anchor held before is kept in `{}`", kept.display());
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
