//! `jobledger backup`.

use std::path::{Path, PathBuf};

use clap::Args;
use rusqlite::Connection;

use super::output::say;
use super::{Data, Failure, Outcome, progress};
use crate::ledger::Folder;
use crate::log::Reader;
use crate::sqlite::{copy_database, open_to_read};

/// Copy the ledger to another folder, as of one moment, while the server writes at full speed
///
/// Copies the log and the tokens. The anchor stays where it is, and so does the key: keep a copy of ledger.key elsewhere, or
/// continue the backup under a new name with `jobledger recover`.
#[derive(Debug, Args)]
pub(super) struct Backup {
    #[command(flatten)]
    data: Data,

    /// The folder to make; it must not hold a ledger
    #[arg(value_name = "DEST")]
    dest: PathBuf,
}

impl Backup {
    pub(super) fn run(self) -> Outcome {
        let (source, dest) = (self.data.folder(), Folder::new(&self.dest));
        if dest.log().exists() || dest.access().exists() {
            return Err(Failure::Refused(format!(
                "`{}` holds a ledger already; give a new folder",
                self.dest.display()
            )));
        }
        let log = Reader::open(&source.log())?;
        dest.create()?;
        copy(&log, &dest.log())?;
        if source.access().exists() {
            let access = open_to_read(&source.access())?;
            copy(&access, &dest.access())?;
        }
        let copied = Reader::open(&dest.log())?;
        say!("copied everything up to position {}", Reader::new(&copied).head()?);
        Ok(())
    }
}

/// Copies into a file beside `dest`, and renames the file once it is whole and on disk.
fn copy(source: &Connection, dest: &Path) -> Outcome {
    let partial = dest.with_extension("db.partial");
    // An interrupted backup may have left this file.
    let _ = std::fs::remove_file(&partial);
    let bar = progress::bar(0, "pages");
    copy_database(source, &partial, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    std::fs::File::open(&partial)?.sync_all()?;
    std::fs::rename(&partial, dest)?;
    Ok(Folder::sync(dest.parent().unwrap_or(Path::new(".")))?)
}
