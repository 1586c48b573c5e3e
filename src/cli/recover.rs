//! `jobledger recover`, `jobledger key show`.

use clap::{Args, Subcommand};

use super::{Data, Failure, Outcome};
use crate::ledger::{continue_log, identity, system_clock, writable};
use crate::log::Reader;

/// Continue a copy (an import, a backup) under a new name and key, both named by an event in its log
#[derive(Debug, Args)]
pub(super) struct Recover {
    #[command(flatten)]
    data: Data,
}

impl Recover {
    pub(super) fn run(self) -> Outcome {
        let folder = self.data.folder();
        let conn = Reader::open(&folder.log())?;
        let old = identity(&Reader::new(&conn))?;
        drop(conn);
        if writable(&folder, &old) {
            return Err(Failure::Refused(format!(
                "`{}` takes writes already; there is nothing to recover",
                old.origin
            )));
        }
        let (new, position) = continue_log(&folder, &system_clock())?;
        println!("continued `{}` as `{}` at position {position}", old.origin, new.origin);
        println!("{}", new.verifier_key);
        Ok(())
    }
}

/// The key that signs for the ledger
#[derive(Debug, Args)]
pub(super) struct Key {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Print the verifier key, `name+hash+base64`
    Show(Data),
}

impl Key {
    pub(super) fn run(self) -> Outcome {
        let KeyCommand::Show(data) = self.command;
        let conn = Reader::open(&data.folder().log())?;
        println!("{}", identity(&Reader::new(&conn))?.verifier_key);
        Ok(())
    }
}
