//! Changes of `log.db` by an insider, by SQL without the triggers, and the findings of `jobledger verify`.

use std::fs;
use std::path::Path;

use jobledger::job::Position;
use jobledger::log::Reader;
use jobledger::memory::Budget;
use jobledger::tree::{Checkpoint, SigningKey};
use jobledger::views::rebuild_to;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::cli::{Done, cli, on};
use crate::support::insider::{log, open, regrow, replaced};
use crate::support::rows::FOLLOW_THE_CUT;

#[track_caller]
fn faults(done: &Done) -> Vec<Value> {
    done.json_lines()[0]["report"]["faults"].as_array().unwrap().clone()
}

#[test]
fn an_untouched_log_is_verified() {
    let log = log();
    let done = log.verify(&log.data(), &[&log.kept, &log.newest]).expect(0);
    let report = &done.json_lines()[0]["report"];
    assert_eq!((&report["events"], &report["held"], &report["faulty"]), (&json!(7), &json!(2), &json!(0)));
    assert_eq!(report["remarks"], json!([]));
    // The audit changed no file in the folder.
    log.verify(&log.data(), &[]).expect(0);
}

#[test]
fn without_a_pinned_key_a_log_is_only_consistent() {
    let log = log();
    cli(["verify", "db"]).arg(log.data()).run().expect(7);
    let other = SigningKey::from_seed("another", &[1; 32]).unwrap().verifier().to_string();
    cli(["verify", "db", "--vkey", &other]).arg(log.data()).run().expect(4);
    cli(["verify", "db", "--vkey", "no key"]).arg(log.data()).run().expect(1);
    cli(["verify", "db"]).arg(log.folder.path().join("nowhere")).run().expect(2);
}

#[test]
fn each_changed_entry_is_found_at_its_position() {
    let log = log();
    let second = |column: &str| format!("(SELECT {column} FROM event WHERE position = 5)");
    for (what, position, sql) in [
        ("data", 4, replaced("data", "one", "two", 4)),
        ("salt", 4, "UPDATE event SET salt = zeroblob(32) WHERE position = 4".into()),
        ("type", 4, replaced("leaf", "job.noted", "job.faked", 4)),
        ("time", 2, replaced("leaf", "\"time\":\"20", "\"time\":\"19", 2)),
        ("actor", 3, replaced("leaf", "\"actor\":\"worker\"", "\"actor\":\"nobody\"", 3)),
        ("position", 5, replaced("leaf", "\"position\":\"5\"", "\"position\":\"9\"", 5)),
        ("job", 4, replaced("leaf", "\"subject\":\"a\"", "\"subject\":\"b\"", 4)),
        ("a swap", 4, format!("UPDATE event SET leaf = {} WHERE position = 4", second("leaf"))),
        ("a node", 2, "UPDATE node SET hash = zeroblob(32) WHERE level = 0 AND idx = 2".into()),
        ("the column type", 4, "UPDATE event SET type = 'job.started' WHERE position = 4".into()),
        ("the column job", 4, "UPDATE event SET job = 2, prev = 2 WHERE position = 4".into()),
        ("the column recorded", 4, "UPDATE event SET recorded = recorded + 1 WHERE position = 4".into()),
        ("a job's name", 1, "UPDATE job SET subject = 'x' WHERE subject = 'a'".into()),
        ("a producer's name", 1, "UPDATE source SET uri = 'x' WHERE org > 0".into()),
        ("no entry", 3, "DELETE FROM event WHERE position = 3".into()),
    ] {
        let copy = log.changed(&sql);
        let done = log.verify(copy.path(), &[&log.kept]);
        assert_eq!(done.code, 3, "{what}: {}{}", done.stdout, done.stderr);
        let first = &faults(&done)[0];
        assert_eq!(first["position"], position, "{what}: {first}");
        assert_eq!(first["class"], "content", "{what}: {first}");
    }
}

#[test]
fn a_changed_newest_event_of_a_job_is_found() {
    let log = log();
    for sql in ["UPDATE newest SET position = position - 1", "DELETE FROM newest", "INSERT INTO newest VALUES (99, 3)"]
    {
        let done = log.verify(log.changed(sql).path(), &[&log.kept]);
        assert_eq!(done.code, 3, "{sql}: {}{}", done.stdout, done.stderr);
        let told = faults(&done);
        assert!(told[0]["what"].as_str().unwrap().starts_with("the table `newest` of log.db"), "{sql}: {told:?}");
    }
}

#[test]
fn an_insider_who_makes_the_nodes_again_is_found_by_the_signed_root() {
    let log = log();
    let copy = log.copy(|folder| {
        let conn = open(folder);
        conn.execute_batch(&replaced("leaf", "\"actor\":\"worker\"", "\"actor\":\"nobody\"", 3)).unwrap();
        regrow(&conn);
    });
    let done = log.verify(copy.path(), &[]).expect(3);
    let first = &faults(&done)[0];
    // Each event has a checkpoint, so the checkpoint over position 3 shows the change.
    assert_eq!(first["position"], 3, "{first}");
    assert!(first["what"].as_str().unwrap().contains("not the one that was signed"), "{first}");
    let inserted = log.copy(|folder| {
        let conn = open(folder);
        conn.execute_batch(
            "INSERT INTO event SELECT 7, org, job, 6, source, 'forged', type, version, kind, recorded, \
             CAST(replace(replace(CAST(leaf AS TEXT), '\"position\":\"6\"', '\"position\":\"7\"'), '\"prev\":\"4\"', '\"prev\":\"6\"') AS BLOB), \
             salt, data FROM event WHERE position = 6",
        )
        .unwrap();
        regrow(&conn);
    });
    // An insider who only appends an event has no signature over it.
    assert!([3, 4].contains(&log.verify(inserted.path(), &[]).code));
}

#[test]
fn verify_refuses_checkpoints_that_the_log_did_not_sign() {
    let log = log();
    let strange = SigningKey::from_seed("jobledger/strange", &[7; 32]).unwrap();
    for (what, code, change) in [
        (
            "a bit of the signature",
            4,
            "UPDATE checkpoint SET note = CAST(substr(note, 1, length(note) - 20) \
               || CASE substr(note, length(note) - 19, 1) WHEN x'41' THEN x'42' ELSE x'41' END \
               || substr(note, length(note) - 18) AS BLOB) WHERE size = 5",
        ),
        ("no text", 4, "UPDATE checkpoint SET note = x'ff00' WHERE size = 5"),
        (
            "one of another size",
            4,
            "UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 4) WHERE size = 5",
        ),
        ("none", 3, "DELETE FROM checkpoint WHERE size = 5"),
        ("not the newest", 4, "DELETE FROM checkpoint WHERE size = 7"),
        ("none at all", 4, "DELETE FROM checkpoint"),
    ] {
        let copy = log.changed(change);
        let done = log.verify(copy.path(), &[]);
        assert_eq!(done.code, code, "{what}: {}", done.stdout);
    }
    // A held checkpoint proves the entries. The audit still reports that the log lost its own checkpoints.
    let copy = log.changed("DELETE FROM checkpoint WHERE size > 5");
    let done = log.verify(copy.path(), &[&log.newest]).expect(4);
    assert!(faults(&done)[0]["what"].as_str().unwrap().contains("end at 5 of 7"), "{}", done.stdout);
    let all = "DELETE FROM checkpoint";
    let done = log.verify(log.changed(all).path(), &[&log.newest]).expect(0);
    assert!(done.stdout.contains("end at 0 of 7"), "{}", done.stdout);
    // An anchor proves that the log was signed here.
    let anchored = log.changed(all);
    let anchor = cli(["verify", "db", "--vkey", &log.key, "--anchor"]).arg(&log.newest).arg("--since").arg(&log.newest);
    anchor.arg(anchored.path()).run().expect(4);
    for name in [None, Some("jobledger/strange")] {
        let copy = log.copy(|folder| {
            let conn = open(folder);
            let note: Vec<u8> =
                conn.query_row("SELECT note FROM checkpoint WHERE size = 7", [], |row| row.get(0)).unwrap();
            let text = String::from_utf8(note).unwrap();
            let mut checkpoint = Checkpoint::claimed(&text).unwrap();
            checkpoint.origin = name.map_or(checkpoint.origin, str::to_owned);
            let forged = checkpoint.sign(&[&strange]).unwrap();
            conn.execute("UPDATE checkpoint SET note = ?1 WHERE size = 7", [forged.as_bytes()]).unwrap();
        });
        log.verify(copy.path(), &[]).expect(4);
    }
}

#[test]
fn a_log_that_was_cut_or_rolled_back_is_found_with_a_checkpoint() {
    let log = log();
    let cut = format!("DELETE FROM event WHERE position > 4; DELETE FROM node WHERE number > 7; {FOLLOW_THE_CUT}");
    // The log still has its newer checkpoints.
    let copy = log.changed(&cut);
    log.verify(copy.path(), &[]).expect(5);
    let clean = log.changed(&format!("{cut} DELETE FROM checkpoint WHERE size > 5"));
    fs::remove_file(clean.path().join("views.db")).unwrap();
    // The audit cannot tell from the log alone, and says so.
    let done = log.verify(clean.path(), &[]).expect(0);
    assert!(done.stdout.contains("whether newer events were cut off"), "{}", done.stdout);
    log.verify(clean.path(), &[&log.kept]).expect(0);
    let done = log.verify(clean.path(), &[&log.newest]).expect(5);
    assert!(faults(&done)[0]["what"].as_str().unwrap().contains("rolled back"), "{}", done.stdout);
    cli(["verify", "db", "--vkey", &log.key, "--anchor"]).arg(&log.newest).arg(clean.path()).run().expect(5);
}

#[test]
fn another_log_in_the_place_of_the_first_is_found() {
    let (log, other) = (log(), self::log());
    log.verify(&other.data(), &[]).expect(4);
    cli(["verify", "db"]).arg(other.data()).arg("--since").arg(&log.kept).run().expect(5);
}

#[test]
fn missing_data_needs_a_redaction() {
    let log = log();
    let copy = log.changed("UPDATE event SET data = NULL, salt = NULL WHERE position = 4");
    fs::remove_file(copy.path().join("views.db")).unwrap();
    let done = log.verify(copy.path(), &[]).expect(6);
    let first = &faults(&done)[0];
    assert_eq!((&first["position"], &first["job"]), (&json!(4), &json!("a")));
    // The report names worse faults first.
    let copy = log.changed("UPDATE event SET data = NULL, salt = NULL WHERE position = 4; UPDATE event SET kind = 'rule' WHERE position = 1");
    fs::remove_file(copy.path().join("views.db")).unwrap();
    log.verify(copy.path(), &[]).expect(3);
}

#[test]
fn verify_compares_the_views_with_a_replay_of_the_log() {
    let log = log();
    for change in ["UPDATE job SET message = 'x'", "DELETE FROM note", "UPDATE spec SET spec = '{}'"] {
        let copy = log.copy(|folder| Connection::open(folder.join("views.db")).unwrap().execute_batch(change).unwrap());
        let done = log.verify(copy.path(), &[]).expect(3);
        assert!(done.stdout.contains("views.db"), "{change}: {}", done.stdout);
    }
    let copy = log.copy(|folder| fs::remove_file(folder.join("views.db")).unwrap());
    assert!(log.verify(copy.path(), &[]).expect(0).stdout.contains("the views"));
}

/// A server may stop while its views are behind. The audit compares such views with the log up to their position.
#[test]
fn verify_compares_views_that_are_behind_with_a_replay_up_to_their_position() {
    let log = log();
    let behind = |change: &str| {
        log.copy(|folder| {
            let conn = Reader::open(&folder.join("log.db")).unwrap();
            let path = folder.join("views.db");
            rebuild_to(&Reader::new(&conn), Position::new(5), &path, &Budget::new(1 << 20), |_| {}).unwrap();
            Connection::open(path).unwrap().execute_batch(change).unwrap();
        })
    };
    let done = log.verify(behind("").path(), &[]).expect(0);
    assert!(!done.stdout.contains("the views"), "{}", done.stdout);
    let done = log.verify(behind("UPDATE job SET message = 'forged' WHERE subject = 'b'").path(), &[]).expect(3);
    assert!(done.stdout.contains("views.db"), "{}", done.stdout);
}

#[test]
fn verify_names_jobs_and_sources_that_no_entry_explains() {
    let log = log();
    let copy = log.copy(|folder| {
        let planted = "INSERT INTO org VALUES (98, 'nobody'); INSERT INTO source VALUES (99, 98, '/strange');
            INSERT INTO job SELECT 99, org, 'ghost', 'rule' FROM job WHERE subject = 'a'";
        Connection::open(folder.join("log.db")).unwrap().execute_batch(planted).unwrap();
    });
    let done = log.verify(copy.path(), &[]).expect(0);
    let remarks = done.json_lines()[0]["report"]["remarks"].to_string();
    for named in ["ghost", "/strange", "nobody"] {
        assert!(remarks.contains(&format!("`{named}`")), "{named}: {remarks}");
    }
    // An insider may choose a name with control characters for the terminal that shows it.
    let copy = log.copy(|folder| {
        let planted = "INSERT INTO source VALUES (99, 0, char(27) || '[2Kverified')";
        Connection::open(folder.join("log.db")).unwrap().execute_batch(planted).unwrap();
    });
    let told = cli(["verify", "db"]).arg(copy.path()).run().expect(7).stdout;
    assert!(told.contains("[2Kverified") && !told.contains('\u{1b}'), "{told}");
}

#[test]
fn dropped_triggers_are_a_remark_and_no_fault() {
    let log = log();
    let copy = log.changed("");
    let done = log.verify(copy.path(), &[]).expect(0);
    assert!(done.stdout.contains("`event_stays` is missing"), "{}", done.stdout);
}

#[test]
fn an_export_is_verified_line_by_line() {
    let log = log();
    let export = log.folder.path().join("export.ndjson");
    on(&log.data(), "export", &["-o", export.to_str().unwrap()]).expect(0);
    let verify = |path: &Path, since: &Path| {
        cli(["verify", "export", "--json", "--vkey", &log.key]).arg(path).arg("--since").arg(since).run()
    };
    let report = verify(&export, &log.newest).expect(0).json_lines()[0]["report"].clone();
    assert_eq!((&report["events"], &report["held"]), (&json!(7), &json!(1)));
    // The audit cannot tell who wrote the entries that no checkpoint covers.
    let done = verify(&export, &log.kept).expect(7);
    assert!(done.stdout.contains("the entries from 4 to 6"), "{}", done.stdout);
    let text = fs::read_to_string(&export).unwrap();
    let forged = log.folder.path().join("forged.ndjson");
    for (from, to) in [("one", "two"), ("job.noted", "job.faked")] {
        fs::write(&forged, text.replace(from, to)).unwrap();
        verify(&forged, &log.newest).expect(3);
    }
    let short: String = text.lines().take(5).map(|line| format!("{line}\n")).collect();
    fs::write(&forged, short).unwrap();
    assert!(faults(&verify(&forged, &log.newest)).iter().any(|fault| fault["class"] == "forked"));
    fs::write(&forged, format!("{text}no line\n")).unwrap();
    verify(&forged, &log.newest).expect(3);
}
