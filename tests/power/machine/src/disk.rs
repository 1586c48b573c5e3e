//! A disk behind a cache: a reader sees written bytes at once, and the disk surely keeps synced bytes only.

use std::collections::BTreeMap;

use fastrand::Rng;

/// The bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// The files of one folder.
#[derive(Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    names: Names,
    kept_names: Names,
    /// The changes of names since the folder was synced.
    unsynced: Vec<Naming>,
}

/// Names, and the files that they stand for. A file without a name lives as long as a handle has it open.
type Names = BTreeMap<String, usize>;

/// A change of a name: the file that got the name, or `None` if the name was removed.
struct Naming(String, Option<usize>);

#[derive(Default)]
struct File {
    content: Vec<u8>,
    kept: Vec<u8>,
    /// The changes of the content since it was synced.
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Disk {
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    pub(crate) fn create(&mut self, name: &str) -> usize {
        self.files.push(File::default());
        let file = self.files.len() - 1;
        self.name(Naming(name.to_owned(), Some(file)));
        file
    }

    /// Returns whether the file existed.
    pub(crate) fn delete(&mut self, name: &str) -> bool {
        let known = self.names.contains_key(name);
        if known {
            self.name(Naming(name.to_owned(), None));
        }
        known
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.unsynced.push(naming);
    }

    pub(crate) fn content(&self, file: usize) -> &[u8] {
        &self.files[file].content
    }

    pub(crate) fn write(&mut self, file: usize, at: usize, bytes: &[u8]) {
        self.files[file].change(Change::Write(at, bytes.to_vec()));
    }

    pub(crate) fn truncate(&mut self, file: usize, len: usize) {
        self.files[file].change(Change::Truncate(len));
    }

    /// Keeps the content of the file. Does not keep its name.
    pub(crate) fn sync(&mut self, file: usize) {
        let File { kept, unsynced, .. } = &mut self.files[file];
        unsynced.drain(..).for_each(|change| change.apply(kept));
    }

    /// Keeps the names as they are.
    pub(crate) fn sync_names(&mut self) {
        self.unsynced.clear();
        self.kept_names = self.names.clone();
    }

    /// The content of the disk when the power is back: everything that was synced, and a part of the other changes.
    ///
    /// Sometimes nearly all other changes reach the disk, and sometimes none. Both are as dangerous as a half, and would never happen if
    /// each change had the same chance.
    pub(crate) fn after_power_loss(self, rng: &mut Rng) -> Disk {
        let chance = rng.choice([0.0, 0.2, 0.5, 0.9, 1.0]).expect("some");
        let mut names = self.kept_names;
        for naming in self.unsynced {
            if rng.f64() < chance {
                naming.apply(&mut names);
            }
        }
        let mut files = self.files;
        let mut disk = Disk::default();
        for (name, file) in names {
            let mut file = std::mem::take(&mut files[file]);
            for change in file.unsynced {
                if rng.f64() < chance {
                    change.apply(&mut file.kept);
                } else if rng.bool() {
                    change.tear(rng, &mut file.kept);
                }
            }
            disk.names.insert(name, disk.files.len());
            disk.files.push(File { content: file.kept.clone(), kept: file.kept, unsynced: Vec::new() });
        }
        disk.kept_names = disk.names.clone();
        disk
    }
}

impl Naming {
    fn apply(&self, names: &mut Names) {
        match self.1 {
            Some(file) => names.insert(self.0.clone(), file),
            None => names.remove(&self.0),
        };
    }
}

impl File {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.content);
        self.unsynced.push(change);
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Write(at, bytes) => put(content, *at, bytes),
            Change::Truncate(len) => content.truncate(*len),
        }
    }

    /// Applies a part of a change: some sectors of a write, and the whole or nothing of a new length.
    fn tear(&self, rng: &mut Rng, content: &mut Vec<u8>) {
        let Change::Write(start, bytes) = self else { return };
        let (mut at, end) = (*start, start + bytes.len());
        while at < end {
            let next = ((at / SECTOR + 1) * SECTOR).min(end);
            if rng.bool() {
                put(content, at, &bytes[at - start..next - start]);
            }
            at = next;
        }
    }
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(bytes);
}
