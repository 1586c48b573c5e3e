//! Ed25519 keys in the text forms of C2SP signed-note.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::excerpt;

/// The signature type Ed25519, in the first byte of every encoded key.
const ED25519: u8 = 1;

/// A text that is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// The name cannot stand in a note or in a key.
    #[error("expected a key's name without spaces, control characters and `+`, found `{0}`")]
    Name(String),
    /// The text is no verifier key in its canonical spelling, or its hash does not fit.
    #[error("expected a verifier key `name+hash+base64` of type Ed25519, found `{0}`")]
    Verifier(String),
    /// The text is no signing key, or its hash does not fit. The error does not show the text, which may hold most of a secret.
    #[error("expected a signing key `PRIVATE+KEY+name+hash+base64` of type Ed25519, found something else")]
    Signing,
}

/// A public key, which verifies signatures. Its text is `name+hash+base64`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: ed25519_dalek::VerifyingKey,
}

impl VerifierKey {
    fn new(name: &str, key: ed25519_dalek::VerifyingKey) -> Result<VerifierKey, BadKey> {
        if !is_name(name) {
            return Err(BadKey::Name(excerpt(name)));
        }
        // Signed-note, "Ed25519 signatures": SHA-256(name || 0x0A || 0x01 || public key)[:4].
        let mut hash = Sha256::new();
        hash.update(name);
        hash.update([b'\n', ED25519]);
        hash.update(key.as_bytes());
        let [a, b, c, d, ..] = hash.finalize().0;
        Ok(VerifierKey { name: name.to_owned(), id: u32::from_be_bytes([a, b, c, d]), key })
    }

    /// The name that the key signs under: the origin of its log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's id. Name and id tell which key a signature is of. The id is short and proves nothing.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whether this key made `signature` over `text`. Strict: refuses weak keys and non-canonical signatures.
    pub(super) fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(text.as_bytes(), &signature).is_ok())
    }

    fn parse(text: &str) -> Option<VerifierKey> {
        let mut parts = text.splitn(3, '+');
        let (name, _hash, encoded) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = BASE64.decode(encoded).ok()?;
        let bytes = bytes.strip_prefix(&[ED25519])?.try_into().ok()?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak())?;
        // Encode the key again and compare, to check the hash and to refuse another spelling.
        VerifierKey::new(name, key).ok().filter(|key| key.to_string() == text)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, self.id, BASE64.encode(&*tagged(self.key.as_bytes())))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<VerifierKey, BadKey> {
        VerifierKey::parse(text).ok_or_else(|| BadKey::Verifier(excerpt(text)))
    }
}

/// A private key, which signs under its name. It has no `Debug`, and its memory is wiped when it is dropped.
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    verifier: VerifierKey,
}

impl SigningKey {
    /// The key made from `seed`, which must be random and secret.
    ///
    /// # Errors
    /// A name that cannot stand in a note.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<SigningKey, BadKey> {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, key.verifying_key())?;
        Ok(SigningKey { key, verifier })
    }

    /// Reads `PRIVATE+KEY+name+hash+base64`.
    pub fn parse(text: &str) -> Result<SigningKey, BadKey> {
        let parse = || {
            let mut parts = text.strip_prefix("PRIVATE+KEY+")?.splitn(3, '+');
            let (name, hash, encoded) = (parts.next()?, parts.next()?, parts.next()?);
            let bytes = Zeroizing::new(BASE64.decode(encoded).ok()?);
            let seed = Zeroizing::new(<[u8; 32]>::try_from(bytes.strip_prefix(&[ED25519])?).ok()?);
            let key = SigningKey::from_seed(name, &seed).ok()?;
            (format!("{:08x}", key.verifier.id) == hash).then_some(key)
        };
        parse().ok_or(BadKey::Signing)
    }

    /// The secret as `PRIVATE+KEY+name+hash+base64`, only for the key file.
    pub fn to_secret(&self) -> Zeroizing<String> {
        let encoded = Zeroizing::new(BASE64.encode(&*tagged(self.key.as_bytes())));
        let VerifierKey { name, id, .. } = &self.verifier;
        Zeroizing::new(format!("PRIVATE+KEY+{name}+{id:08x}+{}", &*encoded))
    }

    /// The 32 secret bytes that the key is made from. Other keys of the ledger are derived from them.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    /// The name that the key signs under.
    pub fn name(&self) -> &str {
        &self.verifier.name
    }

    /// The public key.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The 64 bytes of a signature over `text`.
    pub(super) fn sign(&self, text: &str) -> [u8; 64] {
        self.key.sign(text.as_bytes()).to_bytes()
    }
}

/// Whether a key may have this name (signed-note, "Format").
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// The key's bytes behind the byte of the signature type.
fn tagged(key: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(33));
    bytes.push(ED25519);
    bytes.extend_from_slice(key);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example keys of golang.org/x/mod/sumdb/note.
    const SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
    // The key of Go's checksum database.
    const SUM: &str = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";

    #[test]
    fn keys_are_those_of_the_first_implementation() {
        let key = SigningKey::parse(SECRET).unwrap();
        assert_eq!((key.name(), key.verifier().id()), ("PeterNeumann", 0xc74f_20a3));
        assert_eq!(key.verifier().to_string(), PETER);
        assert_eq!(*key.to_secret(), SECRET);
        for key in [PETER, ENOCH, SUM] {
            assert_eq!(key.parse::<VerifierKey>().unwrap().to_string(), key);
        }
    }

    #[test]
    fn a_key_has_one_spelling() {
        let weak = format!("weak+00000000+{}", BASE64.encode(&*tagged(&[0; 32])));
        let short = PETER.trim_end_matches('W').to_owned();
        let bad = [
            PETER.replace("c74f20a3", "c74f20a4"),
            PETER.replace("c74f20a3", "C74F20A3"),
            PETER.replace("c74f20a3", "0c74f20a3"),
            PETER.replace("PeterNeumann", "Peter"),
            PETER.replace("PeterNeumann", "Peter Neumann"),
            PETER.replace("PeterNeumann", ""),
            PETER.replace("+ARpc", "+Ahpc"),
            format!("{PETER}\n"),
            format!("{PETER}="),
            format!(" {PETER}"),
            short,
            weak,
            String::new(),
            "a+b".into(),
            SECRET.into(),
        ];
        for bad in bad {
            assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
        }
        for bad in
            [&SECRET.replace("c74f20a3", "c74f20a4"), &SECRET.replace("+AYEK", "+AoEK"), PETER, "", "PRIVATE+KEY+"]
        {
            assert_eq!(SigningKey::parse(bad).err(), Some(BadKey::Signing), "{bad}");
        }
        assert!(SigningKey::from_seed("a b", &[0; 32]).is_err() && SigningKey::from_seed("", &[0; 32]).is_err());
    }
}
