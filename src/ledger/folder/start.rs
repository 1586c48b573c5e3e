//! The state of a folder at a start. A start makes a ledger only if no file shows that there was one: a second genesis event
//! under the name and key of the first would be a fork.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::{BEFORE, Folder, FolderError, KEY_FILE, LEASE_FILE, Lock, PREVIOUS_KEY_FILE, before};
use crate::ledger::anchor::Anchor;
use crate::ledger::{OpenError, Options};

/// The folder, taken for this process, and the name for a new ledger in it.
pub(in crate::ledger) struct Start {
    pub lock: Lock,
    pub origin: String,
    /// The old files that were moved aside.
    pub kept: Vec<PathBuf>,
}

/// Takes the folder for the ledger that it holds, or for a new one if `options` allow that. A refusal changes no file.
pub(in crate::ledger) fn take(folder: &Folder, options: &Options) -> Result<Start, OpenError> {
    match Found::of(folder) {
        Err(FolderError::Missing(_)) if options.create => folder.create()?,
        found => found?.permits(folder, options)?,
    }
    let lock = folder.lock()?;
    // Another start may have made a ledger in between.
    let found = Found::of(folder)?;
    found.permits(folder, options)?;
    let origin = crate::ledger::keys::new_origin();
    let kept = if options.new_ledger { found.set_aside(folder, &origin)? } else { Vec::new() };
    Ok(Start { lock, origin, kept })
}

/// Refuses a log without a table if a file shows that there was a log with events.
pub(in crate::ledger) fn permits_genesis(folder: &Folder) -> Result<(), FolderError> {
    let mut found = Found::of(folder)?;
    found.traces.retain(|name| !name.starts_with("log.db-"));
    found.has_no_traces(folder)
}

/// The content of a folder, by the names of its files.
struct Found {
    /// Whether there is a log. An empty `log.db` beside a WAL with content does not count.
    log: bool,
    /// Files that only a ledger makes, once it has a log.
    traces: Vec<String>,
    /// Whether there are tokens. They are no trace of a log, because tokens may be made before the first start.
    tokens: bool,
    /// Whether there is an anchor, which may lie in another folder.
    anchor: bool,
    /// Files that no ledger makes.
    others: Vec<String>,
}

impl Found {
    fn of(folder: &Folder) -> Result<Found, FolderError> {
        let unreadable = |cause: std::io::Error| match cause.kind() {
            ErrorKind::NotFound => FolderError::Missing(folder.path().to_owned()),
            _ => FolderError::Unwritable { path: folder.path().to_owned(), cause },
        };
        let anchor = match folder.anchored().symlink_metadata() {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(cause) => return Err(FolderError::Unwritable { path: folder.anchor().to_owned(), cause }),
        };
        let mut found = Found { log: false, traces: Vec::new(), tokens: false, anchor, others: Vec::new() };
        let (mut log_is_empty, mut wal_has_bytes) = (false, false);
        for entry in std::fs::read_dir(folder.path()).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let size = || entry.path().metadata().map(|file| file.len());
            match name.as_str() {
                "log.db" => match size() {
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        return Err(FolderError::Dangling(entry.path()));
                    }
                    size => {
                        found.log = true;
                        log_is_empty = size.map_err(unreadable)? == 0;
                    }
                },
                "access.db" => found.tokens = true,
                _ if is_no_trace(&name) => {}
                _ if is_ledgers(&name) => {
                    wal_has_bytes |= name == "log.db-wal" && size().is_ok_and(|size| size > 0);
                    found.traces.push(name);
                }
                _ => found.others.push(name),
            }
        }
        // SQLite deletes the WAL of an empty `log.db`, and the newest events may be in that WAL. So a start must not open such a log.
        found.log &= !(log_is_empty && wal_has_bytes);
        found.traces.sort();
        found.others.sort();
        Ok(found)
    }

    /// Refuses a start that would make a ledger in the place of an older one, or among files of something else. `options` may allow
    /// either. A folder with a log is refused only if `options` ask for a new ledger.
    fn permits(&self, folder: &Folder, options: &Options) -> Result<(), FolderError> {
        let path = || folder.path().to_owned();
        match self {
            Found { log: true, .. } if options.new_ledger => Err(FolderError::HasLog(path())),
            Found { log: true, .. } => Ok(()),
            Found { others, .. } if !others.is_empty() && !options.create => {
                Err(FolderError::Occupied { path: path(), found: others.clone() })
            }
            _ if options.new_ledger => Ok(()),
            _ => self.has_no_traces(folder),
        }
    }

    /// Refuses the folder if any file shows that there was a log.
    fn has_no_traces(&self, folder: &Folder) -> Result<(), FolderError> {
        if self.traces.is_empty() && !self.anchor {
            return Ok(());
        }
        let mut found = self.traces.clone();
        if self.anchor {
            let anchored = folder.anchored();
            let told = anchored.strip_prefix(folder.path()).unwrap_or(&anchored);
            found.push(told.display().to_string());
        }
        if self.tokens {
            found.push("access.db".into());
        }
        Err(FolderError::LogGone { path: folder.path().to_owned(), found })
    }

    /// Moves the files of an older ledger to names that no start looks at. The tokens stay as they are.
    fn set_aside(&self, folder: &Folder, origin: &str) -> Result<Vec<PathBuf>, OpenError> {
        let mut kept: Vec<PathBuf> = Anchor::find(folder)?.set_aside(origin)?.into_iter().collect();
        let unwritable = |cause| FolderError::Unwritable { path: folder.path().to_owned(), cause };
        for name in &self.traces {
            let (old, new) = (folder.path().join(name), before(&folder.path().join(name), origin));
            std::fs::rename(old, &new).map_err(unwritable)?;
            kept.push(new);
        }
        Folder::sync(folder.path()).map_err(unwritable)?;
        Ok(kept)
    }
}

/// Whether a file of this name in a data folder is a ledger's.
pub(in crate::ledger) fn is_ledgers(name: &str) -> bool {
    name == "lock"
        || ["log.db", "views.db", "access.db", "webhooks.db", KEY_FILE, LEASE_FILE]
            .iter()
            .any(|file| name.starts_with(file))
}

/// Whether a file of this name does not show that there was a log: a start that was cut off leaves such files, `--new-ledger`
/// moves old files to such names, and the operating system puts some into a volume.
fn is_no_trace(name: &str) -> bool {
    let key = name.starts_with(KEY_FILE) && name != KEY_FILE && name != PREVIOUS_KEY_FILE;
    key || name.contains(BEFORE)
        || name.starts_with('.')
        || name.starts_with("access.db-")
        || name == LEASE_FILE
        || name.ends_with(".partial")
        || ["lock", "anchor", "lost+found"].contains(&name)
}
