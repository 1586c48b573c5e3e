//! Evidence bundles: read, changed as an attacker would change them, and checked by both verifiers, the command and `verify.py`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use jobledger::tree::{Checkpoint, Receipt, SigningKey};
use tar::{Archive, Builder, EntryType, Header};

use super::cli::{Done, cli};

/// A bundle's files in their order, in one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    pub folder: String,
    pub files: Vec<(String, Vec<u8>)>,
}

impl Bundle {
    /// Reads a tar as the ledger writes it.
    #[track_caller]
    pub fn read(tar: &[u8]) -> Bundle {
        let mut folder = String::new();
        let mut archive = Archive::new(tar);
        let files = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let (first, name) = path.split_once('/').unwrap();
            folder = first.to_owned();
            let mut bytes = Vec::new();
            std::io::copy(&mut entry, &mut bytes).unwrap();
            (name.to_owned(), bytes)
        });
        let files = files.collect();
        Bundle { folder, files }
    }

    /// The bundle as a tar.
    pub fn tar(&self) -> Vec<u8> {
        let mut tar = Builder::new(Vec::new());
        for (name, bytes) in &self.files {
            add(&mut tar, EntryType::Regular, &format!("{}/{name}", self.folder), bytes);
        }
        tar.into_inner().unwrap()
    }

    /// Unpacks the bundle in `place`. Returns the bundle's folder.
    pub fn unpack(&self, place: &Path) -> PathBuf {
        let folder = place.join(&self.folder);
        for (name, bytes) in &self.files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    #[track_caller]
    pub fn bytes(&mut self, name: &str) -> &mut Vec<u8> {
        let found = self.files.iter_mut().find(|(known, _)| known == name);
        &mut found.unwrap_or_else(|| panic!("no file {name}")).1
    }

    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.clone().bytes(name).clone()).unwrap()
    }

    /// Changes the text of a file. Fails if `change` changes nothing.
    #[track_caller]
    pub fn edit(&mut self, name: &str, change: impl FnOnce(String) -> String) {
        let before = self.text(name);
        let after = change(before.clone());
        assert_ne!(before, after, "{name} was not changed");
        *self.bytes(name) = after.into_bytes();
    }

    /// Replaces `from` in the file, which must contain it.
    #[track_caller]
    pub fn replace(&mut self, name: &str, from: &str, to: &str) {
        self.edit(name, |text| text.replace(from, to));
    }

    /// Changes the lines of the three files with one line for each event: leaves, data and salts.
    #[track_caller]
    pub fn lines(&mut self, change: impl Fn(&mut Vec<String>)) {
        for name in ["leaves.ndjson", "data.ndjson", "salts.txt"] {
            self.line(name, &change);
        }
    }

    /// Changes the lines of one file.
    #[track_caller]
    pub fn line(&mut self, name: &str, change: impl Fn(&mut Vec<String>)) {
        self.edit(name, |text| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            change(&mut lines);
            lines.iter().map(|line| format!("{line}\n")).collect()
        });
    }

    /// Changes the receipt in the file `name`.
    #[track_caller]
    pub fn proof(&mut self, name: &str, change: impl FnOnce(&mut Receipt)) {
        self.edit(name, |text| {
            let mut proof = text.parse().unwrap();
            change(&mut proof);
            proof.to_string()
        });
    }

    /// Changes the leaf on the line `number` (from 0), and in its receipt, as a forger who knows the format would.
    #[track_caller]
    pub fn leaf(&mut self, number: usize, from: &str, to: &str) {
        let line = self.text("leaves.ndjson").lines().nth(number).unwrap().to_owned();
        let forged = line.replacen(from, to, 1);
        let position = line.split("\"position\":\"").nth(1).unwrap().split('"').next().unwrap();
        self.line("leaves.ndjson", |lines| lines[number] = forged.clone());
        self.proof(&format!("proofs/{position}.tlog-proof"), |proof| proof.extra = Some(forged.clone().into_bytes()));
    }

    pub fn remove(&mut self, name: &str) {
        let before = self.files.len();
        self.files.retain(|(known, _)| known != name);
        assert_eq!(self.files.len(), before - 1, "{name}");
    }

    /// Replaces the checkpoint by `note`, in the file `checkpoint` and in every receipt.
    pub fn under(&mut self, note: &str) {
        for (name, bytes) in &mut self.files {
            if name == "checkpoint" {
                *bytes = note.as_bytes().to_vec();
            } else if name.contains("proofs/") {
                let proof: Receipt = std::str::from_utf8(bytes).unwrap().parse().unwrap();
                *bytes = Receipt { checkpoint: note.to_owned(), ..proof }.to_string().into_bytes();
            }
        }
    }

    /// The content of the bundle's checkpoint, unverified.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint::claimed(&self.text("checkpoint")).unwrap()
    }

    /// The exit code of both verifiers for the bundle as a tar. Fails if they differ.
    #[track_caller]
    pub fn verdict(&self, key: Option<&str>) -> i32 {
        verdict(&self.tar(), key)
    }
}

/// Adds an entry of any type under any name.
pub fn add(tar: &mut Builder<Vec<u8>>, kind: EntryType, path: &str, bytes: &[u8]) {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..path.len().min(100)].copy_from_slice(&path.as_bytes()[..path.len().min(100)]);
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append(&header, bytes).unwrap();
}

/// The exit code of both verifiers for these bytes. Fails if they differ.
#[track_caller]
pub fn verdict(tar: &[u8], key: Option<&str>) -> i32 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evidence.tar");
    fs::write(&path, tar).unwrap();
    both(&path, key)
}

/// The exit code of both verifiers for a file or folder. Fails if they differ.
#[track_caller]
pub fn both(path: &Path, key: Option<&str>) -> i32 {
    let key: Vec<&str> = key.into_iter().flat_map(|key| ["--vkey", key]).collect();
    let ours = verify(path, &key);
    if let Some(theirs) = python(path, &key) {
        assert_eq!(theirs.code, ours.code, "verify.py: {}{}\nours: {}", theirs.stdout, theirs.stderr, ours.stdout);
    }
    ours.code
}

/// `jobledger verify bundle`.
pub fn verify(path: &Path, more: &[&str]) -> Done {
    cli(["verify", "bundle", "--json"]).arg(path).args(more).run()
}

/// Runs `verify.py` of this source tree. Returns `None` if this machine lacks Python 3 or OpenSSL 3.
pub fn python(path: &Path, more: &[&str]) -> Option<Done> {
    if !has_python() {
        super::skipped("python3 and openssl 3");
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/evidence/verify.py");
    let output = Command::new("python3").arg(script).arg(path).args(more).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().expect("it ends by itself");
    Some(Done { code, stdout: text(output.stdout), stderr: text(output.stderr) })
}

/// Whether this machine has Python 3 and OpenSSL 3, which `verify.py` needs. Looks once in a test run.
fn has_python() -> bool {
    static FOUND: LazyLock<bool> = LazyLock::new(|| {
        let version = |program: &str, argument: &str| {
            let output = Command::new(program).arg(argument).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
        };
        version("python3", "--version").starts_with("Python 3")
            && version("openssl", "version").starts_with("OpenSSL 3")
    });
    *FOUND
}

/// A key that signs under this name and that no log names.
pub fn stranger(name: &str) -> SigningKey {
    SigningKey::from_seed(name, &[77; 32]).unwrap()
}
