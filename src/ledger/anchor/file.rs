//! The anchor's file. It is replaced atomically, by compare-and-swap.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::job::plural;
use crate::ledger::folder::{Folder, before};
use crate::log::{self, Reader};
use crate::tree::MAX_NOTE;

/// Attempts to take the lock of the anchor's folder, one every [`LOCK_PAUSE`]. A holder writes one small file.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Why an anchor cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The anchor cannot be read.
    #[error("cannot read the anchor `{}`", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// The anchor cannot be written.
    #[error("cannot write in the anchor's folder `{}`", .path.display())]
    Write {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// Another process keeps the lock.
    #[error("expected the lock of the anchor's folder `{}` to be free within a second", .0.display())]
    Locked(PathBuf),
    /// The anchor holds a note that this process neither found at its start nor wrote.
    #[error("expected {}, found {}", told(.expected.as_deref()), told(Some(.found)))]
    Taken {
        /// The note that this process wrote, or found at its start.
        expected: Option<Vec<u8>>,
        /// The note in the file.
        found: Vec<u8>,
    },
}

/// The anchor of a log, as far as this process knows it.
#[derive(Debug)]
pub(in crate::ledger) struct Anchor {
    folder: PathBuf,
    file: PathBuf,
    /// The note in the file: found at the start, or written since.
    held: Option<Vec<u8>>,
    /// A note that the file may hold instead, because writing the note failed half-way.
    unsure: Option<Vec<u8>>,
    /// The note that the file held when it was last found missing. A volume that comes back brings this note with it.
    gone: Option<Vec<u8>>,
}

impl Anchor {
    /// Reads the anchor of `folder`, which may have none.
    pub(in crate::ledger) fn find(folder: &Folder) -> Result<Anchor, AnchorError> {
        let (folder, file) = (folder.anchor().to_owned(), folder.anchored());
        Ok(Anchor { held: read(&file)?, unsure: None, gone: None, folder, file })
    }

    /// The note that the anchor holds.
    pub(in crate::ledger) fn held(&self) -> Option<&[u8]> {
        self.held.as_deref()
    }

    /// Puts `note` into the anchor by compare-and-swap. Compares even if the anchor holds `note` already, to find another
    /// writer at once.
    pub(in crate::ledger) fn put(&mut self, note: &[u8]) -> Result<(), AnchorError> {
        self.compare()?;
        if self.held() == Some(note) {
            return Ok(());
        }
        let _lock = self.lock()?;
        self.compare()?;
        self.unsure = Some(note.to_owned());
        replace(&self.folder, &self.file, note).map_err(self.unwritable())?;
        self.held = self.unsure.take();
        Ok(())
    }

    /// Puts the newest checkpoint into the anchor, for a command that has just signed it. If that fails, the next start does it.
    pub(in crate::ledger) fn bring_forward(&mut self, log: &Reader<'_>) -> Result<(), log::Error> {
        if let Some(newest) = log.checkpoint()?
            && let Err(error) = self.put(&newest.note)
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the anchor is not brought forward before the next start"
            );
        }
        Ok(())
    }

    /// Keeps a copy of the note under another name, before the log continues as `origin`.
    pub(in crate::ledger) fn keep(&self, origin: &str) -> Result<Option<PathBuf>, AnchorError> {
        let Some(held) = self.held() else { return Ok(None) };
        let (_lock, kept) = (self.lock()?, self.kept(origin));
        replace(&self.folder, &kept, held).map_err(self.unwritable())?;
        Ok(Some(kept))
    }

    /// Whether the anchor still holds the note that was kept when the log took the name `origin`: a crash came before the
    /// anchor was replaced.
    pub(in crate::ledger) fn is_left_behind(&self, origin: &str) -> Result<bool, AnchorError> {
        Ok(self.held.is_some() && read(&self.kept(origin))? == self.held)
    }

    /// Moves the note to another name, before a ledger with the name `origin` is made.
    pub(in crate::ledger) fn set_aside(&mut self, origin: &str) -> Result<Option<PathBuf>, AnchorError> {
        if self.held.is_none() {
            return Ok(None);
        }
        let (_lock, kept) = (self.lock()?, self.kept(origin));
        std::fs::rename(&self.file, &kept).and_then(|()| Folder::sync(&self.folder)).map_err(self.unwritable())?;
        self.held = None;
        Ok(Some(kept))
    }

    /// The file that keeps the note from before the name `origin`. A ledger takes each name once, so no kept note is overwritten.
    fn kept(&self, origin: &str) -> PathBuf {
        before(&self.file, origin)
    }

    fn compare(&mut self) -> Result<(), AnchorError> {
        let found = read(&self.file)?;
        if found.is_some() && found == self.unsure {
            self.held = self.unsure.take();
        }
        if found.is_some() && found == self.gone {
            self.held = self.gone.take();
        }
        match found {
            found if found == self.held => Ok(()),
            Some(found) => Err(AnchorError::Taken { expected: self.held.clone(), found }),
            // No process that signs for the log removes the file.
            None => {
                tracing::warn!(file = %self.file.display(), "the anchor's file is missing: it is written again");
                self.gone = self.held.take().or(self.gone.take());
                Ok(())
            }
        }
    }

    /// Keeps other processes from comparing and replacing until the answer is dropped.
    fn lock(&self) -> Result<File, AnchorError> {
        // Makes this folder, but none above it: a folder must not stand in for a volume that is not mounted.
        match std::fs::create_dir(&self.folder) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(self.unwritable()(cause)),
            _ => {}
        }
        let path = self.folder.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(self.unwritable())?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(cause)) => return Err(self.unwritable()(cause)),
            }
        }
        Err(AnchorError::Locked(self.folder.clone()))
    }

    fn unwritable(&self) -> impl Fn(io::Error) -> AnchorError {
        let path = self.folder.clone();
        move |cause| AnchorError::Write { path: path.clone(), cause }
    }
}

/// Reads at most one byte more than a note may have. The byte shows that the file is too long.
fn read(path: &Path) -> Result<Option<Vec<u8>>, AnchorError> {
    let failed = |cause| AnchorError::Read { path: path.to_owned(), cause };
    let file = match File::open(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed)?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_NOTE as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// Replaces the file atomically: a reader finds the old file or the new one, also after a power cut. The caller has the lock.
fn replace(folder: &Path, file: &Path, note: &[u8]) -> io::Result<()> {
    let new = folder.join("checkpoint.new");
    let mut written = File::create(&new)?;
    written.write_all(note)?;
    written.sync_all()?;
    std::fs::rename(new, file)?;
    Folder::sync(folder)
}

/// A note in a few words.
fn told(note: Option<&[u8]>) -> String {
    let Some(note) = note else { return "no file".into() };
    match std::str::from_utf8(note).unwrap_or_default().lines().take(3).collect::<Vec<_>>()[..] {
        [origin, size, root] if origin.len() + size.len() + root.len() < 300 => {
            format!("a checkpoint of {} of `{origin}` with the root {root}", plural(size, "event", "events"))
        }
        _ => format!("no checkpoint, but {}", plural(note.len(), "byte", "bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(dir: &Path) -> Anchor {
        Anchor::find(&Folder::new(dir)).unwrap()
    }

    #[test]
    fn an_anchor_replaces_only_a_note_that_it_found_or_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let (mut one, mut other) = (anchor(dir.path()), anchor(dir.path()));
        one.put(b"1").unwrap();
        one.put(b"2").unwrap();
        assert!(matches!(other.put(b"3"), Err(AnchorError::Taken { expected: None, found }) if found == b"2"));
        // An equal note does not hide the other writer.
        assert!(matches!(other.put(b"2"), Err(AnchorError::Taken { .. })));
        other = anchor(dir.path());
        assert_eq!(other.held(), Some(&b"2"[..]));
        other.put(b"3").unwrap();
        assert!(matches!(one.put(b"2"), Err(AnchorError::Taken { .. })));
    }

    #[test]
    fn a_note_that_a_failed_write_left_is_not_taken_for_another_writers() {
        let dir = tempfile::tempdir().unwrap();
        let mut anchor = anchor(dir.path());
        anchor.put(b"1").unwrap();
        // The folder's sync fails after the renaming.
        anchor.unsure = Some(b"2".into());
        std::fs::write(&anchor.file, "2").unwrap();
        anchor.put(b"3").unwrap();
        // The failed write left nothing.
        anchor.unsure = Some(b"4".into());
        anchor.put(b"5").unwrap();
        assert_eq!(std::fs::read(&anchor.file).unwrap(), b"5");
    }

    #[test]
    fn an_anchor_whose_file_is_gone_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut anchor = anchor(dir.path());
        anchor.put(b"1").unwrap();
        std::fs::remove_dir_all(&anchor.folder).unwrap();
        anchor.put(b"1").unwrap();
        assert_eq!(std::fs::read(&anchor.file).unwrap(), b"1");
    }

    #[test]
    fn a_volume_that_comes_back_with_its_note_is_not_taken_for_another_writers() {
        let dir = tempfile::tempdir().unwrap();
        let mut anchor = anchor(dir.path());
        let away = dir.path().join("away");
        anchor.put(b"1").unwrap();
        // It comes back between the two comparisons of one attempt.
        std::fs::rename(&anchor.folder, &away).unwrap();
        anchor.compare().unwrap();
        std::fs::rename(&away, &anchor.folder).unwrap();
        anchor.put(b"2").unwrap();
        // It comes back after a note was written in its place.
        std::fs::rename(&anchor.folder, &away).unwrap();
        anchor.put(b"3").unwrap();
        std::fs::remove_dir_all(&anchor.folder).unwrap();
        std::fs::rename(&away, &anchor.folder).unwrap();
        anchor.put(b"4").unwrap();
        assert_eq!(std::fs::read(&anchor.file).unwrap(), b"4");
        // A note that another process wrote meanwhile.
        std::fs::rename(&anchor.folder, &away).unwrap();
        anchor.compare().unwrap();
        std::fs::rename(&away, &anchor.folder).unwrap();
        std::fs::write(&anchor.file, "5").unwrap();
        assert!(matches!(anchor.put(b"6"), Err(AnchorError::Taken { .. })));
    }

    #[test]
    fn the_old_note_is_kept_under_the_next_name_of_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let mut anchor = anchor(dir.path());
        assert_eq!(anchor.keep("jobledger/b").unwrap(), None);
        anchor.put(b"a").unwrap();
        let kept = anchor.keep("jobledger/b").unwrap().unwrap();
        assert!(kept.ends_with("checkpoint.before-b") && std::fs::read(&kept).unwrap() == b"a");
        assert!(anchor.is_left_behind("jobledger/b").unwrap() && !anchor.is_left_behind("jobledger/c").unwrap());
        anchor.put(b"b").unwrap();
        assert!(!anchor.is_left_behind("jobledger/b").unwrap());
    }
}
