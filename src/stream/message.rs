//! The bytes of a message.
//!
//! One byte version, one byte kind, four bytes generation, 16 bytes commit id, 32 bytes `prev`, two bytes each for the number of
//! the part (from 0) and of all parts, the node's name behind its length, the body, and 32 bytes MAC over all before. The version
//! and the MAC stay where they are in every version, so a node that meets a newer version knows that a member of the cluster wrote
//! it, and stops.

use super::fields::{Fields, put_short_text};
use super::{BadBody, MessageHash, StreamKey};

/// The version of messages that this program writes, and the newest that it reads.
pub(super) const VERSION: u8 = 1;
/// Most bytes of a message, 4 MiB. NATS takes 8 MiB without a warning.
pub const MAX_MESSAGE: usize = 4 << 20;
/// What a MAC of a message is for.
const PURPOSE: &str = "message";

/// The id of a commit: 16 random bytes. All parts of a commit have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommitId(pub [u8; 16]);

/// What a message brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Events: one group commit of the node that writes.
    Commit,
    /// A node begins to write. It ends what an earlier writer left in flight.
    Lead,
    /// The shared files of the leader: tokens, sessions and webhooks.
    Files,
    /// Nothing. Its place in the stream is after every commit that was answered before it.
    Barrier,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Commit, Kind::Lead, Kind::Files, Kind::Barrier];

    pub(super) fn code(self) -> u8 {
        match self {
            Kind::Commit => 1,
            Kind::Lead => 2,
            Kind::Files => 3,
            Kind::Barrier => 4,
        }
    }

    pub(super) fn of(code: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// What a message says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<'m> {
    /// What the message brings.
    pub kind: Kind,
    /// The generation of the stream, from 1. A stream that was lost continues under the next.
    pub generation: u32,
    /// The commit that the message is of.
    pub commit: CommitId,
    /// The message before it.
    pub prev: MessageHash,
    /// The number of the part, from 0.
    pub part: u16,
    /// How many parts the commit has, at least 1.
    pub parts: u16,
    /// The name of the node that wrote the message, 1 to 64 bytes.
    pub node: &'m str,
}

/// A message whose MAC is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'m> {
    /// What the message says about itself.
    pub envelope: Envelope<'m>,
    /// The part's piece of the body.
    pub body: &'m [u8],
}

/// Bytes that are no message which this program can take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// No node of the cluster wrote these bytes.
    #[error("the message was not written with the cluster's key")]
    Foreign,
    /// A newer program wrote the message.
    #[error("a newer jobledger wrote the message in version {found}, and this one knows {VERSION}; upgrade this node")]
    Newer {
        /// The version.
        found: u8,
    },
    /// A node wrote other bytes than a message has.
    #[error(transparent)]
    Shape(#[from] BadBody),
}

impl<'m> Message<'m> {
    /// The bytes of the message.
    ///
    /// # Panics
    /// At a node's name over 255 bytes.
    pub fn to_bytes(&self, key: &StreamKey) -> Vec<u8> {
        let Envelope { kind, generation, commit, prev, part, parts, node } = &self.envelope;
        let mut bytes = Vec::with_capacity(Message::overhead(node) + self.body.len());
        bytes.extend_from_slice(&[VERSION, kind.code()]);
        bytes.extend_from_slice(&generation.to_be_bytes());
        bytes.extend_from_slice(&commit.0);
        bytes.extend_from_slice(&prev.0);
        bytes.extend_from_slice(&part.to_be_bytes());
        bytes.extend_from_slice(&parts.to_be_bytes());
        put_short_text(&mut bytes, node);
        bytes.extend_from_slice(self.body);
        key.sealed(PURPOSE, bytes)
    }

    /// How many bytes a message of `node` has besides its body.
    pub(super) fn overhead(node: &str) -> usize {
        1 + 1 + 4 + 16 + 32 + 2 + 2 + 1 + node.len() + StreamKey::MAC
    }

    /// Reads a message, the MAC first: nothing of a foreign message is looked at.
    ///
    /// # Errors
    /// A [`BadMessage`].
    pub fn read(bytes: &'m [u8], key: &StreamKey) -> Result<Message<'m>, BadMessage> {
        let said = key.opened(PURPOSE, bytes).ok_or(BadMessage::Foreign)?;
        let mut fields = Fields::of(said);
        match fields.u8("a version")? {
            VERSION => {}
            found => return Err(BadMessage::Newer { found }),
        }
        let kind = Kind::of(fields.u8("a kind")?).ok_or(BadBody("a known kind"))?;
        let envelope = Envelope {
            kind,
            generation: fields.u32("a generation")?,
            commit: CommitId(fields.array("a commit's id")?),
            prev: MessageHash(fields.array("the hash of the message before")?),
            part: fields.u16("the number of a part")?,
            parts: fields.u16("the number of parts")?,
            node: fields.short_text("a node's name")?,
        };
        if envelope.part >= envelope.parts {
            return Err(BadBody("a part of the commit").into());
        }
        Ok(Message { envelope, body: fields.rest() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> StreamKey {
        StreamKey::derive(&[7; 32])
    }

    fn message<'m>(kind: Kind, node: &'m str, body: &'m [u8]) -> Message<'m> {
        let (commit, prev) = (CommitId([3; 16]), MessageHash([5; 32]));
        Message { envelope: Envelope { kind, generation: 1, commit, prev, part: 1, parts: 2, node }, body }
    }

    #[test]
    fn the_bytes_of_version_1_never_change() {
        let bytes = message(Kind::Commit, "a", b"body").to_bytes(&key());
        let said = [&[1, 1, 0, 0, 0, 1][..], &[3; 16], &[5; 32], &[0, 1, 0, 2, 1, b'a'], b"body"].concat();
        assert_eq!(bytes[..said.len()], said);
        assert_eq!(bytes.len(), said.len() + StreamKey::MAC);
        let hex = MessageHash::of(&bytes).to_string();
        assert_eq!(hex, "7e13e967b8115eb14aaf730b21fe1e04f3abba3a70f527daf53cdb9ac2d482f8");
    }

    #[test]
    fn a_newer_version_is_told_from_foreign_bytes() {
        let mut bytes = message(Kind::Lead, "a", b"").to_bytes(&key());
        let said = bytes.len() - StreamKey::MAC;
        bytes[0] = 2;
        assert_eq!(Message::read(&bytes, &key()), Err(BadMessage::Foreign));
        let mac = key().mac(PURPOSE, &bytes[..said]);
        bytes[said..].copy_from_slice(&mac);
        assert_eq!(Message::read(&bytes, &key()), Err(BadMessage::Newer { found: 2 }));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_message_reads_back_and_no_changed_byte_passes(
            kind in prop::sample::select(Kind::ALL.to_vec()), node in "[a-z]{1,64}",
            body in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), bit in 0..8_u8,
        ) {
            let message = message(kind, &node, &body);
            let mut bytes = message.to_bytes(&key());
            prop_assert_eq!(bytes.len(), Message::overhead(&node) + body.len());
            prop_assert_eq!(Message::read(&bytes, &key()), Ok(message));
            prop_assert_eq!(Message::read(&bytes, &StreamKey::derive(&[8; 32])), Err(BadMessage::Foreign));
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(Message::read(&bytes, &key()), Err(BadMessage::Foreign));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mac = key().mac(PURPOSE, &bytes);
            let _ = Message::read(&[&bytes[..], &mac].concat(), &key());
            let _ = Message::read(&bytes, &key());
        }
    }
}
