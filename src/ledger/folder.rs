//! The data folder: what lies where, and whose it is while a server runs.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// What is wrong with a data folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be made or written.
    #[error("cannot write in `{}`; the ledger needs a folder that it may write", .path.display())]
    Unwritable {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// Another process has it.
    #[error("`{}` is in use by another jobledger; stop that one first, or use another --data", .0.display())]
    InUse(PathBuf),
}

/// The name of the anchor's file in its folder.
pub const ANCHOR_FILE: &str = "checkpoint";
/// The name of the signing key's file.
pub(super) const KEY_FILE: &str = "ledger.key";
/// The name of the file of the key before it.
pub(super) const PREVIOUS_KEY_FILE: &str = "ledger.key.previous";

/// A data folder, and where its anchor lies.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    anchor: PathBuf,
}

/// While it lives no other process has the folder. The lock goes with the process, however that ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Folder {
    /// The folder at `path`, which need not exist. Its anchor is in it.
    pub fn new(path: impl Into<PathBuf>) -> Folder {
        let path = path.into();
        Folder { anchor: path.join("anchor"), path }
    }

    /// The same, with its anchor in another place, better on another volume.
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

    /// The signing key, readable by its owner alone.
    pub fn key(&self) -> PathBuf {
        self.path.join(KEY_FILE)
    }

    /// The key that signs beside the newest one, until somebody takes it away.
    pub fn previous_key(&self) -> PathBuf {
        self.path.join(PREVIOUS_KEY_FILE)
    }

    /// A key that an event names, or soon will, and that does not sign yet.
    pub(super) fn staged_key(&self) -> PathBuf {
        self.path.join("ledger.key.new")
    }

    /// The key of the name that the log had before it was continued.
    pub(super) fn abandoned_key(&self) -> PathBuf {
        self.path.join("ledger.key.before-recover")
    }

    /// Makes what was renamed in the folder durable.
    pub fn sync(path: &Path) -> std::io::Result<()> {
        std::fs::File::open(path)?.sync_all()
    }

    /// Makes the folder where there is none.
    pub fn create(&self) -> Result<(), FolderError> {
        std::fs::create_dir_all(&self.path).map_err(|cause| FolderError::Unwritable { path: self.path.clone(), cause })
    }

    /// Takes the folder for this process.
    pub fn lock(&self) -> Result<Lock, FolderError> {
        self.create()?;
        let unwritable = |cause| FolderError::Unwritable { path: self.path.clone(), cause };
        let path = self.path.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(unwritable)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse(self.path.clone())),
            Err(TryLockError::Error(cause)) => Err(unwritable(cause)),
        }
    }
}
