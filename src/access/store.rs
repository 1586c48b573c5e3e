//! `access.db`: tokens and sessions, changed by commands beside a running server, which honours every change at once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::watch;

use super::role::Role;
use super::token::{Secret, session_hash, token_hash};
use crate::job::{OrgId, Time};
use crate::ledger::LEDGER;

const SCHEMA: &str = include_str!("../../schema/access.sql");
const VERSION: i64 = 1;
/// How long a browser stays signed in, in seconds: 12 h.
pub const SESSION_SECONDS: u32 = 12 * 3600;
/// How long what was found of other processes' changes holds.
const FRESH: Duration = Duration::from_millis(1);
/// Principals kept in memory.
const CACHED: usize = 10_000;

/// What can go wrong with tokens.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// SQLite refused.
    #[error("{doing}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// SQLite's own words.
        #[source]
        cause: rusqlite::Error,
    },
    /// A newer program made the file.
    #[error("access.db has version {found}, and this jobledger knows {VERSION}; use the newer jobledger that wrote it")]
    Newer {
        /// Its version.
        found: i64,
    },
    /// Not a name.
    #[error("expected a token name of 1 to 64 of `A-Z a-z 0-9 . _ @ -`, found `{0}`")]
    BadName(String),
    /// The ledger's own name.
    #[error("the name `{LEDGER}` is reserved for the ledger itself; choose another")]
    Reserved,
    /// Taken, perhaps by a revoked token.
    #[error(
        "the name `{0}` is taken in this organisation for ever, because it is the actor in the log; choose another"
    )]
    Taken(String),
    /// No token of that name.
    #[error("no token `{0}` in this organisation")]
    Unknown(String),
}

/// Who asks: the token behind a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The token's row.
    id: i64,
    /// The name on it: the actor.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Where.
    pub org: OrgId,
    /// Until when.
    pub expires: Option<Time>,
    /// The browser session through which it asks, by its hash; `None` for the token itself.
    session: Option<[u8; 32]>,
}

/// A token to make.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Unique for ever in the organisation.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Where.
    pub org: OrgId,
    /// Until when.
    pub expires: Option<Time>,
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
}

/// The tokens of one data folder.
#[derive(Debug)]
pub struct Access {
    path: PathBuf,
    inner: Mutex<Inner>,
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    conn: Connection,
    /// SQLite's count of changes by other connections.
    version: i64,
    /// When it was last asked for.
    looked: Option<Instant>,
    known: HashMap<[u8; 32], Principal>,
    used: HashMap<i64, Time>,
}

impl Access {
    /// Opens the file; makes it where there is none.
    pub fn open(path: &Path) -> Result<Access, AccessError> {
        let doing = || doing("open access.db");
        let mut conn = Connection::open(path).map_err(doing())?;
        conn.busy_timeout(Duration::from_secs(5)).map_err(doing())?;
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;").map_err(doing())?;
        let transaction = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(doing())?;
        match transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(doing())? {
            0 => {
                transaction.execute_batch(SCHEMA).map_err(doing())?;
                transaction.pragma_update(None, "user_version", VERSION).map_err(doing())?;
            }
            VERSION => {}
            found => return Err(AccessError::Newer { found }),
        }
        transaction.commit().map_err(doing())?;
        let inner = Inner { conn, version: 0, looked: None, known: HashMap::new(), used: HashMap::new() };
        Ok(Access { path: path.to_owned(), inner: Mutex::new(inner), changes: watch::Sender::new(0) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a token; the answer is the only time that it is seen in clear.
    pub fn create(&self, token: &NewToken, now: Time) -> Result<Secret, AccessError> {
        check_name(&token.name)?;
        let secret = Secret::token();
        let inner = self.inner();
        let sql = "INSERT INTO token (org, name, role, hash, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                   ON CONFLICT (org, name) DO NOTHING";
        let expires = token.expires.map(Time::micros);
        let hash = token_hash(secret.reveal());
        let values = params![token.org.to_string(), token.name, token.role.as_str(), hash, now.micros(), expires];
        match inner.conn.execute(sql, values).map_err(doing("make a token"))? {
            0 => Err(AccessError::Taken(token.name.clone())),
            _ => Ok(secret),
        }
    }

    /// Revokes a token for good. Revoking it again is no error.
    pub fn revoke(&self, org: OrgId, name: &str, now: Time) -> Result<(), AccessError> {
        let mut inner = self.inner();
        let sql = "UPDATE token SET revoked_at = ifnull(revoked_at, ?3) WHERE org = ?1 AND name = ?2";
        let changed = inner.conn.execute(sql, params![org.to_string(), name, now.micros()]);
        match changed.map_err(doing("revoke a token"))? {
            0 => Err(AccessError::Unknown(name.to_owned())),
            _ => {
                inner.known.clear();
                self.changes.send_modify(|n| *n += 1);
                Ok(())
            }
        }
    }

    /// Every token, revoked ones too, in the order in which they were made.
    pub fn list(&self) -> Result<Vec<TokenInfo>, AccessError> {
        let inner = self.inner();
        let sql = "SELECT name, role, org, created_at, expires_at, revoked_at, used_at FROM token ORDER BY id";
        let mut statement = inner.conn.prepare(sql).map_err(doing("list tokens"))?;
        let info = |row: &Row<'_>| {
            let time = |at| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(Time::from_micros));
            Ok(TokenInfo {
                name: row.get(0)?,
                role: word(row, 1)?,
                org: word(row, 2)?,
                created: Time::from_micros(row.get(3)?),
                expires: time(4)?,
                revoked: time(5)?,
                used: time(6)?,
            })
        };
        let tokens = statement.query_map([], info).and_then(Iterator::collect);
        tokens.map_err(doing("list tokens"))
    }

    /// Who has this token; `None` for one that is unknown, revoked or expired.
    pub fn authenticate(&self, token: &str, now: Time) -> Result<Option<Principal>, AccessError> {
        let sql = "SELECT id, name, role, org, expires_at, NULL FROM token WHERE hash = ?1 AND revoked_at IS NULL";
        self.find(sql, token_hash(token), now)
    }

    /// Who has this session; it ends with its token.
    pub fn session(&self, session: &str, now: Time) -> Result<Option<Principal>, AccessError> {
        let sql = "SELECT token.id, name, role, org, \
                   min(session.expires_at, ifnull(token.expires_at, session.expires_at)), session.hash FROM session JOIN token ON token.id = session.token \
                   WHERE session.hash = ?1 AND revoked_at IS NULL GROUP BY session.hash";
        self.find(sql, session_hash(session), now)
    }

    fn find(&self, sql: &str, key: [u8; 32], now: Time) -> Result<Option<Principal>, AccessError> {
        let mut inner = self.inner();
        self.refresh(&mut inner)?;
        if !inner.known.contains_key(&key) {
            let mut statement = inner.conn.prepare_cached(sql).map_err(doing("look a token up"))?;
            let found = statement.query_row([key], principal).optional().map_err(doing("look a token up"))?;
            drop(statement);
            let Some(found) = found else { return Ok(None) };
            if inner.known.len() >= CACHED {
                inner.known.clear();
            }
            inner.known.insert(key, found);
        }
        let found = inner.known.get(&key).filter(|found| found.expires.is_none_or(|expires| now < expires)).cloned();
        if let Some(principal) = &found {
            inner.used.insert(principal.id, now);
        }
        Ok(found)
    }

    /// Whether a principal that was found before may still go on.
    pub fn still_valid(&self, principal: &Principal, now: Time) -> bool {
        let inner = self.inner();
        let sql = "SELECT revoked_at IS NULL AND (?2 IS NULL OR EXISTS (SELECT 1 FROM session WHERE hash = ?2)) \
                   FROM token WHERE id = ?1";
        let valid = inner
            .conn
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(params![principal.id, principal.session], |row| row.get(0)));
        // Where the file cannot be read just now the stream ends: whoever comes again is looked up again.
        principal.expires.is_none_or(|expires| now < expires) && valid.unwrap_or(false)
    }

    /// Signs a browser in: the answer goes into a cookie.
    pub fn sign_in(&self, principal: &Principal, now: Time) -> Result<Secret, AccessError> {
        let secret = Secret::session();
        let inner = self.inner();
        let doing = || doing("sign in");
        inner.conn.execute("DELETE FROM session WHERE expires_at <= ?1", [now.micros()]).map_err(doing())?;
        let sql = "INSERT INTO session (hash, token, expires_at) VALUES (?1, ?2, ?3)";
        let values = params![
            session_hash(secret.reveal()),
            principal.id,
            now.plus(i64::from(SESSION_SECONDS) * 1_000_000_000).micros()
        ];
        inner.conn.execute(sql, values).map_err(doing())?;
        Ok(secret)
    }

    /// Signs a browser out. A session that is not there is no error.
    pub fn sign_out(&self, session: &str) -> Result<(), AccessError> {
        let mut inner = self.inner();
        let key = session_hash(session);
        inner.known.remove(&key);
        inner.conn.execute("DELETE FROM session WHERE hash = ?1", [key]).map_err(doing("sign out"))?;
        self.changes.send_modify(|n| *n += 1);
        Ok(())
    }

    /// A bell that rings when a token was changed or a session ended: whoever holds a connection open looks again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Looks whether another process changed a token. Requests look by themselves; open tails rely on this.
    pub fn poll(&self) -> Result<(), AccessError> {
        self.refresh(&mut self.inner())
    }

    /// Writes down when tokens were last used.
    ///
    /// Through a connection of its own: it syncs, and nobody's request waits for that. What fails is tried again the next time.
    pub fn flush_used(&self) -> Result<(), AccessError> {
        let used = std::mem::take(&mut self.inner().used);
        let written = self.write_used(&used);
        if written.is_err() {
            let mut inner = self.inner();
            for (id, at) in used {
                inner.used.entry(id).or_insert(at);
            }
        }
        written
    }

    fn write_used(&self, used: &HashMap<i64, Time>) -> Result<(), AccessError> {
        if used.is_empty() {
            return Ok(());
        }
        let conn = Connection::open(&self.path).map_err(doing("note the use of tokens"))?;
        conn.busy_timeout(Duration::from_secs(5)).map_err(doing("note the use of tokens"))?;
        let transaction = conn.unchecked_transaction().map_err(doing("note the use of tokens"))?;
        for (id, at) in used {
            transaction
                .execute(
                    "UPDATE token SET used_at = max(ifnull(used_at, 0), ?2) WHERE id = ?1",
                    params![id, at.micros()],
                )
                .map_err(doing("note the use of tokens"))?;
        }
        transaction.commit().map_err(doing("note the use of tokens"))
    }

    /// `data_version` takes and gives back a file lock, so it is asked for once a millisecond at the most: sooner than a
    /// command that has revoked a token can end and say so.
    fn refresh(&self, inner: &mut Inner) -> Result<(), AccessError> {
        let now = Instant::now();
        if inner.looked.is_some_and(|looked| now.duration_since(looked) < FRESH) {
            return Ok(());
        }
        inner.looked = Some(now);
        let version = inner
            .conn
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(doing("look for changed tokens"))?;
        if version != inner.version {
            inner.version = version;
            inner.known.clear();
            self.changes.send_modify(|n| *n += 1);
        }
        Ok(())
    }
}

fn doing(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> AccessError {
    move |cause| AccessError::Sqlite { doing, cause }
}

fn principal(row: &Row<'_>) -> Result<Principal, rusqlite::Error> {
    Ok(Principal {
        id: row.get(0)?,
        name: row.get(1)?,
        role: word(row, 2)?,
        org: word(row, 3)?,
        expires: row.get::<_, Option<i64>>(4)?.map(Time::from_micros),
        session: row.get(5)?,
    })
}

fn word<T>(row: &Row<'_>, at: usize) -> Result<T, rusqlite::Error>
where
    T: std::str::FromStr<Err = crate::job::BadId>,
{
    let text = row.get_ref(at)?.as_str()?;
    text.parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error)))
}

/// Whether the log may name somebody so: the rule for tokens, and for whoever appends without one.
pub fn check_name(name: &str) -> Result<(), AccessError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@' | '-');
    if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
        return Err(AccessError::BadName(name.chars().take(80).collect()));
    }
    if name.eq_ignore_ascii_case(LEDGER) { Err(AccessError::Reserved) } else { Ok(()) }
}
