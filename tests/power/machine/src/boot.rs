//! The machine from its start to the next power cut: its disk, its locks, and the calls until the cut.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use rusqlite::ffi;

use crate::Synchronous;
use crate::disk::Disk;
use crate::locks::{Busy, Locks, Who};

/// An answer to SQLite, or its code for the error.
pub(crate) type Answer<T> = Result<T, c_int>;

pub(crate) struct Boot {
    folder: PathBuf,
    pub(crate) synchronous: Synchronous,
    state: Mutex<State>,
}

struct State {
    disk: Disk,
    /// By file.
    locks: BTreeMap<usize, Locks>,
    power: Power,
    /// Calls so far that change the disk.
    calls: u64,
    connections: Who,
}

/// How long the machine has power.
#[derive(Clone, Copy)]
enum Power {
    On,
    /// The power is cut in the call with this number.
    Until(u64, Moment),
    Off,
}

/// The moment in a call at which the power is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// Before the call changes anything.
    Before,
    /// After the call changed the disk. The caller gets an error.
    Within,
    /// After the call changed the disk and succeeded. The next call is the first one to fail.
    After,
}

impl Boot {
    pub(crate) fn new(folder: PathBuf, synchronous: Synchronous, disk: Disk) -> Boot {
        let state = State { disk, locks: BTreeMap::new(), power: Power::On, calls: 0, connections: 0 };
        Boot { folder, synchronous, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has_power(&self) -> bool {
        !matches!(self.state().power, Power::Off)
    }

    /// Cuts the power in the call that is `calls` disk changes from now.
    pub(crate) fn cut_in(&self, calls: u64, moment: Moment) {
        self.power(|now| Power::Until(now + calls, moment));
    }

    /// Does not cut the power.
    pub(crate) fn keep(&self) {
        self.power(|_| Power::On);
    }

    /// What has gone does not come back.
    fn power(&self, power: impl FnOnce(u64) -> Power) {
        let mut state = self.state();
        if !matches!(state.power, Power::Off) {
            state.power = power(state.calls);
        }
    }

    /// Cuts the power now. Returns the content that the disk keeps.
    pub(crate) fn cut(&self, rng: &mut Rng) -> Disk {
        let mut state = self.state();
        state.power = Power::Off;
        std::mem::take(&mut state.disk).after_power_loss(rng)
    }

    /// A call that changes nothing on the disk; `failed` is the answer where there is no power.
    fn look<T>(&self, failed: c_int, look: impl FnOnce(&mut State) -> T) -> Answer<T> {
        let mut state = self.state();
        match state.power {
            Power::Off => Err(failed),
            Power::On | Power::Until(..) => Ok(look(&mut state)),
        }
    }

    /// A call that changes the disk, or has it keep a change. These alone are counted: how often readers look depends on
    /// when their threads run, and what the disk has depends on this.
    fn change<T>(&self, failed: c_int, change: impl FnOnce(&mut State) -> T) -> Answer<T> {
        let mut state = self.state();
        state.calls += 1;
        let moment = match state.power {
            Power::Off => return Err(failed),
            Power::Until(call, moment) if state.calls >= call => Some(moment),
            Power::Until(..) | Power::On => None,
        };
        if moment.is_some() {
            state.power = Power::Off;
        }
        match moment {
            Some(Moment::Before) => Err(failed),
            Some(Moment::Within) => {
                change(&mut state);
                Err(failed)
            }
            Some(Moment::After) | None => Ok(change(&mut state)),
        }
    }

    /// Makes the real folder name exactly the files of this disk, all empty, because code that looks for a log looks in the real folder.
    pub(crate) fn show_names(&self) {
        let state = self.state();
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| crate::is_on_disk(name) && state.disk.find(name).is_none()) {
                std::fs::remove_file(entry.path()).expect("the folder is a test's own");
            }
        }
        for name in state.disk.names() {
            std::fs::write(self.folder.join(name), []).expect("the folder is a test's own");
        }
    }

    pub(crate) fn open(self: &Arc<Boot>, name: &str, flags: c_int) -> Answer<Connection> {
        let found = self.look(ffi::SQLITE_CANTOPEN, |state| state.disk.find(name))?;
        let file = match found {
            Some(file) => file,
            None if flags & ffi::SQLITE_OPEN_CREATE == 0 => return Err(ffi::SQLITE_CANTOPEN),
            None => self.change(ffi::SQLITE_CANTOPEN, |state| state.disk.create(name))?,
        };
        if found.is_none() {
            self.show_names();
        }
        // What SQLite's own VFS does: the name of a new journal is kept with the journal's first sync.
        let journal = flags & (ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL) != 0;
        let who = self.look(ffi::SQLITE_CANTOPEN, |state| {
            state.connections += 1;
            state.connections
        })?;
        Ok(Connection { boot: self.clone(), file, who, with_name: journal && found.is_none() })
    }

    pub(crate) fn delete(&self, name: &str, sync: bool) -> Answer<()> {
        let known = self.look(ffi::SQLITE_IOERR_DELETE, |state| state.disk.find(name).is_some())?;
        if !known {
            return Err(ffi::SQLITE_IOERR_DELETE_NOENT);
        }
        self.change(ffi::SQLITE_IOERR_DELETE, |state| state.disk.delete(name))?;
        self.show_names();
        if sync { self.change(ffi::SQLITE_IOERR_DIR_FSYNC, |state| state.disk.sync_names()) } else { Ok(()) }
    }

    pub(crate) fn exists(&self, name: &str) -> Answer<bool> {
        self.look(ffi::SQLITE_IOERR_ACCESS, |state| state.disk.find(name).is_some())
    }
}

/// An open file.
pub(crate) struct Connection {
    pub(crate) boot: Arc<Boot>,
    file: usize,
    who: Who,
    /// The file is new, and its first sync keeps its name too.
    with_name: bool,
}

impl Connection {
    /// Fills `bytes` from the file. Bytes beyond the end become zeros, and the result is SQLite's code for a short read.
    pub(crate) fn read(&self, at: usize, bytes: &mut [u8]) -> Answer<()> {
        self.boot.look(ffi::SQLITE_IOERR_READ, |state| {
            let content = state.disk.content(self.file);
            let there = content.get(at..).unwrap_or_default();
            let n = there.len().min(bytes.len());
            bytes[..n].copy_from_slice(&there[..n]);
            bytes[n..].fill(0);
            if n == bytes.len() { Ok(()) } else { Err(ffi::SQLITE_IOERR_SHORT_READ) }
        })?
    }

    pub(crate) fn write(&self, at: usize, bytes: &[u8]) -> Answer<()> {
        self.boot.change(ffi::SQLITE_IOERR_WRITE, |state| state.disk.write(self.file, at, bytes))
    }

    pub(crate) fn truncate(&self, len: usize) -> Answer<()> {
        self.boot.change(ffi::SQLITE_IOERR_TRUNCATE, |state| state.disk.truncate(self.file, len))
    }

    pub(crate) fn sync(&mut self) -> Answer<()> {
        self.boot.change(ffi::SQLITE_IOERR_FSYNC, |state| state.disk.sync(self.file))?;
        if self.with_name {
            self.boot.change(ffi::SQLITE_IOERR_DIR_FSYNC, |state| state.disk.sync_names())?;
            self.with_name = false;
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> Answer<usize> {
        self.boot.look(ffi::SQLITE_IOERR_FSTAT, |state| state.disk.content(self.file).len())
    }

    /// What needs a lock needs power; `SQLITE_BUSY` if another handle has it.
    fn take(&self, failed: c_int, take: impl FnOnce(&mut Locks) -> Result<(), Busy>) -> Answer<()> {
        let taken = self.boot.look(failed, |state| take(state.locks.entry(self.file).or_default()))?;
        taken.map_err(|Busy| ffi::SQLITE_BUSY)
    }

    /// Giving back never fails.
    fn give(&self, give: impl FnOnce(&mut Locks)) {
        give(self.boot.state().locks.entry(self.file).or_default());
    }

    pub(crate) fn lock(&self, level: c_int) -> Answer<()> {
        self.take(ffi::SQLITE_IOERR_LOCK, |locks| locks.lock(self.who, level))
    }

    pub(crate) fn unlock(&self, level: c_int) {
        self.give(|locks| locks.unlock(self.who, level));
    }

    pub(crate) fn is_reserved(&self) -> Answer<bool> {
        let mut reserved = false;
        self.take(ffi::SQLITE_IOERR_CHECKRESERVEDLOCK, |locks| {
            reserved = locks.is_reserved();
            Ok(())
        })?;
        Ok(reserved)
    }

    pub(crate) fn lock_memory(&self, first: usize, n: usize, exclusive: bool) -> Answer<()> {
        self.take(ffi::SQLITE_IOERR_SHMLOCK, |locks| locks.lock_memory(self.who, first, n, exclusive))
    }

    pub(crate) fn unlock_memory(&self, first: usize, n: usize) {
        self.give(|locks| locks.unlock_memory(self.who, first, n));
    }

    pub(crate) fn map(&self, index: usize, size: usize, extend: bool) -> Answer<*const AtomicU64> {
        let locks = |state: &mut State| state.locks.entry(self.file).or_default().map(self.who, index, size, extend);
        self.boot.look(ffi::SQLITE_IOERR_SHMMAP, locks)
    }

    pub(crate) fn unmap(&self) {
        self.give(|locks| locks.unmap(self.who));
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.give(|locks| locks.forget(self.who));
    }
}
