//! A disk behind a cache: a reader sees what was written, and what the disk keeps is what was synced.

use std::collections::BTreeMap;

use fastrand::Rng;

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// The files of one folder.
#[derive(Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    names: Names,
    kept_names: Names,
    /// What happened to the names since the folder was synced.
    unsynced: Vec<Naming>,
}

/// Names, and the files that they stand for. A file without a name lives as long as a handle has it open.
type Names = BTreeMap<String, usize>;

/// A file with that name was made, or (`None`) the name was taken away.
struct Naming(String, Option<usize>);

#[derive(Default)]
struct File {
    content: Vec<u8>,
    kept: Vec<u8>,
    /// What happened to the content since it was synced.
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

    /// Answers whether there was such a file.
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

    /// What the file holds is kept. That it has a name is not.
    pub(crate) fn sync(&mut self, file: usize) {
        let File { kept, unsynced, .. } = &mut self.files[file];
        unsynced.drain(..).for_each(|change| change.apply(kept));
    }

    /// The names are kept as they are.
    pub(crate) fn sync_names(&mut self) {
        self.unsynced.clear();
        self.kept_names = self.names.clone();
    }

    /// What the disk has when the power comes back: everything that was synced, and of the rest the part that reached it.
    ///
    /// At one time nearly all of it does, at another nothing: either end is as dangerous as the middle, and never comes about
    /// where each change has the same chance.
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

    /// Some of the sectors of a write are on the disk and some are not. A length changes or does not.
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
