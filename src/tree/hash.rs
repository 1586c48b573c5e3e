//! Hashes of leaves and nodes (RFC 6962 section 2.1), and their text form.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use super::excerpt;

/// A SHA-256 hash. Its text is base64 (RFC 4648 section 4, padded, in the canonical spelling only).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; Hash::LEN]);

/// A text that is not a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 bytes in canonical base64, found `{0}`")]
pub struct BadHash(String);

impl Hash {
    /// The length of a hash in bytes.
    pub const LEN: usize = 32;

    /// The hash's bytes.
    pub fn as_bytes(&self) -> &[u8; Hash::LEN] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Base64Display::new(&self.0, &BASE64).fmt(f)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = BadHash;

    fn from_str(text: &str) -> Result<Hash, BadHash> {
        // The engine refuses spaces, missing padding, and stray bits in the last digit.
        let bytes = BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Hash).ok_or_else(|| BadHash(excerpt(text)))
    }
}

/// The hash of a leaf: SHA-256 of a zero byte and the leaf's bytes.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(leaf);
    Hash(hash.finalize().into())
}

/// The hash of a node over its two children: SHA-256 of a one byte and both hashes. The first byte keeps a node from passing for
/// a leaf.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 1 + 2 * Hash::LEN];
    bytes[1..=Hash::LEN].copy_from_slice(&left.0);
    bytes[1 + Hash::LEN..].copy_from_slice(&right.0);
    Hash(Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_spelling() {
        let hash = leaf_hash(b"");
        let text = hash.to_string();
        // printf '\000' | openssl dgst -sha256 -binary | base64
        assert_eq!(text, "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=");
        assert_eq!(text.parse(), Ok(hash));
        let unpadded = text.trim_end_matches('=');
        let bits_left_over = text.replace("B0=", "B1=");
        for bad in ["", "AAAA", unpadded, &bits_left_over, &format!("{text}\n"), &format!(" {text}"), &text.repeat(2)] {
            assert!(bad.parse::<Hash>().is_err(), "{bad}");
        }
        assert!("bjQLnP-zepicpUTmu3gKLHiQHT-zNzh2hRGjBhevoB0=".parse::<Hash>().is_err(), "the URL alphabet");
    }

    #[test]
    fn the_hash_of_a_node_begins_with_the_byte_one() {
        let (left, right) = (leaf_hash(b"left"), leaf_hash(b"right"));
        let plain = Sha256::digest([&[1][..], &left.0, &right.0].concat());
        assert_eq!(node_hash(&left, &right), Hash(plain.into()));
        assert_ne!(node_hash(&left, &right), leaf_hash(&[left.0, right.0].concat()));
    }
}
