//! The refusals of `jobledger import`. A refused import writes no byte.

use std::path::Path;

use crate::support::cli::{Serving, on};
use crate::support::exports::{append_to, exported, forged, import, small_ledger};
use crate::support::{noted, started, task_job};

/// Lines of an export, without those in `without`.
fn without(export: &str, without: &[usize]) -> String {
    let kept = export.lines().enumerate().filter(|(n, _)| !without.contains(n));
    kept.map(|(_, line)| format!("{line}\n")).collect()
}

/// An export in which `old` was replaced by `new` in one line.
#[track_caller]
fn edited(export: &str, line: usize, old: &str, new: &str) -> String {
    let mut lines: Vec<String> = export.lines().map(str::to_owned).collect();
    assert!(lines[line].contains(old), "{old} is not in {}", lines[line]);
    lines[line] = lines[line].replacen(old, new, 1);
    lines.join("\n") + "\n"
}

fn swapped(export: &str, one: usize, other: usize) -> String {
    let mut lines: Vec<&str> = export.lines().collect();
    lines.swap(one, other);
    lines.join("\n") + "\n"
}

/// Lines that an import refuses, each with the words of the refusal; the lines from 6 on are new to a copy that has the first six.
fn bad(all: &str) -> Vec<(&'static str, String, &'static str)> {
    let salt = all.lines().nth(7).unwrap().split("\"salt\":\"").nth(1).unwrap()[..8].to_owned();
    let other_salt = if salt.starts_with('0') { "1".repeat(8) } else { "0".repeat(8) };
    let half = &all[..all.len() - 20];
    vec![
        ("data", edited(all, 8, "\"end\"", "\"END\""), "line 9"),
        ("space in data", edited(all, 8, "{\"text\":", "{\"text\": "), "line 9"),
        ("salt", edited(all, 7, &salt, &other_salt), "line 8"),
        ("digest", edited(all, 8, "datadigest\\\":\\\"", "datadigest\\\":\\\"0"), "line 9"),
        ("subject", forged(all, 8, |leaf, _| leaf.subject = Some("b".into())), "line 9"),
        (
            "organisation",
            forged(all, 8, |leaf, _| leaf.orgid = Some("37eebc20-d8df-416b-8ac2-01b6eb456318".into())),
            "line 9",
        ),
        ("kind", forged(all, 8, |leaf, _| leaf.jobkind = Some("rule".into())), "jobkind"),
        ("version", edited(all, 8, "job.noted.v1", "job.noted.v9"), "line 9"),
        ("type", edited(all, 8, "job.noted", "job.noticed"), "line 9"),
        ("redacted", forged(all, 8, |_, data| *data = serde_json::json!({})), "line 9"),
        ("order of members", edited(all, 8, "{\\\"specversion\\\":\\\"1.0\\\",", "{"), "line 9"),
        ("missing line", without(all, &[7]), "expected position 7, found 8"),
        ("swapped lines", swapped(all, 7, 8), "expected position 7, found 8"),
        ("repeated line", all.to_owned() + all.lines().last().unwrap(), "expected position 9, found 8"),
        ("half a line", half.to_owned(), "line 9"),
        ("empty line", all.to_owned() + "\n", "line 10"),
        ("text", all.to_owned() + "hello\n", "line 10"),
        ("prev", forged(all, 8, |leaf, _| leaf.prev = Some("5".into())), "prev"),
        ("no prev", forged(all, 8, |leaf, _| leaf.prev = None), "prev"),
        ("prev of another", forged(all, 6, |leaf, _| leaf.prev = Some("5".into())), "prev"),
        (
            "falling time",
            forged(all, 8, |leaf, _| leaf.recordedtime = "2020-01-01T00:00:00.000000Z".into()),
            "recorded at",
        ),
        ("name", forged(all, 8, |leaf, _| leaf.id = first_id(all).into()), "came before"),
        (
            "lifecycle",
            forged(all, 8, |leaf, data| {
                leaf.event_type = "job.started".into();
                leaf.dataschema = "/schema/events/job.started.v1.json".into();
                *data = serde_json::json!({});
            }),
            "completed",
        ),
        ("redacted event", forged_null(all, 8), "line 9"),
        (
            "second genesis",
            forged(all, 8, |leaf, data| {
                let first = serde_json::from_str::<serde_json::Value>(all.lines().next().unwrap()).unwrap();
                (leaf.subject, leaf.orgid, leaf.jobkind, leaf.prev) = (None, None, None, None);
                leaf.event_type = "ledger.created".into();
                leaf.dataschema = "/schema/events/ledger.created.v1.json".into();
                *data = first["data"].clone();
            }),
            "line 9",
        ),
        (
            "unreadable event of the ledger",
            forged(all, 8, |leaf, data| {
                (leaf.subject, leaf.orgid, leaf.jobkind, leaf.prev) = (None, None, None, None);
                leaf.event_type = "ledger.continued".into();
                leaf.dataschema = "/schema/events/ledger.continued.v1.json".into();
                *data = serde_json::json!({"origin": 7});
            }),
            "line 9",
        ),
        (
            "event of nobody",
            forged(all, 8, |leaf, _| {
                (leaf.subject, leaf.orgid, leaf.jobkind, leaf.prev) = (None, None, None, None);
            }),
            "line 9",
        ),
        ("empty", String::new(), "empty"),
    ]
}

fn first_id(all: &str) -> String {
    let line: serde_json::Value = serde_json::from_str(all.lines().nth(1).unwrap()).unwrap();
    let leaf: serde_json::Value = serde_json::from_str(line["leaf"].as_str().unwrap()).unwrap();
    leaf["id"].as_str().unwrap().to_owned()
}

/// The export without salt and data in one line.
fn forged_null(all: &str, line: usize) -> String {
    let mut lines: Vec<String> = all.lines().map(str::to_owned).collect();
    let (leaf, _) = lines[line].split_once(",\"salt\"").unwrap();
    lines[line] = format!("{leaf},\"salt\":null,\"data\":null}}");
    lines.join("\n") + "\n"
}

/// The content of the ledger's files in a folder.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    ["log.db", "ledger.key", "access.db"].map(|name| std::fs::read(folder.join(name)).unwrap_or_default()).into()
}

#[test]
fn import_refuses_a_file_that_is_no_export_before_it_writes_a_byte() {
    let dir = tempfile::tempdir().unwrap();
    let all = exported(&small_ledger(dir.path()), &[]);
    let (nowhere, empty) = (dir.path().join("nowhere"), dir.path().join("empty"));
    std::fs::create_dir(&empty).unwrap();
    let mut cases = bad(&all);
    cases.push(("gap at the start", without(&all, &[0, 1, 2]), "line 1"));
    cases.push(("no genesis", without(&all, &[0]), "line 1"));
    cases.push((
        "a job at position 0",
        {
            let rest = without(&all, &[0, 2, 3, 4, 5, 6, 7, 8]);
            forged(&rest, 0, |leaf, _| leaf.position = "0".into())
        },
        "line 1",
    ));
    cases.push(("genesis that says nothing", forged(&all, 0, |_, data| *data = serde_json::json!({})), "line 1"));
    cases.push(("one job's export", without(&all, &[0, 3, 6]), "line 1"));
    for (name, text, word) in &cases {
        for folder in [&nowhere, &empty] {
            let done = import(folder, text);
            assert_eq!(done.code, 1, "{name}: {} {}", done.stdout, done.stderr);
            assert!(done.stderr.contains(word), "{name}: {}", done.stderr);
            assert!(!folder.join("log.db").exists() && !folder.join("log.db-wal").exists(), "{name}");
        }
        assert!(!nowhere.exists(), "{name}");
    }
    import(&nowhere, [all.as_bytes(), b"\xff\n"].concat()).refused(1, &["line 10"]);
    assert!(!nowhere.exists());
    import(&empty, &all).expect(0);
}

#[test]
fn import_refuses_an_export_that_does_not_continue_the_copy_before_it_writes_a_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (all, copy) = (exported(&small_ledger(dir.path()), &[]), dir.path().join("copy"));
    import(&copy, without(&all, &[6, 7, 8])).expect(0);
    let before = files(&copy);
    let mut cases = bad(&all);
    let tail_of = |text: &str| without(text, &[0, 1, 2, 3, 4, 5]);
    let mut rests: Vec<_> = bad(&all).into_iter().map(|(name, text, _)| (name, tail_of(&text), "")).collect();
    rests.retain(|(_, text, _)| !text.is_empty());
    cases.extend(rests);
    cases.push(("gap", without(&all, &[0, 1, 2, 3, 4, 5, 6]), "expected a position from 0 to 6, found 7"));
    // The export must have exactly the events of the copy, even where no other rule would find the difference.
    cases.push(("known actor", forged(&all, 5, |leaf, _| leaf.actor = "mallory".into()), "another log's"));
    cases.push(("known data", forged(&all, 5, |_, data| *data = serde_json::json!({"text": "y"})), "another log's"));
    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let other = small_ledger(&other);
    cases.push(("another ledger", exported(&other, &[]), "another log's"));
    cases.push(("another ledger's end", exported(&other, &["--after", "4"]), "another log's"));
    for (name, text, word) in &cases {
        let done = import(&copy, text);
        assert_eq!(done.code, 1, "{name}: {} {}", done.stdout, done.stderr);
        assert!(done.stderr.contains(word), "{name}: {}", done.stderr);
        assert!(files(&copy) == before, "{name}");
    }
    import(&copy, &all).expect(0);
    assert_eq!(exported(&copy, &[]), all);
}

#[test]
fn import_refuses_a_ledger_that_takes_writes() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let all = exported(&folder, &[]);
    import(&folder, &all).refused(1, &["takes writes"]);
    let (copy, later) = (dir.path().join("copy"), dir.path().join("later"));
    import(&copy, &all).expect(0);
    on(&copy, "recover", &[]).expect(0);
    append_to(&folder, &noted("a", "meanwhile"), &[]);
    import(&copy, exported(&folder, &[])).refused(1, &["takes writes"]);
    // Two copies of one ledger that both recorded events have different histories.
    import(&later, exported(&folder, &[])).expect(0);
    import(&later, exported(&copy, &[])).refused(1, &["another log's"]);
}

#[test]
fn import_exits_with_2_for_a_folder_in_use_and_a_missing_file() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("original");
    append_to(&folder, &serde_json::json!([task_job("a"), started("a")]), &[]);
    let (copy, all) = (dir.path().join("copy"), exported(&folder, &[]));
    import(&copy, &all).expect(0);
    let server = Serving::start(&copy);
    import(&copy, &all).refused(2, &["is in use"]);
    server.end("TERM").expect(0);
    on(&dir.path().join("new"), "import", &["no-such-file"]).refused(2, &["no-such-file"]);
    assert!(!dir.path().join("new").exists());
}
