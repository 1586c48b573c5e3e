//! Exports as text, and small ledgers to export. Tests change the text as an attacker would.

use std::path::{Path, PathBuf};

use jobledger::wire::{Entry, Leaf, datadigest};
use serde_json::{Value, json};

use super::cli::{Done, cli, on};
use super::events::event;
use super::jobs::{ROLE_JOB, completed, noted, role_job, rule_job, started, task_job};

/// An organisation that is not the default one.
pub const OTHER: &str = "37eebc20-d8df-416b-8ac2-01b6eb456318";

/// The output of `jobledger export` with the further arguments `more`.
#[track_caller]
pub fn exported(folder: &Path, more: &[&str]) -> String {
    on(folder, "export", more).expect(0).stdout
}

/// Runs `jobledger append --data` on a folder that no server has open.
#[track_caller]
pub fn append_to(folder: &Path, events: &Value, more: &[&str]) {
    let append = cli(["append", "-", "--create", "--data"]).arg(folder).args(more);
    append.run_with(events.to_string()).expect(0);
}

/// A ledger in `dir` with jobs of all kinds in two organisations: the genesis event and eight more.
///
/// 1 `a` created, 2 started, 3 a role job of the other organisation, 4 `a` progress, 5 a note, 6 a rule job, 7 `a` completed,
/// 8 a note.
pub fn small_ledger(dir: &Path) -> PathBuf {
    let folder = dir.join("original");
    append_to(&folder, &json!([task_job("a"), started("a")]), &[]);
    append_to(&folder, &role_job(ROLE_JOB), &["--org", OTHER, "--actor", "gateway"]);
    let progress =
        event("job.progress", "a", json!({"records_processed": 1, "total_records": 4, "message": "Größe: 10 €"}));
    let rest =
        [progress, noted("a", "x \" \u{2028} \\ y"), rule_job("r", &["1", "2"]), completed("a"), noted("a", "end")];
    append_to(&folder, &json!(rest), &[]);
    folder
}

/// Imports `text` into `folder`, from a file beside it.
pub fn import(folder: &Path, text: impl AsRef<[u8]>) -> Done {
    let path = folder.with_extension("ndjson");
    std::fs::write(&path, text).unwrap();
    on(folder, "import", &[path.to_str().unwrap()])
}

/// The export with one line changed, and with the digest of the changed data in its leaf. Only a forger writes such a line.
pub fn forged(export: &str, line: usize, change: impl FnOnce(&mut Leaf<'_>, &mut Value)) -> String {
    let mut lines: Vec<String> = export.lines().map(str::to_owned).collect();
    let Entry { leaf, content } = Entry::parse(&lines[line]).unwrap();
    let (salt, data) = content.unwrap();
    let mut leaf = Leaf::parse(&leaf).unwrap();
    let mut value = serde_json::from_slice(&data).unwrap();
    change(&mut leaf, &mut value);
    let data = serde_json::to_vec(&value).unwrap();
    leaf.datadigest = datadigest(&salt, &data).into();
    let line_of = Entry { leaf: leaf.to_bytes(), content: Some((salt, data)) };
    lines[line] = String::from_utf8(line_of.to_bytes()).unwrap();
    lines.join("\n") + "\n"
}
