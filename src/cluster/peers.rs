//! Questions between nodes, over NATS: the leader's newest position for a strong read, and messages that the stream lacks.
//!
//! Questions and answers carry a MAC. The shared files in an answer are encrypted, as they are in the stream.

use std::time::Duration;

use async_nats::jetstream::kv::Store;
use async_nats::{Client, Message};
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::nats::Names;
use super::{Cluster, members, notices};
use crate::blocking::off_thread;
use crate::job::Position;
use crate::ledger::{Ledger, Node, Peers};
use crate::stream::{Asked, Copied, MAX_MESSAGE, MessageHash, Question, Sequence, StreamKey, Whole};

/// How long a node waits for an answer.
const ANSWER: Duration = Duration::from_secs(2);
/// Most questions that a node answers at once; further ones wait.
const AT_ONCE: usize = 16;
/// Most bytes of one piece of an answer, the MAC not counted.
const PIECE: usize = MAX_MESSAGE - 1024;

/// The answer whose pieces a node is giving to another, so that all pieces are of one answer.
#[derive(Debug, Default)]
pub(super) struct Giving(Mutex<Option<Given>>);

/// An answer of more than one piece.
#[derive(Debug)]
struct Given {
    /// The asking node, and the message after which it asks.
    to: (String, u32, Sequence),
    answer: Vec<u8>,
}

/// How a node asks others.
struct Asking<'a> {
    client: &'a Client,
    names: &'a Names,
    /// The asking node.
    name: &'a str,
    key: &'a StreamKey,
}

impl Asking<'_> {
    /// The body of the answer of `node`; `None` without an answer.
    async fn ask(&self, node: &str, asked: Asked) -> Option<Vec<u8>> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).expect("the operating system gives randomness");
        let question = Question { generation: self.names.generation(), nonce, node: self.name, asked };
        let request = self.client.request(self.names.questions(node), question.to_bytes(self.key).into());
        match timeout(ANSWER, request).await.ok()? {
            Ok(answer) => question.read_answer(&answer.payload, self.key).map(<[u8]>::to_vec),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, node, "a node does not answer");
                None
            }
        }
    }

    /// The messages after `after` of `generation` that `node` has, in order; none without an answer.
    async fn messages(&self, node: &str, generation: u32, after: Sequence) -> Vec<Whole> {
        let mut answer = Vec::new();
        let mut whole = None;
        loop {
            let offset = u32::try_from(answer.len()).unwrap_or(u32::MAX);
            let asked = Asked::Messages { generation, after, offset };
            let Some(piece) = self.ask(node, asked).await else { return Vec::new() };
            let Some((hash, piece)) = piece.split_first_chunk::<32>() else { return Vec::new() };
            // The node has other messages or tokens than at the first piece: the caller asks again.
            if *whole.get_or_insert(*hash) != *hash {
                return Vec::new();
            }
            answer.extend_from_slice(piece);
            if piece.len() < PIECE {
                break;
            }
        }
        Copied::read_all(&answer, node).unwrap_or_default()
    }
}

/// The other members, as the writer thread asks them.
pub(super) struct Others {
    pub client: Client,
    pub names: Names,
    /// The asking node.
    pub name: String,
    pub members: Store,
    pub runtime: Handle,
}

impl Peers for Others {
    fn messages(&mut self, key: &StreamKey, generation: u32, after: Sequence) -> Vec<Whole> {
        let asking = Asking { client: &self.client, names: &self.names, name: &self.name, key };
        self.runtime.block_on(async {
            let Ok(Ok(members)) = timeout(ANSWER, members::list(&self.members)).await else { return Vec::new() };
            for member in members.iter().filter(|member| member.name != self.name) {
                let wholes = asking.messages(&member.name, generation, after).await;
                if !wholes.is_empty() {
                    return wholes;
                }
            }
            Vec::new()
        })
    }
}

impl Cluster {
    /// A position that holds every event which any node answered before this call; `None` without a leader.
    pub async fn strong_position(&self, ledger: &Ledger) -> Option<Position> {
        let node = ledger.node()?;
        let leader = node.state().leader?.name;
        if leader == node.name {
            return position_after_barrier(ledger, node).await;
        }
        let asking = Asking { client: &self.client, names: &self.names, name: &node.name, key: &node.key };
        let answer = asking.ask(&leader, Asked::Barrier).await?;
        Some(Position::new(u64::from_be_bytes(answer.try_into().ok()?)))
    }

    /// Answers the questions of other nodes. Never returns.
    pub(super) async fn answer_questions(self, ledger: Ledger) {
        let Some(node) = ledger.node() else { return std::future::pending().await };
        loop {
            let questions = self.subscribed(&self.names.questions(&node.name), "questions of nodes").await;
            questions.for_each_concurrent(AT_ONCE, |message| self.answer_one(&ledger, node, message)).await;
            tokio::time::sleep(notices::RETRY).await;
        }
    }

    async fn answer_one(&self, ledger: &Ledger, node: &Node, message: Message) {
        let Some(reply) = message.reply else { return };
        let question = Question::read(&message.payload, &node.key);
        let Some(question) = question.filter(|question| question.generation == node.generation) else { return };
        let body = match question.asked {
            Asked::Barrier => position_after_barrier(ledger, node).await.map(|head| head.get().to_be_bytes().to_vec()),
            Asked::Messages { generation, after, offset } => {
                self.piece(ledger, (question.node.to_owned(), generation, after), offset as usize).await
            }
        };
        let Some(body) = body else { return };
        let answer = question.answer(&body, &node.key);
        if let Err(error) = self.client.publish(reply, answer.into()).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "an answer to a node is not sent");
        }
    }

    /// The hash of the whole answer, and the piece of it at `offset`.
    async fn piece(&self, ledger: &Ledger, to: (String, u32, Sequence), offset: usize) -> Option<Vec<u8>> {
        let kept = self.giving.0.lock().take().filter(|given| offset > 0 && given.to == to);
        let answer = match kept {
            Some(given) => given.answer,
            None => {
                let (ledger, (_, generation, after)) = (ledger.clone(), to.clone());
                let answer = off_thread(move || ledger.copied_messages(generation, after)).await;
                let answer = answer.inspect_err(|error| {
                    tracing::warn!(error = error as &dyn std::error::Error, "messages cannot be read for another node");
                });
                answer.ok()?
            }
        };
        let rest = answer.get(offset..).unwrap_or_default();
        let piece = [&MessageHash::of(&answer).0[..], &rest[..rest.len().min(PIECE)]].concat();
        if rest.len() >= PIECE {
            *self.giving.0.lock() = Some(Given { to, answer });
        }
        Some(piece)
    }
}

/// The newest position of the node that leads, after the stream has accepted one more message of it: no other node led meanwhile.
async fn position_after_barrier(ledger: &Ledger, node: &Node) -> Option<Position> {
    node.barrier().await.then(|| ledger.head())
}
