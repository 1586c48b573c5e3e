//! The key of a stream, and the hashes of its messages.

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::tree::Head;

/// The SHA-256 of a whole message, its MAC included. Each message names the hash of the valid message before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageHash(pub [u8; 32]);

impl MessageHash {
    /// The hash of a message.
    pub fn of(bytes: &[u8]) -> MessageHash {
        MessageHash(Sha256::digest(bytes).into())
    }

    /// What the first message of a generation names: the log that the generation begins with. So a node with another log accepts
    /// no message of the generation.
    pub fn of_start(origin: &str, generation: u32, head: Head) -> MessageHash {
        let mut hash = Sha256::new();
        hash.update(format!("jobledger stream\n{origin}\n{generation}\n{}\n", head.size.get()));
        hash.update(head.root.as_bytes());
        MessageHash(hash.finalize().into())
    }
}

/// In hexadecimal digits.
impl fmt::Display for MessageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The first 8 hexadecimal digits.
impl fmt::Debug for MessageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.8}", self.to_string())
    }
}

/// The secret that authenticates the messages of a ledger's stream, and encrypts the shared files in them. Only nodes with the ledger's key have it.
#[derive(Clone)]
pub struct StreamKey(Hmac<Sha256>);

impl StreamKey {
    /// The length of a MAC in bytes.
    pub const MAC: usize = 32;
    /// The length of the nonce of a cipher, in bytes.
    pub const NONCE: usize = 12;

    /// Derives the key from the seed of the ledger's key (HKDF-SHA256).
    pub fn derive(seed: &[u8; 32]) -> StreamKey {
        let mut okm = Zeroizing::new([0; 32]);
        let expanded = Hkdf::<Sha256>::new(None, seed).expand(b"jobledger stream", &mut *okm);
        expanded.expect("32 bytes are no longer than HKDF may give");
        StreamKey(Hmac::new_from_slice(&*okm).expect("HMAC takes keys of any length"))
    }

    /// The MAC of `bytes`, which are for `purpose`.
    pub fn mac(&self, purpose: &str, bytes: &[u8]) -> [u8; Self::MAC] {
        self.over(purpose, bytes).finalize().into_bytes().into()
    }

    /// `bytes` with their MAC for `purpose` behind them.
    pub(super) fn sealed(&self, purpose: &str, mut bytes: Vec<u8>) -> Vec<u8> {
        let mac = self.mac(purpose, &bytes);
        bytes.extend_from_slice(&mac);
        bytes
    }

    /// The bytes before the MAC; `None` if the MAC is not of them and this purpose.
    pub(super) fn opened<'b>(&self, purpose: &str, sealed: &'b [u8]) -> Option<&'b [u8]> {
        let (bytes, mac) = sealed.split_last_chunk::<{ Self::MAC }>()?;
        self.verifies(purpose, bytes, mac).then_some(bytes)
    }

    /// Whether `mac` is of these bytes and this purpose. Takes the same time for every MAC.
    pub fn verifies(&self, purpose: &str, bytes: &[u8], mac: &[u8]) -> bool {
        self.over(purpose, bytes).verify_slice(mac).is_ok()
    }

    /// `bytes`, encrypted by ChaCha20-Poly1305 (RFC 8439). Each purpose has its own key of the cipher, and each call needs its own nonce.
    pub(super) fn encrypted(&self, purpose: &str, nonce: [u8; Self::NONCE], bytes: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(nonce.len() + bytes.len() + CHACHA20_POLY1305.tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(bytes);
        let nonce_of_call = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .cipher(purpose)
            .seal_in_place_separate_tag(nonce_of_call, Aad::empty(), &mut sealed[nonce.len()..])
            .expect("a message is shorter than the cipher's limit of 256 GiB");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// The bytes that were encrypted, which are wiped when they are dropped; `None` if they were not encrypted with this key for this
    /// purpose.
    pub(super) fn decrypted(&self, purpose: &str, encrypted: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, bytes) = encrypted.split_first_chunk::<{ Self::NONCE }>()?;
        let mut bytes = Zeroizing::new(bytes.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.cipher(purpose).open_in_place(nonce, Aad::empty(), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }

    fn cipher(&self, purpose: &str) -> LessSafeKey {
        let key = Zeroizing::new(self.mac("cipher", purpose.as_bytes()));
        LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &*key).expect("a MAC is as long as a key of the cipher"))
    }

    fn over(&self, purpose: &str, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(bytes);
        mac
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey")
    }
}
