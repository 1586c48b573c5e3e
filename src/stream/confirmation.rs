//! What a node says of itself beside the stream: up to where its log has the messages durably.

use super::fields::{Fields, put_short_text};
use super::{Sequence, StreamKey};

/// The version of confirmations that this program writes and reads. A node ignores others, and the leader waits on.
const VERSION: u8 = 1;
/// What a MAC of a confirmation is for.
const PURPOSE: &str = "confirmation";

/// A node has all messages up to one durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation<'c> {
    /// The generation of the stream.
    pub generation: u32,
    /// The newest message that the node has.
    pub sequence: Sequence,
    /// The node's name, at most 255 bytes.
    pub node: &'c str,
}

impl<'c> Confirmation<'c> {
    /// The bytes: version, generation, sequence, name, MAC.
    ///
    /// # Panics
    /// At a name over 255 bytes.
    pub fn to_bytes(&self, key: &StreamKey) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        put_short_text(&mut bytes, self.node);
        key.sealed(PURPOSE, bytes)
    }

    /// Reads a confirmation; `None` if no node of the cluster wrote it, or a newer program did.
    pub fn read(bytes: &'c [u8], key: &StreamKey) -> Option<Confirmation<'c>> {
        let said = key.opened(PURPOSE, bytes)?;
        let mut fields = Fields::of(said);
        if fields.u8("a version") != Ok(VERSION) {
            return None;
        }
        let (generation, sequence) = (fields.u32("a generation").ok()?, fields.u64("a sequence").ok()?);
        let node = fields.short_text("a node's name").ok()?;
        fields.end().ok()?;
        Some(Confirmation { generation, sequence, node })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_reads_back_and_no_changed_byte_passes() {
        let key = StreamKey::derive(&[1; 32]);
        let confirmation = Confirmation { generation: 2, sequence: 7, node: "b" };
        let bytes = confirmation.to_bytes(&key);
        assert_eq!(Confirmation::read(&bytes, &key), Some(confirmation));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Confirmation::read(&changed, &key), None);
        }
        assert_eq!(Confirmation::read(&bytes, &StreamKey::derive(&[2; 32])), None);
        assert_eq!(Confirmation::read(b"", &key), None);
    }
}
