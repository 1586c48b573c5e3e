//! `webhooks.db` as a running server has it open.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::WebhookError;
use super::file::WebhookFile;

/// The file, if it is there. A file that takes its place is opened anew. Every call may wait for SQLite.
#[derive(Debug)]
pub(crate) struct WatchedFile {
    path: PathBuf,
    open: Option<Open>,
    /// How often a file was opened, or found to be gone.
    opened: u64,
}

#[derive(Debug)]
struct Open {
    file: WebhookFile,
    /// Device and inode.
    identity: (u64, u64),
}

/// Differs from an earlier version if another connection has changed the file, or another file is in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileVersion {
    opened: u64,
    changes: i64,
}

impl WatchedFile {
    /// The file at `path`, which need not exist.
    pub(crate) fn new(path: &Path) -> WatchedFile {
        WatchedFile { path: path.to_owned(), open: None, opened: 0 }
    }

    /// The version of the file now.
    ///
    /// # Errors
    /// The file cannot be opened or read.
    pub(crate) fn version(&mut self) -> Result<FileVersion, WebhookError> {
        let identity = self.path.metadata().ok().map(|file| (file.dev(), file.ino()));
        if self.open.as_ref().map(|open| open.identity) != identity {
            self.opened += 1;
            self.open = None;
            if let Some(identity) = identity {
                self.open = Some(Open { file: WebhookFile::open_to_note(&self.path)?, identity });
            }
        }
        let changes = self.file().map_or(Ok(0), WebhookFile::changes)?;
        Ok(FileVersion { opened: self.opened, changes })
    }

    /// The file of the newest version; `None` if there was none.
    pub(crate) fn file(&self) -> Option<&WebhookFile> {
        self.open.as_ref().map(|open| &open.file)
    }
}
