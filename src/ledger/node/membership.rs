//! How the log of a ledger becomes that of a node, and that of a ledger on one machine again.

use crate::job::Position;
use crate::ledger::folder::{Folder, Lock};
use crate::ledger::keys::{open_existing, take_existing};
use crate::ledger::trust::Trust;
use crate::ledger::{Identity, OpenError, identity};
use crate::log::{self, LoggedMessage, Writer};
use crate::stream::{MessageHash, Tip};
use crate::tree::Size;

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
        start_of(&self.log, self.origin(), generation)
    }
}

/// The folder of a node. No server has it.
#[derive(Debug)]
pub struct Membership {
    log: Writer,
    identity: Identity,
    newest: LoggedMessage,
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
        let identity = may_sign(folder, &log)?;
        Ok(Membership { log, identity, newest, _lock: lock })
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

    /// The beginning of a generation that continues this log.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn start(&self, generation: u32) -> Result<LoggedMessage, MembershipError> {
        start_of(&self.log, self.origin(), generation)
    }

    /// Notes in the log that a stream of a later generation continues it: the stream before is lost.
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

/// The beginning of a generation that continues `log`.
fn start_of(log: &Writer, origin: &str, generation: u32) -> Result<LoggedMessage, MembershipError> {
    let position = log.reader().head()?;
    let edge = log.reader().edge(Size::up_to(position.get()))?;
    let head = edge.head().expect("a log has at least one event");
    let tip = Tip { sequence: 0, hash: MessageHash::of_start(origin, generation, head) };
    Ok(LoggedMessage { generation, tip, first: position.next() })
}

/// The identity of a log that the folder's key may sign for.
fn may_sign(folder: &Folder, log: &Writer) -> Result<Identity, MembershipError> {
    let identity = identity(&log.reader())?;
    match Trust::examine(folder, &log.reader(), &identity)? {
        Trust::Signs { .. } => Ok(identity),
        Trust::ReadOnly(why) => Err(MembershipError::ReadOnly(why)),
    }
}
