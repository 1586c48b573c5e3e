//! `jobledger backup`.

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use clap::Args;
use rusqlite::Connection;

use super::export::remote_export;
use super::output::say;
use super::server::Server;
use super::target::Target;
use super::{Failure, Outcome, progress};
use crate::ledger::{Folder, import};
use crate::log::Reader;
use crate::sqlite::{copy_database, open_to_read};

/// Copy the ledger to another folder, as of one moment, while the server writes at full speed
///
/// Copies the log, the tokens and the webhooks. The anchor stays where it is, and so does the key: keep a copy of ledger.key elsewhere, or
/// continue the backup under a new name with `jobledger recover`. With --url the command asks a server with a token of the role
/// auditor, and copies the log alone: no tokens, no webhooks and no checkpoints.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger backup --data ledger /mnt/backup/ledger-2026-11-28
  jobledger backup --url https://ledger.example copy")]
pub(super) struct Backup {
    #[command(flatten)]
    target: Target,

    /// The folder to make; it must not hold a ledger
    #[arg(value_name = "DEST")]
    dest: PathBuf,
}

impl Backup {
    pub(super) fn run(self) -> Outcome {
        let dest = Folder::new(&self.dest);
        expect_no_ledger(&dest)?;
        match &self.target {
            Target::Folder(data) => local(&Folder::new(data), &dest),
            Target::Server(remote) => self.remote(&Server::new(remote.clone())?, &dest),
        }
    }

    /// Fetches an export into a file beside the folder, and imports it.
    fn remote(&self, server: &Server, dest: &Folder) -> Outcome {
        let parent = self.dest.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut export = tempfile::NamedTempFile::new_in(parent)?;
        remote_export(server, &[], &mut BufWriter::new(export.as_file_mut()))?;
        let bar = progress::bytes(2 * export.as_file().metadata()?.len());
        let imported = import(dest, export.path(), |read| bar.inc(read))?;
        bar.finish_and_clear();
        say!("copied everything up to position {}; no tokens and no checkpoints", imported.head);
        Ok(())
    }
}

fn expect_no_ledger(dest: &Folder) -> Outcome {
    if dest.log().exists() || dest.access().exists() {
        let path = dest.path().display();
        return Err(Failure::Refused(format!("`{path}` holds a ledger already; give a new folder")));
    }
    Ok(())
}

fn local(source: &Folder, dest: &Folder) -> Outcome {
    let log = Reader::open(&source.log())?;
    dest.create()?;
    // Two backups into one folder would write the same files.
    let _lock = dest.lock()?;
    expect_no_ledger(dest)?;
    if source.webhooks().exists() {
        // Before the log, so that no webhook is ahead of it.
        copy(&open_to_read(&source.webhooks())?, &dest.webhooks())?;
    }
    copy(&log, &dest.log())?;
    if source.access().exists() {
        let access = open_to_read(&source.access())?;
        copy(&access, &dest.access())?;
    }
    let copied = Reader::open(&dest.log())?;
    say!("copied everything up to position {}", Reader::new(&copied).head()?);
    Ok(())
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
