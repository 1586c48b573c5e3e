//! `jobledger recover` with an anchor that speaks against the log: what was lost is named by the event that continues it.

use std::fs;

use serde_json::json;

use crate::support::anchors::{
    clone, copied, cut, held, kept, ledger, newest, put_back, recovered, refuses, takes_writes, verified,
};
use crate::support::cli::on;
use crate::support::exports::{append_to, exported, import};
use crate::support::{noted, task_job};

#[test]
fn recover_names_the_lost_head_and_keeps_the_lost_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    let (anchor, older) = (data.join("anchor"), copied(&data, "older"));
    append_to(&data, &json!([noted("a", "lost"), noted("a", "lost too")]), &[]);
    let lost = held(&anchor);
    let origin = lost.lines().next().unwrap().to_owned();
    put_back(&data, &older);
    let previous = recovered(&data, &anchor);
    assert_eq!(previous, json!({"origin": origin, "head": "10", "checkpoint": lost}));
    assert_eq!(kept(&anchor), [lost]);
    assert!(held(&anchor).split('\n').nth(1) == Some("12") && !held(&anchor).starts_with(&origin));
    takes_writes(&data, &anchor);
    let (code, report) = verified(&data, &[]);
    assert_eq!((code, &report["anchor"]["size"]), (0, &json!(13)), "{report}");
    // A holder of the lost events can show them.
    let since = fs::read_dir(&anchor).unwrap().map(|file| file.unwrap().path());
    let since = since.into_iter().find(|path| path.to_str().unwrap().contains("before-")).unwrap();
    assert_eq!(verified(&data, &["--since", since.to_str().unwrap()]).0, 5);
    on(&data, "recover", &[]).refused(1, &["takes writes already"]);
}

#[test]
fn each_recovery_keeps_its_own_lost_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    let (anchor, older) = (data.join("anchor"), copied(&data, "older"));
    for lost in 1..=2 {
        append_to(&data, &noted("a", "lost"), &[]);
        put_back(&data, &older);
        // The folder has the key of the name that was lost with the log, so the anchor is believed, and the log is behind it.
        refuses(&data, &anchor, &["has 11", "jobledger recover"]);
        assert_eq!(recovered(&data, &anchor)["head"], "10");
        assert_eq!(kept(&anchor).len(), lost);
    }
    takes_writes(&data, &anchor);
}

#[test]
fn recover_names_a_lost_rotation_by_the_key_that_remains() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    let (anchor, older) = (data.join("anchor"), copied(&data, "older"));
    on(&data, "key rotate", &[]).expect(0);
    fs::remove_file(data.join("ledger.key.previous")).unwrap();
    append_to(&data, &noted("a", "signed by the new key alone"), &[]);
    let lost = held(&anchor);
    put_back(&data, &older);
    refuses(&data, &anchor, &["ledger.key", "13 events", "has 11"]);
    assert_eq!(recovered(&data, &anchor)["checkpoint"], json!(lost));
    takes_writes(&data, &anchor);
}

#[test]
fn recover_names_the_newer_checkpoint_of_log_and_anchor() {
    let dir = tempfile::tempdir().unwrap();
    for (mine, theirs) in [(1, 2), (2, 1)] {
        let dir = dir.path().join(mine.to_string());
        fs::create_dir(&dir).unwrap();
        let data = ledger(&dir);
        let clone = clone(&data, "clone");
        (0..theirs).for_each(|n| append_to(&data, &noted("a", &format!("theirs {n}")), &[]));
        (0..mine).for_each(|n| append_to(&clone, &noted("a", &format!("mine {n}")), &[]));
        let anchor = data.join("anchor");
        let (own, other) = (newest(&clone), held(&anchor));
        let named = recovered(&clone, &anchor)["checkpoint"].clone();
        assert_eq!(named, json!(if mine > theirs { own } else { other.clone() }));
        assert_eq!(kept(&anchor), [other]);
        takes_writes(&clone, &anchor);
    }
}

#[test]
fn an_anchor_of_another_log_is_kept_and_not_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    let other = dir.path().join("other");
    append_to(&other, &json!((0..20).map(|n| task_job(&n.to_string())).collect::<Vec<_>>()), &[]);
    let anchor = other.join("anchor");
    let (own, foreign) = (newest(&data), held(&anchor));
    assert_eq!(recovered(&data, &anchor)["checkpoint"], json!(own));
    assert_eq!(kept(&anchor), [foreign]);
    takes_writes(&data, &anchor);
}

#[test]
fn the_next_start_completes_a_recovery_that_ended_before_it_replaced_the_anchor() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    let anchor = data.join("anchor");
    cut(&data);
    let before = held(&anchor);
    recovered(&data, &anchor);
    // As a crash leaves it: the event is there, the key is not in its place yet, the anchor is the old one.
    fs::write(anchor.join("checkpoint"), &before).unwrap();
    fs::rename(data.join("ledger.key"), data.join("ledger.key.new")).unwrap();
    let mut files = fs::read_dir(&data).unwrap().map(|file| file.unwrap().path());
    let old_key = files.find(|path| path.to_str().unwrap().contains("ledger.key.before-"));
    fs::rename(old_key.unwrap(), data.join("ledger.key")).unwrap();
    takes_writes(&data, &anchor);
    assert!(kept(&anchor) == std::slice::from_ref(&before));
    // From then on it is as much against the log as any other.
    fs::write(anchor.join("checkpoint"), before.replace("\n11\n", "\n12\n")).unwrap();
    refuses(&data, &anchor, &["does not hold a checkpoint of this log"]);
}

#[test]
fn a_backup_beside_a_newer_anchor_is_read_only_until_it_is_continued() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    let anchor = data.join("anchor");
    let backup = copied(&data, "backup").parent().unwrap().to_owned();
    append_to(&data, &noted("a", "after the backup"), &[]);
    assert!(!backup.join("anchor").exists(), "a backup has no anchor, as it has no key");
    refuses(&backup, &anchor, &["ledger.key", "12 events", "has 11"]);
    // The key alone does not help.
    fs::copy(data.join("ledger.key"), backup.join("ledger.key")).unwrap();
    refuses(&backup, &anchor, &["12 events", "has 11"]);
    let lost = held(&anchor);
    assert_eq!(recovered(&backup, &anchor)["checkpoint"], json!(lost));
    takes_writes(&backup, &anchor);
}

#[test]
fn recover_after_an_import_names_the_newest_known_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    let (anchor, copy) = (data.join("anchor"), dir.path().join("copy"));
    let export = exported(&data, &[]);
    append_to(&data, &noted("a", "after the export"), &[]);
    import(&copy, export).expect(0);
    let known = held(&anchor);
    assert_eq!(recovered(&copy, &anchor)["checkpoint"], json!(known));
    takes_writes(&copy, &anchor);
}
