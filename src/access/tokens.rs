//! Tokens as commands make, rotate, revoke and list them.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::error::{AccessError, doing};
use super::role::Role;
use super::store::{Access, word};
use super::token::{Secret, token_hash};
use crate::job::{OrgId, Time};
use crate::ledger::LEDGER;
use crate::wire::check_source;

/// Most tokens that are not revoked: a server reads all of them again whenever one changes, and requests wait for that.
pub const MAX_TOKENS: i64 = 10_000;
/// Most sources of one token.
pub const MAX_SOURCES: usize = 64;
/// The longest that an old secret is good beside the new one: 30 days.
pub const MAX_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3600);
/// What the ledger itself records events under: its own, and cancellations through the documented API.
const RESERVED_SOURCES: [&str; 2] = [LEDGER, "/api/v1/jobs"];

/// A token to make.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Unique for ever in the organisation, but for [`NewToken::reuse_name`].
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Where.
    pub org: OrgId,
    /// Until when.
    pub expires: Option<Time>,
    /// The sources that its events may have, and no other token's; empty for a token that is not bound to any.
    pub sources: Vec<String>,
    /// Takes the name of a revoked token of the same role again.
    pub reuse_name: bool,
}

impl NewToken {
    /// A token that never expires and is bound to no source.
    pub fn new(name: impl Into<String>, role: Role, org: OrgId) -> NewToken {
        NewToken { name: name.into(), role, org, expires: None, sources: Vec::new(), reuse_name: false }
    }
}

/// A token as `token list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// The name on it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Where.
    pub org: OrgId,
    /// When it was made.
    pub created: Time,
    /// Until when.
    pub expires: Option<Time>,
    /// When it was revoked.
    pub revoked: Option<Time>,
    /// When it was last used, to about ten seconds.
    pub used: Option<Time>,
    /// Whether the name belonged to a revoked token before.
    pub reused: bool,
    /// The sources that it is bound to, sorted; empty for none.
    pub sources: Vec<String>,
    /// When it got the secret that is its newest, where that is not its first.
    pub rotated: Option<Time>,
    /// Until when an older secret is good.
    pub old_secret_until: Option<Time>,
}

impl Access {
    /// Makes a token; the answer is the only time that its secret is seen in clear.
    pub fn create(&self, token: &NewToken, now: Time) -> Result<Secret, AccessError> {
        check_name(&token.name)?;
        check_sources(&token.sources)?;
        let doing = || doing("make a token");
        self.change("make a token", |file| {
            let count = "SELECT count(*) FROM token WHERE revoked_at IS NULL";
            if file.query_row(count, [], |row| row.get::<_, i64>(0)).map_err(doing())? >= MAX_TOKENS {
                return Err(AccessError::TooMany);
            }
            let reused = name_is_free(file, token)?;
            let sql =
                "INSERT INTO token (org, name, role, created_at, expires_at, reused) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let expires = token.expires.map(Time::micros);
            let values = params![token.org.to_string(), token.name, token.role.as_str(), now.micros(), expires, reused];
            file.execute(sql, values).map_err(doing())?;
            let id = file.last_insert_rowid();
            for source in &token.sources {
                source_is_free(file, token.org, source, id)?;
                let sql = "INSERT OR IGNORE INTO source (token, source) VALUES (?1, ?2)";
                file.execute(sql, params![id, source]).map_err(doing())?;
            }
            new_secret(file, id, now)
        })
    }

    /// Gives a token a new secret. The secrets before it are good for `overlap` more, or less where they end sooner.
    pub fn rotate(&self, org: OrgId, name: &str, overlap: Duration, now: Time) -> Result<Secret, AccessError> {
        let doing = || doing("rotate a token");
        self.change("rotate a token", |file| {
            let id = match found(file, org, name)? {
                None => return Err(AccessError::Unknown(name.to_owned())),
                Some((_, Some(_))) => return Err(AccessError::Revoked(name.to_owned())),
                Some((id, None)) => id,
            };
            let ended = "DELETE FROM session WHERE secret IN (SELECT hash FROM secret WHERE ends_at <= ?1)";
            file.execute(ended, [now.micros()]).map_err(doing())?;
            file.execute("DELETE FROM secret WHERE ends_at <= ?1", [now.micros()]).map_err(doing())?;
            let overlap = i64::try_from(overlap.min(MAX_OVERLAP).as_nanos()).expect("30 days are few nanoseconds");
            let sql = "UPDATE secret SET ends_at = min(ifnull(ends_at, ?2), ?2) WHERE token = ?1";
            file.execute(sql, params![id, now.plus(overlap).micros()]).map_err(doing())?;
            new_secret(file, id, now)
        })
    }

    /// Revokes a token for good, and frees its sources. Revoking it again is no error.
    pub fn revoke(&self, org: OrgId, name: &str, now: Time) -> Result<(), AccessError> {
        self.change("revoke a token", |file| match found(file, org, name)? {
            None => Err(AccessError::Unknown(name.to_owned())),
            Some((_, Some(_))) => Ok(()),
            Some((id, None)) => {
                let sql = "UPDATE token SET revoked_at = ?2 WHERE id = ?1";
                file.execute(sql, params![id, now.micros()]).map_err(doing("revoke a token"))?;
                Ok(())
            }
        })
    }

    /// Every token, revoked ones too, in the order in which they were made.
    pub fn list(&self) -> Result<Vec<TokenInfo>, AccessError> {
        let doing = || doing("list tokens");
        let mut sources: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        let snapshot = self.conn.unchecked_transaction().map_err(doing())?;
        let mut statement = snapshot.prepare("SELECT token, source FROM source ORDER BY source").map_err(doing())?;
        let mut rows = statement.query([]).map_err(doing())?;
        while let Some(row) = rows.next().map_err(doing())? {
            let (token, source) = (row.get(0).map_err(doing())?, row.get(1).map_err(doing())?);
            sources.entry(token).or_default().push(source);
        }
        let sql = "SELECT token.id, name, role, org, token.created_at, expires_at, revoked_at, used_at, reused, \
                   max(secret.created_at), max(ends_at), count(*) FROM token JOIN secret ON secret.token = token.id \
                   GROUP BY token.id ORDER BY token.id";
        let mut statement = snapshot.prepare(sql).map_err(doing())?;
        let tokens = statement.query_map([], |row| info(row, &mut sources)).and_then(Iterator::collect);
        tokens.map_err(doing())
    }
}

fn info(row: &Row<'_>, sources: &mut BTreeMap<i64, Vec<String>>) -> Result<TokenInfo, rusqlite::Error> {
    let time = |at| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(Time::from_micros));
    let created = Time::from_micros(row.get(4)?);
    Ok(TokenInfo {
        name: row.get(1)?,
        role: word(row, 2)?,
        org: word(row, 3)?,
        created,
        expires: time(5)?,
        revoked: time(6)?,
        used: time(7)?,
        reused: row.get(8)?,
        sources: sources.remove(&row.get(0)?).unwrap_or_default(),
        rotated: time(9)?.filter(|newest| *newest != created),
        old_secret_until: time(10)?,
    })
}

/// The newest token of that name, and when it was revoked.
fn found(file: &Transaction<'_>, org: OrgId, name: &str) -> Result<Option<(i64, Option<i64>)>, AccessError> {
    let sql = "SELECT id, revoked_at FROM token WHERE org = ?1 AND name = ?2 ORDER BY id DESC LIMIT 1";
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    file.query_row(sql, params![org.to_string(), name], row).optional().map_err(doing("look a token up"))
}

/// Whether a free name was used before, by a token that was revoked.
fn name_is_free(file: &Transaction<'_>, token: &NewToken) -> Result<bool, AccessError> {
    let Some((id, revoked)) = found(file, token.org, &token.name)? else { return Ok(false) };
    if revoked.is_none() || !token.reuse_name {
        return Err(AccessError::Taken(token.name.clone()));
    }
    let role = file.query_row("SELECT role FROM token WHERE id = ?1", [id], |row| word::<Role>(row, 0));
    match role.map_err(doing("look a token up"))? {
        was if was == token.role => Ok(true),
        was => Err(AccessError::OtherRole { name: token.name.clone(), was }),
    }
}

/// A token that has expired keeps its sources until it is revoked: no other token slips into them unnoticed.
fn source_is_free(file: &Transaction<'_>, org: OrgId, source: &str, id: i64) -> Result<(), AccessError> {
    let sql = "SELECT name FROM source JOIN token ON token.id = source.token \
               WHERE source = ?1 AND org = ?2 AND revoked_at IS NULL AND token.id <> ?3";
    let owner = file.query_row(sql, params![source, org.to_string(), id], |row| row.get(0)).optional();
    match owner.map_err(doing("look a source up"))? {
        None => Ok(()),
        Some(owner) => Err(AccessError::SourceTaken { source_name: source.to_owned(), owner }),
    }
}

fn new_secret(file: &Transaction<'_>, token: i64, now: Time) -> Result<Secret, AccessError> {
    let secret = Secret::token();
    let sql = "INSERT INTO secret (hash, token, created_at) VALUES (?1, ?2, ?3)";
    file.execute(sql, params![token_hash(secret.reveal()), token, now.micros()]).map_err(doing("make a secret"))?;
    Ok(secret)
}

/// Whether `name` may be an actor in the log: the rule for tokens, and for an append without one.
pub fn check_name(name: &str) -> Result<(), AccessError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@' | '-');
    if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
        return Err(AccessError::BadName(name.chars().take(80).collect()));
    }
    if name.eq_ignore_ascii_case(LEDGER) { Err(AccessError::Reserved) } else { Ok(()) }
}

fn check_sources(sources: &[String]) -> Result<(), AccessError> {
    if sources.len() > MAX_SOURCES {
        return Err(AccessError::TooManySources);
    }
    for source in sources {
        check_source(source).map_err(|reject| AccessError::BadSource(reject.to_string()))?;
        if RESERVED_SOURCES.contains(&source.as_str()) {
            return Err(AccessError::ReservedSource(source.clone()));
        }
    }
    Ok(())
}
