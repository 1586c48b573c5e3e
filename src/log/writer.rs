//! The writing connection of the log. The ledger has exactly one.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, params};

use super::{Error, FORMAT, FileState, Reader, StreamId, open};
use crate::job::{JobId, Kind, OrgId, Position, Time};
use crate::sqlite::{self, Frames, Statement};
use crate::wire::SALT_LEN;

/// Most interned names in memory. A full cache starts again empty, so a flood of sources cannot fill the memory.
const CACHED_NAMES: usize = 100_000;

/// An event to append. Admission has accepted the event, and its leaf has exactly this position.
#[derive(Debug)]
pub struct NewEvent<'a> {
    /// The position after the newest.
    pub position: Position,
    /// The exact leaf.
    pub leaf: &'a [u8],
    /// The exact data and the salt of its digest; `None` for a redacted event that an import copies.
    pub content: Option<(&'a [u8], &'a [u8; SALT_LEN])>,
    /// The organisation, the job's row, its kind and newest position; `None` for an event of the ledger itself.
    pub job: Option<(OrgId, StreamId, Kind, Position)>,
    /// CloudEvents `source`.
    pub source: &'a str,
    /// CloudEvents `id`.
    pub id: &'a str,
    /// CloudEvents `type`.
    pub event_type: &'a str,
    /// Version of the stored data.
    pub version: u32,
    /// Time of recording.
    pub recorded: Time,
}

/// The writing connection. It has one transaction at a time, which is durable once [`Writer::commit`] has returned.
#[derive(Debug)]
pub struct Writer {
    pub(super) conn: Connection,
    orgs: HashMap<OrgId, i64>,
    sources: HashMap<(i64, String), i64>,
}

impl Writer {
    /// Opens the log for writing. A new or older log gets the tables of [`FORMAT`]. In the same transaction `complete` writes
    /// the rows that the new tables need; it gets the state that the file had before.
    ///
    /// With `external_copy_back` another program (Litestream) copies the WAL back into the file.
    pub fn open<E: From<Error>>(
        path: &Path,
        external_copy_back: bool,
        complete: impl FnOnce(&mut Writer, FileState) -> Result<(), E>,
    ) -> Result<Writer, E> {
        let (conn, state) = open::open_writer(path, external_copy_back)?;
        let mut writer = Writer { conn, orgs: HashMap::new(), sources: HashMap::new() };
        if !matches!(state, FileState::Log(FORMAT..)) {
            writer.begin()?;
            open::upgrade(&writer.conn)?;
            complete(&mut writer, state)?;
            writer.commit()?;
        }
        Ok(writer)
    }

    /// Reads through the writing connection, which sees the rows of the open transaction.
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(&self.conn)
    }

    /// Begins a transaction. `IMMEDIATE` takes the write lock now, because a transaction that asks for it later does not wait.
    pub fn begin(&mut self) -> Result<(), Error> {
        self.run("begin a commit", "BEGIN IMMEDIATE")
    }

    /// Makes the transaction durable: returns after the sync.
    pub fn commit(&mut self) -> Result<(), Error> {
        self.run("commit", "COMMIT")
    }

    /// Leaves copying the WAL back to [`Writer::copy_back`] and to other connections. SQLite does not copy inside a commit then.
    pub fn do_not_copy_back_in_commits(&self) -> Result<(), Error> {
        Ok(sqlite::set(&self.conn, "wal_autocheckpoint", "0", "0")?)
    }

    /// Copies the WAL back, as far as no reader needs it. If that is all of it, the next commit begins the WAL anew.
    pub fn copy_back(&self) -> Result<(), Error> {
        Frames::copy(&self.conn)?;
        Ok(())
    }

    /// Drops the transaction. Also clears the cache of names, because the transaction may have inserted some of them.
    pub fn rollback(&mut self) -> Result<(), Error> {
        self.forget();
        // After some errors, such as a full disk, SQLite has rolled back already.
        if self.conn.is_autocommit() { Ok(()) } else { self.run("roll back", "ROLLBACK") }
    }

    /// Marks a point inside the transaction.
    pub fn savepoint(&mut self) -> Result<(), Error> {
        self.run("mark a savepoint", "SAVEPOINT request")
    }

    /// Keeps the rows since the savepoint.
    pub fn release(&mut self) -> Result<(), Error> {
        self.run("release a savepoint", "RELEASE request")
    }

    /// Drops the rows since the savepoint.
    pub fn rollback_to_savepoint(&mut self) -> Result<(), Error> {
        self.forget();
        self.run("roll back to a savepoint", "ROLLBACK TO request")?;
        self.release()
    }

    /// Inserts the row of a new job.
    pub fn new_stream(&mut self, org: OrgId, job: &JobId, kind: Kind) -> Result<StreamId, Error> {
        let org = self.org(Some(org))?;
        let sql = "INSERT INTO job (org, subject, kind) VALUES (?1, ?2, ?3)";
        self.insert("name a new job", sql, params![org, job, kind]).map(StreamId)
    }

    /// Appends one event. The database refuses an event that does not follow the newest, or its job's newest.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] for such an event; the transaction then holds its row and has to be rolled back. A database error of the
    /// kind `Taken` if the log has an event with this source and id; the transaction then holds nothing of the event.
    pub fn append(&mut self, event: &NewEvent<'_>) -> Result<(), Error> {
        let org = self.org(event.job.map(|(org, ..)| org))?;
        let source = self.source(org, event.source)?;
        let sql = "INSERT INTO event \
                   (position, leaf, data, salt, org, job, prev, source, id, type, version, kind, recorded) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
        let bound = params![
            event.position,
            event.leaf,
            event.content.map(|(data, _)| data),
            event.content.map(|(_, salt)| salt.as_slice()),
            org,
            event.job.map(|(_, stream, ..)| stream),
            event.job.map(|(.., prev)| prev),
            source,
            event.id,
            event.event_type,
            event.version,
            event.job.map(|(_, _, kind, _)| kind),
            event.recorded.micros(),
        ];
        self.insert("append an event", sql, bound)?;
        if self.follows(event)? { Ok(()) } else { Err(Error::OutOfOrder(event.position)) }
    }

    /// Makes the stored event the newest of its job. `false` if the event does not follow the newest one in position and time, and its
    /// own job's newest.
    ///
    /// These statements state the rules of the insert triggers, which this connection does not run: a statement that runs triggers
    /// copies each page before it changes the page, and takes nearly twice the time.
    fn follows(&self, event: &NewEvent<'_>) -> Result<bool, Error> {
        let (position, recorded) = (event.position, event.recorded.micros());
        let changed = match event.job {
            None if position == Position::GENESIS => 1,
            None => {
                let sql = "SELECT count(*) FROM event WHERE position = ?1 - 1 AND recorded <= ?2";
                self.statement("find the event before", sql)?.value(params![position, recorded])?
            }
            Some((_, stream, _, Position::GENESIS)) => {
                let sql = "INSERT INTO newest SELECT ?3, ?1 FROM event WHERE position = ?1 - 1 AND recorded <= ?2";
                self.statement("begin a job", sql)?.execute(params![position, recorded, stream])?
            }
            Some((_, stream, _, prev)) => {
                let sql = "UPDATE newest SET position = ?1 WHERE job = ?3 AND position = ?4 \
                           AND ?2 >= (SELECT recorded FROM event WHERE position = ?1 - 1)";
                self.statement("continue a job", sql)?.execute(params![position, recorded, stream, prev])?
            }
        };
        Ok(changed == 1)
    }

    /// Erases the data and salt of an event that a stored redaction names. The database refuses this for every other event.
    pub fn erase(&mut self, position: Position) -> Result<(), Error> {
        let sql = "UPDATE event SET data = NULL, salt = NULL WHERE position = ?1";
        open::run_triggers(&self.conn, true)?;
        let erased = self.statement("redact the data of an event", sql)?.execute([position]);
        open::run_triggers(&self.conn, false)?;
        erased?;
        Ok(())
    }

    pub(super) fn run(&self, doing: &'static str, sql: &str) -> Result<(), Error> {
        self.statement(doing, sql)?.execute([])?;
        Ok(())
    }

    pub(super) fn insert(&self, doing: &'static str, sql: &str, params: impl rusqlite::Params) -> Result<i64, Error> {
        Ok(self.statement(doing, sql)?.insert(params)?)
    }

    fn statement(&self, doing: &'static str, sql: &str) -> Result<Statement<'_>, Error> {
        Ok(Statement::new(&self.conn, doing, sql)?)
    }

    fn forget(&mut self) {
        self.orgs.clear();
        self.sources.clear();
    }

    fn org(&mut self, org: Option<OrgId>) -> Result<i64, Error> {
        let Some(org) = org else { return Ok(0) };
        if let Some(id) = self.orgs.get(&org) {
            return Ok(*id);
        }
        let uuid = org.to_string();
        let found = self.id("find an organisation", "SELECT id FROM org WHERE uuid = ?1", [&uuid])?;
        let id = match found {
            Some(id) => id,
            None => self.insert("name an organisation", "INSERT INTO org (uuid) VALUES (?1)", [&uuid])?,
        };
        bounded(&mut self.orgs).insert(org, id);
        Ok(id)
    }

    fn source(&mut self, org: i64, uri: &str) -> Result<i64, Error> {
        // The look-up clones the key; a map of borrowed pairs is not worth its types.
        let key = (org, uri.to_owned());
        if let Some(id) = self.sources.get(&key) {
            return Ok(*id);
        }
        let id =
            match self.id("find a source", "SELECT id FROM source WHERE org = ?1 AND uri = ?2", params![org, uri])? {
                Some(id) => id,
                None => {
                    self.insert("name a source", "INSERT INTO source (org, uri) VALUES (?1, ?2)", params![org, uri])?
                }
            };
        bounded(&mut self.sources).insert(key, id);
        Ok(id)
    }

    fn id(&self, doing: &'static str, sql: &str, params: impl rusqlite::Params) -> Result<Option<i64>, Error> {
        Ok(self.statement(doing, sql)?.value_if_any(params)?)
    }
}

fn bounded<K, V>(map: &mut HashMap<K, V>) -> &mut HashMap<K, V> {
    if map.len() >= CACHED_NAMES {
        map.clear();
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log with the genesis event and the events of two jobs, at 1 and 2, recorded at 10 µs each.
    fn log(folder: &Path) -> (Writer, [StreamId; 2]) {
        let mut log = Writer::open::<Error>(&folder.join("log.db"), false, |_, _| Ok(())).unwrap();
        log.begin().unwrap();
        let org = OrgId::default();
        let jobs = ["a", "b"].map(|id| log.new_stream(org, &id.parse().unwrap(), Kind::Task).unwrap());
        append(&mut log, 0, None, 10).unwrap();
        append(&mut log, 1, Some((jobs[0], 0)), 10).unwrap();
        append(&mut log, 2, Some((jobs[1], 0)), 10).unwrap();
        log.commit().unwrap();
        (log, jobs)
    }

    fn append(log: &mut Writer, position: u64, job: Option<(StreamId, u64)>, recorded: i64) -> Result<(), Error> {
        log.append(&NewEvent {
            position: Position::new(position),
            leaf: b"{}",
            content: None,
            job: job.map(|(job, prev)| (OrgId::default(), job, Kind::Task, Position::new(prev))),
            source: "/s",
            id: &position.to_string(),
            event_type: "job.noted",
            version: 1,
            recorded: Time::from_micros(recorded),
        })
    }

    #[test]
    fn an_event_that_does_not_follow_is_refused_and_the_rollback_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, [a, b]) = log(folder.path());
        let wrong = [
            ("a fork", 3, Some((a, 0)), 10),
            ("an event of another job before it", 3, Some((a, 2)), 10),
            ("an unknown event before it", 3, Some((b, 1)), 10),
            ("a gap", 4, Some((a, 1)), 10),
            ("a gap before a first event", 4, None, 10),
            ("an earlier time", 3, Some((a, 1)), 9),
            ("an earlier time of an own event", 3, None, 9),
        ];
        for (what, position, job, recorded) in wrong {
            log.begin().unwrap();
            let refused = append(&mut log, position, job, recorded).unwrap_err();
            assert!(refused.is_contradiction(), "{what}: {refused}");
            log.rollback().unwrap();
            assert_eq!(log.reader().head().unwrap(), Position::new(2), "{what}");
        }
        log.begin().unwrap();
        append(&mut log, 3, Some((a, 1)), 10).unwrap();
        assert!(append(&mut log, 3, Some((b, 2)), 10).unwrap_err().is_contradiction(), "a place that is taken");
        append(&mut log, 4, Some((a, 3)), 11).unwrap();
        append(&mut log, 5, None, 11).unwrap();
        log.commit().unwrap();
        assert_eq!(log.reader().newest(a).unwrap(), Some(Position::new(4)));
    }
}
