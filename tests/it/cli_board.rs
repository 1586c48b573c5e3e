//! `jobledger tail` on a terminal, and other commands that ask a terminal.

use serde_json::{Value, json};

use crate::support::cli::{Cli, Serving, cli, token};
use crate::support::terminal::Terminal;
use crate::support::{Client, completed, event, processed, started, task_job};

fn tail(server: &Serving, token: &str) -> Cli {
    cli(["tail", "--url", &server.url, "--token", token])
}

/// A server, an administrator's token and a client.
fn serve(folder: &std::path::Path) -> (Serving, String, Client) {
    let server = Serving::start(folder);
    let token = token(folder, "admin");
    let client = server.client(&token);
    (server, token, client)
}

fn of_total(job: &str, total: u64) -> Value {
    event("job.created", job, json!({"kind": "task", "spec": {"job_type": "account_sync", "total_records": total}}))
}

/// The rows that show a job, by its id.
fn rows_of<'r>(rows: &'r [String], job: &str) -> Vec<&'r String> {
    rows.iter().filter(|row| row.split_whitespace().next() == Some(job)).collect()
}

#[test]
fn a_terminal_shows_a_line_for_each_running_job_and_the_ended_ones_above() {
    let dir = tempfile::tempdir().unwrap();
    let (server, token, client) = serve(dir.path());
    // This job ran before the board was there.
    client.append(&json!([of_total("early", 200), started("early"), processed("early", 50)])).expect(201);
    let board = Terminal::start(tail(&server, &token), 24, 100);
    let rows = board.until("the running job", |rows| rows_of(rows, "early").len() == 1);
    assert!(rows_of(&rows, "early")[0].contains("█████░░░░░░░░░░░░░░░  25%"), "{rows:?}");
    let step = event("job.progress", "late", json!({"progress": 10, "current_step": "reading\u{1b}[2Jusers"}));
    client.append(&json!([task_job("late"), started("late"), step])).expect(201);
    let rows = board.until("the new job", |rows| rows_of(rows, "late").iter().any(|row| row.contains(" 10%")));
    // What an event says controls no terminal.
    assert!(rows_of(&rows, "late")[0].ends_with("reading\\u001b[2Jusers"), "{rows:?}");
    client.append(&processed("early", 100)).expect(201);
    board.until("more progress", |rows| rows_of(rows, "early").iter().any(|row| row.contains(" 50%")));
    client.append(&json!([completed("early")])).expect(201);
    let rows = board.until("the end", |rows| rows_of(rows, "early").is_empty());
    let ended = rows.iter().position(|row| row.contains(" early job.completed by admin ")).expect("a line of its end");
    let late = rows.iter().position(|row| row.starts_with("late ")).unwrap();
    assert!(ended < late, "{rows:?}");
}

#[test]
fn more_jobs_than_rows_are_counted_and_a_new_size_is_drawn_again() {
    let dir = tempfile::tempdir().unwrap();
    let (server, token, client) = serve(dir.path());
    let names: Vec<String> = (0..20).map(|n| format!("job-{n:02}")).collect();
    let events: Vec<Value> = names.iter().flat_map(|job| [of_total(job, 10), started(job)]).collect();
    client.append(&json!(events)).expect(201);
    let board = Terminal::start(tail(&server, &token), 12, 100);
    let shows = |rows: &[String], bars: usize, more: &str| {
        rows.iter().filter(|row| row.starts_with("job-")).count() == bars && rows.iter().any(|row| row == more)
    };
    board.until("ten bars", |rows| shows(rows, 10, "+10 more"));
    for (rows, columns, bars, more) in [(8, 100, 6, "+14 more"), (8, 30, 6, "+14 more"), (12, 120, 10, "+10 more")] {
        board.resize(rows, columns);
        // Each line ends before the right edge, so that the terminal never breaks it.
        let fits = |rows: &[String]| rows.iter().all(|row| row.chars().count() < usize::from(columns));
        board.until("another size", |rows| shows(rows, bars, more) && fits(rows));
    }
    // Each job that ends makes room for another.
    client.append(&json!([completed("job-00")])).expect(201);
    board.until("one less", |rows| shows(rows, 10, "+9 more") && rows_of(rows, "job-10").len() == 1);
}

#[test]
fn a_board_of_one_job_ends_with_the_job() {
    let dir = tempfile::tempdir().unwrap();
    let (server, token, client) = serve(dir.path());
    client.append(&json!([of_total("a", 10), started("a"), task_job("b"), started("b")])).expect(201);
    let board = Terminal::start(tail(&server, &token).args(["--job", "a"]), 12, 100);
    let rows = board.until("the job", |rows| rows_of(rows, "a").len() == 1);
    assert!(rows_of(&rows, "b").is_empty(), "{rows:?}");
    client.append(&completed("a")).expect(201);
    board.until("its end", |rows| {
        rows.iter().any(|row| row.contains(" a job.completed by admin ")) && rows_of(rows, "a").is_empty()
    });
    assert_eq!(board.wait(), 0);
}

#[test]
fn what_a_tail_shows_is_an_option() {
    let dir = tempfile::tempdir().unwrap();
    let (server, token, client) = serve(dir.path());
    client.append(&json!([task_job("a"), started("a"), completed("a")])).expect(201);
    let all = |what: &str| tail(&server, &token).args(["--job", "a", "--after", "0", "--progress", what]);
    assert_eq!(all("auto").run().expect(0).stdout.lines().count(), 3);
    assert_eq!(all("plain").run().expect(0).stdout, all("auto").run().expect(0).stdout);
    assert_eq!(all("quiet").run().expect(0).stdout, "");
    all("tty").run().refused(2, &["--progress tty", "terminal"]);
    all("loud").run().refused(2, &["--progress"]);
    // On a terminal too.
    let plain = Terminal::start(all("plain"), 12, 100);
    plain.until("lines", |rows| rows.iter().any(|row| row.starts_with("3 ") && row.contains("job.completed")));
    assert_eq!(plain.wait(), 0);
    for other in [["--json", ""], ["--type", "job.started"]] {
        let both = all("tty").args(other.iter().filter(|word| !word.is_empty()));
        assert_eq!(Terminal::start(both, 12, 100).wait(), 2);
    }
}

#[test]
fn a_cancellation_by_filter_asks_once() {
    let dir = tempfile::tempdir().unwrap();
    let (server, token, client) = serve(dir.path());
    client.append(&json!([task_job("a"), task_job("b")])).expect(201);
    let cancel = || cli(["cancel", "--kind", "task", "--url", &server.url, "--token", &token]);
    for (answer, code, jobs) in [("n\n", 1, 2), ("\n", 1, 2), ("y\n", 0, 0)] {
        let mut asked = Terminal::start(cancel(), 12, 100);
        asked.until("the question", |rows| rows.iter().any(|row| row.starts_with("Cancel 2 jobs? [y/N]")));
        asked.type_in(answer);
        assert_eq!(asked.wait(), code, "{answer:?}");
        let counts = client.get("/ledger/jobs/counts").json();
        assert_eq!(counts["pending"], jobs, "{answer:?}");
    }
}

#[test]
fn a_token_that_is_typed_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let (server, token, _) = serve(dir.path());
    let mut login = Terminal::start(cli(["login", "--url", &server.url]).env("HOME", dir.path().join("home")), 12, 200);
    login.until("the question", |rows| rows.iter().any(|row| row.starts_with("Token for http://")));
    login.until_hidden();
    login.type_in(&format!("{token}\n"));
    let rows = login.until("the answer", |rows| rows.iter().any(|row| row.contains("`default`: admin, role admin")));
    assert!(!rows.concat().contains(&token), "{rows:?}");
    assert_eq!(login.wait(), 0);
}
