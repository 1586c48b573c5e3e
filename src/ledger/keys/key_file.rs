//! The files of the keys that sign for the log.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::identity::Identity;
use crate::ledger::folder::{Folder, KEY_FILE, PREVIOUS_KEY_FILE};
use crate::stream::StreamKey;
use crate::tree::{SigningKey, VerifierKey};

/// Why a key file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("cannot read or write the key file `{}`", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: std::io::Error,
    },
    /// The file holds no key.
    #[error("`{}` is not a signing key; expected one line `PRIVATE+KEY+name+hash+base64`", .0.display())]
    NotAKey(PathBuf),
    /// A node lacks the file.
    #[error("there is no signing key `{}`, and a node of a cluster needs it; bring it from another node", .0.display())]
    Missing(PathBuf),
}

/// A new key for `name`, which has neither spaces nor `+`.
pub(in crate::ledger) fn generate(name: &str) -> SigningKey {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).expect("the operating system gives randomness");
    SigningKey::from_seed(name, &seed).expect("an origin is a key's name")
}

/// Writes the key to a new file that only its owner may read. Returns after the sync.
pub(in crate::ledger) fn save(key: &SigningKey, path: &Path) -> Result<(), KeyError> {
    let failed = |cause| KeyError::File { path: path.to_owned(), cause };
    let line = Zeroizing::new(format!("{}\n", &*key.to_secret()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// Reads a key file; `None` if the file does not exist.
pub(in crate::ledger) fn load(path: &Path) -> Result<Option<SigningKey>, KeyError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(KeyError::File { path: path.to_owned(), cause }),
    };
    SigningKey::parse(text.trim_end()).map(Some).map_err(|_| KeyError::NotAKey(path.to_owned()))
}

/// The verifier key of the folder's `ledger.key`; `None` if the folder has no such file.
///
/// # Errors
///
/// The file cannot be read, or holds no key.
pub fn own_key(folder: &Folder) -> Result<Option<VerifierKey>, KeyError> {
    Ok(load(&folder.key())?.map(|key| key.verifier().clone()))
}

/// The key of the stream of a node, which follows from `ledger.key`. All nodes have the same file, also a node whose log does not name
/// this key yet.
///
/// # Errors
///
/// The folder has no key, or it cannot be read.
pub(in crate::ledger) fn stream_key(folder: &Folder) -> Result<StreamKey, KeyError> {
    let key = load(&folder.key())?.ok_or_else(|| KeyError::Missing(folder.key()))?;
    Ok(StreamKey::derive(&key.seed()))
}

/// Why the folder has no key that may sign for the log. A client may be told this, so it names no path.
#[derive(Debug, thiserror::Error)]
pub(in crate::ledger) enum NoSigner {
    /// The log has no event that names the key.
    #[error(
        "the folder's `{KEY_FILE}` is a key that this log does not name, as after a rotation that came later; {HINT}"
    )]
    Unnamed,
    /// A rotation replaced the key.
    #[error("the folder's `{KEY_FILE}` is an earlier key of this ledger than the newest; {HINT}")]
    Earlier,
    /// The key belongs to a ledger of this name.
    #[error("the folder's `{KEY_FILE}` is the key of another ledger, `{0}`; {HINT}")]
    OtherLedger(String),
    /// The key file is missing.
    #[error("the folder has no `{KEY_FILE}` that signs for this ledger; {HINT}")]
    Missing,
    /// The key file cannot be read.
    #[error("the folder's `{KEY_FILE}` cannot be read; {HINT}")]
    Unreadable,
    /// The file of the previous key cannot be read.
    #[error("the folder's `{PREVIOUS_KEY_FILE}` cannot be read; move it away to end its signing")]
    PreviousUnreadable,
}

const HINT: &str = "put the key file back, or continue the copy under a new name with `jobledger recover`";

/// The keys that sign for this log, the newest first. After a rotation the previous key signs too, as long as its file is there.
///
/// One rule serves an import, a backup and a copy: a log without its key may be read, and continues under a name of its own after
/// `jobledger recover`.
///
/// # Errors
///
/// The folder has no key that may sign.
pub(in crate::ledger) fn signing(folder: &Folder, identity: &Identity) -> Result<Vec<SigningKey>, NoSigner> {
    let previous = load(&folder.previous_key());
    let newest = match load(&folder.key()) {
        Ok(Some(key)) if key.verifier() == identity.verifier_key() => key,
        // The log is from before the newest rotation, which moved the log's key to this file.
        _ if matches!(&previous, Ok(Some(key)) if key.verifier() == identity.verifier_key()) => {
            return Ok(previous.ok().flatten().into_iter().collect());
        }
        Ok(Some(key)) if identity.keys.contains(key.verifier()) => return Err(NoSigner::Earlier),
        Ok(Some(key)) if key.name() == identity.origin => return Err(NoSigner::Unnamed),
        Ok(Some(key)) => return Err(NoSigner::OtherLedger(key.name().to_owned())),
        Ok(None) => return Err(NoSigner::Missing),
        Err(_) => return Err(NoSigner::Unreadable),
    };
    match previous {
        Ok(Some(key)) if identity.keys[1..].contains(key.verifier()) => Ok(vec![newest, key]),
        Ok(_) => Ok(vec![newest]),
        Err(_) => Err(NoSigner::PreviousUnreadable),
    }
}

/// The verifier keys of the folder's key files. A log that was put back to an earlier state does not name the newest one.
pub(in crate::ledger) fn held(folder: &Folder) -> Vec<VerifierKey> {
    let files = [folder.previous_key(), folder.key()];
    files.iter().filter_map(|path| load(path).ok().flatten()).map(|key| key.verifier().clone()).collect()
}

/// Keeps a key that an event is about to name. Replaces the staged key of an attempt that stopped before its event.
pub(in crate::ledger) fn stage(folder: &Folder, key: &SigningKey) -> Result<(), KeyError> {
    let path = folder.staged_key();
    match std::fs::remove_file(&path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(KeyError::File { path, cause }),
        _ => save(key, &path),
    }
}

/// Puts the staged key in place if the log names it by now; answers whether it did. After a crash between the event and the
/// renaming, the next command or start that opens the folder does it.
pub(in crate::ledger) fn settle(folder: &Folder, identity: &Identity) -> Result<bool, KeyError> {
    let (path, staged) = (folder.key(), folder.staged_key());
    let failed = |cause| KeyError::File { path: path.clone(), cause };
    // A staged key that cannot be read comes from a crash while it was written, so no event names it.
    let named = load(&staged).ok().flatten().is_some_and(|key| key.verifier() == identity.verifier_key());
    if !named {
        return Ok(false);
    }
    if path.exists() {
        let aside = match load(&path) {
            // After a rotation the previous key signs too.
            Ok(Some(key)) if identity.keys.contains(key.verifier()) => folder.previous_key(),
            // A key of a rotation that this log, a backup of an earlier time, does not know.
            Ok(Some(key)) if key.name() == identity.origin => folder.unknown_key(key.verifier()),
            // The log has taken a new name.
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
