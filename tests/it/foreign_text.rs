//! Commands write control characters in foreign text out, in a pipe too, so that a terminal obeys none. A server that is no ledger is
//! reported as such.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::cli::{Cli, Done, Serving, cli, on, token};
use crate::support::exports::{exported, forged, small_ledger};
use crate::support::hostile::hostile;
use crate::support::{TestServer, noted, task_job};

/// The characters that a terminal obeys: C0, DEL, C1, and marks that reverse the direction of text.
const EVIL: &str = "\u{1b}[2K\u{7}\r\u{7f}\u{9b}31m\u{9d}0;x\u{9c}\u{202e}\u{2066}\u{200f}\u{61c}";

fn is_obeyed(c: char) -> bool {
    c.is_control() && c != '\n'
        || "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}".contains(c)
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Checks that the output has no character that a terminal obeys. Returns `done`.
#[track_caller]
fn harmless(done: Done) -> Done {
    for said in [&done.stdout, &done.stderr] {
        assert!(!said.contains(is_obeyed), "{said:?}");
    }
    done
}

#[test]
fn replay_writes_control_characters_of_an_export_out() {
    let dir = tempfile::tempdir().unwrap();
    let all = exported(&small_ledger(dir.path()), &[]);
    let file = dir.path().join("forged.ndjson");
    let text = forged(&all, 5, |leaf, data| {
        leaf.actor = format!("{EVIL}\n#9 2026-01-01T00:00:00Z job.completed by ada").into();
        *data = json!({"text": EVIL});
    });
    fs::write(&file, text).unwrap();
    let replay = |more: &[&str]| harmless(cli(["replay", "a", "--file"]).arg(&file).args(more).run().expect(0)).stdout;
    for more in [&[][..], &["--as-of", "5"], &["--diff", "2.."], &["--json"], &["--json", "--as-of", "5"]] {
        let told = replay(more);
        assert!(told.contains("\\u009b31m"), "{more:?}: {told}");
        assert!(!told.lines().any(|line| line.starts_with("#9 ")), "{told}");
    }
    // JSON means the same as before.
    let last: Value = serde_json::from_str(replay(&["--json", "--diff", "2.."]).trim()).unwrap();
    let note = last["changes"].as_array().unwrap().iter().find(|change| change["pointer"] == "/notes/0").unwrap();
    assert_eq!(note["to"]["text"], EVIL);
    fs::write(&file, format!("{{\"leaf\":\"x\",\"{EVIL}\":1}}\n").replace(['\r', '\u{1b}', '\u{7}'], "")).unwrap();
    harmless(cli(["replay", "a", "--file"]).arg(&file).run().expect(1));
    harmless(cli(["verify", "export"]).arg(&file).run().expect(2));
    harmless(on(&dir.path().join("copy"), "import", &[file.to_str().unwrap()]).expect(1));
}

#[test]
fn append_and_tail_write_control_characters_of_a_ledger_out() {
    let server = TestServer::start();
    let (worker, viewer) = (server.token("w", Role::Worker, Default::default()), server.client(Role::Worker));
    viewer.append(&json!([task_job("a"), noted("a", EVIL)])).expect(201);
    let tail = cli(["tail", "--url", &server.url, "--token", &worker, "--after", "0"]);
    for (tail, n) in [(tail, 2), (cli(["tail", "--json", "--url", &server.url, "--token", &worker, "--after", "0"]), 2)]
    {
        let tail = tail.start();
        let lines: Vec<String> = (0..n).map(|_| tail.line().unwrap()).collect();
        assert!(lines[1].contains("\\u009b31m") && !lines.iter().any(|line| line.contains(is_obeyed)), "{lines:?}");
    }
    for event in [
        json!({"specversion": "1.0", "id": EVIL, "source": EVIL, "type": EVIL, "subject": EVIL, "data": {}}),
        json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "job.noted", "subject": "a", "data": {EVIL: 1}}),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let remote = cli(["append", "-", "--url", &server.url, "--token", &worker]);
        let local = cli(["append", "-", "--data"]).arg(dir.path());
        for append in [remote, local] {
            harmless(append.run_with(event.to_string()).expect(1));
        }
    }
    harmless(cli(["append", "-", "--url", &server.url, "--token", &worker]).run_with(format!("[{EVIL}")).expect(1));
}

/// Each command that sends requests to a server, with its arguments.
fn clients(url: &str, place: &std::path::Path) -> [(&'static str, Cli); 5] {
    let event = place.join("event.json");
    fs::write(&event, task_job("a").to_string()).unwrap();
    let at = |command: &[&str]| cli(command).args(["--token", "t"]);
    [
        ("append", at(&["append", "--url", url]).arg(event)),
        ("tail", at(&["tail", "--url", url])),
        ("rebuild", at(&["rebuild", "--url", url])),
        ("evidence", at(&["evidence", "a", "--url", url, "-o"]).arg(place.join("evidence.tar"))),
        ("verify url", at(&["verify", "url", url])),
    ]
}

#[test]
fn a_server_that_is_no_ledger_is_reported_and_no_file_is_written() {
    let dir = tempfile::tempdir().unwrap();
    for (media_type, body) in [
        ("text/plain", format!("hello{EVIL}")),
        ("text/html; charset=utf-8", "<html></html>".into()),
        ("application/json", "{}".into()),
        ("application/json", json!({"events": [], "position": 0, "state": 7}).to_string()),
        ("application/x-tar", "no tar".repeat(500)),
        ("application/x-tar", String::new()),
    ] {
        let server = hostile("200 OK", media_type, body);
        for (name, command) in clients(&server.url, dir.path()) {
            let done = harmless(command.run());
            assert!([2, 4].contains(&done.code), "{name}: {done:?}");
            assert!(name == "verify url" || done.code == 2 && done.stdout.is_empty(), "{name}: {done:?}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "only the event's file is there");
    }
    let server = hostile("200 OK", "text/plain", "hello");
    let evidence = cli(["evidence", "a", "--url", &server.url, "--token", "t", "-o", "-"]).run();
    evidence.refused(2, &["expected application/x-tar, found text/plain"]);
}

#[test]
fn control_characters_of_a_hostile_server_are_written_out() {
    let dir = tempfile::tempdir().unwrap();
    let problem =
        json!({"detail": format!("{EVIL}\nverified"), "code": EVIL, "pointer": EVIL, "index": u64::MAX}).to_string();
    for (status, media_type, body) in
        [("400 Bad Request", "application/problem+json", problem.as_str()), ("418 \u{9b}x", "text/plain", EVIL)]
    {
        let server = hostile(status, media_type, body);
        for (name, command) in clients(&server.url, dir.path()) {
            let done = harmless(command.run());
            assert!([1, 2].contains(&done.code), "{name}: {done:?}");
            assert!(!done.stderr.lines().any(|line| line == "verified"), "{name}: {done:?}");
        }
    }
    let event = json!({"position": EVIL, "time": EVIL, "subject": format!("a\nb{EVIL}"), "actor": EVIL, "data": EVIL});
    let stream =
        format!("id: 1\nevent: job.noted\ndata: {event}\n\nid: 1\nevent: closed\ndata: {{\"position\":1}}\n\n");
    let server = hostile("200 OK", "text/event-stream", stream);
    for json in [None, Some("--json")] {
        let tail = cli(["tail", "--url", &server.url, "--token", "t"]).args(json);
        assert_eq!(harmless(tail.run().expect(0)).stdout.lines().count(), 1);
    }
    let server = hostile("200 OK", "text/event-stream", "id: 1\nevent: job.noted\ndata: no JSON\n\n");
    cli(["tail", "--json", "--url", &server.url, "--token", "t"]).run().expect(2);
    let done = json!({"state": "done", "position": EVIL}).to_string();
    let server = hostile("200 OK", "application/json", done);
    harmless(cli(["rebuild", "--url", &server.url, "--token", "t"]).run().expect(0));
}

#[test]
fn append_says_how_long_it_waits_and_how_to_reach_a_folder_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let event = dir.path().join("event.json");
    fs::write(&event, task_job("a").to_string()).unwrap();
    let gone = hostile("200 OK", "text/plain", "").url.clone();
    let mut waiting = Command::new(env!("CARGO_BIN_EXE_jobledger"))
        .args(["append", "--token", "t", "--url", &gone])
        .arg(&event)
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(waiting.stderr.take().unwrap()).lines();
    let first = said.next().unwrap().unwrap();
    assert!(first.contains("waiting 0.2 s") && first.contains("try 1 of 8") && first.contains("26 s"), "{first}");
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    let folder = dir.path().join("ledger");
    let _server = Serving::start(&folder);
    on(&folder, "append", &[event.to_str().unwrap()]).refused(2, &["is in use", "--url URL --token TOKEN"]);
}

#[test]
fn a_dash_is_stdout() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("ledger");
    let server = Serving::start(&folder);
    let worker = token(&folder, "worker");
    server.client(&worker).append(&json!([task_job("a"), noted("a", "x")])).expect(201);
    assert_eq!(on(&folder, "export", &["-o", "-"]).expect(0).stdout, exported(&folder, &[]));
    let path = dir.path().join("evidence.tar");
    on(&folder, "evidence", &["a", "-o", path.to_str().unwrap()]).expect(0);
    let file = fs::read_to_string(&path).unwrap();
    // Lines are read as text, and a tar ends without a newline.
    let trimmed = |text: &str| text.trim_end_matches(['\0', '\n']).to_owned();
    let local = on(&folder, "evidence", &["a", "--output", "-"]).expect(0).stdout;
    let remote = cli(["evidence", "a", "-o", "-", "--url", &server.url, "--token", &worker]).run().expect(0).stdout;
    assert_eq!((trimmed(&local), trimmed(&remote)), (trimmed(&file), trimmed(&file)));
    assert!(!std::path::Path::new("-").exists());
}
