//! The Ed25519 key that signs for the ledger, in the text forms of C2SP signed-note.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::folder::{Folder, KEY_FILE};
use super::genesis::Identity;

/// Ed25519, in the first byte of every encoded key.
const ALGORITHM: u8 = 1;

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

/// A signing key and the name it signs under. Never printed, never stored but in its own file.
pub struct SigningKey {
    name: String,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// A new key for `name`, which has neither spaces nor `+`.
    pub fn generate(name: &str) -> SigningKey {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).expect("the operating system gives randomness");
        SigningKey { name: name.to_owned(), key: ed25519_dalek::SigningKey::from_bytes(&seed) }
    }

    /// The name that it signs under: the ledger's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `name+hash+base64`: what others verify with.
    pub fn verifier_key(&self) -> String {
        let encoded = tagged(self.key.verifying_key().as_bytes());
        format!("{}+{}+{}", self.name, self.hash(), BASE64.encode(&*encoded))
    }

    /// Writes the key to a new file that only its owner may read, and does not return before it is on disk.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        let failed = |cause| KeyError::File { path: path.to_owned(), cause };
        let encoded = Zeroizing::new(BASE64.encode(&*tagged(&self.key.to_bytes())));
        let line = Zeroizing::new(format!("PRIVATE+KEY+{}+{}+{}\n", self.name, self.hash(), &*encoded));
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// Reads a key file; `None` where there is none.
    pub fn load(path: &Path) -> Result<Option<SigningKey>, KeyError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(KeyError::File { path: path.to_owned(), cause }),
        };
        SigningKey::parse(text.trim_end()).map(Some).ok_or_else(|| KeyError::NotAKey(path.to_owned()))
    }

    fn parse(line: &str) -> Option<SigningKey> {
        let mut parts = line.strip_prefix("PRIVATE+KEY+")?.splitn(3, '+');
        let (name, hash, encoded) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = Zeroizing::new(BASE64.decode(encoded).ok()?);
        let seed = Zeroizing::new(<[u8; 32]>::try_from(bytes.strip_prefix(&[ALGORITHM])?).ok()?);
        let key = SigningKey { name: name.to_owned(), key: ed25519_dalek::SigningKey::from_bytes(&seed) };
        (key.hash() == hash).then_some(key)
    }

    /// The first 4 bytes of SHA-256 of name, newline and encoded public key, in hex (C2SP signed-note).
    fn hash(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update(b"\n");
        hash.update(&*tagged(self.key.verifying_key().as_bytes()));
        hex::encode(&hash.finalize()[..4])
    }
}

fn tagged(key: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(33));
    bytes.push(ALGORITHM);
    bytes.extend_from_slice(key);
    bytes
}

/// Whether the folder has the key that signs for this log.
pub fn writable(folder: &Folder, identity: &Identity) -> bool {
    why_read_only(folder, identity).is_none()
}

/// Why the folder's key cannot sign for this log; `None` where it can. One rule serves an import, a backup and a copy: who
/// has the log without its key may read it, and goes on under a name of its own after `jobledger recover`.
pub(super) fn why_read_only(folder: &Folder, identity: &Identity) -> Option<String> {
    // Told to whoever asks whether the server is ready: it names no path.
    let path = folder.key();
    let hint = "put the key file back, or continue the copy under a new name with `jobledger recover`";
    match SigningKey::load(&path) {
        Ok(Some(key)) if key.verifier_key() == identity.verifier_key => None,
        Ok(Some(key)) => {
            Some(format!("the folder's `{KEY_FILE}` is the key of another ledger, `{}`; {hint}", key.name()))
        }
        Ok(None) => Some(format!("the folder has no `{KEY_FILE}` that signs for this ledger; {hint}")),
        Err(_) => Some(format!("the folder's `{KEY_FILE}` cannot be read; {hint}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_key_is_the_same_key_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.key");
        let key = SigningKey::generate("jobledger/test");
        key.save(&path).unwrap();
        assert_eq!(SigningKey::load(&path).unwrap().unwrap().verifier_key(), key.verifier_key());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(key.save(&path).is_err(), "a key is never overwritten");
    }

    #[test]
    fn the_verifier_key_is_a_signed_note_key() {
        // The example key of golang.org/x/mod/sumdb/note.
        let line = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        let key = SigningKey::parse(line).unwrap();
        assert_eq!(key.verifier_key(), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
        assert!(SigningKey::parse(&line.replace("c74f20a3", "c74f20a4")).is_none());
    }
}
