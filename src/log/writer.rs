//! The one writer of the log.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::reader::{Reader, StreamId};
use super::{Error, FORMAT, FileState, open};
use crate::job::{JobId, Kind, OrgId, Position, Time};
use crate::wire::SALT_LEN;

/// Interned names kept in memory; beyond it the cache starts again, so a flood of sources cannot fill the memory.
const CACHED_NAMES: usize = 100_000;

/// An event to append. The ledger has decided it, and built its leaf for exactly this position.
#[derive(Debug)]
pub struct NewEvent<'a> {
    /// The position after the newest.
    pub position: Position,
    /// The exact leaf.
    pub leaf: &'a [u8],
    /// The exact data and the salt of its digest; `None` where a copy is made of a log that has erased them.
    pub content: Option<(&'a [u8], &'a [u8; SALT_LEN])>,
    /// The organisation and job, the job's kind and newest position; `None` for the ledger's own events.
    pub job: Option<(OrgId, StreamId, Kind, Position)>,
    /// CloudEvents `source`.
    pub source: &'a str,
    /// CloudEvents `id`.
    pub id: &'a str,
    /// CloudEvents `type`.
    pub event_type: &'a str,
    /// Version of the stored data.
    pub version: u32,
    /// When it is recorded.
    pub recorded: Time,
}

/// The writing connection. One transaction at a time; nothing is durable before [`Writer::commit`] has returned.
#[derive(Debug)]
pub struct Writer {
    pub(super) conn: Connection,
    orgs: HashMap<OrgId, i64>,
    sources: HashMap<(i64, String), i64>,
}

impl Writer {
    /// Opens the log for writing. What a log of the newest format has and this one lacks (a new one: everything) is written
    /// by `complete`, in the transaction that makes the tables; it is told what was found.
    ///
    /// With `external_checkpoint` something else (Litestream) copies the WAL into the file.
    pub fn open<E: From<Error>>(
        path: &Path,
        external_checkpoint: bool,
        complete: impl FnOnce(&mut Writer, FileState) -> Result<(), E>,
    ) -> Result<Writer, E> {
        let (conn, state) = open::open_writer(path, external_checkpoint)?;
        let mut writer = Writer { conn, orgs: HashMap::new(), sources: HashMap::new() };
        if state != FileState::Log(FORMAT) {
            writer.begin()?;
            open::upgrade(&writer.conn)?;
            complete(&mut writer, state)?;
            writer.commit()?;
        }
        Ok(writer)
    }

    /// Reads through the writing connection: sees what the open transaction wrote.
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(&self.conn)
    }

    /// Starts a transaction. `IMMEDIATE`, because one that upgrades later fails at once instead of waiting.
    pub fn begin(&mut self) -> Result<(), Error> {
        self.run("begin a commit", "BEGIN IMMEDIATE")
    }

    /// Makes everything since [`Writer::begin`] durable: returns after the sync.
    pub fn commit(&mut self) -> Result<(), Error> {
        self.run("commit", "COMMIT")
    }

    /// Drops everything since [`Writer::begin`], and every cached name, which may have been part of it.
    pub fn rollback(&mut self) -> Result<(), Error> {
        self.forget();
        // SQLite may have rolled back by itself (a full disk); then there is nothing to do.
        if self.conn.is_autocommit() { Ok(()) } else { self.run("roll back", "ROLLBACK") }
    }

    /// Marks a point inside the transaction.
    pub fn savepoint(&mut self) -> Result<(), Error> {
        self.run("mark a savepoint", "SAVEPOINT request")
    }

    /// Keeps what was written since the savepoint.
    pub fn release(&mut self) -> Result<(), Error> {
        self.run("release a savepoint", "RELEASE request")
    }

    /// Drops what was written since the savepoint.
    pub fn rollback_to_savepoint(&mut self) -> Result<(), Error> {
        self.forget();
        self.run("roll back to a savepoint", "ROLLBACK TO request")?;
        self.release()
    }

    /// Makes the row of a new job.
    pub fn new_stream(&mut self, org: OrgId, job: &JobId, kind: Kind) -> Result<StreamId, Error> {
        let org = self.org(Some(org))?;
        let sql = "INSERT INTO job (org, subject, kind) VALUES (?1, ?2, ?3)";
        self.insert("name a new job", sql, params![org, job.as_str(), kind.as_str()]).map(StreamId)
    }

    /// Appends one event. The database refuses one that does not follow the newest, or its job's newest.
    pub fn append(&mut self, event: &NewEvent<'_>) -> Result<(), Error> {
        let org = self.org(event.job.map(|(org, ..)| org))?;
        let source = self.source(org, event.source)?;
        // FAIL leaves behind what the statement wrote before it was refused, and one row is refused before anything is
        // written. ABORT, because it takes back, copies every page before the statement changes it: a quarter of the time.
        let sql = "INSERT OR FAIL INTO event \
                   (position, leaf, data, salt, org, job, prev, source, id, type, version, kind, recorded) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
        let bound = params![
            event.position.get() as i64,
            event.leaf,
            event.content.map(|(data, _)| data),
            event.content.map(|(_, salt)| salt.as_slice()),
            org,
            event.job.map(|(_, stream, ..)| stream.0),
            event.job.map(|(.., prev)| prev.get() as i64),
            source,
            event.id,
            event.event_type,
            event.version,
            event.job.map(|(_, _, kind, _)| kind.as_str()),
            event.recorded.micros(),
        ];
        self.insert("append an event", sql, bound).map(|_| ())
    }

    /// Erases data and salt of an event that a stored redaction names; the database refuses every other.
    pub fn erase(&mut self, position: Position) -> Result<(), Error> {
        let doing = "erase the data of an event";
        let sql = "UPDATE event SET data = NULL, salt = NULL WHERE position = ?1";
        let mut statement = self.conn.prepare_cached(sql).map_err(Error::doing(doing))?;
        statement.execute([position.get() as i64]).map(|_| ()).map_err(Error::doing(doing))
    }

    fn run(&self, doing: &'static str, sql: &str) -> Result<(), Error> {
        let mut statement = self.conn.prepare_cached(sql).map_err(Error::doing(doing))?;
        statement.execute([]).map(|_| ()).map_err(Error::doing(doing))
    }

    fn insert(&self, doing: &'static str, sql: &str, params: impl rusqlite::Params) -> Result<i64, Error> {
        let mut statement = self.conn.prepare_cached(sql).map_err(Error::doing(doing))?;
        statement.insert(params).map_err(Error::doing(doing))
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
        // The key is cloned to look it up; a map of borrowed pairs is not worth its types.
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
        let mut statement = self.conn.prepare_cached(sql).map_err(Error::doing(doing))?;
        statement.query_row(params, |row| row.get(0)).optional().map_err(Error::doing(doing))
    }
}

fn bounded<K, V>(map: &mut HashMap<K, V>) -> &mut HashMap<K, V> {
    if map.len() >= CACHED_NAMES {
        map.clear();
    }
    map
}
