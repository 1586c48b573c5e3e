//! The commands on tokens: make, rotate, revoke, list.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::copies::may_change;
use super::error::{AccessError, Stop, attempt};
use super::live::FRESH;
use super::role::Role;
use super::store::{Access, word};
use super::token::{Secret, token_hash};
use crate::job::{OrgId, Time};
use crate::wire::LEDGER;
use crate::wire::check_source;

/// Most tokens that are not revoked. After each change a server reads all of them again, and requests wait for that.
pub const MAX_TOKENS: i64 = 10_000;
/// Most sources of one token.
pub const MAX_SOURCES: usize = 64;
/// How long an old secret may stay valid beside the new one: 30 days.
pub const MAX_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3600);
/// Sources of the ledger itself: of its own events, and of the events that the documented APIs append.
const RESERVED_SOURCES: [&str; 4] = [LEDGER, "/api/v1/jobs", "/authorization/rules/jobs", "/dbroles/jobs"];

/// The properties of a new token.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The name, unique for ever in the organisation, except by [`NewToken::reuse_name`].
    pub name: String,
    /// The token's role.
    pub role: Role,
    /// The organisation that the token is limited to.
    pub org: OrgId,
    /// The end of the token; `None` for a token that never expires.
    pub expires: Option<Time>,
    /// The sources that only this token may append under. Empty for a token that is bound to none.
    pub sources: Vec<String>,
    /// Whether the name may be that of a revoked token of the same role.
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
    /// The name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The organisation.
    pub org: OrgId,
    /// When the token was made.
    pub created: Time,
    /// When the token expires.
    pub expires: Option<Time>,
    /// When the token was revoked.
    pub revoked: Option<Time>,
    /// When the token was last used, to about ten seconds.
    pub used: Option<Time>,
    /// Whether a revoked token had the name before.
    pub reused: bool,
    /// The sources that the token is bound to, sorted.
    pub sources: Vec<String>,
    /// When the token got its newest secret; `None` if that is its first.
    pub rotated: Option<Time>,
    /// Until when an older secret is valid.
    pub old_secret_until: Option<Time>,
}

impl Access {
    /// Makes a token. The returned secret is stored nowhere: only its hash is.
    pub fn create(&self, token: &NewToken, now: Time) -> Result<Secret, AccessError> {
        check_name(&token.name)?;
        check_sources(&token.sources)?;
        self.change("make a token", |file| {
            may_change(file, now)?;
            let count = "SELECT count(*) FROM token WHERE revoked_at IS NULL";
            if file.query_row(count, [], |row| row.get::<_, i64>(0))? >= MAX_TOKENS {
                return Err(AccessError::TooMany.into());
            }
            let reused = check_name_is_free(file, token)?;
            let sql =
                "INSERT INTO token (org, name, role, created_at, expires_at, reused) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let expires = token.expires.map(Time::micros);
            let values = params![token.org.to_string(), token.name, token.role.as_str(), now.micros(), expires, reused];
            file.execute(sql, values)?;
            let id = file.last_insert_rowid();
            for source in &token.sources {
                check_source_is_free(file, token.org, source, id)?;
                let sql = "INSERT OR IGNORE INTO source (token, source) VALUES (?1, ?2)";
                file.execute(sql, params![id, source])?;
            }
            new_secret(file, id, now)
        })
    }

    /// Gives a token a new secret. The older secrets end after `overlap`, unless they end sooner. Running servers know this when
    /// the call returns.
    pub fn rotate(&self, org: OrgId, name: &str, overlap: Duration, now: Time) -> Result<Secret, AccessError> {
        let secret = self.change("rotate a token", |file| {
            may_change(file, now)?;
            let newest = newest_named(file, org, name)?.ok_or_else(|| AccessError::Unknown(name.to_owned()))?;
            if newest.revoked {
                return Err(AccessError::Revoked(name.to_owned()).into());
            }
            let id = newest.id;
            let ended = "DELETE FROM session WHERE secret IN (SELECT hash FROM secret WHERE ends_at <= ?1)";
            file.execute(ended, [now.micros()])?;
            file.execute("DELETE FROM secret WHERE ends_at <= ?1", [now.micros()])?;
            let overlap = i64::try_from(overlap.min(MAX_OVERLAP).as_nanos()).expect("30 days are few nanoseconds");
            let sql = "UPDATE secret SET ends_at = min(ifnull(ends_at, ?2), ?2) WHERE token = ?1";
            file.execute(sql, params![id, now.plus(overlap).micros()])?;
            new_secret(file, id, now)
        })?;
        wait_for_servers();
        Ok(secret)
    }

    /// Revokes a token for good, and frees its sources. A token that is revoked already stays as it is. Running servers refuse the
    /// token when the call returns.
    pub fn revoke(&self, org: OrgId, name: &str, now: Time) -> Result<(), AccessError> {
        self.change("revoke a token", |file| {
            may_change(file, now)?;
            let newest = newest_named(file, org, name)?.ok_or_else(|| AccessError::Unknown(name.to_owned()))?;
            let sql = "UPDATE token SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
            file.execute(sql, params![newest.id, now.micros()])?;
            Ok(())
        })?;
        wait_for_servers();
        Ok(())
    }

    /// Every token, revoked ones too, in the order in which they were made.
    pub fn list(&self) -> Result<Vec<TokenInfo>, AccessError> {
        attempt("list tokens", || self.read_all())
    }

    fn read_all(&self) -> Result<Vec<TokenInfo>, rusqlite::Error> {
        let mut sources: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        let snapshot = self.conn.unchecked_transaction()?;
        let mut statement = snapshot.prepare("SELECT token, source FROM source ORDER BY source")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            sources.entry(row.get(0)?).or_default().push(row.get(1)?);
        }
        let sql = "SELECT token.id, name, role, org, token.created_at, expires_at, revoked_at, used_at, reused, \
                   max(secret.created_at), max(ends_at), count(*) FROM token JOIN secret ON secret.token = token.id \
                   GROUP BY token.id ORDER BY token.id";
        let mut statement = snapshot.prepare(sql)?;
        statement.query_map([], |row| info(row, &mut sources)).and_then(Iterator::collect)
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

/// Waits until every running server has to look at the file again before it believes a secret. A server whose file is locked is
/// the exception: it goes on from memory for up to a second.
fn wait_for_servers() {
    std::thread::sleep(FRESH);
}

/// A token that has, or had, a certain name.
struct NamedToken {
    id: i64,
    role: Role,
    revoked: bool,
}

/// The newest token of a name.
fn newest_named(file: &Transaction<'_>, org: OrgId, name: &str) -> Result<Option<NamedToken>, rusqlite::Error> {
    let sql =
        "SELECT id, role, revoked_at IS NOT NULL FROM token WHERE org = ?1 AND name = ?2 ORDER BY id DESC LIMIT 1";
    let row = |row: &Row<'_>| Ok(NamedToken { id: row.get(0)?, role: word(row, 1)?, revoked: row.get(2)? });
    file.query_row(sql, params![org.to_string(), name], row).optional()
}

/// Checks that a new token may have its name. Returns whether a revoked token had the name before.
fn check_name_is_free(file: &Transaction<'_>, token: &NewToken) -> Result<bool, Stop> {
    let Some(NamedToken { role: was, revoked, .. }) = newest_named(file, token.org, &token.name)? else {
        return Ok(false);
    };
    let name = token.name.clone();
    match revoked && token.reuse_name {
        false => Err(AccessError::Taken(name).into()),
        true if was != token.role => Err(AccessError::OtherRole { name, was }.into()),
        true => Ok(true),
    }
}

/// Checks that no other token has the source. A token that has expired keeps its sources until it is revoked, so that no other
/// token takes them unnoticed.
fn check_source_is_free(file: &Transaction<'_>, org: OrgId, source: &str, id: i64) -> Result<(), Stop> {
    let sql = "SELECT name FROM source JOIN token ON token.id = source.token \
               WHERE source = ?1 AND org = ?2 AND revoked_at IS NULL AND token.id <> ?3";
    match file.query_row(sql, params![source, org.to_string(), id], |row| row.get(0)).optional()? {
        None => Ok(()),
        Some(owner) => Err(AccessError::SourceTaken { source_name: source.to_owned(), owner }.into()),
    }
}

fn new_secret(file: &Transaction<'_>, token: i64, now: Time) -> Result<Secret, Stop> {
    let secret = Secret::token();
    let sql = "INSERT INTO secret (hash, token, created_at) VALUES (?1, ?2, ?3)";
    file.execute(sql, params![token_hash(secret.reveal()), token, now.micros()])?;
    Ok(secret)
}

/// Checks that `name` may be an actor in the log, for tokens and for an append without a token.
///
/// # Errors
/// A name must have 1 to 64 of `A-Z a-z 0-9 . _ @ -`, and must not be the ledger's own.
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
