//! The secret that lease tokens are made with. It lies in a file of its own, so that a key rotation ends no lease.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::token::{LeaseToken, MAC_LEN};
use crate::job::{JobKey, Position};

/// Why the secret is of no use.
#[derive(Debug, thiserror::Error)]
pub enum LeaseSecretError {
    /// The file cannot be read or written.
    #[error("cannot read or write `{}`, the secret of the lease tokens", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: std::io::Error,
    },
    /// The file holds no secret.
    #[error(
        "`{}` is not the secret of lease tokens; expected 64 hex digits; move the file away, and the next start makes a new \
         one: every lease then runs out, because no token fits it", .0.display()
    )]
    NotASecret(PathBuf),
}

/// The secret that lease tokens are made with.
pub(in crate::ledger) struct LeaseSecret(Zeroizing<[u8; 32]>);

impl LeaseSecret {
    /// Reads the secret from the file at `path`, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written, or holds something else.
    pub(in crate::ledger) fn of_file(path: &Path) -> Result<LeaseSecret, LeaseSecretError> {
        let failed = |cause| LeaseSecretError::File { path: path.to_owned(), cause };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return LeaseSecret::make(path).map_err(failed);
            }
            Err(cause) => return Err(failed(cause)),
        };
        let mut secret = Zeroizing::new([0; 32]);
        let read = hex::decode_to_slice(text.trim_end(), &mut *secret);
        read.map_err(|_| LeaseSecretError::NotASecret(path.to_owned()))?;
        Ok(LeaseSecret(secret))
    }

    /// Makes a secret and its file, which appears only when it is complete.
    fn make(path: &Path) -> std::io::Result<LeaseSecret> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret).expect("the operating system gives randomness");
        let partial = path.with_extension("key.partial");
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        let line = Zeroizing::new(format!("{}\n", *Zeroizing::new(hex::encode(*secret))));
        file.write_all(line.as_bytes()).and_then(|()| file.sync_all())?;
        std::fs::rename(&partial, path)?;
        Ok(LeaseSecret(secret))
    }

    /// The token of the lease that the `job.started` at `since` began.
    pub(super) fn token(&self, key: &JobKey, since: Position) -> LeaseToken {
        let mac = self.mac(key, since).finalize().into_bytes();
        let (mac, _) = mac.split_first_chunk::<MAC_LEN>().expect("SHA-256 has 32 bytes");
        LeaseToken::new(since, *mac)
    }

    /// Whether `token` is of a lease of this job. Takes the same time for every token.
    pub(super) fn is_of(&self, token: &LeaseToken, key: &JobKey) -> bool {
        self.mac(key, token.since()).verify_truncated_left(token.mac()).is_ok()
    }

    fn mac(&self, key: &JobKey, since: Position) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC takes keys of any length");
        mac.update(format!("jobledger lease\n{}\n{}\n{since}", key.org, key.id).as_bytes());
        mac
    }
}

impl std::fmt::Debug for LeaseSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LeaseSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::OrgId;

    #[test]
    fn a_token_is_of_its_job_and_its_start_alone_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease.key");
        let key = |id: &str| JobKey { org: OrgId::default(), id: id.parse().unwrap() };
        let token = LeaseSecret::of_file(&path).unwrap().token(&key("a"), Position::new(7));
        let again = LeaseSecret::of_file(&path).unwrap();
        assert!(again.is_of(&token, &key("a")));
        assert!(!again.is_of(&token, &key("b")));
        let later = LeaseToken::new(Position::new(8), *token.mac());
        assert!(!again.is_of(&later, &key("a")));
        std::fs::write(&path, "not hex\n").unwrap();
        assert!(matches!(LeaseSecret::of_file(&path), Err(LeaseSecretError::NotASecret(_))));
    }
}
