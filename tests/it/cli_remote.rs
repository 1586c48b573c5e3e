//! `jobledger replay`, `export` and `backup` of a running server.

use serde_json::json;

use crate::support::cli::{Cli, Serving, cli, on, token};
use crate::support::{completed, event, noted, processed, result, started, task_job};

fn ask(server: &Serving, token: &str, words: &[&str]) -> Cli {
    cli(words).args(["--url", &server.url, "--token", token])
}

/// A server with the life of a job `a`, and tokens of a worker and an auditor.
fn life(folder: &std::path::Path) -> (Serving, String, String) {
    let server = Serving::start(folder);
    let (worker, auditor) = (token(folder, "worker"), token(folder, "auditor"));
    let output = event("job.hook_output", "a", json!({"stream": "stdout", "output": "two\nlines\n"}));
    let events = json!([
        task_job("a"),
        started("a"),
        task_job("b"),
        processed("a", 3),
        output,
        result("a", "u", "failed"),
        noted("a", "Größe: 10 €"),
        completed("a")
    ]);
    server.client(&worker).append(&events).expect(201);
    (server, worker, auditor)
}

#[test]
fn a_replay_of_a_server_is_that_of_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (server, worker, auditor) = life(dir.path());
    let org = jobledger::job::OrgId::default().to_string();
    for more in
        [&[][..], &["--json"], &["--as-of", "4"], &["--as-of", "4", "--json"], &["--diff", "2..4"], &["--diff", "4.."]]
    {
        let words = [&["a"], more].concat();
        let local = on(dir.path(), "replay", &words).expect(0).stdout;
        let asked = |token: &str, extra: &[&str]| {
            ask(&server, token, &["replay"]).args(&words).args(extra).run().expect(0).stdout
        };
        assert_eq!(asked(&worker, &[]), local, "{more:?}");
        assert_eq!(asked(&auditor, &["--org", &org]), local, "{more:?}");
    }
    ask(&server, &worker, &["replay", "lost"]).run().refused(1, &["no-such-job"]);
    ask(&server, "jl_wrong", &["replay", "a"]).run().refused(1, &["401"]);
    cli(["replay", "a"]).run().refused(2, &["--data, --file, or --url"]);
}

#[test]
fn a_replay_of_a_server_shows_what_remains_of_redacted_data() {
    let dir = tempfile::tempdir().unwrap();
    let (server, worker, auditor) = life(dir.path());
    let admin = server.client(&token(dir.path(), "admin"));
    for position in [4, 5, 7] {
        admin.append(&event("job.redacted", "a", json!({"position": position, "reason": "a name"}))).expect(201);
    }
    let org = jobledger::job::OrgId::default().to_string();
    for more in [&[][..], &["--json"], &["--as-of", "7"], &["--as-of", "7", "--json"], &["--diff", "2..7"]] {
        let words = [&["a"], more].concat();
        let local = on(dir.path(), "replay", &words).expect(0).stdout;
        assert!(!local.contains("10 €"), "{local}");
        let asked = |token: &str, extra: &[&str]| {
            ask(&server, token, &["replay"]).args(&words).args(extra).run().expect(0).stdout
        };
        assert_eq!(asked(&worker, &[]), local, "{more:?}");
        assert_eq!(asked(&auditor, &["--org", &org]), local, "{more:?}");
    }
}

#[test]
fn an_export_of_a_server_is_that_of_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (server, worker, auditor) = life(dir.path());
    let file = dir.path().join("log.ndjson");
    for more in [&[][..], &["--after", "0"], &["--after", "6"]] {
        let local = on(dir.path(), "export", more).expect(0).stdout;
        let export = || ask(&server, &auditor, &["export"]).args(more);
        assert_eq!(export().run().expect(0).stdout, local, "{more:?}");
        assert_eq!(export().args(["-o", "-"]).run().expect(0).stdout, local, "{more:?}");
        let said = export().arg("-o").arg(&file).run().expect(0).stdout;
        assert_eq!(said, format!("exported {} events\n", local.lines().count()));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), local);
    }
    ask(&server, &worker, &["export"]).run().refused(1, &["403", "auditor"]);
}

#[test]
fn a_backup_of_a_server_has_its_whole_log() {
    let dir = tempfile::tempdir().unwrap();
    let (server, worker, auditor) = life(&dir.path().join("ledger"));
    let copy = dir.path().join("copy");
    let dest = copy.to_str().unwrap();
    ask(&server, &worker, &["backup", dest]).run().refused(1, &["403", "auditor"]);
    assert!(!copy.exists());
    let said = ask(&server, &auditor, &["backup", dest]).run().expect(0).stdout;
    assert_eq!(said, "copied everything up to position 8; no tokens and no checkpoints\n");
    let export = |folder: &std::path::Path| on(folder, "export", &[]).expect(0).stdout;
    assert_eq!(export(&copy), export(&dir.path().join("ledger")));
    // Nothing but the copy is left.
    let left = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 2);
    ask(&server, &auditor, &["backup", dest]).run().refused(1, &["holds a ledger already"]);
}
