//! One node of a life: what it has on its disk, and what it does next.

use std::collections::{BTreeSet, VecDeque};

use crate::job::{Position, Time};
use crate::stream::model::Model;
use crate::stream::*;
use crate::tree::{Hash, Head, Size};

/// The beginning of the stream.
const START: Tip = Tip { sequence: 0, hash: MessageHash([0; 32]) };

/// A valid message, as a node keeps it in its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) tip: Tip,
    pub(super) events: Vec<u32>,
}

/// What a crash leaves.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    pub(super) rows: Vec<Row>,
    pub(super) log: Vec<u32>,
}

impl Disk {
    pub(super) fn tip(&self) -> Tip {
        self.rows.last().map_or(START, |row| row.tip)
    }

    pub(super) fn position(&self, event: u32) -> Option<usize> {
        self.log.iter().position(|known| *known == event)
    }

    /// A hash over the log after `events`, which stands for the root of a tree.
    pub(super) fn root(&self, events: &[u32]) -> Hash {
        let all = self.log.iter().chain(events).flat_map(|event| event.to_be_bytes()).collect::<Vec<_>>();
        Hash(MessageHash::of(&all).0)
    }

    pub(super) fn store(&mut self, row: Row) {
        self.log.extend(&row.events);
        self.rows.push(row);
    }
}

pub(super) struct Node {
    pub(super) name: String,
    pub(super) disk: Disk,
    pub(super) chain: Chain,
    /// The commit under way, with its events.
    pub(super) writing: Option<(Writing, Vec<u32>)>,
    pub(super) queue: VecDeque<u32>,
    /// Events that the node has on its disk, and has not answered.
    pub(super) unconfirmed: Vec<(u32, Sequence)>,
    pub(super) leads: bool,
    pub(super) fenced: bool,
    /// Why the node takes nothing more.
    pub(super) stopped: Option<String>,
}

impl Node {
    pub(super) fn new(number: usize) -> Node {
        Node {
            name: format!("n{number}"),
            disk: Disk::default(),
            chain: Chain::new(key(), 1, START),
            writing: None,
            queue: VecDeque::new(),
            unconfirmed: Vec::new(),
            leads: false,
            fenced: false,
            stopped: None,
        }
    }

    pub(super) fn crash(&mut self) {
        self.chain = Chain::new(key(), 1, self.disk.tip());
        (self.writing, self.leads, self.fenced) = (None, false, false);
        self.queue.clear();
        self.unconfirmed.clear();
    }

    /// Brings a valid message to the disk, as every node does.
    pub(super) fn apply(&mut self, whole: &Whole) {
        let events = match whole.kind {
            Kind::Commit => {
                let body = CommitBody::read(&whole.body).unwrap();
                assert_eq!(body.first.get(), self.disk.log.len() as u64, "a commit continues the log");
                let events: Vec<u32> =
                    body.entries.iter().map(|entry| u32::from_be_bytes(entry.leaf.try_into().unwrap())).collect();
                assert_eq!(body.head.root, self.disk.root(&events), "every node has the root that the writer had");
                events
            }
            _ => Vec::new(),
        };
        self.disk.store(Row { tip: Tip { sequence: whole.sequence, hash: whole.hash }, events });
    }

    /// Begins a commit of the queued events that the log lacks, as the admission of a duplicate does.
    pub(super) fn begin(&mut self, id: [u8; 16], long: bool) {
        let commit = CommitId(id);
        if !self.fenced {
            self.fenced = true;
            let body = LeadBody { url: "http://node" }.to_bytes();
            let draft = Draft { kind: Kind::Lead, commit, node: self.name.clone(), body };
            self.writing = Some((Writing::new(&draft, &self.chain), Vec::new()));
            return;
        }
        let (known, new): (Vec<u32>, Vec<u32>) =
            self.queue.drain(..).partition(|event| self.disk.position(*event).is_some());
        self.unconfirmed.extend(known.iter().map(|event| (*event, self.disk.tip().sequence)));
        let new: Vec<u32> = new.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        if new.is_empty() {
            return;
        }
        let leaves: Vec<[u8; 4]> = new.iter().map(|event| event.to_be_bytes()).collect();
        let body = CommitBody {
            first: Position::new(self.disk.log.len() as u64),
            recorded: Time::from_micros(0),
            head: Head {
                size: Size::new((self.disk.log.len() + new.len()) as u64).unwrap(),
                root: self.disk.root(&new),
            },
            entries: leaves.iter().map(|leaf| Entry { leaf, content: Some((&[0; 32], b"")) }).collect(),
        };
        let draft = Draft { kind: Kind::Commit, commit, node: self.name.clone(), body: body.to_bytes() };
        let writing = match long {
            true => Writing::of_pieces(&draft, &self.chain, 200),
            false => Writing::new(&draft, &self.chain),
        };
        self.writing = Some((writing, new));
    }

    /// Asks the engine one question for the commit under way.
    pub(super) fn write(&mut self, engine: &mut Model) -> Result<(), ChainError> {
        let Some((mut writing, events)) = self.writing.take() else { return Ok(()) };
        let report = match writing.step(&self.chain) {
            Step::Publish { expected, bytes } => match engine.publish(expected, bytes) {
                Published::Accepted(sequence) => Report::Accepted(sequence),
                Published::Refused => Report::Refused,
                Published::Unknown => Report::Unknown,
            },
            Step::Read(from) => match engine.read(from).unwrap_or_default().into_iter().next() {
                Some(Stored { sequence, bytes }) => Report::Found(sequence, bytes),
                None => Report::Nothing,
            },
        };
        match writing.report(&mut self.chain, report) {
            Ok(None) => self.writing = Some((writing, events)),
            Ok(Some(Outcome::Accepted(whole))) => {
                self.apply(&whole);
                self.unconfirmed.extend(events.iter().map(|event| (*event, whole.sequence)));
            }
            Ok(Some(Outcome::Lost(whole))) => {
                self.apply(&whole);
                self.fenced &= whole.kind != Kind::Lead;
                self.queue.extend(events);
            }
            Err(WritingError::Chain(error)) => {
                self.queue.extend(events);
                return Err(error);
            }
            Err(error @ WritingError::Unasked { .. }) => panic!("{error}"),
        }
        Ok(())
    }

    /// Reads on, and applies what counts. Answers how many messages there were.
    pub(super) fn follow(&mut self, engine: &mut Model) -> Result<usize, ChainError> {
        let messages = engine.read(self.chain.next()).unwrap_or_default();
        for Stored { sequence, bytes } in &messages {
            if let Judged::Valid(whole) = self.chain.judge(*sequence, bytes)? {
                self.apply(&whole);
            }
        }
        Ok(messages.len())
    }

    /// Takes the messages of `peer` after this node's newest one. Answers whether there were any.
    pub(super) fn repair(&mut self, peer: &Disk) -> bool {
        let missing: Vec<Row> =
            peer.rows.iter().filter(|row| row.tip.sequence > self.disk.tip().sequence).cloned().collect();
        let found = !missing.is_empty();
        missing.into_iter().for_each(|row| self.disk.store(row));
        self.chain = Chain::new(key(), 1, self.disk.tip());
        found
    }
}

fn key() -> StreamKey {
    StreamKey::derive(&[9; 32])
}
