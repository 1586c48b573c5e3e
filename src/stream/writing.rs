//! How a node brings one commit into the stream, through answers that are lost, late or wrong.
//!
//! A state machine: [`Writing::step`] says what to ask the engine next, and [`Writing::report`] takes the answer. The node holds the
//! commit open until the outcome is known, however long that takes. Two rules make every outcome safe:
//!
//! - After an unknown outcome the node sends the same bytes again. It never concludes from what it does not find: a message may be
//!   on its way.
//! - A refusal proves nothing until the message that came first has been read and judged.

use super::{Chain, ChainError, CommitId, Draft, Judged, Sequence, Whole};

/// One commit on its way into the stream.
#[derive(Debug)]
pub struct Writing {
    commit: CommitId,
    messages: Vec<Vec<u8>>,
    /// The message to send next.
    part: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The message is sent, or sent again.
    Publishing,
    /// What lies after the newest message that was judged?
    Reading,
}

/// What to ask the engine next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'w> {
    /// Append `bytes` if the newest message is at `expected`.
    Publish {
        /// The newest message that was judged.
        expected: Sequence,
        /// The message.
        bytes: &'w [u8],
    },
    /// Read the message at this place from the stream's leader.
    Read(Sequence),
}

/// The engine's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The message is in the stream at this place.
    Accepted(Sequence),
    /// The engine has refused the message.
    Refused,
    /// The message may be in the stream now, later or never.
    Unknown,
    /// There is this message.
    Found(Sequence, Vec<u8>),
    /// There is no message yet, or the engine does not answer.
    Nothing,
}

/// How a commit ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The commit is in the stream for good.
    Accepted(Whole),
    /// Another node's commit came first, so this one never counts: decide everything again after that one.
    Lost(Whole),
}

/// Why a commit cannot be brought to an end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WritingError {
    /// The stream cannot be judged.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// An answer to another question.
    #[error("expected an answer to {state}, found {report}")]
    Unasked {
        /// The question.
        state: String,
        /// The answer.
        report: String,
    },
}

impl Writing {
    /// Begins to write `draft` after the newest valid message of `chain`.
    pub fn new(draft: &Draft, chain: &Chain) -> Writing {
        let (key, generation) = (chain.key(), chain.generation());
        let messages = draft.messages(key, generation, chain.tip().hash);
        Writing { commit: draft.commit, messages, part: 0, state: State::Publishing }
    }

    /// As [`Writing::new`], with messages of at most `most` bytes.
    #[cfg(test)]
    pub(super) fn of_pieces(draft: &Draft, chain: &Chain, most: usize) -> Writing {
        let (key, generation) = (chain.key(), chain.generation());
        let messages = draft.pieces(key, generation, chain.tip().hash, most);
        Writing { commit: draft.commit, messages, part: 0, state: State::Publishing }
    }

    /// What to ask the engine next.
    pub fn step(&self, chain: &Chain) -> Step<'_> {
        match self.state {
            State::Publishing => Step::Publish { expected: chain.tip().sequence, bytes: &self.messages[self.part] },
            State::Reading => Step::Read(chain.next()),
        }
    }

    /// Takes the answer to [`Writing::step`]; `None` while the outcome is open.
    ///
    /// # Errors
    /// The stream cannot be judged, or the answer is not of the newest step. The outcome stays open.
    pub fn report(&mut self, chain: &mut Chain, report: Report) -> Result<Option<Outcome>, WritingError> {
        self.state = match (self.state, report) {
            (State::Publishing, Report::Accepted(sequence)) if sequence == chain.next() => {
                let judged = chain.judge(sequence, &self.messages[self.part])?;
                return Ok(self.judged(judged));
            }
            (State::Publishing, Report::Accepted(_) | Report::Refused) => State::Reading,
            (State::Publishing, Report::Unknown) => State::Publishing,
            (State::Reading, Report::Found(sequence, bytes)) => {
                let judged = chain.judge(sequence, &bytes)?;
                return Ok(self.judged(judged));
            }
            (State::Reading, Report::Nothing) => State::Publishing,
            (state, report) => {
                let (state, report) = (format!("{state:?}"), format!("{report:?}"));
                return Err(WritingError::Unasked { state, report });
            }
        };
        Ok(None)
    }

    /// Goes on after the judgement on the next message of the stream.
    fn judged(&mut self, judged: Judged) -> Option<Outcome> {
        match judged {
            Judged::Valid(whole) if whole.commit == self.commit => return Some(Outcome::Accepted(whole)),
            Judged::Valid(whole) => return Some(Outcome::Lost(whole)),
            // The chain has this part, however it got there.
            Judged::Begun { commit, next } if commit == self.commit => {
                (self.part, self.state) = (next.into(), State::Publishing);
            }
            // Another node's parts break this commit off. If they break off too, it begins again.
            Judged::Begun { .. } => (self.part, self.state) = (0, State::Reading),
            // More may lie behind a message that does not count.
            Judged::Void(_) => self.state = State::Reading,
        }
        None
    }
}
