//! Secrets: bearer tokens and session ids. Each has 256 random bits, is shown once, and is stored as a hash.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The start of every token, by which scanners find leaked ones.
const PREFIX: &str = "jl_";

/// A secret in clear. It has neither `Debug` nor `Clone`, and its memory is wiped when it is dropped.
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

    /// The secret's text, to show once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

fn random() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).expect("the operating system gives randomness");
    Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes))
}

/// The hash under which a token is stored and looked up. 256 random bits cannot be guessed, so a fast hash is enough, and the
/// time of a look-up tells nothing about the secret.
pub(super) fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The hash of a session id. Its prefix keeps a session id from passing for a token, and a token for a session id.
pub(super) fn session_hash(session: &str) -> [u8; 32] {
    Sha256::digest(format!("session\n{session}").as_bytes()).into()
}
