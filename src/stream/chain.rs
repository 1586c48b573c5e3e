//! The judgement on each message of a stream, in order: a fold that gives every node the same result.

use super::message::{BadMessage, Message};
use super::parts::MAX_PARTS;
use super::{CommitId, Kind, MessageHash, Sequence, StreamKey};

/// Up to where the stream has been judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// The newest message that was judged.
    pub sequence: Sequence,
    /// The hash of the newest valid message.
    pub hash: MessageHash,
}

/// A commit that is in the stream for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The generation of its stream.
    pub generation: u32,
    /// The place of its last message.
    pub sequence: Sequence,
    /// The hash of its last message, which the next valid message names.
    pub hash: MessageHash,
    /// What the commit brings.
    pub kind: Kind,
    /// The commit's id.
    pub commit: CommitId,
    /// The node that wrote it.
    pub node: String,
    /// The body of all parts.
    pub body: Vec<u8>,
}

/// The judgement on one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// The message ends a commit, which counts.
    Valid(Whole),
    /// The message is a part of a commit whose last part is still to come.
    Begun {
        /// The commit.
        commit: CommitId,
        /// The number of the part that is to come next.
        next: u16,
    },
    /// The message does not count.
    Void(Void),
}

/// Why a message does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Void {
    /// No node of the cluster wrote it.
    Foreign,
    /// A node wrote it before the stream was made again.
    OlderGeneration,
    /// It follows another message than the newest valid one: its writer did not know what came in between.
    Stale,
}

/// Why the stream cannot be judged on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Messages are missing.
    #[error("expected message {expected} of the stream, found {found}")]
    Gap {
        /// The first missing message.
        expected: Sequence,
        /// The next one that is there.
        found: Sequence,
    },
    /// A newer program wrote a message.
    #[error("message {sequence} of the stream: {why}")]
    Newer {
        /// The message.
        sequence: Sequence,
        /// The versions.
        why: BadMessage,
    },
    /// The stream is of a newer generation than this node.
    #[error(
        "message {sequence} of the stream is of generation {found}, and this node has generation {own}; take the node back in \
         with `jobledger cluster join`"
    )]
    Generation {
        /// The message.
        sequence: Sequence,
        /// Its generation.
        found: u32,
        /// The node's generation.
        own: u32,
    },
}

/// Judges the messages of one generation.
#[derive(Debug, Clone)]
pub struct Chain {
    key: StreamKey,
    generation: u32,
    tip: Tip,
    begun: Option<Begun>,
    void: u64,
}

/// A commit whose last part is still to come.
#[derive(Debug, Clone)]
struct Begun {
    commit: CommitId,
    kind: Kind,
    /// The hash of its newest part.
    hash: MessageHash,
    /// The number of its next part.
    next: u16,
    parts: u16,
    body: Vec<u8>,
}

impl Chain {
    /// A chain that continues after `tip`, with the message before the first part of any commit.
    pub fn new(key: StreamKey, generation: u32, tip: Tip) -> Chain {
        Chain { key, generation, tip, begun: None, void: 0 }
    }

    /// Up to where the stream has been judged.
    pub fn tip(&self) -> Tip {
        self.tip
    }

    /// The next message to judge.
    pub fn next(&self) -> Sequence {
        self.tip.sequence + 1
    }

    /// The key of the stream.
    pub(super) fn key(&self) -> &StreamKey {
        &self.key
    }

    /// The generation of the stream.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// How many messages were void so far, the parts of commits that broke off included.
    pub fn void(&self) -> u64 {
        self.void
    }

    /// Judges the message at `sequence`, which must be the next one.
    ///
    /// # Errors
    /// A [`ChainError`]. The chain stays as it was.
    pub fn judge(&mut self, sequence: Sequence, bytes: &[u8]) -> Result<Judged, ChainError> {
        if sequence != self.next() {
            return Err(ChainError::Gap { expected: self.next(), found: sequence });
        }
        let judged = match Message::read(bytes, &self.key) {
            Err(why @ BadMessage::Newer { .. }) => return Err(ChainError::Newer { sequence, why }),
            Err(BadMessage::Foreign | BadMessage::Shape(_)) => Judged::Void(Void::Foreign),
            Ok(message) if message.envelope.generation > self.generation => {
                let (found, own) = (message.envelope.generation, self.generation);
                return Err(ChainError::Generation { sequence, found, own });
            }
            Ok(message) if message.envelope.generation < self.generation => Judged::Void(Void::OlderGeneration),
            Ok(message) => self.place(sequence, &message, MessageHash::of(bytes)),
        };
        self.tip.sequence = sequence;
        self.void += u64::from(matches!(judged, Judged::Void(_)));
        Ok(judged)
    }

    /// Judges a message of this generation by what it says of its place.
    fn place(&mut self, sequence: Sequence, message: &Message<'_>, hash: MessageHash) -> Judged {
        let said = &message.envelope;
        let mut begun = match self.begun.take() {
            Some(begun) if begun.continues_with(message) => begun,
            earlier if said.prev == self.tip.hash && said.part == 0 && said.parts <= MAX_PARTS => {
                self.void += earlier.map_or(0, |begun| begun.next.into());
                let body = Vec::with_capacity(message.body.len() * usize::from(said.parts));
                Begun { commit: said.commit, kind: said.kind, hash, next: 0, parts: said.parts, body }
            }
            earlier => {
                self.begun = earlier;
                return Judged::Void(Void::Stale);
            }
        };
        begun.body.extend_from_slice(message.body);
        (begun.hash, begun.next) = (hash, begun.next + 1);
        let Begun { commit, kind, next, parts, .. } = begun;
        if next < parts {
            self.begun = Some(begun);
            return Judged::Begun { commit, next };
        }
        self.tip.hash = hash;
        let (generation, node) = (self.generation, said.node.to_owned());
        Judged::Valid(Whole { generation, sequence, hash, kind, commit, node, body: begun.body })
    }
}

impl Begun {
    /// Whether the message is the next part of this commit.
    fn continues_with(&self, message: &Message<'_>) -> bool {
        let said = &message.envelope;
        (said.commit, said.kind, said.prev, said.part, said.parts)
            == (self.commit, self.kind, self.hash, self.next, self.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Draft;

    const START: Tip = Tip { sequence: 0, hash: MessageHash([0; 32]) };

    fn key() -> StreamKey {
        StreamKey::derive(&[1; 32])
    }

    fn draft(id: u8, body: &[u8]) -> Draft {
        Draft { kind: Kind::Commit, commit: CommitId([id; 16]), node: "a".into(), body: body.to_vec() }
    }

    /// The messages of a commit, each with two bytes of its body.
    fn messages(id: u8, body: &[u8], prev: MessageHash) -> Vec<Vec<u8>> {
        draft(id, body).pieces(&key(), 1, prev, Message::overhead("a") + 2)
    }

    /// Judges the messages in order from sequence 1 on, and answers the ids of the commits that count.
    fn valid(messages: &[&[u8]]) -> (Vec<u8>, u64) {
        let mut chain = Chain::new(key(), 1, START);
        let mut ids = Vec::new();
        for (sequence, bytes) in (1..).zip(messages) {
            if let Judged::Valid(whole) = chain.judge(sequence, bytes).unwrap() {
                ids.push(whole.commit.0[0]);
            }
        }
        (ids, chain.void())
    }

    #[test]
    fn a_commit_counts_if_it_follows_the_newest_valid_one() {
        let [one] = &messages(1, b"", START.hash)[..] else { panic!() };
        let rival = &messages(2, b"", START.hash)[0];
        let two = &messages(3, b"", MessageHash::of(one))[0];
        assert_eq!(valid(&[one, two]), (vec![1, 3], 0));
        assert_eq!(valid(&[one, rival, two]), (vec![1, 3], 1));
        assert_eq!(valid(&[rival, one, two]), (vec![2], 2));
        assert_eq!(valid(&[one, one, two, one]), (vec![1, 3], 2), "a message that lies there twice counts once");
        assert_eq!(valid(&[b"", one, b"foreign", two]), (vec![1, 3], 2));
    }

    #[test]
    fn parts_count_together_and_another_commit_breaks_them_off() {
        let parts = messages(1, b"abcde", START.hash);
        let [a, b, c] = &parts[..] else { panic!() };
        let rival = &messages(2, b"", START.hash)[0];
        let after = &messages(3, b"", MessageHash::of(c))[0];
        assert_eq!(valid(&[a, b, c, after]), (vec![1, 3], 0));
        assert_eq!(valid(&[a, b"foreign", b, b, c, after]), (vec![1, 3], 2));
        assert_eq!(valid(&[a, b, rival, c, after]), (vec![2], 4));
        assert_eq!(valid(&[a, b, a, b, c]), (vec![1], 2), "the first part begins the commit again");
        assert_eq!(valid(&[b, c, a, b, c]), (vec![1], 2));
        let mut chain = Chain::new(key(), 1, START);
        assert_eq!(chain.judge(1, a), Ok(Judged::Begun { commit: CommitId([1; 16]), next: 1 }));
        assert_eq!(chain.judge(2, b), Ok(Judged::Begun { commit: CommitId([1; 16]), next: 2 }));
        let Ok(Judged::Valid(whole)) = chain.judge(3, c) else { panic!() };
        assert_eq!((whole.body.as_slice(), whole.sequence), (&b"abcde"[..], 3));
        assert_eq!(chain.tip(), Tip { sequence: 3, hash: MessageHash::of(c) });
    }

    #[test]
    fn the_chain_stops_at_a_gap_and_at_what_it_cannot_know() {
        let one = &messages(1, b"", START.hash)[0];
        let mut chain = Chain::new(key(), 1, START);
        assert_eq!(chain.judge(2, one), Err(ChainError::Gap { expected: 1, found: 2 }));
        let next = draft(2, b"").messages(&key(), 2, START.hash);
        assert_eq!(chain.judge(1, &next[0]), Err(ChainError::Generation { sequence: 1, found: 2, own: 1 }));
        assert_eq!(chain.tip(), START);
        let mut later = Chain::new(key(), 2, START);
        assert_eq!(later.judge(1, one), Ok(Judged::Void(Void::OlderGeneration)));
    }
}
