//! Snapshots of the commands' output: stdout, stderr and exit code together, so that the diff shows a change of words.
//!
//! Each file beside this one is a transcript: a command after `$`, its stdout, its stderr after `[stderr]`, and its exit code
//! unless that is 0. This command writes them anew:
//!
//! ```text
//! SNAPSHOTS=overwrite cargo test --test it snapshots
//! ```

mod commands;
mod help;
mod transcript;

use std::collections::BTreeSet;

use transcript::{Transcript, folder};

/// Checks that a test compares every file, so that no file is forgotten.
#[test]
fn every_file_is_compared_by_a_test() {
    let files = ["help", "commands"].map(|kind| std::fs::read_dir(folder().join(kind)).unwrap());
    let files = files.into_iter().flatten().map(|file| file.unwrap().path());
    let found: BTreeSet<String> = files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let helps = help::names().into_iter();
    let known: BTreeSet<String> = helps.chain(commands::NAMES.map(str::to_owned)).collect();
    assert_eq!(found, known);
}
