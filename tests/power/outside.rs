//! The clients and auditors outside of the machine: the answers that they got, which must hold after a power loss.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::ops::ControlFlow;

use jobledger::job::Position;
use jobledger::ledger::{AppendError, Appended, Identity, Ledger, ProveError, consistency, receipt};
use jobledger::log::{self, Reader};
use jobledger::tree::{Checkpoint, Frontier, Head, Receipt, leaf_hash, verify_consistency, verify_inclusion};
use jobledger::wire::Leaf;

use crate::requests::Request;

/// A promise that was broken.
#[derive(Debug, PartialEq, Eq)]
pub enum Broken {
    /// An event that was answered is not there.
    Lost(String),
    /// A checkpoint that was handed out is of more events than there are, or of other ones.
    Ahead(String),
    /// The log has a part of a request.
    Half(String),
    /// Anything else.
    Other(String),
}

/// Everything that the ledger told its clients.
#[derive(Default)]
pub struct Outside {
    identity: Option<Identity>,
    /// The position of each event that was answered, or found after a power loss.
    places: HashMap<String, u64>,
    /// The leaves that clients read, from the first on.
    leaves: Vec<Vec<u8>>,
    /// The position that the next new event must get.
    next: u64,
    receipts: Vec<(Receipt, Head)>,
    /// Checkpoints that were handed out: verbatim, by size.
    pub checkpoints: BTreeMap<u64, (Head, String)>,
    /// Requests of unknown outcome.
    pub open: Vec<Request>,
}

impl Outside {
    /// The ledger's identity; `None` before the first start.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// How many events the log has.
    pub fn events(&self) -> u64 {
        self.next
    }

    /// Takes the answer to a request. Returns whether the log now has the request's events.
    pub fn answer(&mut self, request: &Request, answer: Result<Appended, AppendError>) -> Result<bool, Broken> {
        let appended = match answer {
            Ok(appended) if !request.impossible => appended,
            Err(AppendError::Refused { .. }) if request.impossible => return Ok(false),
            Err(AppendError::OutcomeUnknown | AppendError::Stopping) => {
                // A refused request left no event.
                self.open.extend((!request.impossible).then(|| request.clone()));
                return Ok(false);
            }
            answer => return Err(Broken::Other(format!("{request:?} was answered {answer:?}"))),
        };
        for (event, id) in appended.events.iter().zip(&request.ids) {
            let known = self.places.get(id).copied();
            let expected = known.unwrap_or(self.next);
            if (&event.id, event.position.get(), event.duplicate) != (id, expected, known.is_some()) {
                return Err(Broken::Other(format!("expected {id} at {expected}, it was answered {event:?}")));
            }
            if known.is_none() {
                self.places.insert(id.clone(), expected);
                self.next += 1;
            }
        }
        Ok(true)
    }

    /// Reads what a client may read after an answer: the new leaves, the newest checkpoint, and a receipt for the last event
    /// of each of `requests`. The same calls that HTTP makes.
    pub fn look(&mut self, ledger: &Ledger, requests: &[Request]) -> Result<(), ProveError> {
        let identity = ledger.identity();
        let known = &identity.keys[..1];
        ledger.log(|log| {
            let published = log.checkpoint()?.expect("a log has a checkpoint");
            let note = String::from_utf8(published.note.clone()).expect("a checkpoint is text");
            let head = Checkpoint::open(&note, &identity.origin, known).expect("signed by the log").head;
            let new = leaves(log, self.leaves.len())?;
            self.leaves.extend(new);
            for id in requests.iter().filter_map(|request| request.ids.last()) {
                let Some(place) = self.places.get(id) else { continue };
                let receipt = receipt(log, &published, Position::new(*place))?;
                let leaf = receipt.extra.as_deref().expect("a receipt has its leaf");
                receipt.verify(leaf, &identity.origin, known).expect("a receipt proves its event");
                self.receipts.push((receipt, head));
            }
            self.checkpoints.insert(head.size.get(), (head, note));
            Ok(())
        })
    }

    /// Compares a recovered ledger with everything that it told before. From then on the requests without an answer count as answered if
    /// the log has their events.
    pub fn check(&mut self, ledger: &Ledger) -> Result<Vec<Broken>, ProveError> {
        let mut broken = Vec::new();
        if let Some(why) = ledger.read_only() {
            // The ledger never signs for a log that does not fit its newest checkpoint or its anchor.
            broken.push(Broken::Ahead(format!("the ledger is read-only: {why}")));
        }
        let identity = self.identity.get_or_insert_with(|| ledger.identity());
        if *identity != ledger.identity() {
            broken.push(Broken::Other(format!("the log was {identity:?} and is {:?}", ledger.identity())));
        }
        let (leaves, newest) = ledger.log(|log| Ok::<_, ProveError>((leaves(log, 0)?, log.checkpoint()?)))?;
        let size = leaves.len() as u64;
        if ledger.head().next().get() != size {
            broken.push(Broken::Other(format!("the head is {}, and there are {size} events", ledger.head())));
        }
        let names = self.check_events(&leaves, &mut broken);
        self.check_open(names, &mut broken);
        // Computes the tree from the leaves alone, and checks the signature.
        let heads = self.heads(&leaves);
        let newest = newest.expect("a log has a checkpoint");
        let note = String::from_utf8_lossy(&newest.note);
        match Checkpoint::open(&note, &ledger.identity().origin, &ledger.identity().keys[..1]) {
            Ok(signed) if Some(&signed.head) == heads.get(&size) => {}
            signed => broken.push(Broken::Other(format!("the newest checkpoint is {signed:?}, the tree {heads:?}"))),
        }
        self.check_told(&leaves, &heads, &mut broken);
        if broken.is_empty() {
            self.check_consistency(ledger, heads[&size], &mut broken)?;
            self.leaves = leaves;
            self.next = size;
        }
        Ok(broken)
    }

    /// Checks that each answered event is in the log at its position. Returns the positions of the events that no client knows yet.
    fn check_events(&self, leaves: &[Vec<u8>], broken: &mut Vec<Broken>) -> HashMap<String, u64> {
        let mut found = HashMap::new();
        for (position, leaf) in (0..).zip(leaves) {
            if self.leaves.get(position as usize).is_some_and(|known| known == leaf) {
                continue;
            }
            let event = Leaf::parse_strict(leaf).expect("a leaf");
            let id = event.id.to_string();
            let known = self.places.get(&id);
            if event.position().expect("a position").get() != position || known.is_some_and(|place| *place != position)
            {
                broken.push(Broken::Other(format!("{id}, known at {known:?}, is at {position}")));
            } else if known.is_none() && found.insert(id.clone(), position).is_some() {
                broken.push(Broken::Other(format!("{id} is there twice")));
            }
        }
        for (id, place) in &self.places {
            if *place >= leaves.len() as u64 || found.values().any(|other| other == place) {
                broken.push(Broken::Lost(format!("{id}, which was answered at {place}")));
            }
        }
        found
    }

    /// Checks that the log has all events of a request without an answer, one after the other, or none. The log has no event that no
    /// client sent.
    fn check_open(&mut self, mut found: HashMap<String, u64>, broken: &mut Vec<Broken>) {
        for request in &self.open {
            let places: Vec<u64> = request.ids.iter().filter_map(|id| found.remove(id)).collect();
            let whole = places.len() == request.ids.len() && places.windows(2).all(|pair| pair[0] + 1 == pair[1]);
            if !places.is_empty() && !whole {
                broken.push(Broken::Half(format!("{:?} is at {places:?}", request.ids)));
            }
            self.places.extend(request.ids.iter().cloned().zip(places));
        }
        // The first event is the ledger's own.
        found.retain(|_, position| *position != 0);
        if !found.is_empty() {
            broken.push(Broken::Other(format!("no client sent {found:?}")));
        }
    }

    /// Size and root of the whole tree, and of the trees under the checkpoints that were handed out.
    fn heads(&self, leaves: &[Vec<u8>]) -> BTreeMap<u64, Head> {
        let sizes: BTreeSet<u64> = self.checkpoints.keys().copied().chain([leaves.len() as u64]).collect();
        let mut edge = Frontier::EMPTY;
        let mut heads = BTreeMap::new();
        for leaf in leaves {
            let Ok(()) = edge.append(leaf_hash(leaf), |_, _| Ok::<(), Infallible>(()));
            if sizes.contains(&edge.leaves()) {
                heads.extend(edge.head().map(|head| (edge.leaves(), head)));
            }
        }
        heads
    }

    /// Checks that every checkpoint that was handed out covers the first events of the log, and that every receipt still holds.
    fn check_told(&self, leaves: &[Vec<u8>], heads: &BTreeMap<u64, Head>, broken: &mut Vec<Broken>) {
        for (size, (head, _)) in &self.checkpoints {
            if heads.get(size) != Some(head) {
                broken.push(Broken::Ahead(format!("a checkpoint of {size} events, the log has {}", leaves.len())));
            }
        }
        for (receipt, head) in &self.receipts {
            let leaf = leaves.get(receipt.index as usize);
            let proven = leaf.map(|leaf| verify_inclusion(leaf_hash(leaf), receipt.index, head, &receipt.proof));
            if proven != Some(Ok(())) {
                broken.push(Broken::Lost(format!("the event that a receipt proves at {}: {proven:?}", receipt.index)));
            }
        }
    }

    /// Checks the log's proofs that it continues the first and the last checkpoint that were handed out.
    fn check_consistency(&self, ledger: &Ledger, now: Head, broken: &mut Vec<Broken>) -> Result<(), ProveError> {
        let mut told = self.checkpoints.values();
        for (head, _) in told.next().into_iter().chain(told.next_back()) {
            let proof = ledger.log(|log| consistency(log, head.size, now.size))?;
            if let Err(error) = verify_consistency(head, &now, &proof) {
                broken.push(Broken::Ahead(format!("no consistency from {head:?} to {now:?}: {error}")));
            }
        }
        Ok(())
    }
}

/// The leaves from `from` on. A gap between positions is an error.
fn leaves(log: &Reader<'_>, from: usize) -> Result<Vec<Vec<u8>>, log::Error> {
    let mut leaves = Vec::new();
    log.scan(Position::new(from as u64), u64::MAX >> 1, |row| {
        let expected = Position::new((from + leaves.len()) as u64);
        if row.position != expected {
            return Err(log::Error::Gap { expected, found: row.position });
        }
        leaves.push(row.leaf.to_vec());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(leaves)
}
