//! `jobledger key show`, `jobledger key rotate`.

use clap::{Args, Subcommand};

use super::output::say;
use super::{AnchorDir, Data, Failure, Outcome};
use crate::ledger::{OpenError, RotateError, identity, rotate_key, system_clock};
use crate::log::Reader;

/// The key that signs for the ledger
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger key show --data ledger
  jobledger key rotate --data ledger")]
pub(super) struct Key {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Print the verifier key, `name+hash+base64`; after a rotation the earlier ones too, the newest first
    #[command(after_long_help = "Examples:
  jobledger key show --data ledger
  jobledger key show --data ledger > vkey")]
    Show(Data),
    /// Add a key that signs for the ledger; no server may have the folder. The previous key signs too until you move its file
    /// away
    ///
    /// An event of the log names the new verifier key, and both keys sign a checkpoint that covers the event. So a verifier
    /// that trusts the old key learns the new one. Once all verifiers know the new key, move `ledger.key.previous` out of the
    /// folder and start the server again. Keep that file as long as backups of its time.
    #[command(after_long_help = "Examples:
  jobledger key rotate --data ledger
  jobledger key rotate --data ledger --anchor /mnt/anchor")]
    Rotate(Rotated),
}

#[derive(Debug, Args)]
struct Rotated {
    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    anchor: AnchorDir,
}

impl Key {
    pub(super) fn run(self) -> Outcome {
        match self.command {
            KeyCommand::Show(data) => {
                let conn = Reader::open(&data.folder().log())?;
                for key in identity(&Reader::new(&conn))?.keys {
                    say!("{key}");
                }
                Ok(())
            }
            KeyCommand::Rotate(at) => match rotate_key(&at.anchor.of(at.data.folder()), &system_clock()) {
                Ok((key, position)) => {
                    say!("added a key at position {position}");
                    say!("{key}");
                    Ok(())
                }
                Err(error @ (RotateError::ReadOnly(_) | RotateError::Overlap(_))) => {
                    Err(Failure::Refused(error.to_string()))
                }
                Err(RotateError::Open(OpenError::IsNode(path))) => Err(Failure::CouldNotRun(format!(
                    "`{}` is a node of a cluster; rotate its key with `jobledger cluster rotate`",
                    path.display()
                ))),
                Err(error) => Err(error.into()),
            },
        }
    }
}
