//! The output of each command, when it succeeds and when it fails.

use super::Transcript;
use crate::support::cli::{Serving, cli, token};

/// The names of all snapshots of this file.
pub const NAMES: [&str; 10] =
    ["append", "evidence", "export", "import", "key", "mistakes", "replay", "serve", "token", "verify"];

/// Events of one job, which name their times.
const EVENTS: &str = r#"
{"specversion":"1.0","id":"1","source":"/worker","type":"job.created","subject":"sync-1","time":"2025-03-01T10:00:00Z","data":{"kind":"task","spec":{"job_type":"full_sync"}}}
{"specversion":"1.0","id":"2","source":"/worker","type":"job.started","subject":"sync-1","time":"2025-03-01T10:00:01Z","data":{"total_records":10}}
{"specversion":"1.0","id":"3","source":"/worker","type":"job.progress","subject":"sync-1","time":"2025-03-01T10:00:02Z","data":{"records_processed":4,"message":"four of ten"}}
{"specversion":"1.0","id":"4","source":"/worker","type":"job.completed","subject":"sync-1","time":"2025-03-01T10:00:03Z","data":{}}
"#;
/// A note on that job, and a note on a job that does not exist.
const REMARK: &str = r#"{"specversion":"1.0","id":"5","source":"/worker","type":"job.noted","subject":"sync-1","time":"2025-03-01T10:00:04Z","data":{"text":"checked"}}"#;
const STRAY: &str = r#"{"specversion":"1.0","id":"6","source":"/worker","type":"job.started","subject":"sync-2","time":"2025-03-01T10:00:05Z","data":{}}"#;

/// A transcript in whose folder `ledger` holds the events.
fn with_ledger() -> Transcript {
    let typed = Transcript::new();
    typed.file("events.ndjson", EVENTS);
    cli(["append", "--create", "--data", "ledger", "events.ndjson"]).current_dir(typed.folder()).run().expect(0);
    typed
}

#[test]
fn append() {
    let mut typed = Transcript::new();
    typed.file("events.ndjson", EVENTS);
    for words in [
        "append --data ledger events.ndjson",
        "append --create --data ledger events.ndjson",
        "append --data ledger events.ndjson",
        "append --data ledger missing.ndjson",
    ] {
        typed.type_line(words);
    }
    typed.type_with("append --data ledger -", REMARK);
    typed.type_with("append --data ledger -", STRAY);
    typed.type_with("append --data ledger -", "{\"specversion\":");
    typed.type_with("append --data ledger -", "{}");
    typed.compare("commands/append");
}

#[test]
fn token_create_list_rotate_revoke() {
    let mut typed = Transcript::new();
    for words in [
        "token list --data ledger",
        "token create --data ledger --name gateway --role worker",
        "token create --data ledger --name gateway --role worker",
        "token create --data ledger --name watch --role viewer --expires 2125-01-01T00:00:00Z",
        "token create --data ledger --name boss --role king",
        "token list --data ledger",
        "token list --data ledger --json",
        "token rotate --data ledger --name gateway",
        "token revoke --data ledger --name gateway",
        "token revoke --data ledger --name stranger",
        "token list --data ledger",
    ] {
        typed.type_line(words);
    }
    typed.compare("commands/token");
}

#[test]
fn replay() {
    let mut typed = with_ledger();
    for words in [
        "replay --data ledger sync-1",
        "replay --data ledger sync-1 --json",
        "replay --data ledger sync-2",
        "replay --data nowhere sync-1",
    ] {
        typed.type_line(words);
    }
    typed.compare("commands/replay");
}

#[test]
fn export_backup_rebuild_recover() {
    let mut typed = with_ledger();
    for words in [
        "export --data ledger --output log.ndjson",
        "export --data ledger --job sync-2",
        "export --data nowhere",
        "backup --data ledger copy",
        "backup --data ledger copy",
        "rebuild --data ledger",
        "rebuild --data nowhere",
        "recover --data copy",
        "recover --data nowhere",
    ] {
        typed.type_line(words);
    }
    typed.compare("commands/export");
}

#[test]
fn import() {
    let mut typed = with_ledger();
    cli(["export", "--data", "ledger", "--output", "log.ndjson"]).current_dir(typed.folder()).run().expect(0);
    typed.file("torn.ndjson", "{\"leaf\":");
    for words in [
        "import --data copy log.ndjson",
        "import --data copy log.ndjson",
        "import --data other torn.ndjson",
        "import --data other missing.ndjson",
    ] {
        typed.type_line(words);
    }
    typed.compare("commands/import");
}

#[test]
fn key_show_and_rotate() {
    let mut typed = with_ledger();
    for words in
        ["key show --data ledger", "key rotate --data ledger", "key show --data ledger", "key show --data nowhere"]
    {
        typed.type_line(words);
    }
    typed.compare("commands/key");
}

#[test]
fn verify_a_log_and_its_export() {
    let mut typed = with_ledger();
    cli(["export", "--data", "ledger", "--output", "log.ndjson"]).current_dir(typed.folder()).run().expect(0);
    let key = cli(["key", "show", "--data", "ledger"]).current_dir(typed.folder()).run().expect(0).stdout;
    let text = std::fs::read_to_string(typed.folder().join("log.ndjson")).unwrap();
    typed.file("changed.ndjson", text.replace("four of ten", "five of ten"));
    for words in [
        "verify db ledger",
        &format!("verify db ledger --vkey {key}"),
        &format!("verify db ledger --json --vkey {key}"),
        "verify export log.ndjson",
        &format!("verify export changed.ndjson --vkey {key}"),
        "verify db nowhere",
        "verify db ledger --vkey nonsense",
    ] {
        typed.type_line(words.trim_end());
    }
    typed.compare("commands/verify");
}

#[test]
fn evidence_and_verify_bundle() {
    let mut typed = with_ledger();
    let key = cli(["key", "show", "--data", "ledger"]).current_dir(typed.folder()).run().expect(0).stdout;
    for words in [
        "evidence sync-1 --data ledger --output evidence.tar",
        "evidence sync-2 --data ledger --output other.tar",
        "verify bundle evidence.tar",
        &format!("verify bundle evidence.tar --vkey {key}"),
        "verify bundle events.ndjson",
    ] {
        typed.type_line(words.trim_end());
    }
    typed.compare("commands/evidence");
}

/// The output of commands on the folder of a running server, and of commands that ask a server.
#[test]
fn beside_a_server() {
    let mut typed = with_ledger();
    let ledger = typed.folder().join("ledger");
    let server = Serving::start(&ledger);
    let url = &server.url;
    let worker = token(&ledger, "worker");
    for words in [
        "serve --data ledger --listen 127.0.0.1:0",
        "append --data ledger events.ndjson",
        "rebuild --data ledger",
        &format!("append --url {url} --token {worker} events.ndjson"),
        &format!("append --url {url} --token jl_wrong events.ndjson"),
        &format!("tail --url {url} --token jl_wrong"),
        &format!("evidence sync-1 --url {url} --token {worker} --output evidence.tar"),
        &format!("verify url {url} --token {worker}"),
    ] {
        typed.type_line(words);
    }
    typed.compare("commands/serve");
}

#[test]
fn mistakes_on_the_command_line() {
    let mut typed = Transcript::new();
    typed.file("wrong.toml", "[serve]\nlisten = 7\n");
    for words in [
        "",
        "sevre",
        "token",
        "token list",
        "serve",
        "serve --data nowhere",
        "serve --data ledger --drain soon",
        "serve --data ledger --listen nowhere",
        "serve --data ledger --colour",
        "--config missing.toml serve --data ledger",
        "--config wrong.toml serve --data ledger",
        "verify",
        "verify db",
        "replay --data ledger",
    ] {
        typed.type_line(words);
    }
    typed.compare("commands/mistakes");
}
