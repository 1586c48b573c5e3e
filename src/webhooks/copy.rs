//! The webhooks of a cluster: the node that leads sends its rows to the others, which replace theirs.

use rusqlite::{Connection, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::error::{WebhookError, doing};
use super::file::WebhookFile;
use super::signature::Secret;

/// The webhooks of a file, with their secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookCopy(Vec<WebhookRow>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WebhookRow {
    number: i64,
    id: String,
    org: String,
    url: String,
    types: String,
    kind: Option<String>,
    secret: Secret,
    created_at: i64,
    revision: i64,
    state: String,
    progress: Progress,
}

/// How far a receiver was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    position: i64,
    failures: i64,
    last_error: Option<String>,
    next_try_at: Option<i64>,
}

impl WebhookCopy {
    /// Whether there are no webhooks.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both have the same webhooks in the same states, however far their receivers were told.
    pub fn has_webhooks_of(&self, other: &WebhookCopy) -> bool {
        let same = |(one, other): (&WebhookRow, &WebhookRow)| {
            *one == WebhookRow { progress: one.progress.clone(), ..other.clone() }
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

impl WebhookFile {
    /// Reads all webhooks.
    pub fn copy(&self) -> Result<WebhookCopy, WebhookError> {
        copy(self.conn()).map_err(doing("copy the webhooks"))
    }

    /// Replaces the webhooks by those of `copy`.
    pub fn take_over(&self, copy: &WebhookCopy) -> Result<(), WebhookError> {
        if self.copy()? == *copy {
            return Ok(());
        }
        self.change("take over the webhooks", |file| {
            file.execute("DELETE FROM webhook", [])?;
            copy.0.iter().try_for_each(|row| insert(file, row))
        })
    }
}

fn copy(conn: &Connection) -> Result<WebhookCopy, rusqlite::Error> {
    let sql = "SELECT number, id, org, url, types, kind, secret, created_at, revision, state, position, failures, last_error, \
               next_try_at FROM webhook ORDER BY number";
    let read = |row: &Row<'_>| {
        Ok(WebhookRow {
            number: row.get(0)?,
            id: row.get(1)?,
            org: row.get(2)?,
            url: row.get(3)?,
            types: row.get(4)?,
            kind: row.get(5)?,
            secret: Secret::stored(row.get(6)?),
            created_at: row.get(7)?,
            revision: row.get(8)?,
            state: row.get(9)?,
            progress: Progress {
                position: row.get(10)?,
                failures: row.get(11)?,
                last_error: row.get(12)?,
                next_try_at: row.get(13)?,
            },
        })
    };
    conn.prepare_cached(sql)?.query_map([], read)?.collect::<Result<_, _>>().map(WebhookCopy)
}

fn insert(file: &Transaction<'_>, row: &WebhookRow) -> Result<(), rusqlite::Error> {
    let WebhookRow { number, id, org, url, types, kind, secret, created_at, revision, state, progress } = row;
    let Progress { position, failures, last_error, next_try_at } = progress;
    let sql = "INSERT INTO webhook (number, id, org, url, types, kind, secret, created_at, revision, state, position, failures, \
               last_error, next_try_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    let (secret, told) = (secret.reveal(), (position, failures, last_error, next_try_at));
    let values =
        params![number, id, org, url, types, kind, secret, created_at, revision, state, told.0, told.1, told.2, told.3];
    file.prepare_cached(sql)?.execute(values).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{OrgId, Position, Time};
    use crate::webhooks::{Failed, NewWebhook, Reached};

    #[test]
    fn a_node_takes_over_webhooks_with_their_secrets_and_positions() {
        let dir = tempfile::tempdir().unwrap();
        let open = |name: &str| WebhookFile::open(&dir.path().join(name)).unwrap();
        let (leader, follower, now) = (open("one.db"), open("two.db"), Time::from_micros(0));
        let org = OrgId::default();
        let new = |url: &str| NewWebhook { org, receiver: url.parse().unwrap(), types: Vec::new(), kind: None };
        follower.add(&new("https://stale.example/"), Position::GENESIS, now).unwrap();
        let one = leader.add(&new("https://one.example/"), Position::new(4), now).unwrap();
        let other = leader.add(&new("https://other.example/"), Position::new(5), now).unwrap();
        let first = leader.copy().unwrap();
        follower.take_over(&first).unwrap();
        let taken = follower.list(None).unwrap();
        assert_eq!(
            taken.iter().map(|webhook| webhook.id.clone()).collect::<Vec<_>>(),
            [one.id.clone(), other.id.clone()]
        );
        assert_eq!(taken[0].secret(), one.secret());
        let reached = |before, now| Reached { before: Position::new(before), now: Position::new(now) };
        leader.reached(&one, reached(4, 7)).unwrap();
        let further = leader.copy().unwrap();
        assert!(further != first && further.has_webhooks_of(&first));
        let failed = Failed { failures: 9, error: "x".into(), next_try: None };
        leader.failed(&one, reached(7, 7), &failed).unwrap();
        leader.remove(org, other.id.as_str()).unwrap();
        assert!(!leader.copy().unwrap().has_webhooks_of(&further), "a webhook is parked, and one is gone");
        follower.take_over(&leader.copy().unwrap()).unwrap();
        assert_eq!(follower.copy().unwrap(), leader.copy().unwrap());
        // A webhook that the node adds when it leads is newer than all that it took over.
        let newer = follower.add(&new("https://newer.example/"), Position::new(9), now).unwrap();
        assert_eq!(follower.list(None).unwrap().last().unwrap().id, newer.id);
        let text = serde_json::to_vec(&further).unwrap();
        assert_eq!(serde_json::from_slice::<WebhookCopy>(&text).unwrap(), further);
        assert!(!format!("{further:?}").contains(one.secret()));
    }
}
