//! What one node asks another beside the stream, and the answers. Both carry a MAC, so only nodes ask and answer.

use super::fields::{Fields, put_long, put_short_text};
use super::{BadBody, CommitId, Kind, MessageHash, Sequence, StreamKey, Whole};

/// The version of questions and answers that this program writes and reads. A node ignores others.
const VERSION: u8 = 3;
/// What the MAC of a question is for.
const QUESTION: &str = "question";
/// What the MAC of an answer is for.
const ANSWER: &str = "answer";

/// What a node asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The leader's newest position, after the stream has accepted one more message of the leader.
    Barrier,
    /// The messages after a place, as the asked node's log has them.
    Messages {
        /// The generation of the newest message that the asking node has.
        generation: u32,
        /// That message.
        after: Sequence,
        /// How many bytes of the answer the asking node has already.
        offset: u32,
    },
}

/// A question of one node to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question<'q> {
    /// The generation of the stream.
    pub generation: u32,
    /// 16 random bytes. The answer's MAC covers them, so an older answer does not pass for this one.
    pub nonce: [u8; 16],
    /// The asking node's name, at most 255 bytes.
    pub node: &'q str,
    /// What it asks.
    pub asked: Asked,
}

impl<'q> Question<'q> {
    /// The bytes: version, generation, nonce, name, question, MAC.
    ///
    /// # Panics
    /// At a name over 255 bytes.
    pub fn to_bytes(&self, key: &StreamKey) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(&self.nonce);
        put_short_text(&mut bytes, self.node);
        match self.asked {
            Asked::Barrier => bytes.push(1),
            Asked::Messages { generation, after, offset } => {
                bytes.push(2);
                bytes.extend_from_slice(&generation.to_be_bytes());
                bytes.extend_from_slice(&after.to_be_bytes());
                bytes.extend_from_slice(&offset.to_be_bytes());
            }
        }
        key.sealed(QUESTION, bytes)
    }

    /// Reads a question; `None` if no node of the cluster asks it, or a newer program does.
    pub fn read(bytes: &'q [u8], key: &StreamKey) -> Option<Question<'q>> {
        Question::fields(key.opened(QUESTION, bytes)?).ok().flatten()
    }

    fn fields(said: &'q [u8]) -> Result<Option<Question<'q>>, BadBody> {
        let mut fields = Fields::of(said);
        if fields.u8("a version")? != VERSION {
            return Ok(None);
        }
        let (generation, nonce) = (fields.u32("a generation")?, fields.array("a nonce")?);
        let node = fields.short_text("a node's name")?;
        let asked = match fields.u8("a question")? {
            1 => Asked::Barrier,
            2 => Asked::Messages {
                generation: fields.u32("a generation")?,
                after: fields.u64("a sequence")?,
                offset: fields.u32("an offset")?,
            },
            _ => return Ok(None),
        };
        fields.end()?;
        Ok(Some(Question { generation, nonce, node, asked }))
    }

    /// The answer's bytes: `body`, and a MAC over it and the question's nonce.
    pub fn answer(&self, body: &[u8], key: &StreamKey) -> Vec<u8> {
        [body, &key.mac(ANSWER, &[&self.nonce, body].concat())].concat()
    }

    /// The body of an answer to this question; `None` if no node of the cluster gave it.
    pub fn read_answer<'a>(&self, bytes: &'a [u8], key: &StreamKey) -> Option<&'a [u8]> {
        let (body, mac) = bytes.split_last_chunk::<{ StreamKey::MAC }>()?;
        key.verifies(ANSWER, &[&self.nonce, body].concat(), mac).then_some(body)
    }
}

/// A message as a node's log has it. Its own bytes are gone; what it brought is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied<'c> {
    /// The generation of the stream that had the message.
    pub generation: u32,
    /// The message's place; 0 for the beginning of a generation.
    pub sequence: Sequence,
    /// Its hash.
    pub hash: MessageHash,
    /// [`Kind::Commit`]; [`Kind::Files`] if the node gives its own files with it; or [`Kind::Barrier`].
    pub kind: Kind,
    /// The bytes of its [`CommitBody`](super::CommitBody) or of its [`FilesBody`](super::FilesBody); else empty.
    pub body: &'c [u8],
}

impl Copied<'_> {
    /// Appends the message to an answer.
    pub fn write(&self, answer: &mut Vec<u8>) {
        answer.extend_from_slice(&self.generation.to_be_bytes());
        answer.extend_from_slice(&self.sequence.to_be_bytes());
        answer.extend_from_slice(&self.hash.0);
        answer.push(self.kind.code());
        put_long(answer, self.body);
    }

    /// Reads the messages of an answer, which `node` gave.
    ///
    /// # Errors
    /// Bytes that are no such answer.
    pub fn read_all(answer: &[u8], node: &str) -> Result<Vec<Whole>, BadBody> {
        let (mut fields, mut wholes) = (Fields::of(answer), Vec::new());
        while !fields.is_empty() {
            let generation = fields.u32("a generation")?;
            let sequence = fields.u64("a sequence")?;
            let hash = MessageHash(fields.array("a hash")?);
            let kind = Kind::of(fields.u8("a kind")?).ok_or(BadBody("a known kind"))?;
            let body = fields.long("a body")?.to_vec();
            // The log does not have the commit's id, and nothing asks for it after the commit.
            wholes.push(Whole {
                generation,
                sequence,
                hash,
                kind,
                commit: CommitId([0; 16]),
                node: node.to_owned(),
                body,
            });
        }
        Ok(wholes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Position, Time};
    use crate::stream::{CommitBody, Entry};
    use crate::tree::{Hash, Head, Size};

    fn key() -> StreamKey {
        StreamKey::derive(&[1; 32])
    }

    fn question(asked: Asked) -> Question<'static> {
        Question { generation: 2, nonce: [7; 16], node: "b", asked }
    }

    #[test]
    fn a_question_reads_back_and_no_changed_byte_passes() {
        for asked in [Asked::Barrier, Asked::Messages { generation: 1, after: 9, offset: 3 }] {
            let bytes = question(asked).to_bytes(&key());
            assert_eq!(Question::read(&bytes, &key()), Some(question(asked)));
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                assert_eq!(Question::read(&changed, &key()), None);
            }
            assert_eq!(Question::read(&bytes, &StreamKey::derive(&[2; 32])), None);
        }
        assert_eq!(Question::read(b"", &key()), None);
    }

    #[test]
    fn an_answer_is_to_one_question() {
        let asked = question(Asked::Barrier);
        let answer = asked.answer(b"17", &key());
        assert_eq!(asked.read_answer(&answer, &key()), Some(&b"17"[..]));
        let later = Question { nonce: [8; 16], ..asked.clone() };
        assert_eq!(later.read_answer(&answer, &key()), None, "an older answer");
        assert_eq!(asked.read_answer(b"17", &key()), None);
        // A question is no answer.
        assert_eq!(asked.read_answer(&asked.to_bytes(&key()), &key()), None);
    }

    #[test]
    fn messages_read_back_and_no_shorter_answer_does() {
        let head = Head { size: Size::new(4).unwrap(), root: Hash([3; 32]) };
        let entries = vec![Entry { leaf: b"leaf", content: None }];
        let body = CommitBody { first: Position::new(3), recorded: Time::from_micros(5), head, entries };
        let mut answer = Vec::new();
        let commit = body.to_bytes();
        let one = Copied { generation: 1, sequence: 4, hash: MessageHash([1; 32]), kind: Kind::Commit, body: &commit };
        one.write(&mut answer);
        let one = answer.len();
        let other = Copied { generation: 1, sequence: 6, hash: MessageHash([2; 32]), kind: Kind::Barrier, body: b"" };
        other.write(&mut answer);
        let wholes = Copied::read_all(&answer, "c").unwrap();
        let found: Vec<_> = wholes.iter().map(|whole| (whole.sequence, whole.kind, whole.hash.0[0])).collect();
        assert_eq!(found, [(4, Kind::Commit, 1), (6, Kind::Barrier, 2)]);
        assert_eq!(CommitBody::read(&wholes[0].body), Ok(body));
        for end in (1..answer.len()).filter(|end| *end != one) {
            assert!(Copied::read_all(&answer[..end], "c").is_err(), "{end}");
        }
    }
}
