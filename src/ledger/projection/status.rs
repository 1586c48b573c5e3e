//! The views as every thread sees them, without reading their file.

use crate::job::Position;

/// Whether the views follow the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// They do.
    Following,
    /// They are being made from nothing; reads wait.
    Rebuilding,
    /// The projector cannot read an event: the views keep their position until a newer program reads it.
    Stopped(String),
}

/// The views as every thread sees them.
#[derive(Debug)]
pub(super) struct Status {
    /// The newest event that the views hold.
    pub position: Position,
    pub health: Health,
    /// Every redaction recorded up to here has been applied to the file.
    pub scrubbed: Position,
    /// Counts the files that were the views.
    pub file: u64,
    /// A commit or a swap is under way: some readers may see it, and others not.
    pub changing: bool,
}

/// The state of the views that a read shows: a value that was read in one version holds as long as that version does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewsVersion {
    /// The number of the views' file, counted since the ledger was opened.
    file: u64,
    /// The position of the views.
    pub position: Position,
}

impl Status {
    /// Before the projector has opened the views.
    pub(super) fn unopened() -> Status {
        let (position, scrubbed) = (Position::GENESIS, Position::GENESIS);
        Status { position, health: Health::Rebuilding, scrubbed, file: 0, changing: true }
    }

    /// The version of the views; `None` while a commit or a swap is under way.
    pub(super) fn version(&self) -> Option<ViewsVersion> {
        (!self.changing).then_some(ViewsVersion { file: self.file, position: self.position })
    }

    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.health, Health::Stopped(_))
    }
}
