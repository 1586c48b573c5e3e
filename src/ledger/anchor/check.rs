//! What the anchor says of the log in the file: it must be the beginning of it.

use super::file::Anchor;
use crate::chain;
use crate::job::plural;
use crate::ledger::OpenError;
use crate::ledger::folder::Folder;
use crate::ledger::keys::key_file;
use crate::ledger::keys::{Identity, keys};
use crate::log::{self, Reader};
use crate::tree::{Checkpoint, CheckpointError, Head, Size};

/// What speaks against a log that has this anchor.
#[derive(Debug, thiserror::Error)]
enum Against {
    /// Whether the log is older than the anchor is not known.
    #[error(
        "the anchor cannot be read, and it may have newer events than the database; mend what the log says, and start again"
    )]
    Unread,
    /// The log lacks events that were signed and published.
    #[error(
        "the anchor has a signed checkpoint of {} of `{origin}`, the database has {found}: its newest \
         events are gone, as in an older copy or where its end was cut off; put the newest `log.db` back, or go on \
         without them with `jobledger recover`",
        plural(anchor, "event", "events")
    )]
    Behind {
        /// Who signed.
        origin: String,
        /// How many events the anchor knows of.
        anchor: Size,
        /// How many there are.
        found: Size,
    },
    /// The same log goes on in two ways.
    #[error(
        "the anchor has a signed checkpoint of {} of `{origin}` with the root {}, in the database the first {} \
         have the root {}: a copy of this ledger signed other events; stop the copy, put the `log.db` back that the \
         anchor is of, or go on with this one with `jobledger recover`", plural(.anchor.size, "event", "events"), .anchor.root, .found.size, .found.root
    )]
    Beside {
        /// Who signed.
        origin: String,
        /// What was signed.
        anchor: Head,
        /// What the log has.
        found: Head,
    },
    /// Nobody knows whether the anchor is of this log.
    #[error(
        "the anchor does not hold a checkpoint of this log: {0}; give this ledger an anchor of its own by `--anchor`, or \
         go on without knowing what is lost with `jobledger recover`"
    )]
    Foreign(#[from] CheckpointError),
    /// It is no text.
    #[error("the anchor does not hold a checkpoint: expected text, found other bytes; see `jobledger recover`")]
    NotText,
    /// The tree cannot be compared.
    #[error("the anchor cannot be compared with the tree: {}; see `jobledger recover`", chain(.0))]
    Tree(log::Error),
}

/// The anchor of the log in `folder`, if what it holds is the beginning of the log; else why the log may not be signed for. One
/// that is missing proves nothing: logs of an older jobledger have none, and volumes are lost.
pub(in crate::ledger) fn examine(
    folder: &Folder,
    log: &Reader<'_>,
    identity: &Identity,
) -> Result<Result<Anchor, String>, OpenError> {
    let read = Anchor::find(folder).and_then(|anchor| Ok((anchor.is_left_behind(&identity.origin)?, anchor)));
    let (left_behind, anchor) = match read {
        Ok(read) => read,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the anchor cannot be read");
            // Told to whoever asks whether the server is ready, so it names no path.
            return Ok(Err(Against::Unread.to_string()));
        }
    };
    match anchor.held().filter(|_| !left_behind) {
        None => Ok(Ok(anchor)),
        Some(note) => Ok(compare(note, folder, log)?.map(|()| anchor).map_err(|against| against.to_string())),
    }
}

fn compare(note: &[u8], folder: &Folder, log: &Reader<'_>) -> Result<Result<(), Against>, OpenError> {
    let Checkpoint { origin, head: anchor } = match open(note, folder, log)? {
        Ok(checkpoint) => checkpoint,
        Err(against) => return Ok(Err(against)),
    };
    let found = Size::up_to(log.head()?.get());
    if anchor.size > found {
        return Ok(Err(Against::Behind { origin, anchor: anchor.size, found }));
    }
    match log.edge(anchor.size) {
        Err(error) if error.is_contradiction() => Ok(Err(Against::Tree(error))),
        edge => match edge?.head() {
            Some(found) if found != anchor => Ok(Err(Against::Beside { origin, anchor, found })),
            _ => Ok(Ok(())),
        },
    }
}

/// Reads a note that was signed by a key that the log has named, or that the folder has.
fn open(note: &[u8], folder: &Folder, log: &Reader<'_>) -> Result<Result<Checkpoint, Against>, OpenError> {
    let Ok(note) = std::str::from_utf8(note) else { return Ok(Err(Against::NotText)) };
    let mut known = key_file::held(folder);
    known.append(&mut keys(log)?);
    Ok(Checkpoint::open_known(note, &known).map(|(checkpoint, _)| checkpoint).map_err(Against::Foreign))
}

/// The newest checkpoint that is known of the log `origin`: the anchor's, where the log itself has none of so many events.
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
    match open(note, folder, log)? {
        Ok(held) if held.origin == origin && held.head.size.get() > size => Ok(String::from_utf8(note.to_vec()).ok()),
        _ => Ok(own),
    }
}
