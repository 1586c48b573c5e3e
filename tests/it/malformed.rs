//! Malformed input is no evidence: `jobledger verify` calls it unreadable (exit code 2), and names the fault.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use jobledger::tree::SigningKey;
use serde_json::{Value, json};

use crate::support::cli::{Done, cli, on};
use crate::support::exports::import;
use crate::support::insider::{Log, log};

fn export(log: &Log, more: &[&str]) -> PathBuf {
    let path = log.folder.path().join("export.ndjson");
    on(&log.data(), "export", &[&["-o", path.to_str().unwrap()], more].concat()).expect(0);
    path
}

fn verify_export(path: &Path, more: &[&str]) -> Done {
    cli(["verify", "export"]).arg(path).args(more).run()
}

#[test]
fn a_checkpoint_that_is_no_signed_note_is_unreadable_wherever_it_is_given() {
    let log = log();
    let export = export(&log, &[]);
    let note = fs::read_to_string(&log.kept).unwrap();
    let path = log.folder.path().join("given");
    let given = path.to_str().unwrap();
    let commands = |option: &str| {
        let db = cli(["verify", "db", option, given]).arg(log.data());
        let export = cli(["verify", "export", option, given]).arg(&export);
        [db, export]
    };
    for (text, why) in [
        (format!("\u{feff}{note}"), "byte order mark"),
        (note.replace('\n', "\r\n"), "CRLF"),
        (note.replacen('\n', "\r\n", 1), "CRLF"),
        (note.trim_end().to_owned(), "newline at its end is missing"),
        (format!("{note}\n"), "empty line at its end"),
        (format!("\n{note}"), "no signed checkpoint"),
        (note.split_once("\n\n").unwrap().0.to_owned() + "\n", "no signed checkpoint"),
        (note.replace("— ", "- "), "no signed checkpoint"),
        (String::new(), "no signed checkpoint"),
        ("# A README\n\nwith text\n".into(), "no signed checkpoint"),
        ("x".repeat(1 << 20), "65536 bytes"),
    ] {
        fs::write(&path, text).unwrap();
        for option in ["--since", "--anchor"] {
            for command in commands(option) {
                command.run().refused(2, &[given, why]);
            }
        }
        on(&log.data(), "evidence", &["a", "-o", "-", "--since", given]).refused(2, &[given, why]);
    }
    fs::write(&path, b"\xff\xfe\x00").unwrap();
    commands("--since").into_iter().for_each(|command| command.run().refused(2, &[given, "utf-8"]));
    // A well-formed note that no key of the log signed is evidence of a fault.
    let origin = log.key.split('+').next().unwrap();
    let stranger = SigningKey::from_seed(origin, &[5; 32]).unwrap();
    let signed = jobledger::tree::Checkpoint::claimed(&note).unwrap().sign(&[&stranger]).unwrap();
    fs::write(&path, signed).unwrap();
    commands("--since").into_iter().for_each(|command| drop(command.run().expect(4)));
}

#[test]
fn a_file_that_is_no_export_is_unreadable() {
    let log = log();
    let whole = fs::read_to_string(export(&log, &[])).unwrap();
    let path = log.folder.path().join("given");
    let without_newline = whole.trim_end().to_owned();
    let cut = whole[..whole.len() - 30].to_owned();
    for (bytes, why) in [
        (b"".to_vec(), "found none"),
        (b"\n\n".to_vec(), "line 1"),
        (b"# jobledger\n\nAccess-governance".to_vec(), "line 1"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), "line 1"),
        (b"{}".to_vec(), "line 1"),
        (format!("\u{feff}{whole}").into_bytes(), "line 1"),
        (format!("{whole}\n").into_bytes(), "line 8"),
        (cut.into_bytes(), "line 7"),
        (whole.lines().skip(2).map(|line| format!("{line}\n")).collect::<String>().into_bytes(), "position 0"),
    ] {
        fs::write(&path, bytes).unwrap();
        verify_export(&path, &["--vkey", &log.key]).refused(2, &["no export of a whole log", why]);
    }
    fs::write(&path, without_newline).unwrap();
    verify_export(&path, &["--vkey", &log.key, "--since", log.newest.to_str().unwrap()]).expect(0);
    fs::write(&path, whole.replace('\n', "\r\n")).unwrap();
    verify_export(&path, &["--vkey", &log.key, "--since", log.newest.to_str().unwrap()]).expect(0);
    let job = on(&log.data(), "export", &["--job", "a"]).expect(0).stdout;
    fs::write(&path, job).unwrap();
    verify_export(&path, &[]).refused(2, &["--job"]);
    // A change inside a well-formed line is evidence of a fault.
    fs::write(&path, whole.replace("job.noted", "job.faked")).unwrap();
    verify_export(&path, &["--since", log.newest.to_str().unwrap()]).expect(3);
}

#[test]
fn an_endless_line_is_not_read_to_its_end() {
    let log = log();
    let whole = fs::read_to_string(export(&log, &[])).unwrap();
    let endless = log.folder.path().join("endless.ndjson");
    for beginning in ["", whole.as_str()] {
        fs::write(&endless, beginning).unwrap();
        File::options().write(true).open(&endless).unwrap().set_len(3 << 30).unwrap();
        verify_export(&endless, &["--vkey", &log.key]).refused(2, &["in a line"]);
        let path = endless.to_str().unwrap();
        let copy = log.folder.path().join("copy");
        on(&copy, "import", &[path]).refused(2, &["in a line", "nothing was imported"]);
        assert!(!copy.exists());
        cli(["replay", "a", "--file", path]).run().refused(2, &["in a line"]);
    }
}

#[test]
fn an_export_without_a_checkpoint_is_unproven_and_not_faulty() {
    let log = log();
    let export = export(&log, &[]);
    for more in [&["--vkey", log.key.as_str()][..], &["--vkey", &log.key, "--json"]] {
        let done = verify_export(&export, more).expect(7);
        assert!(done.stdout.contains("no signature"), "{}", done.stdout);
        assert!(!done.stdout.contains("not signed by") && !done.stderr.contains("not signed by"), "{}", done.stdout);
        let tells_what_to_give = done.stdout.contains("--since") && done.stdout.contains("--anchor");
        assert!(tells_what_to_give || more.contains(&"--json"), "{}", done.stdout);
    }
    assert!(verify_export(&export, &[]).expect(7).stdout.contains("no key was pinned"));
}

#[test]
fn an_export_may_end_with_the_checkpoint_that_covers_it() {
    let log = log();
    let plain = fs::read_to_string(export(&log, &[])).unwrap();
    let signed = export(&log, &["--checkpoint"]);
    let text = fs::read_to_string(&signed).unwrap();
    let last = text.strip_prefix(&plain).expect("nothing else differs");
    let note = fs::read_to_string(&log.newest).unwrap();
    assert_eq!(serde_json::from_str::<Value>(last).unwrap(), json!({"checkpoint": note}));
    let done = verify_export(&signed, &["--vkey", &log.key, "--json"]).expect(0);
    assert_eq!(done.json_lines()[0]["report"]["checkpoints"], 1);
    verify_export(&signed, &[]).expect(7);
    let replayed = |path: &Path| cli(["replay", "a", "--file"]).arg(path).run().expect(0).stdout;
    assert_eq!(replayed(&signed), on(&log.data(), "replay", &["a"]).expect(0).stdout);
    // Such an export can be imported like a plain one, repeatedly, and continues a copy.
    let copy = log.folder.path().join("copy");
    let first: String = plain.lines().take(4).map(|line| format!("{line}\n")).collect();
    import(&copy, &first).expect(0);
    for new in [3, 0] {
        let done = import(&copy, &text).expect(0);
        assert_eq!(done.stdout, format!("imported {new} events; the newest position is 6\n"));
    }
    assert_eq!(on(&copy, "export", &[]).expect(0).stdout, plain);
    on(&copy, "export", &["--checkpoint"]).refused(1, &["recover"]);
    on(&log.data(), "export", &["--checkpoint", "--job", "a"]).refused(2, &["--job"]);

    let line = |note: &str| format!("{}\n", json!({ "checkpoint": note }));
    let older = fs::read_to_string(&log.kept).unwrap();
    let stranger = SigningKey::from_seed(log.key.split('+').next().unwrap(), &[5; 32]).unwrap();
    let strange = jobledger::tree::Checkpoint::claimed(&note).unwrap().sign(&[&stranger]).unwrap();
    let without = |number: usize| {
        let kept = plain.lines().enumerate().filter(|(n, _)| *n != number);
        kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    for (what, code, text) in [
        ("an event that was changed", 3, text.replace("job.noted", "job.faked")),
        ("the last event gone", 5, without(6) + last),
        ("a checkpoint of fewer", 4, plain.clone() + &line(&older)),
        ("a key of nobody", 4, plain.clone() + &line(&strange)),
        ("a line after it", 3, text.clone() + plain.lines().last().unwrap() + "\n"),
        ("no note", 2, plain.clone() + &line("checkpoint")),
        ("no events", 2, last.to_owned()),
    ] {
        let forged = log.folder.path().join("forged.ndjson");
        fs::write(&forged, &text).unwrap();
        let done = verify_export(&forged, &["--vkey", &log.key]);
        assert_eq!(done.code, code, "{what}: {}{}", done.stdout, done.stderr);
        let nowhere = log.folder.path().join("nowhere");
        import(&nowhere, &text).expect(1);
        assert!(!nowhere.exists(), "{what}");
    }
}
