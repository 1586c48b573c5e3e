//! `jobledger recover`.

use clap::Args;

use super::{Data, Failure, Outcome};
use crate::ledger::{Continued, continue_log, system_clock};

/// Continue a copy (an import, a backup) under a new name and key, both named by an event in its log
#[derive(Debug, Args)]
pub(super) struct Recover {
    #[command(flatten)]
    data: Data,
}

impl Recover {
    pub(super) fn run(self) -> Outcome {
        let folder = self.data.folder();
        match continue_log(&folder, &system_clock())? {
            Some(Continued { previous, identity, position }) => {
                println!("continued `{previous}` as `{}` at position {position}", identity.origin);
                println!("{}", identity.verifier_key());
                Ok(())
            }
            None => {
                let path = folder.path().display();
                Err(Failure::Refused(format!("`{path}` takes writes already; there is nothing to recover")))
            }
        }
    }
}
