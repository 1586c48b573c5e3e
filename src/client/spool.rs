//! The spool: the reports of one job that the server does not have yet, in order.
//!
//! It is a file with one event a line, which `jobledger append` reads too. The ledger records an event once, so a file may be sent
//! again although its first events were delivered. An event that the file does not take waits in memory. `jobledger exec` keeps its
//! reports in a spool too.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{BufRead, BufReader, Error, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::lock::lock;
use super::waiting::{Place, State};

/// A spool. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Spool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: Option<PathBuf>,
    limit: u64,
    state: Mutex<State>,
    changed: Condvar,
}

impl Spool {
    /// An empty spool with a new file in `folder`, which is made if it is missing. Other users may not read them. `limit` is for all
    /// that waits, in bytes.
    ///
    /// # Errors
    /// The folder or the file cannot be made.
    pub(crate) fn in_folder(folder: &Path, limit: u64) -> Result<Spool, Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        loop {
            let path = folder.join(format!("{}.ndjson", Uuid::now_v7()));
            let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
            // Before this lock another process or thread may find the empty file, lock it, and remove it as delivered.
            if lock(&file, &path)? {
                return Ok(Spool::of(Some(path), limit, State { file: Some(file), ..State::default() }));
            }
        }
    }

    /// An empty spool without a file.
    pub(crate) fn in_memory(limit: u64) -> Spool {
        Spool::of(None, limit, State::default())
    }

    fn of(path: Option<PathBuf>, limit: u64, state: State) -> Spool {
        Spool(Arc::new(Shared { path, limit, state: Mutex::new(state), changed: Condvar::new() }))
    }

    /// The files that wait in `folder`, the oldest first: their names are time-ordered. None if there is no such folder.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn waiting_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
        let entries = match folder.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
        let mut paths = paths?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
        paths.sort();
        Ok(paths)
    }

    /// A spool that another process left behind, closed; `None` while another process or thread has it, or if one has delivered it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn reopen(path: &Path) -> Result<Option<Spool>, Error> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            // Another process has delivered it meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if !lock(&file, path)? {
            return Ok(None);
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
        Ok(Some(Spool::of(Some(path.to_owned()), 0, state)))
    }

    /// The file, if there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// Adds the events that create and start the job, which stay in the file also when they are delivered.
    ///
    /// # Errors
    /// As [`Spool::push`].
    pub(crate) fn begin(&self, first: &[Value]) -> Result<(), Error> {
        let pushed = self.push(first);
        let mut state = self.0.state.lock();
        state.head = state.to;
        pushed
    }

    /// Adds events. Output that finds no room is left out; everything else is kept.
    ///
    /// # Errors
    /// The file cannot be written: these events and all later ones wait in memory. The error comes once.
    pub(crate) fn push(&self, events: &[Value]) -> Result<(), Error> {
        let mut state = self.0.state.lock();
        let mut pushed = Ok(());
        for event in events {
            pushed = pushed.and(state.push(event, self.0.limit));
        }
        self.0.changed.notify_all();
        pushed
    }

    /// No event follows.
    pub(crate) fn close(&self) {
        self.0.state.lock().closed = true;
        self.0.changed.notify_all();
    }

    /// The next events, at most a batch, which stay in the spool until [`Spool::delivered`]. Waits for one; `None` once the spool
    /// is closed and empty.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn next(&self) -> Result<Option<Vec<Box<RawValue>>>, Error> {
        let mut state = self.0.state.lock();
        self.0.changed.wait_while(&mut state, |state| state.waiting.is_empty() && !state.closed);
        if state.waiting.is_empty() || state.given_up { Ok(None) } else { state.batch().map(Some) }
    }

    /// Drops the first `events`.
    pub(crate) fn delivered(&self, events: usize) {
        self.0.state.lock().delivered(events);
        self.0.changed.notify_all();
    }

    /// Ends the deliveries. The events that wait in the file stay there.
    pub(crate) fn give_up(&self) {
        let mut state = self.0.state.lock();
        (state.closed, state.given_up) = (true, true);
        // Another process may deliver the file from here on, so this one does not write it again. A child
        // process may have the open file for a moment, so closing it does not unlock it at once.
        if let Some(file) = state.file.take() {
            let _ = file.unlock();
        }
        self.0.changed.notify_all();
    }

    /// Waits for the time before the next try. Returns whether there is one.
    pub(crate) fn pause(&self, pause: Duration) -> bool {
        let mut state = self.0.state.lock();
        self.0.changed.wait_while_for(&mut state, |state| !state.given_up, pause);
        !state.given_up
    }

    /// Waits until at most `most` events wait, or no more tries are made. Returns false if `longest` is over before.
    pub(crate) fn wait_for(&self, most: usize, longest: Duration) -> bool {
        let mut state = self.0.state.lock();
        let waits = |state: &mut State| state.waiting.len() > most && !state.given_up;
        !self.0.changed.wait_while_for(&mut state, waits, longest).timed_out()
    }

    /// Whether no more tries are made.
    pub(crate) fn is_given_up(&self) -> bool {
        self.0.state.lock().given_up
    }

    /// How many events wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.0.state.lock().waiting.len() as u64
    }

    /// How many of the events that wait are in memory alone.
    pub(crate) fn only_in_memory(&self) -> u64 {
        self.0.state.lock().waiting.iter().filter(|place| matches!(place, Place::Memory(_))).count() as u64
    }

    /// How many bytes of output found no room.
    pub(crate) fn left_out(&self) -> u64 {
        self.0.state.lock().left_out
    }

    /// Renames the file, because the ledger takes its reports no more, and returns its new path. Later events are dropped.
    ///
    /// # Errors
    /// The file cannot be renamed.
    pub(crate) fn set_aside(&self) -> Result<Option<PathBuf>, Error> {
        let mut state = self.0.state.lock();
        state.is_late = true;
        state.waiting.clear();
        self.0.changed.notify_all();
        drop(state);
        let Some(path) = self.path() else { return Ok(None) };
        let late = path.with_extension(LATE);
        std::fs::rename(path, &late)?;
        Ok(Some(late))
    }

    /// Removes the file of a spool from which everything was delivered.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        self.path().map_or(Ok(()), std::fs::remove_file)
    }
}

/// The ending of the name of a file whose reports came too late.
const LATE: &str = "late";

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

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
        let spool = Spool::in_folder(folder.path(), 1 << 20).unwrap();
        spool.push(&[event(1), event(2), event(3)]).unwrap();
        assert_eq!(ids(&spool), [1, 2, 3]);
        spool.delivered(2);
        spool.push(&[event(4)]).unwrap();
        assert_eq!(ids(&spool), [3, 4]);
        spool.delivered(2);
        assert_eq!(spool.path().unwrap().metadata().unwrap().len(), 0);
        spool.close();
        assert!(spool.next().unwrap().is_none());
        spool.remove().unwrap();
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_later_process_reads_what_an_earlier_one_left() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::in_folder(folder.path(), 1 << 20).unwrap();
        spool.push(&[event(1), event(2)]).unwrap();
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
    fn a_new_file_stays_while_another_thread_delivers_what_it_finds() {
        let folder = tempfile::tempdir().unwrap();
        let ends = AtomicBool::new(false);
        let deliver = || {
            while !ends.load(Ordering::Relaxed) {
                for path in Spool::waiting_in(folder.path()).unwrap() {
                    let found = Spool::reopen(&path).unwrap();
                    found.into_iter().for_each(|spool| spool.remove().unwrap());
                }
            }
        };
        let bytes_of = |n| {
            let spool = Spool::in_folder(folder.path(), 1 << 20)?;
            spool.push(&[event(n)])?;
            let bytes = spool.path().map_or(Ok(0), |path| path.metadata().map(|found| found.len()))?;
            spool.remove().map(|()| bytes)
        };
        let made: Vec<Result<u64, Error>> = std::thread::scope(|scope| {
            scope.spawn(deliver);
            let made = (0..2000).map(bytes_of).collect();
            // Before any check: the other thread ends only then.
            ends.store(true, Ordering::Relaxed);
            made
        });
        assert!(made.iter().all(|bytes| bytes.as_ref().is_ok_and(|bytes| *bytes > 0)), "{made:?}");
    }

    #[test]
    fn a_spool_that_was_given_up_leaves_its_file_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::in_folder(folder.path(), 1 << 20).unwrap();
        spool.push(&[event(1)]).unwrap();
        spool.give_up();
        let path = spool.path().unwrap();
        let before = std::fs::read(path).unwrap();
        spool.push(&[event(2)]).unwrap();
        assert_eq!(std::fs::read(path).unwrap(), before);
        assert_eq!(spool.only_in_memory(), 1);
        assert_eq!(ids(&Spool::reopen(path).unwrap().unwrap()), [1]);
    }

    #[test]
    fn without_a_folder_events_wait_in_memory_and_output_beyond_the_limit_is_left_out() {
        let spool = Spool::in_memory(300);
        spool.push(&[event(1), event(2), event(3), json!({"id": 4, "data": {"text": "a note has room"}})]).unwrap();
        assert_eq!(ids(&spool), [1, 2, 4]);
        assert_eq!((spool.left_out(), spool.only_in_memory(), spool.waiting()), (100, 3, 3));
    }
}
