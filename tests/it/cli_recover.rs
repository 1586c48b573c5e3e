//! `jobledger recover` and `jobledger key show`: a copy is read-only until `recover` continues it under a new name.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::cli::{Serving, cli, on, token};
use crate::support::exports::{exported, import, small_ledger};
use crate::support::{noted, problem};

/// The verifier key that the newest of the ledger's own events in an export names.
fn named_key(export: &str) -> String {
    let mut own = export.lines().filter(|line| line.contains("\\\"type\\\":\\\"ledger."));
    let newest: Value = serde_json::from_str(own.next_back().unwrap()).unwrap();
    newest["data"]["verifier_key"].as_str().unwrap().to_owned()
}

fn shown_key(folder: &Path) -> String {
    on(folder, "key show", &[]).expect(0).stdout.strip_suffix('\n').unwrap().to_owned()
}

#[test]
fn key_show_prints_the_key_that_the_log_names() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let key = shown_key(&folder);
    assert_eq!(key, named_key(&exported(&folder, &[])));
    let parts: Vec<&str> = key.splitn(3, '+').collect();
    let [name, hash, encoded] = parts[..] else { panic!("{key}") };
    assert!(name.starts_with("jobledger/") && hash.len() == 8 && encoded.len() == 44, "{key}");
    let secret = std::fs::read_to_string(folder.join("ledger.key")).unwrap();
    assert!(secret.starts_with("PRIVATE+KEY+") && !secret.contains(encoded), "the verifier key is public, this is not");
    // A copy without the key file is verified with the same verifier key.
    let copy = dir.path().join("copy");
    import(&copy, exported(&folder, &[])).expect(0);
    assert_eq!(shown_key(&copy), key);
    on(&dir.path().join("nowhere"), "key show", &[]).refused(2, &["nowhere"]);
}

#[test]
fn a_copy_is_read_only_and_says_so_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    let all = exported(&small_ledger(dir.path()), &[]);
    import(&copy, &all).expect(0);
    let server = Serving::start(&copy);
    let token = token(&copy, "worker");
    let worker = server.client(&token);
    problem(worker.append(&noted("a", "x")), 503, "read-only");
    let ready = worker.get("/readyz").expect(503).json();
    assert!(ready["reasons"][0].as_str().unwrap().contains("read-only"), "{ready}");
    assert_eq!(worker.get("/ledger/jobs/a").expect(200).json()["status"], "completed");
    let append = cli(["append", "-", "--url", &server.url, "--token", &token]);
    append.run_with(noted("a", "x").to_string()).refused(1, &["read-only", "recover"]);
    let done = server.end("TERM").expect(0);
    assert!(done.stderr.contains("read-only"), "{}", done.stderr);
    let append = cli(["append", "-", "--data"]).arg(&copy);
    append.run_with(noted("a", "x").to_string()).refused(1, &["read-only", "recover"]);
    assert_eq!(exported(&copy, &[]), all);
}

#[test]
fn a_recovered_copy_takes_writes_under_a_name_of_its_own_and_tells_auditors() {
    let dir = tempfile::tempdir().unwrap();
    let (original, copy) = (small_ledger(dir.path()), dir.path().join("copy"));
    let all = exported(&original, &[]);
    import(&copy, &all).expect(0);
    let told = on(&copy, "recover", &[]).expect(0).stdout;
    let key = shown_key(&copy);
    assert!(told.contains("at position 9") && told.contains(&key), "{told}");
    assert_ne!(key, named_key(&all));
    assert_eq!(shown_key(&original), named_key(&all));
    on(&copy, "recover", &[]).refused(1, &["takes writes already"]);
    on(&original, "recover", &[]).refused(1, &["takes writes already"]);
    let server = Serving::start(&copy);
    let (worker, auditor) = (server.client(&token(&copy, "worker")), server.client(&token(&copy, "auditor")));
    worker.get("/readyz").expect(200);
    assert_eq!(worker.append(&noted("a", "on")).expect(201).json()["position"], 10);
    let types = |client: &crate::support::Client| -> Vec<Value> {
        let page = client.get("/ledger/events?after=7").expect(200).json();
        page["events"].as_array().unwrap().iter().map(|event| event["type"].clone()).collect()
    };
    assert_eq!(types(&worker), ["job.noted", "job.noted"]);
    assert_eq!(types(&auditor), ["job.noted", "ledger.continued", "job.noted"]);
    let continued = &auditor.get("/ledger/events?type=ledger.continued").json()["events"][0];
    let origin = |key: &str| key.split('+').next().unwrap().to_owned();
    assert_eq!(continued["data"]["origin"], origin(&key));
    let previous = json!({"origin": origin(&named_key(&all)), "head": "8", "checkpoint": null});
    assert_eq!(continued["data"]["previous"], previous);
}

#[test]
fn a_recovered_copy_can_be_exported_and_imported_again() {
    let dir = tempfile::tempdir().unwrap();
    let (copy, next, old) = (dir.path().join("copy"), dir.path().join("next"), dir.path().join("old"));
    let all = exported(&small_ledger(dir.path()), &[]);
    import(&copy, &all).expect(0);
    import(&old, &all).expect(0);
    on(&copy, "recover", &[]).expect(0);
    let append = cli(["append", "-", "--data"]).arg(&copy);
    append.run_with(noted("a", "on").to_string()).expect(0);
    let longer = exported(&copy, &[]);
    assert!(longer.starts_with(&all) && longer.lines().count() == 11);
    // The import works into an empty folder, and into a folder with an older copy.
    for folder in [&next, &old] {
        import(folder, &longer).expect(0);
        assert_eq!(exported(folder, &[]), longer);
        assert_eq!(shown_key(folder), shown_key(&copy));
    }
    on(&next, "recover", &[]).expect(0);
    assert!(exported(&next, &[]).starts_with(&longer));
    // An export whose continuation names another ledger is a forgery.
    let origin = named_key(&all).split('+').next().unwrap().to_owned();
    let line = longer.lines().position(|line| line.contains("ledger.continued")).unwrap();
    let forged = crate::support::exports::forged(&longer, line, |_, data| {
        assert_eq!(data["previous"]["origin"], origin);
        data["previous"]["origin"] = json!("jobledger/other");
    });
    import(&dir.path().join("forged"), forged).refused(1, &["line 10", "jobledger/other"]);
}
