//! How far the receiver of a webhook was told, as its delivery notes it in the file.

use rusqlite::{OptionalExtension, Params, params};

use super::error::WebhookError;
use super::file::WebhookFile;
use super::webhook::{State, Webhook};
use crate::job::{Position, Time};

/// How far a delivery has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reached {
    /// What the delivery has noted before.
    pub before: Position,
    /// The receiver has every event up to here.
    pub now: Position,
}

/// How the next event stands after a failed try.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    /// Failed tries in a row.
    pub failures: u32,
    /// Why the newest one failed.
    pub error: String,
    /// When the event is tried again; `None` if the webhook is parked.
    pub next_try: Option<Time>,
}

/// What became of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noted {
    /// The file has it.
    Here,
    /// The file has this position instead of the one that the delivery noted before.
    Moved(Position),
    /// The webhook was removed, replayed or parked, or the file is gone.
    Gone,
}

impl WebhookFile {
    /// Notes how far the receiver of `webhook` was told, after a try that went well.
    pub(crate) fn reached(&self, webhook: &Webhook, reached: Reached) -> Result<Noted, WebhookError> {
        let sql = "UPDATE webhook SET position = ?4, failures = 0, last_error = NULL, next_try_at = NULL \
                   WHERE id = ?1 AND revision = ?2 AND position = ?3 AND state = 'active'";
        let values = params![webhook.id.as_str(), webhook.revision, reached.before, reached.now];
        self.note("note the position of a webhook", webhook, sql, values)
    }

    /// Notes a failed try, and how far the receiver was told.
    pub(crate) fn failed(&self, webhook: &Webhook, reached: Reached, failed: &Failed) -> Result<Noted, WebhookError> {
        let Failed { failures, error, next_try } = failed;
        let state = if next_try.is_some() { State::Active } else { State::Parked };
        let sql = "UPDATE webhook SET position = ?4, state = ?5, failures = ?6, last_error = ?7, next_try_at = ?8 \
                   WHERE id = ?1 AND revision = ?2 AND position = ?3 AND state = 'active'";
        let (id, Reached { before, now }, next_try) = (webhook.id.as_str(), reached, next_try.map(Time::micros));
        let values = params![id, webhook.revision, before, now, state.as_str(), failures, error, next_try];
        self.note("note a failure of a webhook", webhook, sql, values)
    }

    /// Runs `sql`, which changes the row of `webhook` if it has the position that the delivery noted before.
    fn note(
        &self,
        what: &'static str,
        webhook: &Webhook,
        sql: &str,
        values: impl Params,
    ) -> Result<Noted, WebhookError> {
        self.change(what, |file| {
            if file.execute(sql, values)? > 0 {
                return Ok(Noted::Here);
            }
            let sql = "SELECT position FROM webhook WHERE id = ?1 AND revision = ?2 AND state = 'active'";
            let row = file.query_row(sql, params![webhook.id.as_str(), webhook.revision], |row| row.get(0));
            Ok(row.optional()?.map_or(Noted::Gone, Noted::Moved))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::OrgId;
    use crate::webhooks::NewWebhook;

    /// A file, and its only webhook, which has position 4.
    fn with_one(dir: &tempfile::TempDir) -> (WebhookFile, Webhook) {
        let file = WebhookFile::open(&dir.path().join("webhooks.db")).unwrap();
        let receiver = "https://r.example/".parse().unwrap();
        let new = NewWebhook { org: OrgId::default(), receiver, types: Vec::new(), kind: None };
        let webhook = file.add(&new, Position::new(4), Time::from_micros(0)).unwrap();
        (file, webhook)
    }

    fn reached(before: u64, now: u64) -> Reached {
        Reached { before: Position::new(before), now: Position::new(now) }
    }

    fn parked() -> Failed {
        Failed { failures: 3, error: "x".into(), next_try: None }
    }

    #[test]
    fn a_delivery_that_began_before_a_replay_or_a_removal_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (file, before) = with_one(&dir);
        assert_eq!(file.reached(&before, reached(4, 5)).unwrap(), Noted::Here);
        assert_eq!(file.failed(&before, reached(5, 5), &parked()).unwrap(), Noted::Here);
        assert_eq!(file.list(None).unwrap()[0].state, State::Parked);
        let after = file.replay(before.org, before.id.as_str(), Some(Position::new(3)), Position::new(9)).unwrap();
        assert_eq!((after.position, after.state, after.failures), (Position::new(2), State::Active, 0));
        assert_eq!(file.reached(&before, reached(2, 6)).unwrap(), Noted::Gone);
        assert_eq!(file.failed(&before, reached(2, 6), &parked()).unwrap(), Noted::Gone);
        assert_eq!(file.list(Some(before.org)).unwrap()[0].position, Position::new(2));
        let beyond = file.replay(before.org, before.id.as_str(), Some(Position::new(10)), Position::new(9));
        assert!(matches!(beyond, Err(WebhookError::BeyondHead { .. })));
        file.remove(before.org, before.id.as_str()).unwrap();
        assert_eq!(file.reached(&after, reached(2, 6)).unwrap(), Noted::Gone);
        assert!(matches!(file.remove(before.org, before.id.as_str()), Err(WebhookError::Unknown(_))));
    }

    #[test]
    fn a_late_note_does_not_set_back_what_another_node_has_delivered() {
        let dir = tempfile::tempdir().unwrap();
        let (file, webhook) = with_one(&dir);
        let (before, other) = (file.copy().unwrap(), reached(4, 8));
        assert_eq!(file.reached(&webhook, other).unwrap(), Noted::Here);
        let of_another_node = file.copy().unwrap();
        file.take_over(&before).unwrap();
        assert_eq!(file.reached(&webhook, reached(4, 5)).unwrap(), Noted::Here);
        file.take_over(&of_another_node).unwrap();
        for now in [6, 9] {
            assert_eq!(file.reached(&webhook, reached(5, now)).unwrap(), Noted::Moved(Position::new(8)));
            assert_eq!(file.failed(&webhook, reached(5, now), &parked()).unwrap(), Noted::Moved(Position::new(8)));
        }
        assert_eq!(file.copy().unwrap(), of_another_node);
    }
}
