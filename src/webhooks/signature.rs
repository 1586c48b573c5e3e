//! The secret of a webhook, and the signatures that it makes, as Standard Webhooks describes them
//! (<https://www.standardwebhooks.com>).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The start of every secret, by which receivers and scanners know one.
const PREFIX: &str = "whsec_";
/// Bytes of a new secret.
const LEN: usize = 32;

/// The secret of a webhook as text, `whsec_…`. Its memory is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// A new secret.
    pub(super) fn new() -> Secret {
        let mut bytes = Zeroizing::new([0; LEN]);
        getrandom::fill(&mut *bytes).expect("the operating system gives randomness");
        Secret(Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(*bytes))))
    }

    /// A secret from the file.
    pub(super) fn stored(text: String) -> Secret {
        Secret(Zeroizing::new(text))
    }

    /// The secret's text.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// The value of `webhook-signature` for a message: its id, the time in seconds since 1970 at which it is sent, and its body.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let encoded = self.0.strip_prefix(PREFIX).unwrap_or(&self.0);
        // A secret that a person wrote into the file signs as the bytes that it is.
        let key = Zeroizing::new(STANDARD.decode(encoded).unwrap_or_else(|_| encoded.as_bytes().to_vec()));
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.reveal())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::stored)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("whsec_…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        // The example of the specification's libraries.
        let secret = Secret::stored("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_secret_has_32_random_bytes_and_hides_in_debug_text() {
        let (one, other) = (Secret::new(), Secret::new());
        let bytes = |secret: &Secret| STANDARD.decode(secret.reveal().strip_prefix(PREFIX).unwrap()).unwrap();
        assert_eq!(bytes(&one).len(), LEN);
        assert_ne!(bytes(&one), bytes(&other));
        assert_eq!(format!("{one:?}"), "whsec_…");
    }
}
