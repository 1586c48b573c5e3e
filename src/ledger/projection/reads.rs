//! Reads of the views, and the waits until the views show what a read asks for.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::mode::Command;
use super::{Health, PATIENCE, Projection, ViewsVersion};
use crate::job::Position;
use crate::ledger::append::AppendError;
use crate::views;

impl Projection {
    /// Whether the views follow the log, and their position.
    pub(in crate::ledger) fn health(&self) -> (Health, Position) {
        let status = self.status.borrow();
        (status.health.clone(), status.position)
    }

    /// The version of the views; `None` while a commit or a swap is under way.
    pub(in crate::ledger) fn version(&self) -> Option<ViewsVersion> {
        self.status.borrow().version()
    }

    /// Blocks this thread until the views can be read, or `most` has passed.
    pub(in crate::ledger) fn wait_until_readable(&self, most: Duration) {
        let until = Instant::now() + most;
        while self.readers.read().is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the views show `position`; `false` if they do not by `until`, or stop before it.
    pub(in crate::ledger) async fn wait_for(&self, position: Position, until: Instant) -> bool {
        if self.position() >= position {
            return true;
        }
        let mut status = self.status.subscribe();
        if !self.hurry() {
            return false;
        }
        let reached = status.wait_for(|status| status.position >= position || status.is_stopped());
        match tokio::time::timeout_at(until.into(), reached).await {
            Ok(Ok(status)) => status.position >= position,
            _ => false,
        }
    }

    /// Waits until the views show `position`, for as long as that takes, and lets the projector gather events meanwhile.
    pub(in crate::ledger) async fn reaches(&self, position: Position) {
        let mut status = self.status.subscribe();
        // The sender lives as long as this value.
        let _ = status.wait_for(|status| status.position >= position).await;
    }

    /// Has the projector project now what it gathers; `false` if the views have stopped.
    pub(super) fn hurry(&self) -> bool {
        let stopped = self.status.borrow().is_stopped();
        if !stopped {
            self.tell(Command::Hurry);
        }
        !stopped
    }

    /// Waits until the views are at most `lag` events behind `head`: appends slow down before reads fail. Does not wait for views
    /// that have stopped or are being made, because the log goes on without them.
    ///
    /// # Errors
    ///
    /// [`AppendError::Behind`] after 5 s.
    pub(in crate::ledger) async fn wait_for_lag(&self, head: Position, lag: u64) -> Result<(), AppendError> {
        let enough = Position::new(head.get().saturating_sub(lag));
        let waits = || {
            let status = self.status.borrow();
            status.position < enough && status.health == Health::Following
        };
        if !waits() || self.wait_for(enough, Instant::now() + PATIENCE).await || !waits() {
            return Ok(());
        }
        Err(AppendError::Behind)
    }

    /// Reads the views as they are.
    pub(in crate::ledger) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, views::Error>,
    ) -> Result<T, views::Error> {
        let readers = self.readers.read();
        let Some(open) = readers.as_ref() else {
            return Err(views::Error::Damaged("they are being made again".into()));
        };
        let answer = match open.pool.with(read).map_err(views::Error::File).flatten() {
            // An open connection still reads the removed file; a new connection finds none.
            Err(_) if !self.views.exists() => Err(views::Error::Damaged("their file is gone".into())),
            answer => answer,
        };
        if let Err(error) = &answer
            && error.is_damage()
        {
            tracing::error!(error = error as &dyn std::error::Error, "the views cannot be read; they are made again");
            self.tell(Command::Damaged { file: open.file });
        }
        answer
    }
}
