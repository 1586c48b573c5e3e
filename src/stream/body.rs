//! The bodies of messages: a commit's events, the node that begins to write, and the files beside the log.

use zeroize::Zeroizing;

use super::fields::{Fields, put_long, put_short_text};
use super::{BadBody, StreamKey};
use crate::job::{Position, Time};
use crate::tree::{Hash, Head, Size};

/// The length of the salt of an event, in bytes.
const SALT: usize = 32;

/// The events of one group commit, with all that a node needs to store them byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitBody<'b> {
    /// The position of the first event.
    pub first: Position,
    /// When the events were recorded, in microseconds.
    pub recorded: Time,
    /// The size and the root of the tree after the commit.
    pub head: Head,
    /// The events in order, at least one.
    pub entries: Vec<Entry<'b>>,
}

/// One event, as the log stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'b> {
    /// The exact leaf.
    pub leaf: &'b [u8],
    /// The salt of the data's digest, and the exact data; `None` if the same commit redacts the event.
    pub content: Option<(&'b [u8; SALT], &'b [u8])>,
}

impl<'b> CommitBody<'b> {
    /// The bytes of the body.
    pub fn to_bytes(&self) -> Vec<u8> {
        let content = |entry: &Entry<'_>| entry.content.map_or(0, |(salt, data)| salt.len() + 4 + data.len());
        let entries = self.entries.iter().map(|entry| 4 + entry.leaf.len() + 1 + content(entry));
        let mut bytes = Vec::with_capacity(60 + entries.sum::<usize>());
        bytes.extend_from_slice(&self.first.get().to_be_bytes());
        bytes.extend_from_slice(&self.recorded.micros().to_be_bytes());
        bytes.extend_from_slice(&self.head.size.get().to_be_bytes());
        bytes.extend_from_slice(self.head.root.as_bytes());
        for entry in &self.entries {
            put_long(&mut bytes, entry.leaf);
            bytes.push(entry.content.is_some().into());
            if let Some((salt, data)) = entry.content {
                bytes.extend_from_slice(salt);
                put_long(&mut bytes, data);
            }
        }
        bytes
    }

    /// Reads a body, and checks that it has as many events as it says.
    ///
    /// # Errors
    /// Bytes that are no body of a commit.
    pub fn read(bytes: &'b [u8]) -> Result<CommitBody<'b>, BadBody> {
        let mut fields = Fields::of(bytes);
        let first = fields.u64("a position")?;
        let recorded = Time::from_micros(fields.i64("a time")?);
        let size = Size::new(fields.u64("a size")?).map_err(|_| BadBody("a size"))?;
        let head = Head { size, root: Hash(fields.array("a root")?) };
        let mut entries = Vec::new();
        while !fields.is_empty() {
            let leaf = fields.long("a leaf")?;
            let content = match fields.u8("whether there is data")? {
                0 => None,
                1 => Some((fields.chunk("a salt")?, fields.long("data")?)),
                _ => return Err(BadBody("whether there is data")),
            };
            entries.push(Entry { leaf, content });
        }
        match first.checked_add(entries.len() as u64) {
            Some(end) if end == size.get() && !entries.is_empty() => {
                Ok(CommitBody { first: Position::new(first), recorded, head, entries })
            }
            _ => Err(BadBody("as many events as the size says")),
        }
    }
}

/// A node that begins to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeadBody<'b> {
    /// The URL at which the other nodes reach it, at most 255 bytes.
    pub url: &'b str,
}

impl<'b> LeadBody<'b> {
    /// The bytes of the body.
    ///
    /// # Panics
    /// At a URL over 255 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_short_text(&mut bytes, self.url);
        bytes
    }

    /// Reads a body.
    ///
    /// # Errors
    /// Bytes that are no body of a node that begins to write.
    pub fn read(bytes: &'b [u8]) -> Result<LeadBody<'b>, BadBody> {
        let mut fields = Fields::of(bytes);
        let url = fields.short_text("a URL")?;
        fields.end()?;
        Ok(LeadBody { url })
    }
}

/// The body of the shared files of a cluster: the tokens, sessions and webhooks of the node that leads, as its program writes them.
///
/// They hold secrets. NATS keeps messages in files of its own, and passes answers between nodes, so the body is encrypted.
pub struct FilesBody;

impl FilesBody {
    /// What the encryption is for.
    const PURPOSE: &str = "files";

    /// The body. Each call needs its own nonce.
    pub fn encrypted(files: &[u8], nonce: [u8; StreamKey::NONCE], key: &StreamKey) -> Vec<u8> {
        key.encrypted(FilesBody::PURPOSE, nonce, files)
    }

    /// The files of a body.
    ///
    /// # Errors
    /// Bytes that were not encrypted with this key.
    pub fn read(bytes: &[u8], key: &StreamKey) -> Result<Zeroizing<Vec<u8>>, BadBody> {
        key.decrypted(FilesBody::PURPOSE, bytes).ok_or(BadBody("files encrypted with the stream's key"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_commit_reads_back_and_no_shorter_body_does(
            first in 0..1_u64 << 40, micros in any::<i32>(), root in any::<[u8; 32]>(), salt in any::<[u8; 32]>(),
            events in prop::collection::vec((bytes(), prop::option::of(bytes())), 1..5),
        ) {
            let entries: Vec<Entry<'_>> = events
                .iter()
                .map(|(leaf, data)| Entry { leaf, content: data.as_ref().map(|data| (&salt, data.as_slice())) })
                .collect();
            let head = Head { size: Size::new(first + entries.len() as u64).unwrap(), root: Hash(root) };
            let recorded = Time::from_micros(micros.into());
            let body = CommitBody { first: Position::new(first), recorded, head, entries };
            let bytes = body.to_bytes();
            prop_assert_eq!(CommitBody::read(&bytes), Ok(body));
            for end in 0..bytes.len() {
                prop_assert!(CommitBody::read(&bytes[..end]).is_err());
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = CommitBody::read(&bytes);
            let _ = LeadBody::read(&bytes);
            let _ = FilesBody::read(&bytes, &StreamKey::derive(&[1; 32]));
        }

        #[test]
        fn files_read_back_with_their_key_alone_and_no_changed_byte_passes(
            files in bytes(), nonce in any::<[u8; 12]>(), at in any::<prop::sample::Index>(), bit in 0..8_u8,
        ) {
            let key = StreamKey::derive(&[1; 32]);
            let mut body = FilesBody::encrypted(&files, nonce, &key);
            prop_assert_eq!(&*FilesBody::read(&body, &key).unwrap(), &files);
            prop_assert!(FilesBody::read(&body, &StreamKey::derive(&[2; 32])).is_err());
            let at = at.index(body.len());
            body[at] ^= 1 << bit;
            prop_assert!(FilesBody::read(&body, &key).is_err());
        }
    }

    #[test]
    fn a_commit_has_at_least_one_event() {
        let head = Head { size: Size::new(1).unwrap(), root: Hash([0; 32]) };
        let body = CommitBody { first: Position::new(1), recorded: Time::from_micros(0), head, entries: Vec::new() };
        assert!(CommitBody::read(&body.to_bytes()).is_err());
    }

    #[test]
    fn a_leader_names_its_url() {
        let lead = LeadBody { url: "https://a.example:8347" };
        assert_eq!(LeadBody::read(&lead.to_bytes()), Ok(lead));
        assert!(
            LeadBody::read(b"\x02a").is_err()
                && LeadBody::read(b"\x01ab").is_err()
                && LeadBody::read(b"\x01\xff").is_err()
        );
    }
}
