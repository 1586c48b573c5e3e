//! `schema/format.md` says which bytes are hashed and signed. The tests compute each of its values from the golden log, and run each of
//! its commands.

use std::collections::HashMap;
use std::fs;

use jobledger::tree::{Hash, VerifierKey, leaf_hash, node_hash, open_note};
use jobledger::wire::{Entry, datadigest};

use crate::support::shell::{lacking, said, shell};
use crate::support::skipped;

const PAGE: &str = include_str!("../../schema/format.md");
const LOG: &str = include_str!("../golden/export.ndjson");
const CHECKPOINT: &str = include_str!("../golden/6.checkpoint");
const KEY: &str = include_str!("../golden/vkey");
/// The position of the example.
const EXAMPLE: usize = 2;

/// The blocks of the page that are marked with `name`.
fn blocks(name: &str) -> Vec<&'static str> {
    let open = format!("```{name}\n");
    PAGE.split(&open).skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}

fn entries() -> Vec<Entry> {
    LOG.lines().map(|line| Entry::parse(line).unwrap()).collect()
}

fn hex(hash: Hash) -> String {
    hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_pages_leaf_and_digest_are_those_of_the_golden_log() {
    let example = &entries()[EXAMPLE];
    let leaf = blocks("leaf")[0].trim_end().as_bytes();
    assert_eq!(leaf, example.leaf);
    assert!(PAGE.contains(&format!("{} bytes, without a newline", leaf.len())));
    assert_eq!(blocks("export")[0].trim_end(), LOG.lines().nth(EXAMPLE).unwrap());
    let (salt, data) = example.content.as_ref().unwrap();
    let digest = datadigest(salt, data);
    assert!(std::str::from_utf8(leaf).unwrap().contains(&digest));
    // The members are said in the order in which they are written.
    let rows = PAGE.split_once("| member |").unwrap().1.split_once("\n\n").unwrap().0;
    let said = rows.lines().skip(2).flat_map(|row| row.split('|').nth(1).unwrap().split(','));
    let said: Vec<String> = said.map(|name| format!("\"{}\":", name.trim().trim_matches('`'))).collect();
    let places: Vec<usize> =
        said.iter().map(|name| std::str::from_utf8(leaf).unwrap().find(name.as_str()).unwrap()).collect();
    assert_eq!(places.len(), 15);
    assert!(places.is_sorted(), "{said:?}");
}

#[test]
fn the_pages_tree_follows_from_the_leaves() {
    let mut known: HashMap<String, Hash> =
        entries().iter().enumerate().map(|(n, entry)| (n.to_string(), leaf_hash(&entry.leaf))).collect();
    let mut newest = String::new();
    for line in blocks("tree")[0].lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let hash = match words[..] {
            ["leaf", n, _] => known[n],
            [name, left, "and", right, _] => {
                let hash = node_hash(&known[left], &known[right]);
                known.insert(name.to_owned(), hash);
                hash
            }
            _ => panic!("{line}"),
        };
        newest = hex(hash);
        assert_eq!(*words.last().unwrap(), newest, "{line}");
    }
    assert_eq!(blocks("checkpoint")[0], CHECKPOINT);
    let key: VerifierKey = KEY.trim().parse().unwrap();
    let root: Hash = open_note(CHECKPOINT, &[key]).unwrap().text.lines().nth(2).unwrap().parse().unwrap();
    assert_eq!(hex(root), newest);
}

#[test]
fn the_commands_print_what_the_page_shows() {
    let folder = tempfile::tempdir().unwrap();
    if let Some(tool) = lacking(&["openssl", "sha256sum", "xxd", "python3"]) {
        return skipped(tool);
    }
    for (name, text) in [("export.ndjson", LOG), ("6.checkpoint", CHECKPOINT), ("vkey", KEY)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut typed = 0;
    for block in blocks("shell") {
        let mut lines = block.lines().peekable();
        while let Some(line) = lines.next() {
            let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("{line}"));
            let mut expected = String::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                expected += line;
                expected.push('\n');
            }
            let done = shell(folder.path(), command);
            assert!(done.status.success(), "{command}");
            assert_eq!(said(&done), expected, "{command}");
            typed += 1;
        }
    }
    assert_eq!(typed, 10);
}
