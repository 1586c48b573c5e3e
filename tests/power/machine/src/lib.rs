//! A machine for SQLite whose power can be cut.
//!
//! While a [`Machine`] lives, the log's files in its folder (`log.db` and what SQLite keeps beside it) are in memory, behind an
//! SQLite VFS that is the default one of the process; everything else, the folder's other databases included, is where it
//! always is. What was written and not synced is lost, kept or torn when the power goes, and so are names of files that were
//! made or taken away. The power goes in a call that changes the disk; from then on every call fails, until the machine is
//! started again with what its disk has.
//!
//! The VFS reports the same properties as SQLite's own VFS for Unix, so that SQLite works as it does outside of the test.

mod boot;
mod disk;
mod locks;
mod vfs;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;

use boot::{Boot, Moment};
use disk::Disk;

/// How often SQLite syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// As the code asks.
    AsAsked,
    /// As with `PRAGMA synchronous = NORMAL`, for every request. Code that asks for FULL gets NORMAL, and the pragma reports FULL.
    Normal,
}

/// A machine that has power.
pub struct Machine {
    folder: PathBuf,
    state: Mutex<State>,
}

struct State {
    rng: Rng,
    boot: Arc<Boot>,
}

impl Machine {
    /// Starts a machine with an empty disk for the log in `folder`. The seed alone decides which unsynced writes survive.
    pub fn start(folder: &Path, seed: u64, synchronous: Synchronous) -> Machine {
        let folder = folder.canonicalize().expect("a folder that is there");
        let boot = Arc::new(Boot::new(folder.clone(), synchronous, Disk::default()));
        vfs::run(&folder, boot.clone());
        Machine { folder, state: Mutex::new(State { rng: Rng::with_seed(seed), boot }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the power in one of the next `calls` calls that change the disk: before it, within it or after it.
    pub fn cut_power_within(&self, calls: u64) {
        let mut state = self.state();
        let moment = state.rng.choice([Moment::Before, Moment::Within, Moment::After]).expect("some");
        let call = state.rng.u64(1..=calls);
        state.boot.cut_in(call, moment);
    }

    /// Does not cut the power after all, if it has not gone yet.
    pub fn keep_power(&self) {
        self.state().boot.keep();
    }

    /// Whether the power is on.
    pub fn has_power(&self) -> bool {
        self.state().boot.has_power()
    }

    /// Cuts the power, if it is not off yet, and starts the machine again with the content of its disk. Files that were open before stay
    /// unusable.
    pub fn restart(&self) {
        let mut state = self.state();
        let State { rng, boot } = &mut *state;
        let disk = boot.cut(rng);
        *boot = Arc::new(Boot::new(self.folder.clone(), boot.synchronous, disk));
        boot.show_names();
        vfs::run(&self.folder, boot.clone());
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        vfs::end(&self.folder);
    }
}

/// Whether a file of the folder is on the machine's disk.
fn is_on_disk(name: &str) -> bool {
    name.starts_with("log.db")
}
