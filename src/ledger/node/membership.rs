//! How the log of a ledger becomes that of a node, and that of a ledger on one machine again.

use crate::job::Position;
use crate::ledger::folder::{Folder, Lock};
use crate::ledger::keys::{add_key, key_file, open_existing, take_existing};
use crate::ledger::trust::Trust;
use crate::ledger::{Clock, Identity, OpenError, RotateError, identity};
use crate::log::{self, LoggedMessage, Reader, Writer};
use crate::stream::{MessageHash, StreamKey, Tip};
use crate::tree::{Size, VerifierKey};
use crate::wire::{Leaf, LedgerKeyAdded};

/// Why a ledger cannot begin a cluster, or take part in one.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// The ledger cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The ledger takes no writes.
    #[error("the ledger is read-only: {0}")]
    ReadOnly(String),
    /// The folder is not a node's.
    #[error("{0}")]
    NotANode(OpenError),
}

impl From<log::Error> for MembershipError {
    fn from(error: log::Error) -> MembershipError {
        MembershipError::Open(error.into())
    }
}

/// A ledger on one machine that begins a cluster. No server has its folder.
#[derive(Debug)]
pub struct Founding {
    log: Writer,
    identity: Identity,
    _lock: Lock,
}

impl Founding {
    /// Takes the folder, whose ledger must take writes.
    ///
    /// # Errors
    ///
    /// A server has the folder, its ledger is a node already, or it takes no writes.
    pub fn open(folder: &Folder) -> Result<Founding, MembershipError> {
        let (lock, log) = take_existing(folder)?;
        let identity = may_sign(folder, &log)?;
        Ok(Founding { log, identity, _lock: lock })
    }

    /// The ledger's name.
    pub fn origin(&self) -> &str {
        &self.identity.origin
    }

    /// Notes in the log that a stream of this generation continues it. Answers the newest position.
    ///
    /// # Errors
    ///
    /// The log cannot be written. It is then as before.
    pub fn begin(mut self, generation: u32) -> Result<Position, MembershipError> {
        let start = self.start(generation)?;
        self.log.begin()?;
        self.log.join_stream()?;
        self.log.add_message(&start)?;
        self.log.commit()?;
        Ok(self.log.reader().head()?)
    }

    /// The beginning of a generation that continues this log.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn start(&self, generation: u32) -> Result<LoggedMessage, MembershipError> {
        start_of(&self.log, self.origin(), generation, self.log.reader().head()?.next())
    }

    /// The key that signs.
    pub fn verifier_key(&self) -> &VerifierKey {
        self.identity.verifier_key()
    }
}

/// The folder of a node. No server has it.
#[derive(Debug)]
pub struct Membership {
    log: Writer,
    identity: Identity,
    newest: LoggedMessage,
    folder: Folder,
    _lock: Lock,
}

impl Membership {
    /// Takes the folder of a node, whose ledger must be able to take writes: it needs the ledger's key.
    ///
    /// # Errors
    ///
    /// A server has the folder, it is not a node's, or it has no key.
    pub fn open(folder: &Folder) -> Result<Membership, MembershipError> {
        if !folder.log().exists() {
            return Err(log::Error::Missing(folder.log()).into());
        }
        let lock = folder.lock().map_err(OpenError::from)?;
        let log = open_existing(folder)?;
        let Some(newest) = log.reader().newest_message()? else {
            return Err(MembershipError::NotANode(OpenError::IsNotNode(folder.path().to_owned())));
        };
        // A crash may have left a rotation before its end.
        let named = identity(&log.reader())?;
        key_file::settle(folder, &named).map_err(OpenError::from)?;
        let identity = may_sign(folder, &log)?;
        Ok(Membership { log, identity, newest, folder: folder.clone(), _lock: lock })
    }

    /// The newest message that the log has.
    pub fn newest(&self) -> &LoggedMessage {
        &self.newest
    }

    /// The ledger's name.
    pub fn origin(&self) -> &str {
        &self.identity.origin
    }

    /// The newest position.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn head(&self) -> Result<Position, MembershipError> {
        Ok(self.log.reader().head()?)
    }

    /// The key that signs.
    pub fn verifier_key(&self) -> &VerifierKey {
        self.identity.verifier_key()
    }

    /// The key of the stream.
    ///
    /// # Errors
    ///
    /// The key file cannot be read.
    pub fn stream_key(&self) -> Result<StreamKey, MembershipError> {
        Ok(key_file::stream_key(&self.folder).map_err(OpenError::from)?)
    }

    /// Whether the newest event added a key, and no message has that event: the next generation must begin with it.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn has_rotated(&self) -> Result<bool, MembershipError> {
        Ok(has_rotated(&self.log.reader(), self.origin(), &self.newest)?)
    }

    /// Adds a key that signs, unless the log has one that no message has: then an earlier rotation has broken off. Answers the key.
    ///
    /// # Errors
    ///
    /// The log cannot be written, or two keys sign already.
    pub fn rotate(&mut self, clock: &Clock) -> Result<VerifierKey, RotateError> {
        if !has_rotated(&self.log.reader(), self.origin(), &self.newest)? {
            add_key(&self.folder, &mut self.log, clock)?;
            self.identity = identity(&self.log.reader())?;
        }
        Ok(self.identity.verifier_key().clone())
    }

    /// The beginning of a generation that continues this log. It brings the event of a rotation that no message has.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn start(&self, generation: u32) -> Result<LoggedMessage, MembershipError> {
        let head = self.head()?;
        let first = if self.has_rotated()? { head } else { head.next() };
        start_of(&self.log, self.origin(), generation, first)
    }

    /// Notes in the log that a stream of a later generation continues it: the stream before is lost, or has the key from before a
    /// rotation.
    ///
    /// # Errors
    ///
    /// The log cannot be written. It is then as before.
    pub fn begin(&mut self, start: &LoggedMessage) -> Result<(), MembershipError> {
        self.log.begin()?;
        self.log.add_message(start)?;
        Ok(self.log.commit()?)
    }

    /// Makes the log that of a ledger on one machine.
    ///
    /// # Errors
    ///
    /// The log cannot be written. It is then as before.
    pub fn end(mut self) -> Result<(), MembershipError> {
        self.log.begin()?;
        self.log.leave_stream()?;
        Ok(self.log.commit()?)
    }
}

/// The beginning of a generation that continues `log`, and that brings the events from `first` on.
fn start_of(log: &Writer, origin: &str, generation: u32, first: Position) -> Result<LoggedMessage, MembershipError> {
    let tip = Tip { sequence: 0, hash: hash_of_start(&log.reader(), origin, generation)? };
    Ok(LoggedMessage { generation, tip, first })
}

fn hash_of_start(log: &Reader<'_>, origin: &str, generation: u32) -> Result<MessageHash, log::Error> {
    let edge = log.edge(Size::up_to(log.head()?.get()))?;
    Ok(MessageHash::of_start(origin, generation, edge.head().expect("a log has at least one event")))
}

/// Whether the newest event of a node's log added a key, and no message has that event. `newest` is the log's newest message.
pub(in crate::ledger) fn has_rotated(
    log: &Reader<'_>,
    origin: &str,
    newest: &LoggedMessage,
) -> Result<bool, log::Error> {
    let (head, mut is_rotation) = (log.head()?, false);
    log.scan_own(|row| {
        let adds_key = || Leaf::parse(row.leaf).is_ok_and(|leaf| leaf.event_type == LedgerKeyAdded::TYPE);
        is_rotation |= row.position == head && adds_key();
        Ok::<(), log::Error>(())
    })?;
    // Commits bring no such event, so only the beginning of a generation can have it.
    Ok(is_rotation && head >= newest.first && newest.tip.hash != hash_of_start(log, origin, newest.generation)?)
}

/// The identity of a log that the folder's key may sign for.
fn may_sign(folder: &Folder, log: &Writer) -> Result<Identity, MembershipError> {
    let identity = identity(&log.reader())?;
    match Trust::examine(folder, &log.reader(), &identity)? {
        Trust::Signs { .. } => Ok(identity),
        Trust::ReadOnly(why) => Err(MembershipError::ReadOnly(why)),
    }
}
