//! The log's first events must be the events that the anchor's checkpoint covers.

use super::file::Anchor;
use crate::chain;
use crate::job::plural;
use crate::ledger::OpenError;
use crate::ledger::folder::Folder;
use crate::ledger::keys::{Identity, key_file, keys};
use crate::log::{self, Reader};
use crate::tree::{Checkpoint, CheckpointError, Head, Size};

/// Why the ledger may not sign for a log that has this anchor. A client may be told this, so it names no path.
#[derive(Debug, thiserror::Error)]
pub(in crate::ledger) enum Contradiction {
    /// The anchor cannot be read, so the log may be older than the anchor.
    #[error(
        "the anchor cannot be read, and it may have newer events than the database; mend what the log says, and start again"
    )]
    Unread,
    /// The log lacks events that were signed and published.
    #[error(
        "the anchor has a signed checkpoint of {} of `{origin}`, the database has {found}: its newest events are gone, as in an \
         older copy or where its end was cut off; put the newest `log.db` back, or go on without them with `jobledger recover`",
        plural(anchor, "event", "events")
    )]
    Behind {
        /// The name under which the checkpoint was signed.
        origin: String,
        /// How many events the anchor's checkpoint covers.
        anchor: Size,
        /// How many events the log has.
        found: Size,
    },
    /// The anchor and the log continue the same log in two ways.
    #[error(
        "the anchor has a signed checkpoint of {} of `{origin}` with the root {}, in the database the first {} have the root {}: a \
         copy of this ledger signed other events; stop the copy, put the `log.db` back that the anchor is of, or go on with this \
         one with `jobledger recover`", plural(.anchor.size, "event", "events"), .anchor.root, .found.size, .found.root
    )]
    Beside {
        /// The name under which the checkpoint was signed.
        origin: String,
        /// The head that was signed.
        anchor: Head,
        /// The head of as many events of the log.
        found: Head,
    },
    /// No key of this log signed the anchor's checkpoint.
    #[error(
        "the anchor does not hold a checkpoint of this log: {0}; give this ledger an anchor of its own by `--anchor`, or go on \
         without knowing what is lost with `jobledger recover`"
    )]
    Foreign(#[from] CheckpointError),
    /// The anchor holds no text.
    #[error("the anchor does not hold a checkpoint: expected text, found other bytes; see `jobledger recover`")]
    NotText,
    /// The tree lacks nodes that the comparison needs.
    #[error("the anchor cannot be compared with the tree: {}; see `jobledger recover`", chain(.0))]
    Tree(log::Error),
}

/// Why there is no anchor to bring forward.
#[derive(Debug, thiserror::Error)]
pub(in crate::ledger) enum ExamineError {
    /// The anchor speaks against the log.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// The log cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl From<log::Error> for ExamineError {
    fn from(error: log::Error) -> ExamineError {
        ExamineError::Open(error.into())
    }
}

impl From<CheckpointError> for ExamineError {
    fn from(error: CheckpointError) -> ExamineError {
        Contradiction::from(error).into()
    }
}

/// The anchor of the log in `folder`, compared with the log. A missing anchor proves nothing: logs of an older jobledger have
/// none, and volumes are lost.
///
/// # Errors
///
/// The anchor contradicts the log, or the log cannot be read.
pub(in crate::ledger) fn examine(
    folder: &Folder,
    log: &Reader<'_>,
    identity: &Identity,
) -> Result<Anchor, ExamineError> {
    let read = Anchor::find(folder).and_then(|anchor| Ok((anchor.is_left_behind(&identity.origin)?, anchor)));
    let (left_behind, anchor) = read.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "the anchor cannot be read");
        Contradiction::Unread
    })?;
    if let Some(note) = anchor.held().filter(|_| !left_behind) {
        compare(note, folder, log)?;
    }
    Ok(anchor)
}

fn compare(note: &[u8], folder: &Folder, log: &Reader<'_>) -> Result<(), ExamineError> {
    let Checkpoint { origin, head: anchor } = open(note, folder, log)?;
    let found = Size::up_to(log.head()?.get());
    if anchor.size > found {
        return Err(Contradiction::Behind { origin, anchor: anchor.size, found }.into());
    }
    let edge = log.edge(anchor.size).map_err(|error| match error.is_contradiction() {
        true => Contradiction::Tree(error).into(),
        false => ExamineError::from(error),
    })?;
    match edge.head() {
        Some(found) if found != anchor => Err(Contradiction::Beside { origin, anchor, found }.into()),
        _ => Ok(()),
    }
}

/// Reads a note that is signed by a key of the log or of the folder.
fn open(note: &[u8], folder: &Folder, log: &Reader<'_>) -> Result<Checkpoint, ExamineError> {
    let note = std::str::from_utf8(note).map_err(|_| Contradiction::NotText)?;
    let mut known = key_file::held(folder);
    known.append(&mut keys(log)?);
    Ok(Checkpoint::open_known(note, &known).map(|(checkpoint, _)| checkpoint)?)
}

/// The newest known checkpoint of the log `origin`: the anchor's, if it covers more events than the log's own.
pub(in crate::ledger) fn newest_known(
    anchor: &Anchor,
    folder: &Folder,
    log: &Reader<'_>,
    origin: &str,
) -> Result<Option<String>, OpenError> {
    let own = log.checkpoint()?;
    let size = own.as_ref().map_or(0, |own| own.size.get());
    let own = own.and_then(|own| String::from_utf8(own.note).ok());
    let Some(note) = anchor.held() else { return Ok(own) };
    match open(note, folder, log) {
        Ok(held) if held.origin == origin && held.head.size.get() > size => Ok(String::from_utf8(note.to_vec()).ok()),
        Ok(_) | Err(ExamineError::Contradiction(_)) => Ok(own),
        Err(ExamineError::Open(error)) => Err(error),
    }
}
