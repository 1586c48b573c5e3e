//! What a node says of its tokens beside the stream: when its requests last used them.

use super::StreamKey;
use super::fields::{Fields, put_short_text};
use crate::job::Time;

/// The version of these messages that this program writes and reads. A node ignores others.
const VERSION: u8 = 1;
/// What a MAC of such a message is for.
const PURPOSE: &str = "used";

/// Tokens that the requests of a node have used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokensUsed<'u> {
    /// The node's name, at most 255 bytes.
    pub node: &'u str,
    /// Each token's number in `access.db`, and when it was last used, to the microsecond.
    pub used: Vec<(i64, Time)>,
}

impl<'u> TokensUsed<'u> {
    /// This program writes messages of at most so many tokens, which are 160 KB. Further tokens are in the next message.
    pub const MOST: usize = 10_000;

    /// The bytes: version, name, numbers and times, MAC.
    ///
    /// # Panics
    /// At a name over 255 bytes.
    pub fn to_bytes(&self, key: &StreamKey) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        put_short_text(&mut bytes, self.node);
        for (token, at) in &self.used {
            bytes.extend_from_slice(&token.to_be_bytes());
            bytes.extend_from_slice(&at.micros().to_be_bytes());
        }
        key.sealed(PURPOSE, bytes)
    }

    /// Reads a message; `None` if no node of the cluster wrote it, or a newer program did.
    pub fn read(bytes: &'u [u8], key: &StreamKey) -> Option<TokensUsed<'u>> {
        let said = key.opened(PURPOSE, bytes)?;
        let mut fields = Fields::of(said);
        if fields.u8("a version") != Ok(VERSION) {
            return None;
        }
        let node = fields.short_text("a node's name").ok()?;
        let mut used = Vec::new();
        while !fields.is_empty() {
            let token = fields.i64("a token").ok()?;
            used.push((token, Time::from_micros(fields.i64("a time").ok()?)));
        }
        Some(TokensUsed { node, used })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_tokens_read_back_and_no_changed_byte_passes() {
        let key = StreamKey::derive(&[1; 32]);
        let at = Time::from_micros;
        for used in [vec![], vec![(1, at(7))], vec![(1, at(7)), (i64::MAX, at(1_000_000))]] {
            let message = TokensUsed { node: "b", used };
            let bytes = message.to_bytes(&key);
            assert_eq!(TokensUsed::read(&bytes, &key), Some(message));
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                assert_eq!(TokensUsed::read(&changed, &key), None);
            }
        }
        let cut = key.sealed(PURPOSE, vec![VERSION, 0, 1, 2, 3]);
        assert_eq!(TokensUsed::read(&cut, &key), None, "a token without its time");
        assert_eq!(TokensUsed::read(b"", &key), None);
    }
}
