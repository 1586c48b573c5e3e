//! Lives of a cluster: nodes that write at once, crash and follow, on an engine that fails in every way that [`model`] knows. The
//! seed decides all of it. `JOBLEDGER_STREAM_SEED=<seed>` lives one life alone, `JOBLEDGER_STREAM_LIVES=<n>` lives so many.
//!
//! Not here: the engine itself (`model`).

mod node;

use std::collections::{BTreeMap, BTreeSet};

use self::node::{Disk, Node};
use super::ChainError;
use super::model::{Faults, Model};

const NODES: usize = 3;
const MAJORITY: usize = 2;
const STEPS: usize = 600;

/// What else happens to a cluster, besides the faults of the engine.
#[derive(Debug, Clone, Copy)]
struct Fate {
    faults: Faults,
    /// Whether messages that a node has are damaged in the engine.
    damage: bool,
    /// Whether the engine loses its newest messages.
    lose_newest: bool,
    /// How many nodes must have a commit before it is answered.
    confirm: usize,
}

/// One life: the cluster at its end, and the position that each answered event got.
struct Life {
    nodes: Vec<Node>,
    engine: Model,
    /// The position with which each event was answered.
    answered: BTreeMap<u32, usize>,
    /// Whether an event was answered with two positions.
    contradicted: bool,
    random: fastrand::Rng,
    fate: Fate,
}

impl Life {
    fn live(seed: u64, fate: Fate) -> Life {
        let engine = Model::new(seed ^ 0x5eed, fate.faults);
        let (random, nodes) = (fastrand::Rng::with_seed(seed), (0..NODES).map(Node::new).collect());
        let mut life = Life { nodes, engine, answered: BTreeMap::new(), contradicted: false, random, fate };
        let mut events = 0;
        for _ in 0..STEPS {
            life.step(&mut events);
        }
        life
    }

    fn step(&mut self, events: &mut u32) {
        let at = self.random.usize(0..NODES);
        match self.random.u8(0..100) {
            0..15 => {
                // A client sends a new event, or one whose answer it did not get, to any node.
                let new = self.random.u8(0..3) > 0 || *events == 0;
                *events += u32::from(new);
                let event = if new { *events } else { self.random.u32(1..=*events) };
                self.nodes[at].queue.push_back(event);
            }
            15..18 => self.nodes[at].crash(),
            18..24 => {
                self.nodes[at].leads = self.random.bool();
                self.nodes[at].fenced &= self.nodes[at].leads;
            }
            24..40 => self.engine.pass(),
            40..41 if self.fate.damage => {
                let upto = self.nodes.iter().map(|node| node.disk.tip().sequence).max().unwrap_or_default();
                self.engine.damage(upto);
            }
            41..42 if self.fate.lose_newest => self.engine.lose_newest(),
            _ => self.work(at),
        }
        self.answer(at);
    }

    fn work(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.stopped.is_some() {
            return;
        }
        let worked = match (&node.writing, node.leads) {
            (Some(_), _) => node.write(&mut self.engine),
            (None, true) if self.random.bool() => {
                node.begin(self.random.u128(..).to_be_bytes(), self.random.u8(0..4) == 0);
                Ok(())
            }
            (None, _) => node.follow(&mut self.engine).map(|_| ()),
        };
        match worked {
            Ok(()) => {}
            Err(ChainError::Gap { .. }) => {
                let peer = self.nodes[self.random.usize(0..NODES)].disk.clone();
                self.nodes[at].repair(&peer);
            }
            Err(error) => node.stopped = Some(error.to_string()),
        }
    }

    /// Answers the events of the node that enough nodes have on their disks.
    fn answer(&mut self, at: usize) {
        let unconfirmed = std::mem::take(&mut self.nodes[at].unconfirmed);
        for (event, sequence) in unconfirmed {
            let row = |node: &Node| node.disk.rows.iter().find(|row| row.tip.sequence >= sequence).map(|row| row.tip);
            let own = row(&self.nodes[at]);
            match self.nodes.iter().filter(|node| row(node) == own).count() >= self.fate.confirm {
                true => {
                    let position =
                        self.nodes[at].disk.position(event).expect("an event on its way to be answered is stored");
                    self.contradicted |= *self.answered.entry(event).or_insert(position) != position;
                }
                false => self.nodes[at].unconfirmed.push((event, sequence)),
            }
        }
    }

    /// The engine works again, and every node reads to the end.
    fn settle(&mut self) {
        self.engine.heal();
        for at in 0..NODES {
            self.nodes[at].crash();
        }
        for _ in 0..3 {
            for at in 0..NODES {
                let peers: Vec<Disk> = self.nodes.iter().map(|node| node.disk.clone()).collect();
                let node = &mut self.nodes[at];
                while matches!(node.follow(&mut self.engine), Ok(1..)) || peers.iter().any(|peer| node.repair(peer)) {}
            }
        }
    }

    fn duplicates(&self) -> usize {
        let twice = |node: &Node| node.disk.log.len() - node.disk.log.iter().collect::<BTreeSet<_>>().len();
        self.nodes.iter().map(twice).sum()
    }

    /// How many nodes have each answered event at its position, at the least.
    fn kept(&self) -> usize {
        let has =
            |event: u32, at: usize| self.nodes.iter().filter(|node| node.disk.log.get(at) == Some(&event)).count();
        self.answered.iter().map(|(event, at)| has(*event, *at)).min().unwrap_or(NODES)
    }
}

fn lives(lives: u64, fate: Fate, mut each: impl FnMut(&mut Life)) {
    let setting = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match setting("JOBLEDGER_STREAM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("JOBLEDGER_STREAM_LIVES").unwrap_or(lives),
    };
    for seed in seeds {
        let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| each(&mut Life::live(seed, fate))));
        lived.unwrap_or_else(|_| panic!("the life of JOBLEDGER_STREAM_SEED={seed}"));
    }
}

const FAULTS: Fate = Fate { faults: Faults::MANY, damage: false, lose_newest: false, confirm: MAJORITY };

/// Whether the nodes kept every answer, and no log has an event twice.
fn is_sound(life: &Life, nodes: usize) -> bool {
    life.kept() >= nodes && life.duplicates() == 0 && !life.contradicted
}

#[test]
fn no_answered_event_is_lost_and_no_log_forks() {
    let (mut answered, mut void) = (0, 0);
    lives(2000, FAULTS, |life| {
        void += life.nodes.iter().map(|node| node.chain.void()).sum::<u64>();
        life.settle();
        let logs: BTreeSet<&Vec<u32>> = life.nodes.iter().map(|node| &node.disk.log).collect();
        assert_eq!(logs.len(), 1, "all nodes have one log");
        assert!(is_sound(life, NODES));
        answered += life.answered.len();
    });
    assert!(answered > 0 && void > 0);
}

#[test]
fn messages_that_the_engine_damages_come_from_a_peer() {
    lives(1000, Fate { damage: true, ..FAULTS }, |life| {
        life.settle();
        assert!(is_sound(life, NODES));
    });
}

/// The engine breaks its promise. Two nodes of three still have each answered event at its position.
#[test]
fn a_majority_keeps_what_the_engine_loses() {
    lives(1000, Fate { lose_newest: true, ..FAULTS }, |life| assert!(is_sound(life, MAJORITY)));
}

/// Proves that the test above can fail.
#[test]
fn without_a_majority_the_same_lives_lose_answered_events() {
    let mut broken = 0;
    lives(200, Fate { lose_newest: true, confirm: 1, ..FAULTS }, |life| {
        broken += usize::from(!is_sound(life, MAJORITY));
    });
    assert!(broken > 0, "every answered event was kept");
}
