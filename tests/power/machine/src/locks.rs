//! The state that the connections to one file share while the machine runs, and that a power cut deletes: the locks of the file, and
//! the shared memory of its WAL, with its own locks.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_int;
use std::sync::atomic::AtomicU64;

use rusqlite::ffi::{
    SQLITE_LOCK_EXCLUSIVE, SQLITE_LOCK_NONE, SQLITE_LOCK_PENDING, SQLITE_LOCK_RESERVED, SQLITE_LOCK_SHARED,
    SQLITE_SHM_NLOCK,
};

/// A connection to a file.
pub(crate) type Who = u64;

/// Another handle has the lock.
pub(crate) struct Busy;

#[derive(Default)]
pub(crate) struct Locks {
    levels: BTreeMap<Who, c_int>,
    slots: [Slot; SQLITE_SHM_NLOCK as usize],
    regions: Vec<Region>,
    mapped: BTreeSet<Who>,
}

#[derive(Default)]
struct Slot {
    shared: BTreeSet<Who>,
    exclusive: Option<Who>,
}

/// Memory that several connections write at once. Atomic, so that writing it through a shared reference is allowed.
type Region = Box<[AtomicU64]>;

impl Locks {
    fn level(&self, who: Who) -> c_int {
        self.levels.get(&who).copied().unwrap_or(SQLITE_LOCK_NONE)
    }

    fn others(&self, who: Who) -> c_int {
        let others = self.levels.iter().filter(|(other, _)| **other != who);
        others.map(|(_, level)| *level).max().unwrap_or(SQLITE_LOCK_NONE)
    }

    /// Raises the lock of `who` (`xLock`).
    pub(crate) fn lock(&mut self, who: Who, level: c_int) -> Result<(), Busy> {
        if self.level(who) >= level {
            return Ok(());
        }
        let others = self.others(who);
        if level == SQLITE_LOCK_SHARED {
            return self.take(who, level, others < SQLITE_LOCK_PENDING);
        }
        self.take(who, self.level(who), others < SQLITE_LOCK_RESERVED)?;
        if level == SQLITE_LOCK_EXCLUSIVE {
            // No new reader gets a lock, while the present readers finish.
            self.take(who, SQLITE_LOCK_PENDING, true)?;
            return self.take(who, level, others < SQLITE_LOCK_SHARED);
        }
        self.take(who, level, true)
    }

    fn take(&mut self, who: Who, level: c_int, free: bool) -> Result<(), Busy> {
        if !free {
            return Err(Busy);
        }
        self.levels.insert(who, level);
        Ok(())
    }

    /// Lowers the lock of `who` (`xUnlock`).
    pub(crate) fn unlock(&mut self, who: Who, level: c_int) {
        let level = level.min(self.level(who));
        self.levels.insert(who, level);
    }

    /// Whether a handle is about to write (`xCheckReservedLock`).
    pub(crate) fn is_reserved(&self) -> bool {
        self.levels.values().any(|level| *level >= SQLITE_LOCK_RESERVED)
    }

    /// Takes locks of the WAL's memory, all or none (`xShmLock`).
    pub(crate) fn lock_memory(&mut self, who: Who, first: usize, n: usize, exclusive: bool) -> Result<(), Busy> {
        let slots = &mut self.slots[first..first + n];
        let free = |slot: &Slot| {
            let written = slot.exclusive.is_some_and(|other| other != who);
            let read = slot.shared.iter().any(|other| *other != who);
            !(written || exclusive && read)
        };
        if !slots.iter().all(free) {
            return Err(Busy);
        }
        for slot in slots {
            match exclusive {
                true => slot.exclusive = Some(who),
                false => drop(slot.shared.insert(who)),
            }
        }
        Ok(())
    }

    /// Gives locks of the WAL's memory back.
    pub(crate) fn unlock_memory(&mut self, who: Who, first: usize, n: usize) {
        for slot in &mut self.slots[first..first + n] {
            slot.shared.remove(&who);
            slot.exclusive.take_if(|owner| *owner == who);
        }
    }

    /// A region of the WAL's memory (`xShmMap`); null if the region does not exist and the caller does not ask to make it. The region
    /// keeps its address until the last connection has given it back.
    pub(crate) fn map(&mut self, who: Who, index: usize, size: usize, extend: bool) -> *const AtomicU64 {
        self.mapped.insert(who);
        while extend && self.regions.len() <= index {
            self.regions.push((0..size.div_ceil(8)).map(|_| AtomicU64::new(0)).collect());
        }
        self.regions.get(index).map_or(std::ptr::null(), |region| region.as_ptr())
    }

    /// Notes that `who` no longer uses the WAL's memory (`xShmUnmap`).
    pub(crate) fn unmap(&mut self, who: Who) {
        self.unlock_memory(who, 0, SQLITE_SHM_NLOCK as usize);
        self.mapped.remove(&who);
        if self.mapped.is_empty() {
            self.regions.clear();
        }
    }

    /// Notes that `who` is closed, and drops its locks.
    pub(crate) fn forget(&mut self, who: Who) {
        self.levels.remove(&who);
        self.unmap(who);
    }
}
