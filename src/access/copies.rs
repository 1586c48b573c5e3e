//! The tokens and sessions of a cluster: the node that leads sends its rows to the others, which replace theirs.
//!
//! The last use of a token is not among them: the nodes tell each other of it (`cluster`).

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::error::{AccessError, Stop, attempt};
use super::store::Access;
use crate::job::Time;

/// The tokens, secrets, sources and sessions of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCopy {
    tokens: Vec<TokenRow>,
    secrets: Vec<SecretRow>,
    /// Token and source.
    sources: Vec<(i64, String)>,
    sessions: Vec<SessionRow>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct TokenRow {
    id: i64,
    org: String,
    name: String,
    role: String,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    reused: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SecretRow {
    /// In hex.
    hash: String,
    token: i64,
    created_at: i64,
    ends_at: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SessionRow {
    id: i64,
    /// In hex.
    hash: String,
    /// In hex.
    secret: String,
    expires_at: i64,
}

/// The table by which commands know that the file is a node's, and whether the node leads. Only a node's file has it.
const NODE: &str = "CREATE TABLE IF NOT EXISTS node (leads_until INTEGER NOT NULL) STRICT";

impl Access {
    /// A number that differs from the last answer if another connection has changed the file.
    pub fn version(&self) -> Result<i64, AccessError> {
        attempt("look for changed tokens", || self.conn.pragma_query_value(None, "data_version", |row| row.get(0)))
    }

    /// Reads all tokens, secrets, sources and sessions.
    pub fn copy(&self) -> Result<TokenCopy, AccessError> {
        attempt("copy the tokens", || {
            let snapshot = self.conn.unchecked_transaction()?;
            let sql = "SELECT id, org, name, role, created_at, expires_at, revoked_at, reused FROM token ORDER BY id";
            let token = |row: &rusqlite::Row<'_>| {
                Ok(TokenRow {
                    id: row.get(0)?,
                    org: row.get(1)?,
                    name: row.get(2)?,
                    role: row.get(3)?,
                    created_at: row.get(4)?,
                    expires_at: row.get(5)?,
                    revoked_at: row.get(6)?,
                    reused: row.get(7)?,
                })
            };
            let tokens = snapshot.prepare(sql)?.query_map([], token)?.collect::<Result<_, _>>()?;
            let sql =
                "SELECT lower(hex(hash)), token, created_at, ends_at FROM secret ORDER BY token, created_at, hash";
            let secret = |row: &rusqlite::Row<'_>| {
                Ok(SecretRow { hash: row.get(0)?, token: row.get(1)?, created_at: row.get(2)?, ends_at: row.get(3)? })
            };
            let secrets = snapshot.prepare(sql)?.query_map([], secret)?.collect::<Result<_, _>>()?;
            let sql = "SELECT token, source FROM source ORDER BY token, source";
            let sources = snapshot
                .prepare(sql)?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            let sql = "SELECT id, lower(hex(hash)), lower(hex(secret)), expires_at FROM session ORDER BY id";
            let session = |row: &rusqlite::Row<'_>| {
                Ok(SessionRow { id: row.get(0)?, hash: row.get(1)?, secret: row.get(2)?, expires_at: row.get(3)? })
            };
            let sessions = snapshot.prepare(sql)?.query_map([], session)?.collect::<Result<_, _>>()?;
            Ok::<_, rusqlite::Error>(TokenCopy { tokens, secrets, sources, sessions })
        })
    }

    /// Replaces the tokens, secrets, sources and sessions by those of `copy`.
    pub fn take_over(&self, copy: &TokenCopy) -> Result<(), AccessError> {
        if self.copy()? == *copy {
            return Ok(());
        }
        self.change("take over the tokens", |file| {
            // The references are checked at the end.
            file.pragma_update(None, "defer_foreign_keys", true)?;
            file.execute_batch(
                "CREATE TEMP TABLE IF NOT EXISTS used (id INTEGER PRIMARY KEY, used_at INTEGER); DELETE FROM used;",
            )?;
            file.execute("INSERT INTO used SELECT id, used_at FROM token", [])?;
            file.execute_batch("DELETE FROM session; DELETE FROM source; DELETE FROM secret; DELETE FROM token;")?;
            insert(file, copy)?;
            let sql = "UPDATE token SET used_at = (SELECT used_at FROM used WHERE used.id = token.id)";
            file.execute(sql, [])?;
            Ok(())
        })
    }

    /// Notes that the file is a node's, which leads until `until`; commands may change tokens before that time alone.
    pub fn leads_until(&self, until: Time) -> Result<(), AccessError> {
        self.change("note whether the node leads", |file| {
            file.execute_batch(NODE)?;
            file.execute("DELETE FROM node", [])?;
            file.execute("INSERT INTO node VALUES (?1)", [until.micros()])?;
            Ok(())
        })
    }

    /// Whether the node whose file this is leads, so that its webhooks may be changed; a ledger on one machine always does.
    ///
    /// # Errors
    /// [`AccessError::NotLeading`].
    pub fn leads(&self, now: Time) -> Result<(), AccessError> {
        attempt("see whether the node leads", || may_change(&self.conn, now))
    }

    /// Notes that the file is that of a ledger on one machine.
    pub fn is_alone(&self) -> Result<(), AccessError> {
        self.change("note that the ledger is on one machine", |file| {
            Ok(file.execute_batch("DROP TABLE IF EXISTS node")?)
        })
    }
}

/// Refuses a change of tokens in the file of a node that does not lead: the leader's file would take its place.
pub(super) fn may_change(file: &Connection, now: Time) -> Result<(), Stop> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'node'";
    if file.query_row(sql, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(());
    }
    let until: Option<i64> =
        file.query_row("SELECT max(leads_until) FROM node", [], |row| row.get(0)).optional()?.flatten();
    if until.is_some_and(|until| now.micros() < until) { Ok(()) } else { Err(AccessError::NotLeading.into()) }
}

fn insert(file: &Transaction<'_>, copy: &TokenCopy) -> Result<(), Stop> {
    let sql = "INSERT INTO token (id, org, name, role, created_at, expires_at, revoked_at, reused) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let mut token = file.prepare(sql)?;
    for TokenRow { id, org, name, role, created_at, expires_at, revoked_at, reused } in &copy.tokens {
        token.execute(params![id, org, name, role, created_at, expires_at, revoked_at, reused])?;
    }
    let mut secret =
        file.prepare("INSERT INTO secret (hash, token, created_at, ends_at) VALUES (unhex(?1), ?2, ?3, ?4)")?;
    for SecretRow { hash, token, created_at, ends_at } in &copy.secrets {
        secret.execute(params![hash, token, created_at, ends_at])?;
    }
    let mut source = file.prepare("INSERT INTO source (token, source) VALUES (?1, ?2)")?;
    for (token, name) in &copy.sources {
        source.execute(params![token, name])?;
    }
    let sql = "INSERT INTO session (id, hash, secret, expires_at) VALUES (?1, unhex(?2), unhex(?3), ?4)";
    let mut session = file.prepare(sql)?;
    for SessionRow { id, hash, secret, expires_at } in &copy.sessions {
        session.execute(params![id, hash, secret, expires_at])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{LiveAccess, NewToken, Role};
    use crate::job::OrgId;

    fn now() -> Time {
        Time::from_micros(1_000_000)
    }

    #[tokio::test]
    async fn a_node_takes_over_tokens_and_sessions_and_keeps_their_last_use() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one.db"), folder.path().join("two.db"));
        let (leader, follower) = (Access::open(&one).unwrap(), Access::open(&two).unwrap());
        let org = OrgId::default();
        let token = leader.create(&NewToken::new("w", Role::Worker, org), now()).unwrap();
        let bound = NewToken { sources: vec!["/a".into()], ..NewToken::new("x", Role::Worker, org) };
        let other = leader.create(&bound, now()).unwrap();
        let (there, here) = (LiveAccess::open(&one).unwrap(), LiveAccess::open(&two).unwrap());
        assert!(here.authenticate(token.reveal(), now()).await.unwrap().is_none());
        let known = there.authenticate(token.reveal(), now()).await.unwrap().unwrap();
        let session = there.sign_in(&known, now()).await.unwrap();
        follower.take_over(&leader.copy().unwrap()).unwrap();
        assert!(here.authenticate(token.reveal(), now()).await.unwrap().is_some());
        assert_eq!(here.flush_used().await.unwrap().into_iter().collect::<Vec<_>>(), [(known.id, now())]);
        leader.revoke(org, "x", now()).unwrap();
        follower.take_over(&leader.copy().unwrap()).unwrap();
        assert_eq!(follower.copy().unwrap(), leader.copy().unwrap());
        assert!(here.authenticate(other.reveal(), now()).await.unwrap().is_none());
        assert!(here.session(session.reveal(), now()).await.unwrap().is_some());
        assert_eq!(follower.list().unwrap()[0].used, Some(now()));
        here.flush_used().await.unwrap();
        let later = now().plus(1_000_000_000);
        for (at, used) in [(later, later), (now(), later)] {
            here.note_used([(known.id, at), (999, at)]);
            assert!(here.flush_used().await.unwrap().is_empty(), "what others told is not told again");
            assert_eq!(follower.list().unwrap()[0].used, Some(used), "of another node, at {at}");
        }
        there.sign_out(session.reveal()).await.unwrap();
        follower.take_over(&leader.copy().unwrap()).unwrap();
        assert!(here.session(session.reveal(), now()).await.unwrap().is_none());
    }

    #[test]
    fn a_version_changes_with_a_change_by_another_connection() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.db");
        let (one, two) = (Access::open(&path).unwrap(), Access::open(&path).unwrap());
        let before = one.version().unwrap();
        assert_eq!(one.version().unwrap(), before);
        two.create(&NewToken::new("a", Role::Worker, OrgId::default()), now()).unwrap();
        assert_ne!(one.version().unwrap(), before);
    }

    #[test]
    fn only_the_leaders_tokens_can_be_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = Access::open(&folder.path().join("access.db")).unwrap();
        let create = |name: &str| file.create(&NewToken::new(name, Role::Worker, OrgId::default()), now());
        create("a").unwrap();
        file.leads_until(now()).unwrap();
        assert!(matches!(create("b"), Err(AccessError::NotLeading)));
        assert!(matches!(file.leads(now()), Err(AccessError::NotLeading)));
        let revoked = file.revoke(OrgId::default(), "a", now());
        assert!(matches!(revoked, Err(AccessError::NotLeading)));
        file.leads_until(Time::from_micros(2_000_000)).unwrap();
        create("b").unwrap();
        file.leads(now()).unwrap();
        file.leads_until(now()).unwrap();
        file.is_alone().unwrap();
        create("c").unwrap();
    }
}
