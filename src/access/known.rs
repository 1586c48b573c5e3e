//! The content of `access.db` in memory: every secret and session that is not revoked, and the owner of each source.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, Row};

use super::principal::{Principal, SourceRefusal};
use super::store::word;
use crate::job::{OrgId, Time};

/// The secrets, sessions and sources of one state of the file.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The principals, by the hash of the secret or of the session.
    principals: HashMap<[u8; 32], Principal>,
    /// The token that owns a source, by organisation and source.
    owners: HashMap<OrgId, HashMap<String, i64>>,
    /// The times at which secrets and sessions end, sorted.
    ends: Vec<Time>,
}

impl Known {
    /// Reads the whole file in one transaction.
    pub(super) fn load(conn: &Connection) -> Result<Known, rusqlite::Error> {
        let snapshot = conn.unchecked_transaction()?;
        let mut known = Known::default();
        let mut bound: HashMap<i64, Vec<String>> = HashMap::new();
        let mut statement = snapshot.prepare_cached(
            "SELECT token, source, org FROM source JOIN token ON token.id = source.token \
             WHERE revoked_at IS NULL ORDER BY source",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (token, source): (i64, String) = (row.get(0)?, row.get(1)?);
            known.owners.entry(word(row, 2)?).or_default().insert(source.clone(), token);
            bound.entry(token).or_default().push(source);
        }
        let bound: HashMap<i64, Arc<[String]>> = bound.into_iter().map(|(id, list)| (id, list.into())).collect();
        let mut statement = snapshot.prepare_cached(
            "SELECT secret.hash, ends_at, token.id, name, role, org, expires_at FROM secret \
             JOIN token ON token.id = secret.token WHERE revoked_at IS NULL",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let principal = principal(row, &bound)?;
            known.principals.insert(principal.secret, principal);
        }
        let mut statement = snapshot.prepare_cached("SELECT hash, secret, expires_at FROM session")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (hash, secret): ([u8; 32], [u8; 32]) = (row.get(0)?, row.get(1)?);
            // A revoked token's secret was not read, so its sessions are skipped.
            let Some(of) = known.principals.get(&secret) else { continue };
            let expires = earlier(of.expires, Some(Time::from_micros(row.get(2)?)));
            let session = Principal { session: Some(hash), expires, ..of.clone() };
            known.principals.insert(hash, session);
        }
        known.ends = known.principals.values().filter_map(|principal| principal.expires).collect();
        known.ends.sort_unstable();
        Ok(known)
    }

    /// The principal of a secret or of a session, if it is valid at `now`.
    pub(super) fn find(&self, key: &[u8; 32], now: Time) -> Option<&Principal> {
        self.principals.get(key).filter(|principal| principal.is_valid(now))
    }

    /// Whether a secret or a session ended after `from` and up to `to`.
    pub(super) fn ended_between(&self, from: Time, to: Time) -> bool {
        let next = self.ends.partition_point(|end| *end <= from);
        self.ends.get(next).is_some_and(|end| *end <= to)
    }

    /// Checks that `principal` may append an event of `source`.
    pub(super) fn check_source(&self, principal: &Principal, source: &str) -> Result<(), SourceRefusal> {
        let owner = self.owners.get(&principal.org).and_then(|owners| owners.get(source));
        match owner {
            Some(owner) if *owner == principal.id => Ok(()),
            _ if !principal.sources.is_empty() => Err(SourceRefusal::NotYours),
            Some(_) => Err(SourceRefusal::Owned),
            None => Ok(()),
        }
    }
}

fn principal(row: &Row<'_>, bound: &HashMap<i64, Arc<[String]>>) -> Result<Principal, rusqlite::Error> {
    let time = |at| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(Time::from_micros));
    let id = row.get(2)?;
    Ok(Principal {
        id,
        name: row.get(3)?,
        role: word(row, 4)?,
        org: word(row, 5)?,
        expires: earlier(time(1)?, time(6)?),
        sources: bound.get(&id).cloned().unwrap_or_default(),
        secret: row.get(0)?,
        session: None,
    })
}

/// The earlier of two ends; `None` is no end.
fn earlier(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}
