//! The spool: the reports of one job that the server does not have yet, in order.
//!
//! It is a file with one event a line, which `jobledger append` reads too. The ledger records an event once, so a file may be sent
//! again although its first events were delivered. An event that the file does not take waits in memory.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::super::output::{remark, shown};
use crate::wire::MAX_BATCH;

/// Most bytes that wait in memory, 64 MiB.
const MOST_IN_MEMORY: u64 = 64 << 20;
/// A batch takes no further event once it has so many bytes, 4 MiB.
const BATCH_BYTES: usize = 4 << 20;

/// A spool. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Spool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: Option<PathBuf>,
    limit: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// `None` if the file cannot be used.
    file: Option<File>,
    /// The part of the file that waits, in bytes.
    from: u64,
    to: u64,
    /// The events that created and started the job stay at the beginning of the file, in so many bytes: sent again, they bring the
    /// lease back.
    head: u64,
    waiting: VecDeque<Place>,
    in_memory: u64,
    /// Bytes of output that found no room.
    left_out: u64,
    closed: bool,
    /// Whether the ledger takes no more reports.
    is_late: bool,
}

/// Where an event waits.
#[derive(Debug)]
enum Place {
    /// In the next bytes of the file.
    File(usize),
    Memory(Box<str>),
}

impl Spool {
    /// An empty spool with a new file in `folder`, which is made if it is missing. `limit` is for all that waits, in bytes.
    pub(super) fn new(folder: Option<&Path>, limit: u64) -> Spool {
        let path = folder.map(|folder| folder.join(format!("{}.ndjson", Uuid::now_v7())));
        let made = path.as_deref().map(|path| {
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
            // Another `exec` delivers only files that it can lock.
            file.try_lock().map_err(std::io::Error::from)?;
            Ok::<_, std::io::Error>(file)
        });
        let file = match (made, &path) {
            (Some(Ok(file)), _) => Some(file),
            (Some(Err(error)), Some(path)) => {
                remark!("jobledger: cannot use `{}`: {error}; reports wait in memory", shown(&path.to_string_lossy()));
                None
            }
            _ => None,
        };
        let path = path.filter(|_| file.is_some());
        let state = State { file, ..State::default() };
        Spool(Arc::new(Shared { path, limit, state: Mutex::new(state), changed: Condvar::new() }))
    }

    /// A spool that another `exec` left behind, closed; `None` while another process has it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn reopen(path: &Path) -> Result<Option<Spool>, std::io::Error> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut state = State { closed: true, ..State::default() };
        let mut lines = BufReader::new(&file);
        let mut line = Vec::new();
        // A crash may have cut the last line.
        while lines.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            state.waiting.push_back(Place::File(line.len()));
            state.to += line.len() as u64;
            line.clear();
        }
        state.file = Some(file);
        let (path, state) = (Some(path.to_owned()), Mutex::new(state));
        Ok(Some(Spool(Arc::new(Shared { path, limit: 0, state, changed: Condvar::new() }))))
    }

    /// The file, if there is one.
    pub(super) fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// Adds the events that create and start the job, which stay in the file also when they are delivered.
    pub(super) fn begin(&self, first: &[Value]) {
        self.push(first);
        let mut state = self.0.state.lock();
        state.head = state.to;
    }

    /// Adds events. Output that finds no room is left out; everything else is kept.
    pub(super) fn push(&self, events: &[Value]) {
        let mut state = self.0.state.lock();
        for event in events {
            state.push(event, self.0.limit);
        }
        self.0.changed.notify_all();
    }

    /// No event follows.
    pub(super) fn close(&self) {
        self.0.state.lock().closed = true;
        self.0.changed.notify_all();
    }

    /// The next events, at most a batch, which stay in the spool until [`Spool::delivered`]. Waits for one; `None` once the spool
    /// is closed and empty.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn next(&self) -> Result<Option<Vec<Box<RawValue>>>, std::io::Error> {
        let mut state = self.0.state.lock();
        self.0.changed.wait_while(&mut state, |state| state.waiting.is_empty() && !state.closed);
        if state.waiting.is_empty() { Ok(None) } else { state.batch().map(Some) }
    }

    /// Drops the first `events`.
    pub(super) fn delivered(&self, events: usize) {
        self.0.state.lock().delivered(events);
    }

    /// How many events wait.
    pub(super) fn waiting(&self) -> u64 {
        self.0.state.lock().waiting.len() as u64
    }

    /// How many of the events that wait are in memory alone.
    pub(super) fn only_in_memory(&self) -> u64 {
        self.0.state.lock().waiting.iter().filter(|place| matches!(place, Place::Memory(_))).count() as u64
    }

    /// How many bytes of output found no room.
    pub(super) fn left_out(&self) -> u64 {
        self.0.state.lock().left_out
    }

    /// Renames the file, because the ledger takes its reports no more. Later events are dropped.
    pub(super) fn set_aside(&self) {
        let mut state = self.0.state.lock();
        state.is_late = true;
        state.waiting.clear();
        drop(state);
        let Some(path) = self.path() else { return };
        let late = path.with_extension(LATE);
        match std::fs::rename(path, &late) {
            Ok(()) => remark!("jobledger: reports that came too late are in `{}`", shown(&late.to_string_lossy())),
            Err(error) => remark!("jobledger: cannot rename `{}`: {error}", shown(&path.to_string_lossy())),
        }
    }

    /// Removes the file of a spool from which everything was delivered.
    pub(super) fn remove(&self) {
        if let Some(path) = self.path()
            && let Err(error) = std::fs::remove_file(path)
        {
            remark!("jobledger: cannot remove `{}`: {error}", shown(&path.to_string_lossy()));
        }
    }
}

/// The ending of the name of a file whose reports came too late.
const LATE: &str = "late";

impl State {
    fn push(&mut self, event: &Value, limit: u64) {
        if self.is_late {
            return;
        }
        let line = format!("{event}\n");
        let bytes = line.len() as u64;
        let output = event["data"]["output"].as_str().map_or(0, str::len) as u64;
        if output > 0 && self.to - self.from + self.in_memory + bytes > limit {
            self.left_out += output;
            return;
        }
        match self.write(&line) {
            true => self.waiting.push_back(Place::File(line.len())),
            false if output > 0 && self.in_memory + bytes > MOST_IN_MEMORY => self.left_out += output,
            false => {
                self.in_memory += bytes;
                self.waiting.push_back(Place::Memory(line.into()));
            }
        }
    }

    /// Writes a line at the end of the file. Returns whether the file took all of it. After an error the file is not written again,
    /// so that its events stay in order.
    fn write(&mut self, line: &str) -> bool {
        let Some(file) = &self.file else { return false };
        if self.in_memory > 0 {
            return false;
        }
        match file.write_all_at(line.as_bytes(), self.to) {
            Ok(()) => {
                self.to += line.len() as u64;
                true
            }
            Err(error) => {
                remark!("jobledger: cannot write the spool: {error}; reports wait in memory");
                // A part of the line may have been written.
                let _ = file.set_len(self.to);
                false
            }
        }
    }

    fn batch(&self) -> Result<Vec<Box<RawValue>>, std::io::Error> {
        let (mut batch, mut bytes, mut at) = (Vec::new(), 0, self.from);
        for place in self.waiting.iter().take(MAX_BATCH) {
            if bytes >= BATCH_BYTES {
                break;
            }
            let line = match place {
                Place::Memory(line) => line.to_string(),
                Place::File(len) => {
                    let mut line = vec![0; *len];
                    let file = self.file.as_ref().expect("events in a file have one");
                    file.read_exact_at(&mut line, at)?;
                    at += *len as u64;
                    String::from_utf8(line).map_err(std::io::Error::other)?
                }
            };
            bytes += line.len();
            batch.push(serde_json::from_str(&line)?);
        }
        Ok(batch)
    }

    fn delivered(&mut self, events: usize) {
        for place in self.waiting.drain(..events) {
            match place {
                Place::File(len) => self.from += len as u64,
                Place::Memory(line) => self.in_memory -= line.len() as u64,
            }
        }
        if self.waiting.is_empty() && self.to > self.head {
            let emptied = self.file.as_ref().is_some_and(|file| file.set_len(self.head).is_ok());
            if emptied {
                (self.from, self.to) = (self.head, self.head);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(n: usize) -> Value {
        json!({ "id": n, "data": { "output": "x".repeat(100) } })
    }

    fn ids(spool: &Spool) -> Vec<u64> {
        let batch = spool.next().unwrap().unwrap_or_default();
        batch.iter().map(|event| serde_json::from_str::<Value>(event.get()).unwrap()["id"].as_u64().unwrap()).collect()
    }

    #[test]
    fn events_come_out_in_order_and_stay_until_they_are_delivered() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(Some(folder.path()), 1 << 20);
        spool.push(&[event(1), event(2), event(3)]);
        assert_eq!(ids(&spool), [1, 2, 3]);
        spool.delivered(2);
        spool.push(&[event(4)]);
        assert_eq!(ids(&spool), [3, 4]);
        spool.delivered(2);
        assert_eq!(spool.path().unwrap().metadata().unwrap().len(), 0);
        spool.close();
        assert!(spool.next().unwrap().is_none());
        spool.remove();
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_later_exec_reads_what_an_earlier_one_left() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(Some(folder.path()), 1 << 20);
        spool.push(&[event(1), event(2)]);
        let path = spool.path().unwrap().to_owned();
        assert!(Spool::reopen(&path).unwrap().is_none(), "its owner lives");
        drop(spool);
        let mut cut = std::fs::read(&path).unwrap();
        cut.extend_from_slice(br#"{"id":3,"da"#);
        std::fs::write(&path, cut).unwrap();
        let again = Spool::reopen(&path).unwrap().unwrap();
        assert_eq!(ids(&again), [1, 2]);
    }

    #[test]
    fn without_a_folder_events_wait_in_memory_and_output_beyond_the_limit_is_left_out() {
        let spool = Spool::new(None, 300);
        spool.push(&[event(1), event(2), event(3), json!({"id": 4, "data": {"text": "a note has room"}})]);
        assert_eq!(ids(&spool), [1, 2, 4]);
        assert_eq!((spool.left_out(), spool.only_in_memory(), spool.waiting()), (100, 3, 3));
    }
}
