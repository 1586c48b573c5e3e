//! Secrets: bearer tokens and session ids. 256 random bits, shown once, kept as a hash.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What every token starts with, so that leaked ones are found by scanners.
const PREFIX: &str = "jl_";

/// A secret in clear. Not `Debug`, not `Clone`, wiped when dropped.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A new token, `jl_…`.
    pub fn token() -> Secret {
        Secret(Zeroizing::new(format!("{PREFIX}{}", &*random())))
    }

    /// A new session id.
    pub fn session() -> Secret {
        Secret(random())
    }

    /// The text to show, once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

fn random() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).expect("the operating system gives randomness");
    Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes))
}

/// What is stored and looked up. There is nothing to guess in 256 random bits, so a fast hash is enough, and looking a hash
/// up tells by its timing nothing about the secret.
pub(super) fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The same for a session id, under another name: neither may ever pass for the other.
pub(super) fn session_hash(session: &str) -> [u8; 32] {
    Sha256::digest(format!("session\n{session}").as_bytes()).into()
}
