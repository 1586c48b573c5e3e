//! What a running server honours: the content of `access.db` in memory.
//!
//! A request is checked from memory. Before that it asks SQLite whether the file has changed, at most once a millisecond,
//! which takes microseconds and never waits for a lock. Everything that may wait or sync (reading a changed file again,
//! signing in and out, writing down when tokens were used) runs off the async threads and holds nothing that a request needs.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
use rusqlite::Connection;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};
use tokio::time::timeout;

use super::error::{AccessError, doing};
use super::known::Known;
use super::principal::{Principal, SourceRefusal};
use super::store::Access;
use super::token::{Secret, session_hash, token_hash};
use crate::job::Time;
use crate::ledger::off_thread;

/// How long a look at the file is good: shorter than the time in which a command that revokes a token ends.
const FRESH: Duration = Duration::from_millis(1);
/// How long it holds where the file cannot be looked at.
const STALE: Duration = Duration::from_secs(1);
/// How long a request waits while another one looks, or reads the changed file, before it goes on from memory.
const TURN: Duration = Duration::from_millis(500);
/// How long a request waits to look where memory is not good any more, and how long reading a changed file waits for a lock.
const READ_PATIENCE: Duration = Duration::from_secs(2);
/// How long a write waits for a lock, and before that for the writes ahead of it.
const WRITE_PATIENCE: Duration = Duration::from_secs(2);

/// The tokens and sessions that a server honours. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LiveAccess(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    known: RwLock<Known>,
    /// When the file was last looked at and was as it is known.
    looked: RwLock<Instant>,
    looking: Arc<AsyncMutex<Looking>>,
    writing: Arc<AsyncMutex<Access>>,
    used: Mutex<HashMap<i64, Time>>,
    changes: watch::Sender<u64>,
    /// Up to when the ends of secrets and sessions were told of.
    told: Mutex<Time>,
}

#[derive(Debug)]
struct Looking {
    conn: Connection,
    /// SQLite's count of changes by other connections, when the file was read.
    version: i64,
}

impl LiveAccess {
    /// Opens the file, makes it where there is none, and reads all of it.
    pub fn open(path: &Path) -> Result<LiveAccess, AccessError> {
        let writing = Access::open_patient(path, WRITE_PATIENCE)?;
        let looked = Instant::now();
        let mut looking = Looking { conn: Access::open(path)?.conn, version: 0 };
        let known = looking.read()?;
        Ok(LiveAccess(Arc::new(Shared {
            known: RwLock::new(known),
            looked: RwLock::new(looked),
            looking: Arc::new(AsyncMutex::new(looking)),
            writing: Arc::new(AsyncMutex::new(writing)),
            used: Mutex::default(),
            changes: watch::Sender::new(0),
            told: Mutex::new(Time::from_micros(0)),
        })))
    }

    /// Who has this token; `None` for one that is unknown, revoked or expired.
    pub async fn authenticate(&self, token: &str, now: Time) -> Result<Option<Principal>, AccessError> {
        self.find(token_hash(token), now).await
    }

    /// Who has this session; it ends with its token, and with the secret that it was made with.
    pub async fn session(&self, session: &str, now: Time) -> Result<Option<Principal>, AccessError> {
        self.find(session_hash(session), now).await
    }

    async fn find(&self, key: [u8; 32], now: Time) -> Result<Option<Principal>, AccessError> {
        self.look(FRESH).await?;
        let mut found = self.0.found(&key, now);
        if found.is_none() {
            // A token that was just made is honoured at once.
            self.look(Duration::ZERO).await?;
            found = self.0.found(&key, now);
        }
        if let Some(principal) = &found {
            self.0.used().insert(principal.id, now);
        }
        Ok(found)
    }

    /// Whether a principal that was found before may still go on.
    pub fn still_valid(&self, principal: &Principal, now: Time) -> bool {
        self.0.known().find(principal.key(), now).is_some()
    }

    /// Whether `principal` may append an event of `source`.
    pub fn check_source(&self, principal: &Principal, source: &str) -> Result<(), SourceRefusal> {
        self.0.known().check_source(principal, source)
    }

    /// Signs a browser in: the answer goes into a cookie.
    pub async fn sign_in(&self, principal: &Principal, now: Time) -> Result<Secret, AccessError> {
        let principal = principal.clone();
        self.write("sign in", move |file| file.sign_in(&principal, now)).await
    }

    /// Signs a browser out. A session that is not there is no error.
    pub async fn sign_out(&self, session: &str) -> Result<(), AccessError> {
        let key = session_hash(session);
        self.write("sign out", move |file| file.sign_out(&key)).await?;
        self.look(Duration::ZERO).await
    }

    /// A bell that rings when a token or a session was changed or has ended: a connection that stays open looks again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Looks whether another process changed a token, and whether a secret or a session has ended by `now`. Requests look by
    /// themselves; open tails rely on this.
    pub async fn poll(&self, now: Time) -> Result<(), AccessError> {
        self.look(FRESH).await?;
        let from = std::mem::replace(&mut *self.0.told.lock(), now);
        if self.0.known().ended_between(from, now) {
            self.0.ring();
        }
        Ok(())
    }

    /// Writes down when tokens were last used. A failed write is tried again the next time.
    pub async fn flush_used(&self) -> Result<(), AccessError> {
        let shared = self.0.clone();
        self.write("note the use of tokens", move |file| {
            let used = std::mem::take(&mut *shared.used());
            if used.is_empty() {
                return Ok(());
            }
            file.write_used(&used).inspect_err(|_| {
                let mut newer = shared.used();
                for (id, at) in used {
                    newer.entry(id).or_insert(at);
                }
            })
        })
        .await
    }

    /// Changes the file, one change after the other.
    async fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        write: impl FnOnce(&Access) -> Result<T, AccessError> + Send + 'static,
    ) -> Result<T, AccessError> {
        let turn = timeout(WRITE_PATIENCE, self.0.writing.clone().lock_owned()).await;
        let file = turn.map_err(|_| AccessError::Locked { doing })?;
        off_thread(move || write(&file)).await
    }

    /// Returns once the memory is as the file was at most `age` ago.
    ///
    /// Where the file cannot be looked at, because it is locked against readers too, memory is good for a second more.
    async fn look(&self, age: Duration) -> Result<(), AccessError> {
        let asked = Instant::now();
        let is_fresh = |age| asked.saturating_duration_since(self.0.looked()) < age || self.0.looked() >= asked;
        if is_fresh(age) {
            return Ok(());
        }
        let patience = if is_fresh(STALE) { TURN } else { READ_PATIENCE };
        let Ok(looking) = timeout(patience, self.0.looking.clone().lock_owned()).await else {
            let locked = AccessError::Locked { doing: "look for changed tokens" };
            return if is_fresh(STALE) { Ok(()) } else { Err(locked) };
        };
        // Another request may have looked meanwhile.
        if is_fresh(age) {
            return Ok(());
        }
        let looked = Instant::now();
        match looking.version() {
            Ok(version) if version == looking.version => {
                self.0.set_looked(looked);
                Ok(())
            }
            Err(AccessError::Locked { .. }) if is_fresh(STALE) => Ok(()),
            Ok(_) | Err(AccessError::Locked { .. }) => self.read_again(looking).await,
            Err(error) => Err(error),
        }
    }

    async fn read_again(&self, mut looking: OwnedMutexGuard<Looking>) -> Result<(), AccessError> {
        let shared = self.0.clone();
        off_thread(move || {
            let looked = Instant::now();
            let known = looking.read()?;
            // The old content is dropped after the lock is released: dropping many tokens takes a while.
            let before = std::mem::replace(&mut *shared.known.write(), known);
            drop(before);
            shared.set_looked(looked);
            shared.ring();
            Ok(())
        })
        .await
    }
}

impl Shared {
    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read()
    }

    fn used(&self) -> MutexGuard<'_, HashMap<i64, Time>> {
        self.used.lock()
    }

    fn found(&self, key: &[u8; 32], now: Time) -> Option<Principal> {
        self.known().find(key, now).cloned()
    }

    fn looked(&self) -> Instant {
        *self.looked.read()
    }

    fn set_looked(&self, looked: Instant) {
        *self.looked.write() = looked;
    }

    fn ring(&self) {
        self.changes.send_modify(|n| *n += 1);
    }
}

impl Looking {
    /// SQLite's count of changes by other connections. Takes a reader's lock and gives it back. Does not wait for it, but while
    /// the file is read.
    fn version(&self) -> Result<i64, AccessError> {
        let version = self.conn.prepare_cached("PRAGMA data_version");
        let version = version.and_then(|mut statement| statement.query_row([], |row| row.get(0)));
        version.map_err(doing("look for changed tokens"))
    }

    /// Reads the file. The version is from before, so a change in between is found the next time.
    fn read(&mut self) -> Result<Known, AccessError> {
        self.conn.busy_timeout(READ_PATIENCE).map_err(doing("read access.db"))?;
        let version = self.version();
        let known = Known::load(&self.conn).map_err(doing("read access.db"));
        self.conn.busy_timeout(Duration::ZERO).map_err(doing("read access.db"))?;
        let (version, known) = (version?, known?);
        self.version = version;
        Ok(known)
    }
}
