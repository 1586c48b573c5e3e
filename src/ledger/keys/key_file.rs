//! The file of the key that signs for the ledger.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::identity::Identity;
use crate::ledger::folder::{Folder, KEY_FILE, PREVIOUS_KEY_FILE};
use crate::tree::{SigningKey, VerifierKey};

/// What is wrong with a key file.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read or written.
    #[error("cannot read or write the key file `{}`", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// It holds something else.
    #[error("`{}` is not a signing key; expected one line `PRIVATE+KEY+name+hash+base64`", .0.display())]
    NotAKey(PathBuf),
}

/// A new key for `name`, which has neither spaces nor `+`.
pub(in crate::ledger) fn generate(name: &str) -> SigningKey {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).expect("the operating system gives randomness");
    SigningKey::from_seed(name, &seed).expect("an origin is a key's name")
}

/// Writes the key to a new file that only its owner may read, and does not return before it is on disk.
pub(in crate::ledger) fn save(key: &SigningKey, path: &Path) -> Result<(), KeyError> {
    let failed = |cause| KeyError::File { path: path.to_owned(), cause };
    let line = Zeroizing::new(format!("{}\n", &*key.to_secret()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// Reads a key file; `None` where there is none.
pub(in crate::ledger) fn load(path: &Path) -> Result<Option<SigningKey>, KeyError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(KeyError::File { path: path.to_owned(), cause }),
    };
    SigningKey::parse(text.trim_end()).map(Some).map_err(|_| KeyError::NotAKey(path.to_owned()))
}

/// The keys that sign for this log, the newest first, or why the folder has none that may. One rule serves an import, a backup
/// and a copy: who has the log without its key may read it, and goes on under a name of its own after `jobledger recover`.
///
/// Since a rotation the key before signs too, as long as its file is there.
pub(in crate::ledger) fn signing(folder: &Folder, identity: &Identity) -> Result<Vec<SigningKey>, String> {
    // A client may be told this, so it names no path.
    let hint = "put the key file back, or continue the copy under a new name with `jobledger recover`";
    let previous = load(&folder.previous_key());
    let newest = match load(&folder.key()) {
        Ok(Some(key)) if key.verifier() == identity.verifier_key() => key,
        // The log is of a time before the newest rotation, which put the log's key there.
        _ if matches!(&previous, Ok(Some(key)) if key.verifier() == identity.verifier_key()) => {
            return Ok(previous.ok().flatten().into_iter().collect());
        }
        Ok(Some(key)) if key.name() == identity.origin && !identity.keys.contains(key.verifier()) => {
            return Err(format!(
                "the folder's `{KEY_FILE}` is a key that this log does not name, as after a rotation that came later; {hint}"
            ));
        }
        Ok(Some(key)) if identity.keys.contains(key.verifier()) => {
            return Err(format!("the folder's `{KEY_FILE}` is an earlier key of this ledger than the newest; {hint}"));
        }
        Ok(Some(key)) => {
            let name = key.name();
            return Err(format!("the folder's `{KEY_FILE}` is the key of another ledger, `{name}`; {hint}"));
        }
        Ok(None) => return Err(format!("the folder has no `{KEY_FILE}` that signs for this ledger; {hint}")),
        Err(_) => return Err(format!("the folder's `{KEY_FILE}` cannot be read; {hint}")),
    };
    match previous {
        Ok(Some(key)) if identity.keys[1..].contains(key.verifier()) => Ok(vec![newest, key]),
        Ok(_) => Ok(vec![newest]),
        Err(_) => Err(format!("the folder's `{PREVIOUS_KEY_FILE}` cannot be read; move it away to end its signing")),
    }
}

/// Who the folder's key files sign as. A log that was rolled back does not name the newest of them.
pub(in crate::ledger) fn held(folder: &Folder) -> Vec<VerifierKey> {
    let files = [folder.previous_key(), folder.key()];
    files.iter().filter_map(|path| load(path).ok().flatten()).map(|key| key.verifier().clone()).collect()
}

/// Keeps a key that an event is about to name. What an attempt that never named one left is written over.
pub(in crate::ledger) fn stage(folder: &Folder, key: &SigningKey) -> Result<(), KeyError> {
    let path = folder.staged_key();
    match std::fs::remove_file(&path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(KeyError::File { path, cause }),
        _ => save(key, &path),
    }
}

/// Puts the staged key in place if the log names it by now; answers whether it did. A crash between the event and this is
/// made good by whoever opens the folder next.
pub(in crate::ledger) fn settle(folder: &Folder, identity: &Identity) -> Result<bool, KeyError> {
    let (path, staged) = (folder.key(), folder.staged_key());
    let failed = |cause| KeyError::File { path: path.clone(), cause };
    // One that cannot be read is what a crash left of one that no event names.
    let named = load(&staged).ok().flatten().is_some_and(|key| key.verifier() == identity.verifier_key());
    if !named {
        return Ok(false);
    }
    if path.exists() {
        let aside = match load(&path) {
            // After a rotation it goes on signing.
            Ok(Some(key)) if identity.keys.contains(key.verifier()) => folder.previous_key(),
            // A key of a rotation that this log, a backup of an earlier time, does not know.
            Ok(Some(key)) if key.name() == identity.origin => folder.unknown_key(key.verifier()),
            // The log has left the key's name behind.
            _ => folder.key_before(&identity.origin),
        };
        std::fs::rename(&path, aside).map_err(failed)?;
    }
    std::fs::rename(&staged, &path).map_err(failed)?;
    Folder::sync(folder.path()).map_err(failed)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_key_is_the_same_key_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.key");
        let key = generate("jobledger/test");
        save(&key, &path).unwrap();
        assert_eq!(load(&path).unwrap().unwrap().to_secret(), key.to_secret());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(save(&key, &path).is_err(), "a key is never overwritten");
        std::fs::write(&path, "something else").unwrap();
        assert!(matches!(load(&path), Err(KeyError::NotAKey(_))));
    }
}
