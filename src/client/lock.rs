//! The lock of a spool file, by which its owner and those that deliver older files keep apart.

use std::fs::{File, TryLockError};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Locks the file at `path`. Returns false if another process or thread has it, or removed or renamed it before the lock. Each delivers
/// only files that it has locked.
pub(super) fn lock(file: &File, path: &Path) -> Result<bool, Error> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let locked = file.metadata()?;
    match path.metadata() {
        Ok(found) => Ok((found.dev(), found.ino()) == (locked.dev(), locked.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_another_process_removed_is_not_locked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ndjson");
        let file = File::create_new(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!lock(&file, &path).unwrap());
        let other = File::create_new(&path).unwrap();
        assert!(!lock(&file, &path).unwrap());
        assert!(lock(&other, &path).unwrap());
    }
}
