//! `jobledger export`, and `jobledger import` of its output: the imported log exports the same bytes.

use serde_json::Value;

use crate::support::cli::{Serving, cli, on, token};
use crate::support::exports::{OTHER, append_to, exported, import, small_ledger};
use crate::support::{ROLE_JOB, Recording, noted};

#[test]
fn an_export_restores_everything_and_exports_the_same_bytes_again() {
    let dir = tempfile::tempdir().unwrap();
    let original = small_ledger(dir.path());
    let (copy, all) = (dir.path().join("copy"), exported(&original, &[]));
    assert_eq!(all.lines().count(), 9);
    assert!(all.starts_with("{\"leaf\":\"{") && all.lines().next().unwrap().contains("ledger.created"));
    let done = import(&copy, &all).expect(0);
    assert_eq!(done.stdout, "imported 9 events; the newest position is 8\n");
    assert_eq!(exported(&copy, &[]), all);
    // A second import changes nothing.
    let done = import(&copy, &all).expect(0);
    assert_eq!(done.stdout, "imported 0 events; the newest position is 8\n");
    assert_eq!(exported(&copy, &[]), all);
}

#[test]
fn every_recorded_history_is_restored_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(Recording::all()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let all = std::fs::read_to_string(entry.path().join("events.ndjson")).unwrap();
            let copy = dir.path().join(entry.file_name());
            import(&copy, &all).expect(0);
            assert!(exported(&copy, &[]) == all, "{:?}", entry.file_name());
            count += 1;
        }
    }
    assert!(count >= 20, "{count} histories");
}

#[test]
fn a_part_of_a_log_can_be_exported() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let all = exported(&folder, &[]);
    let lines = |numbers: &[usize]| -> String {
        numbers.iter().map(|n| format!("{}\n", all.lines().nth(*n).unwrap())).collect()
    };
    for (more, numbers) in [
        (&["--after", "0"][..], &[1, 2, 3, 4, 5, 6, 7, 8][..]),
        (&["--after", "6"], &[7, 8]),
        (&["--after", "8"], &[]),
        (&["--after", "999"], &[]),
        (&["--job", "a"], &[1, 2, 4, 5, 7, 8]),
        (&["--job", "a", "--after", "4"], &[5, 7, 8]),
        (&["--job", ROLE_JOB, "--org", OTHER], &[3]),
        (&["--job", &ROLE_JOB.to_uppercase(), "--org", OTHER], &[3]),
    ] {
        assert_eq!(exported(&folder, more), lines(numbers), "{more:?}");
    }
    on(&folder, "export", &["--job", ROLE_JOB]).refused(1, &[ROLE_JOB]);
    on(&folder, "export", &["--after", "x"]).refused(2, &["--after"]);
    on(&dir.path().join("nowhere"), "export", &[]).refused(2, &["nowhere"]);
    assert!(!dir.path().join("nowhere").exists());
}

#[test]
fn an_export_goes_to_a_file_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let file = dir.path().join("out.ndjson");
    let path = file.to_str().unwrap();
    assert_eq!(on(&folder, "export", &["-o", path]).expect(0).stdout, "exported 9 events\n");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), exported(&folder, &[]));
    on(&folder, "export", &["--output", path, "--job", "nobody"]).refused(1, &["nobody"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), exported(&folder, &[]), "what was there stays");
    let here = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(here.filter(|name| name.to_string_lossy().contains("out")).count(), 1, "nothing else is left");
    let nowhere = dir.path().join("no/such/out.ndjson");
    on(&folder, "export", &["-o", nowhere.to_str().unwrap()]).expect(2);
}

#[test]
fn an_export_writes_to_a_pipe_or_device_and_never_replaces_it() {
    use std::os::unix::fs::FileTypeExt;
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let all = exported(&folder, &[]);
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("file"), "old").unwrap();
    std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
    on(&folder, "export", &["-o", at("link").to_str().unwrap()]).expect(0);
    assert!(at("link").is_symlink());
    assert_eq!(std::fs::read_to_string(at("file")).unwrap(), all);
    assert!(std::process::Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    let (read, fifo) = (
        std::thread::spawn({
            let fifo = at("fifo");
            move || std::fs::read_to_string(fifo)
        }),
        at("fifo"),
    );
    on(&folder, "export", &["-o", fifo.to_str().unwrap()]).expect(0);
    assert_eq!(read.join().unwrap().unwrap(), all);
    assert!(fifo.metadata().unwrap().file_type().is_fifo());
    let (folder_name, nowhere) = (dir.path().to_str().unwrap(), at("nowhere/file"));
    on(&folder, "export", &["-o", folder_name]).refused(2, &[folder_name]);
    on(&folder, "export", &["-o", nowhere.to_str().unwrap()]).refused(2, &["nowhere/file"]);
}

#[test]
fn an_export_beside_a_running_server_is_what_the_server_shows() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let server = Serving::start(&folder);
    server.client(&token(&folder, "worker")).append(&noted("a", "live")).expect(201);
    let lines = on(&folder, "export", &["--after", "0"]).expect(0).json_lines();
    assert_eq!(lines.len(), 9);
    let auditor = server.client(&token(&folder, "auditor"));
    let shown = auditor.get("/ledger/events?after=0").json();
    for (line, event) in lines.iter().zip(shown["events"].as_array().unwrap()) {
        let leaf: Value = serde_json::from_str(line["leaf"].as_str().unwrap()).unwrap();
        for name in ["id", "source", "type", "subject", "time", "position", "recordedtime", "actor", "orgid", "jobkind"]
        {
            assert_eq!(leaf[name], event[name], "{name}");
        }
        assert_eq!(line["data"], event["data"]);
    }
}

#[test]
fn a_server_exports_what_its_folder_exports() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let server = Serving::start(&folder);
    let auditor = token(&folder, "auditor");
    let export = |more: &[&str]| cli(["export", "--url", &server.url, "--token", &auditor]).args(more).run();
    for more in [
        &[][..],
        &["--checkpoint"],
        &["--after", "6"],
        &["--after", "999"],
        &["--job", "a"],
        &["--job", "a", "--after", "4"],
        &["--job", ROLE_JOB, "--org", OTHER],
    ] {
        assert_eq!(export(more).expect(0).stdout, exported(&folder, more), "{more:?}");
    }
    assert!(export(&["--checkpoint"]).expect(0).stdout.lines().last().unwrap().starts_with("{\"checkpoint\":"));
    export(&["--job", ROLE_JOB]).refused(1, &["no such job"]);
    export(&["--job", "a", "--checkpoint"]).refused(2, &["--checkpoint"]);
    let file = dir.path().join("signed.ndjson");
    let path = file.to_str().unwrap();
    assert_eq!(export(&["--checkpoint", "-o", path]).expect(0).stdout, "exported 9 events\n");
    let client = server.client(&auditor);
    for (query, named) in [
        ("org=37eebc20-d8df-416b-8ac2-01b6eb456318", "`org`"),
        ("checkpoint=true&from=1", "`checkpoint`"),
        ("checkpoint=1", "`checkpoint`"),
    ] {
        let refused = client.get(&format!("/ledger/export?{query}")).expect(400).json();
        assert!(refused["detail"].as_str().unwrap().contains(named), "{refused}");
    }
    client.get("/ledger/export?job=nobody").expect(404);
}

#[test]
fn a_longer_export_continues_a_copy_whole_or_from_where_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let original = small_ledger(dir.path());
    let (first, copies) = (exported(&original, &[]), ["whole", "rest", "overlap"].map(|name| dir.path().join(name)));
    append_to(&original, &serde_json::json!([noted("a", "later"), crate::support::task_job("b")]), &[]);
    let all = exported(&original, &[]);
    let continuations = [all.clone(), exported(&original, &["--after", "8"]), exported(&original, &["--after", "3"])];
    for (copy, more) in copies.iter().zip(&continuations) {
        import(copy, &first).expect(0);
        let done = import(copy, more).expect(0);
        assert_eq!(done.stdout, "imported 2 events; the newest position is 10\n");
        assert_eq!(exported(copy, &[]), all);
    }
}

#[test]
fn an_import_that_was_killed_leaves_no_events_and_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let (original, copy) = (dir.path().join("original"), dir.path().join("copy"));
    let mut events: Vec<Value> = (0..10).map(|n| crate::support::task_job(&format!("j{n}"))).collect();
    events.extend((0..20_000).map(|n| noted(&format!("j{}", n % 10), &"x".repeat(100))));
    append_to(&original, &Value::Array(events), &[]);
    let file = dir.path().join("all.ndjson");
    on(&original, "export", &["-o", file.to_str().unwrap()]).expect(0);
    let mut running = cli(["import", "--data"]).arg(&copy).arg(&file).start();
    // The command checks the file first, and then makes and fills the database.
    running.until(|| copy.join("log.db").exists());
    running.signal("KILL");
    running.wait().expect(128 + 9);
    on(&copy, "export", &[]).refused(2, &[copy.to_str().unwrap()]);
    on(&copy, "import", &[file.to_str().unwrap()]).expect(0);
    assert!(exported(&copy, &[]) == std::fs::read_to_string(&file).unwrap());
}

#[test]
fn an_import_can_be_repeated_after_it_died_in_its_first_moments() {
    let dir = tempfile::tempdir().unwrap();
    let original = small_ledger(dir.path());
    let (made, copy) = (dir.path().join("made.db"), dir.path().join("copy"));
    // A transaction that has written to the file already, as a process leaves it that dies there: with a hot journal.
    let conn = rusqlite::Connection::open(&made).unwrap();
    conn.execute_batch(
        "PRAGMA user_version = 1; PRAGMA user_version = 0; PRAGMA cache_size = 1; BEGIN; CREATE TABLE t (a);",
    )
    .unwrap();
    conn.execute("INSERT INTO t SELECT randomblob(1000000)", []).unwrap();
    std::fs::create_dir(&copy).unwrap();
    for suffix in ["", "-journal"] {
        let from = format!("{}{suffix}", made.display());
        std::fs::copy(from, copy.join(format!("log.db{suffix}"))).unwrap();
    }
    drop(conn);
    let file = dir.path().join("all.ndjson");
    std::fs::write(&file, exported(&original, &[])).unwrap();
    on(&copy, "import", &[file.to_str().unwrap()]).expect(0);
    assert_eq!(exported(&copy, &[]), exported(&original, &[]));
}
