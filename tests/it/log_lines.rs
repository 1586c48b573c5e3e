//! The lines of the server's log: the cause of a failure under the id of its request, and a server whose stderr takes no lines.

use std::fs::File;
use std::io::{PipeReader, Read};
use std::process::Stdio;

use crate::support::cli::{Serving, cli, token};
use crate::support::{Client, insider, task_job};

/// Each sort of stderr that takes nothing. The caller keeps the returned reader as long as the server lives.
fn deaf() -> [(&'static str, Stdio, Option<PipeReader>); 3] {
    let (unread, writer) = std::io::pipe().unwrap();
    let (_, broken) = std::io::pipe().unwrap();
    [
        ("a full disk", File::options().write(true).open("/dev/full").unwrap().into(), None),
        ("a pipe without a reader", broken.into(), None),
        ("a pipe that is not read", writer.into(), Some(unread)),
    ]
}

/// How many lines of the log the server dropped.
fn dropped(client: &Client) -> u64 {
    let text = client.get("/metrics").expect(200).text();
    let name = "jobledger_log_lines_dropped_total ";
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
}

#[test]
fn a_server_whose_stderr_takes_nothing_answers_and_ends_as_any_other() {
    for (name, stderr, reader) in deaf() {
        let dir = tempfile::tempdir().unwrap();
        let server = Serving::of(cli(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(dir.path()).stderr(stderr));
        let auditor = server.client(&token(dir.path(), "auditor"));
        // Each request writes a line. Together the lines are more than the pipe and the queue take.
        let path = format!("/nowhere/{}", "x".repeat(20_000));
        for _ in 0..400 {
            auditor.get(&path).expect(404);
        }
        auditor.get("/healthz").expect(200);
        assert!(dropped(&auditor) > 0, "{name}");
        server.client(&token(dir.path(), "worker")).append(&task_job("a")).expect(201);
        // A reader that starts late finds a line with the number of dropped lines.
        let late = reader.map(|mut reader| {
            std::thread::spawn(move || {
                let mut text = String::new();
                reader.read_to_string(&mut text).unwrap();
                text
            })
        });
        server.end("TERM").expect(0);
        let told = late.map(|late| late.join().unwrap());
        assert!(told.is_none_or(|told| told.contains("lines of the log were dropped here")), "{name}");
    }
}

#[test]
fn the_cause_of_a_failure_has_the_id_of_its_request_on_every_thread() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let auditor = server.client(&token(dir.path(), "auditor"));
    insider::open(dir.path()).execute_batch("ALTER TABLE event RENAME TO hidden").unwrap();
    // The server reads a short page where the request arrives, and a long one on a thread that may block.
    let ids = ["/ledger/events?limit=1", "/ledger/events?limit=1000"]
        .map(|path| auditor.get(path).expect(500).header("x-request-id").to_owned());
    let told = server.end("TERM").stderr;
    for id in ids {
        let request = format!("request{{id=\"{id}\" method=GET path=\"/ledger/events\"}}");
        for words in ["a request failed error=", "answered status=500"] {
            assert!(told.lines().any(|line| line.contains(&request) && line.contains(words)), "{words} {told}");
        }
    }
}

#[test]
fn no_command_panics_where_its_outputs_take_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    cli(["append", "-", "--create", "--data"]).arg(&folder).run_with(task_job("a").to_string()).expect(0);
    let data = folder.to_str().unwrap();
    let commands: [&[&str]; 18] = [
        &["--help"],
        &["serve", "--help"],
        &["--version"],
        &["no-such-command"],
        &["serve", "--data", data, "--listen", "nowhere"],
        &["token", "create", "--data", data, "--name", "a", "--role", "worker"],
        &["token", "list", "--data", data],
        &["token", "revoke", "--data", data, "--name", "nobody"],
        &["append", "missing.ndjson", "--data", data],
        &["replay", "a", "--data", data],
        &["replay", "b", "--data", data],
        &["evidence", "a", "--data", data],
        &["export", "--data", data],
        &["rebuild", "--data", data],
        &["backup", "--data", data, data],
        &["recover", "--data", data],
        &["key", "show", "--data", data],
        &["verify", "db", data],
    ];
    for command in commands {
        for (stdout, stderr) in both_deaf() {
            let done = cli(command).stdout(stdout).stderr(stderr).run();
            assert!((0..=7).contains(&done.code), "{command:?}: {}", done.code);
        }
    }
}

/// Outputs that take nothing: both full, both without a reader.
fn both_deaf() -> [(Stdio, Stdio); 2] {
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let broken = || Stdio::from(std::io::pipe().unwrap().1);
    [(full(), full()), (broken(), broken())]
}

#[test]
fn an_answer_that_cannot_be_printed_is_no_success() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    cli(["--help"]).stdout(full()).run().refused(2, &["cannot print"]);
    let dir = tempfile::tempdir().unwrap();
    token(dir.path(), "worker");
    cli(["token", "list", "--data"]).arg(dir.path()).stdout(full()).run().refused(2, &["cannot print"]);
}
