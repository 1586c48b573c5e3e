//! The data folder: its files, the lock that gives it to one process, and the rules by which a start makes a ledger in it.
//!
//! Not here: the content of any file.

mod open_files;
mod private;
mod start;

pub(super) use open_files::{Files, Watch};
pub(super) use private::close_to_others;
pub(super) use start::{Start, permits_genesis, take};

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::tree::VerifierKey;

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder cannot be made or written.
    #[error("cannot write in `{}`; the ledger needs a folder that it may write", .path.display())]
    Unwritable {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: std::io::Error,
    },
    /// Another process has the folder.
    #[error("`{}` is in use by another jobledger; stop that one first, or use another --data", .0.display())]
    InUse(PathBuf),
    /// The folder does not exist.
    #[error(
        "there is no folder `{}`; give the folder of a ledger by --data, or start a new ledger there with --create", .0.display()
    )]
    Missing(PathBuf),
    /// The folder holds no ledger, and files of something else.
    #[error(
        "`{}` has no ledger, and files of something else: {}; give the folder of a ledger or an empty one by --data, or start a \
         new ledger among these files with --create", .path.display(), listed(.found)
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// The files.
        found: Vec<String>,
    },
    /// The log is missing, and other files of a ledger remain.
    #[error(
        "`{}` has no log, but {}, which a ledger left: put `log.db` (and `log.db-wal`, if there is one) back, or restore an \
         export with `jobledger import`; a new ledger, with another name and key, starts here with --new-ledger, which keeps \
         the old files as `*.before-…`", .path.display(), listed(.found)
    )]
    LogGone {
        /// The folder.
        path: PathBuf,
        /// The files that only a ledger with a log makes.
        found: Vec<String>,
    },
    /// The log is a link to a missing file.
    #[error("`{}` is a link to a file that is not there; mount or restore the place where the log lies", .0.display())]
    Dangling(PathBuf),
    /// `--new-ledger` was given, and the folder has a log.
    #[error(
        "`{}` has a log, so --new-ledger does nothing here; leave the option out to continue the log", .0.display()
    )]
    HasLog(PathBuf),
}

/// Names as a list in a sentence.
fn listed(names: &[String]) -> String {
    /// Most names in the list.
    const SAID: usize = 8;
    let mut text = names.iter().take(SAID).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SAID {
        text.push_str(&format!(" and {} more", names.len() - SAID));
    }
    text
}

/// The name of the anchor's file in its folder.
pub const ANCHOR_FILE: &str = "checkpoint";
/// The name of the signing key's file.
pub(super) const KEY_FILE: &str = "ledger.key";
/// The name of the previous key's file.
pub(super) const PREVIOUS_KEY_FILE: &str = "ledger.key.previous";

/// The name of the file with the secret of the lease tokens.
pub(super) const LEASE_FILE: &str = "lease.key";

/// The name under which `file` is kept when the ledger takes the name `origin`: `*.before-…`.
pub(super) fn before(file: &Path, origin: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(format!("{BEFORE}{}", origin.rsplit('/').next().unwrap_or_default()));
    path.into()
}

/// A part of the name of every file that was kept when the ledger took another name.
pub(super) const BEFORE: &str = ".before-";

/// A data folder, and the folder of its anchor.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    anchor: PathBuf,
}

/// Keeps the folder for this process until it is dropped. The operating system releases the lock when the process ends, even by a
/// crash.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    /// Unlocks the file instead of only closing it. A child process has the open file between its fork and its exec, so that the folder
    /// would stay locked for that time.
    fn drop(&mut self) {
        if let Err(cause) = self.file.unlock() {
            tracing::warn!(%cause, "the folder stays locked until this process ends");
        }
    }
}

impl Folder {
    /// The folder at `path`, which need not exist. Its anchor is in it.
    pub fn new(path: impl Into<PathBuf>) -> Folder {
        let path = path.into();
        Folder { anchor: path.join("anchor"), path }
    }

    /// The same folder with its anchor elsewhere, better on another volume.
    pub fn anchored_in(self, anchor: impl Into<PathBuf>) -> Folder {
        Folder { anchor: anchor.into(), ..self }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the anchor.
    pub fn anchor(&self) -> &Path {
        &self.anchor
    }

    /// The anchor itself: the newest signed checkpoint, outside the database.
    pub fn anchored(&self) -> PathBuf {
        self.anchor.join(ANCHOR_FILE)
    }

    /// The log, the truth.
    pub fn log(&self) -> PathBuf {
        self.path.join("log.db")
    }

    /// The views, disposable.
    pub fn views(&self) -> PathBuf {
        self.path.join("views.db")
    }

    /// Views being made beside those in use.
    pub fn new_views(&self) -> PathBuf {
        self.path.join("views.db.new")
    }

    /// Views being made because there are none.
    pub fn remade_views(&self) -> PathBuf {
        self.path.join("views.db.remade")
    }

    /// Tokens and sessions.
    pub fn access(&self) -> PathBuf {
        self.path.join("access.db")
    }

    /// Webhooks, with their secrets.
    pub fn webhooks(&self) -> PathBuf {
        self.path.join("webhooks.db")
    }

    /// The signing key, readable by its owner alone.
    pub fn key(&self) -> PathBuf {
        self.path.join(KEY_FILE)
    }

    /// The previous key. It signs beside the newest one as long as its file is here.
    pub fn previous_key(&self) -> PathBuf {
        self.path.join(PREVIOUS_KEY_FILE)
    }

    /// The secret that lease tokens are made with.
    pub(super) fn lease_secret(&self) -> PathBuf {
        self.path.join(LEASE_FILE)
    }

    /// A key that an event names, or is about to name, and that does not sign yet.
    pub(super) fn staged_key(&self) -> PathBuf {
        self.path.join("ledger.key.new")
    }

    /// The file that keeps a key that the log does not name.
    pub(super) fn unknown_key(&self, key: &VerifierKey) -> PathBuf {
        let hash = key.to_string().split('+').nth(1).unwrap_or_default().to_owned();
        self.path.join(format!("{KEY_FILE}.unknown-{hash}"))
    }

    /// The file that keeps the last key before the ledger took the name `origin`. A ledger takes each name once, so no kept key is
    /// overwritten.
    pub(super) fn key_before(&self, origin: &str) -> PathBuf {
        before(&self.key(), origin)
    }

    /// Makes renames in the folder `path` durable.
    ///
    /// # Errors
    ///
    /// The folder cannot be opened or synced.
    pub fn sync(path: &Path) -> std::io::Result<()> {
        std::fs::File::open(path)?.sync_all()
    }

    /// Makes the folder if it does not exist. Only its owner may enter it.
    ///
    /// # Errors
    ///
    /// The operating system refuses the folder.
    pub fn create(&self) -> Result<(), FolderError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
        made.map_err(|cause| FolderError::Unwritable { path: self.path.clone(), cause })
    }

    /// Brings every file of the folder to the disk: a program that copied them may not have done so.
    ///
    /// # Errors
    ///
    /// The operating system refuses it.
    pub fn sync_files(&self) -> Result<(), FolderError> {
        let sync = || -> std::io::Result<()> {
            for entry in std::fs::read_dir(&self.path)? {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    Folder::sync(&entry.path())?;
                }
            }
            Folder::sync(&self.path)
        };
        sync().map_err(|cause| FolderError::Unwritable { path: self.path.clone(), cause })
    }

    /// The file whose lock shows that a process has the folder.
    pub(super) fn lock_file(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// Takes the folder, which must exist, for this process.
    ///
    /// # Errors
    ///
    /// Another process has the folder, or the lock file cannot be written.
    pub fn lock(&self) -> Result<Lock, FolderError> {
        let unwritable = |cause: std::io::Error| match cause.kind() {
            std::io::ErrorKind::NotFound => FolderError::Missing(self.path.clone()),
            _ => FolderError::Unwritable { path: self.path.clone(), cause },
        };
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(self.lock_file()).map_err(unwritable)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { file }),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse(self.path.clone())),
            Err(TryLockError::Error(cause)) => Err(unwritable(cause)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_lock_is_free_although_a_child_process_has_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        let lock = folder.lock().unwrap();
        // A forked child has the same open file.
        let _child = lock.file.try_clone().unwrap();
        assert!(matches!(folder.lock(), Err(FolderError::InUse(_))));
        drop(lock);
        folder.lock().unwrap();
    }
}
