//! The tokens and sessions of a running server: the content of `access.db` in memory.
//!
//! A request is checked against memory. Before that it asks SQLite whether the file has changed, at most once a millisecond: the
//! question takes microseconds and waits for no lock. Work that may wait or sync (reading a changed file again, signing in and
//! out, storing the last use of tokens) runs off the async threads, and holds no lock that a request needs.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
use rusqlite::Connection;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};
use tokio::time::timeout;

use super::error::{AccessError, attempt};
use super::known::Known;
use super::principal::{Principal, SourceRefusal};
use super::store::Access;
use super::token::{Secret, session_hash, token_hash};
use crate::blocking::off_thread;
use crate::job::Time;

/// How long memory counts as current after a check of the file. [`Access::revoke`] and [`Access::rotate`] return later than that
/// after their commit, so a running server refuses the old secret from then on.
pub(super) const FRESH: Duration = Duration::from_millis(1);
/// How long memory counts as current while the file is locked against readers.
const STALE: Duration = Duration::from_secs(1);
/// How long a request waits for another request's check or reading of the file, before it goes on from memory.
const TURN: Duration = Duration::from_millis(500);
/// How long a request waits to check the file if memory is too old, and how long reading a changed file waits for a lock.
const READ_PATIENCE: Duration = Duration::from_secs(2);
/// How long a write waits for the writes before it, and then for a lock.
const WRITE_PATIENCE: Duration = Duration::from_secs(2);

/// The valid tokens and sessions of a running server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LiveAccess(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    known: RwLock<Known>,
    /// When a check last showed that `known` is current.
    checked: RwLock<Instant>,
    watcher: Arc<AsyncMutex<Watcher>>,
    writing: Arc<AsyncMutex<Access>>,
    used: Mutex<Used>,
    changes: watch::Sender<u64>,
    /// The bell has rung for every secret and session that ended up to this time.
    rung_until: Mutex<Time>,
}

/// When tokens were last used, by token, as far as the file does not have it.
#[derive(Debug, Default)]
struct Used {
    /// By requests of this server.
    here: HashMap<i64, Time>,
    /// By requests of other servers with the same tokens.
    elsewhere: HashMap<i64, Time>,
}

/// The connection by which the server notices changes of the file.
#[derive(Debug)]
struct Watcher {
    conn: Connection,
    /// SQLite's count of changes by other connections, as of the last reading.
    version: i64,
}

impl LiveAccess {
    /// Opens the file, makes it if it is missing, and reads all of it.
    pub fn open(path: &Path) -> Result<LiveAccess, AccessError> {
        let writing = Access::open_patient(path, WRITE_PATIENCE)?;
        let checked = Instant::now();
        let mut watcher = Watcher { conn: Access::open(path)?.conn, version: 0 };
        let known = watcher.read()?;
        Ok(LiveAccess(Arc::new(Shared {
            known: RwLock::new(known),
            checked: RwLock::new(checked),
            watcher: Arc::new(AsyncMutex::new(watcher)),
            writing: Arc::new(AsyncMutex::new(writing)),
            used: Mutex::default(),
            changes: watch::Sender::new(0),
            rung_until: Mutex::new(Time::from_micros(0)),
        })))
    }

    /// The principal of a token; `None` if the token is unknown, revoked or expired.
    pub async fn authenticate(&self, token: &str, now: Time) -> Result<Option<Principal>, AccessError> {
        self.find(token_hash(token), now).await
    }

    /// The principal of a session. A session ends with its token, and with the secret that it was made with.
    pub async fn session(&self, session: &str, now: Time) -> Result<Option<Principal>, AccessError> {
        self.find(session_hash(session), now).await
    }

    async fn find(&self, key: [u8; 32], now: Time) -> Result<Option<Principal>, AccessError> {
        self.check(FRESH).await?;
        let mut found = self.0.found(&key, now);
        if found.is_none() {
            // A new token works at once.
            self.check(Duration::ZERO).await?;
            found = self.0.found(&key, now);
        }
        if let Some(principal) = &found {
            self.0.used().here.insert(principal.id, now);
        }
        Ok(found)
    }

    /// Whether a principal that was found before is still valid.
    pub fn still_valid(&self, principal: &Principal, now: Time) -> bool {
        self.0.known().find(principal.key(), now).is_some()
    }

    /// Checks that `principal` may append an event of `source`.
    pub fn check_source(&self, principal: &Principal, source: &str) -> Result<(), SourceRefusal> {
        self.0.known().check_source(principal, source)
    }

    /// Makes a browser session. The returned secret goes into a cookie.
    pub async fn sign_in(&self, principal: &Principal, now: Time) -> Result<Secret, AccessError> {
        let principal = principal.clone();
        self.write("sign in", move |file| file.sign_in(&principal, now)).await
    }

    /// Ends a browser session. An unknown session is no error.
    pub async fn sign_out(&self, session: &str) -> Result<(), AccessError> {
        let key = session_hash(session);
        self.write("sign out", move |file| file.sign_out(&key)).await?;
        self.check(Duration::ZERO).await
    }

    /// A bell that rings when a token or a session has changed or ended, so that open connections check theirs again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Checks whether another process changed a token, and whether a secret or a session has ended by `now`. Requests check by
    /// themselves; open tails need this call.
    pub async fn poll(&self, now: Time) -> Result<(), AccessError> {
        self.check(FRESH).await?;
        let from = std::mem::replace(&mut *self.0.rung_until.lock(), now);
        if self.0.known().ended_between(from, now) {
            self.0.ring();
        }
        Ok(())
    }

    /// Notes when requests of other servers last used the same tokens. [`LiveAccess::flush_used`] stores it.
    pub fn note_used(&self, used: impl IntoIterator<Item = (i64, Time)>) {
        keep_newest(&mut self.0.used().elsewhere, used);
    }

    /// Stores when tokens were last used, and returns the uses by requests of this server: the time by token. A failed write is
    /// repeated with the next one.
    pub async fn flush_used(&self) -> Result<HashMap<i64, Time>, AccessError> {
        let shared = self.0.clone();
        self.write("note the use of tokens", move |file| {
            let Used { here, elsewhere } = std::mem::take(&mut *shared.used());
            let mut all = elsewhere.clone();
            keep_newest(&mut all, here.iter().map(|(token, at)| (*token, *at)));
            match file.write_used(&all) {
                Ok(()) => Ok(here),
                Err(error) => {
                    let mut newer = shared.used();
                    keep_newest(&mut newer.here, here);
                    keep_newest(&mut newer.elsewhere, elsewhere);
                    Err(error)
                }
            }
        })
        .await
    }

    /// Changes the file. Changes wait for each other.
    async fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        write: impl FnOnce(&Access) -> Result<T, AccessError> + Send + 'static,
    ) -> Result<T, AccessError> {
        let turn = timeout(WRITE_PATIENCE, self.0.writing.clone().lock_owned()).await;
        let file = turn.map_err(|_| AccessError::Locked { doing })?;
        off_thread(move || write(&file)).await
    }

    /// Returns once memory holds the file as it was at most `age` ago.
    ///
    /// While the file is locked against readers too, memory counts as current for one second.
    async fn check(&self, age: Duration) -> Result<(), AccessError> {
        let asked = Instant::now();
        let is_fresh = |age| asked.saturating_duration_since(self.0.checked()) < age || self.0.checked() >= asked;
        if is_fresh(age) {
            return Ok(());
        }
        let patience = if is_fresh(STALE) { TURN } else { READ_PATIENCE };
        let Ok(watcher) = timeout(patience, self.0.watcher.clone().lock_owned()).await else {
            let locked = AccessError::Locked { doing: "look for changed tokens" };
            return if is_fresh(STALE) { Ok(()) } else { Err(locked) };
        };
        // Another request may have checked meanwhile.
        if is_fresh(age) {
            return Ok(());
        }
        let checked = Instant::now();
        match watcher.version() {
            Ok(version) if version == watcher.version => {
                self.0.set_checked(checked);
                Ok(())
            }
            Err(AccessError::Locked { .. }) if is_fresh(STALE) => Ok(()),
            Ok(_) | Err(AccessError::Locked { .. }) => self.read_again(watcher).await,
            Err(error) => Err(error),
        }
    }

    async fn read_again(&self, mut watcher: OwnedMutexGuard<Watcher>) -> Result<(), AccessError> {
        let shared = self.0.clone();
        off_thread(move || {
            let checked = Instant::now();
            let known = watcher.read()?;
            // Dropping many tokens takes a while, so the old content is dropped after the lock is released.
            let before = std::mem::replace(&mut *shared.known.write(), known);
            drop(before);
            shared.set_checked(checked);
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

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock()
    }

    fn found(&self, key: &[u8; 32], now: Time) -> Option<Principal> {
        self.known().find(key, now).cloned()
    }

    fn checked(&self) -> Instant {
        *self.checked.read()
    }

    fn set_checked(&self, checked: Instant) {
        *self.checked.write() = checked;
    }

    fn ring(&self) {
        self.changes.send_modify(|n| *n += 1);
    }
}

/// Adds `used` to `times`, and keeps the later time of each token.
fn keep_newest(times: &mut HashMap<i64, Time>, used: impl IntoIterator<Item = (i64, Time)>) {
    for (token, at) in used {
        times.entry(token).and_modify(|newest| *newest = at.max(*newest)).or_insert(at);
    }
}

impl Watcher {
    /// SQLite's count of changes by other connections. Takes a reader's lock for a moment, and waits for that lock only inside
    /// [`Watcher::read`].
    fn version(&self) -> Result<i64, AccessError> {
        attempt("look for changed tokens", || {
            self.conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
        })
    }

    /// Reads the file. The version is read first, so the next check notices a change made in between.
    fn read(&mut self) -> Result<Known, AccessError> {
        let doing = "read access.db";
        attempt(doing, || self.conn.busy_timeout(READ_PATIENCE))?;
        let version = self.version();
        let known = attempt(doing, || Known::load(&self.conn));
        attempt(doing, || self.conn.busy_timeout(Duration::ZERO))?;
        let (version, known) = (version?, known?);
        self.version = version;
        Ok(known)
    }
}
