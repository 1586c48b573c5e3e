//! The file `webhooks.db`: opened, made if it is missing, and changed. It works beside a running server.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::error::{WebhookError, doing};
use super::rows::{select, types_column};
use super::signature::Secret;
use super::webhook::{NewWebhook, Webhook, WebhookId};
use crate::job::{OrgId, Position, Time};
use crate::sqlite::{open_to_read, share};

const SCHEMA: &str = include_str!("../../schema/webhooks.sql");
/// The version of [`SCHEMA`].
pub(super) const VERSION: i64 = 1;
/// Most webhooks of all organisations. Each active one has a task and, while it delivers, a thread.
pub const MAX_WEBHOOKS: i64 = 100;
/// How long a change waits for a lock.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a delivery waits for a lock to note its progress.
const PATIENCE_TO_NOTE: Duration = Duration::from_secs(2);

/// The file, as commands and a server read and change it. Every call may wait for a lock, and a change syncs, so a server makes
/// these calls off its async threads.
#[derive(Debug)]
pub struct WebhookFile {
    conn: Connection,
}

impl WebhookFile {
    /// Opens the file, and makes it if it is missing. Only its owner may read it, because it holds the secrets.
    pub fn open(path: &Path) -> Result<WebhookFile, WebhookError> {
        let made = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        made.map_err(WebhookError::Unwritable)?;
        let doing = |cause| WebhookError::sqlite("open webhooks.db", cause);
        let conn = Connection::open(path).map_err(doing)?;
        share(&conn, PATIENCE).map_err(doing)?;
        let file = WebhookFile { conn };
        if file.version()? != VERSION {
            file.change("make webhooks.db", |changed| match version(changed)? {
                0 => {
                    changed.execute_batch(SCHEMA)?;
                    changed.pragma_update(None, "user_version", VERSION)
                }
                // Another process made the file, or a newer program did.
                _ => Ok(()),
            })?;
        }
        file.checked()
    }

    /// Opens the file to note the progress of deliveries. A note does not wait for the disk: after a loss of power a receiver may get
    /// its newest events again.
    pub(crate) fn open_to_note(path: &Path) -> Result<WebhookFile, WebhookError> {
        let file = WebhookFile::open(path)?;
        let set = file.conn.busy_timeout(PATIENCE_TO_NOTE);
        let set = set.and_then(|()| file.conn.execute_batch("PRAGMA synchronous = NORMAL"));
        set.map_err(doing("open webhooks.db"))?;
        Ok(file)
    }

    /// Opens an existing file only for reading, also in a folder that this process may not write.
    pub fn open_to_read(path: &Path) -> Result<WebhookFile, WebhookError> {
        WebhookFile { conn: open_to_read(path)? }.checked()
    }

    fn checked(self) -> Result<WebhookFile, WebhookError> {
        match self.version()? {
            VERSION => Ok(self),
            found => Err(WebhookError::Newer { found }),
        }
    }

    pub(super) fn conn(&self) -> &Connection {
        &self.conn
    }

    fn version(&self) -> Result<i64, WebhookError> {
        version(&self.conn).map_err(doing("open webhooks.db"))
    }

    /// SQLite's count of changes of the file by other connections.
    pub(crate) fn changes(&self) -> Result<i64, WebhookError> {
        let count = self.conn.pragma_query_value(None, "data_version", |row| row.get(0));
        count.map_err(doing("look for changed webhooks"))
    }

    /// Makes a webhook that sends the events after `position`. The answer has its secret.
    pub fn add(&self, new: &NewWebhook, position: Position, now: Time) -> Result<Webhook, WebhookError> {
        let (id, secret) = (WebhookId::new(), Secret::new());
        let found = self.change("add a webhook", |file| {
            let count: i64 = file.query_row("SELECT count(*) FROM webhook", [], |row| row.get(0))?;
            if count >= MAX_WEBHOOKS {
                return Ok(None);
            }
            let sql = "INSERT INTO webhook (id, org, url, types, kind, secret, created_at, position) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            let (url, types) = (new.receiver.as_str(), types_column(&new.types));
            let values = params![id.as_str(), new.org, url, types, new.kind, secret.reveal(), now.micros(), position];
            file.execute(sql, values)?;
            one(file, new.org, id.as_str())
        })?;
        found.ok_or(WebhookError::TooMany)
    }

    /// The webhooks of an organisation, or of all organisations; the oldest first.
    pub fn list(&self, org: Option<OrgId>) -> Result<Vec<Webhook>, WebhookError> {
        select(&self.conn, "?1 IS NULL OR org = ?1", [org]).map_err(doing("list webhooks"))
    }

    /// Removes a webhook for good.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`] if the organisation has no webhook of that id.
    pub fn remove(&self, org: OrgId, id: &str) -> Result<(), WebhookError> {
        let sql = "DELETE FROM webhook WHERE org = ?1 AND id = ?2";
        match self.change("remove a webhook", |file| file.execute(sql, params![org, id]))? {
            0 => Err(WebhookError::Unknown(id.to_owned())),
            _ => Ok(()),
        }
    }

    /// Starts a webhook again, parked or not: from its position, or with the event at `from` as the next one. `head` is the newest
    /// position of the log.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`], and [`WebhookError::BeyondHead`] for a `from` over `head`.
    pub fn replay(
        &self,
        org: OrgId,
        id: &str,
        from: Option<Position>,
        head: Position,
    ) -> Result<Webhook, WebhookError> {
        if let Some(from) = from.filter(|from| *from > head) {
            return Err(WebhookError::BeyondHead { from, head });
        }
        let before = from.map(|from| Position::new(from.get().saturating_sub(1)));
        let found = self.change("replay a webhook", |file| {
            let sql = "UPDATE webhook SET position = ifnull(?3, position), revision = revision + 1, state = 'active', \
                       failures = 0, last_error = NULL, next_try_at = NULL WHERE org = ?1 AND id = ?2";
            file.execute(sql, params![org, id, before])?;
            one(file, org, id)
        })?;
        found.ok_or_else(|| WebhookError::Unknown(id.to_owned()))
    }

    /// Runs `change` in one transaction. `what` names it in an error of SQLite.
    pub(super) fn change<T>(
        &self,
        what: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<T, WebhookError> {
        let changed = || {
            let transaction = Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate)?;
            let made = change(&transaction)?;
            transaction.commit()?;
            Ok(made)
        };
        changed().map_err(doing(what))
    }
}

fn version(conn: &Connection) -> Result<i64, rusqlite::Error> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn one(file: &Transaction<'_>, org: OrgId, id: &str) -> Result<Option<Webhook>, rusqlite::Error> {
    Ok(select(file, "org = ?1 AND id = ?2", params![org, id])?.pop())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(url: &str) -> NewWebhook {
        NewWebhook { org: OrgId::default(), receiver: url.parse().unwrap(), types: Vec::new(), kind: None }
    }

    #[test]
    fn there_are_at_most_a_hundred_and_only_the_owner_may_read_them() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("webhooks.db");
        let file = WebhookFile::open(&path).unwrap();
        let add = || file.add(&new("https://r.example/"), Position::GENESIS, Time::from_micros(0));
        for _ in 0..MAX_WEBHOOKS {
            add().unwrap();
        }
        assert!(matches!(add(), Err(WebhookError::TooMany)));
        for name in ["webhooks.db", "webhooks.db-wal", "webhooks.db-shm"] {
            assert_eq!(dir.path().join(name).metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
    }
}
