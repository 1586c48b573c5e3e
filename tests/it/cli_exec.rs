//! `jobledger exec`: a command as a job.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::cli::{Cli, Done, Serving, cli};
use crate::support::event;
use crate::support::place::Place;
use crate::support::wait::until;

impl Place {
    /// `jobledger exec` of a script.
    pub fn exec(&self, options: &[&str], script: &str) -> Cli {
        let words = ["exec", "--url", &self.server.url, "--token", &self.token, "--job", "j", "--spool"];
        cli(words).arg(self.spool()).args(options).args(["--", "/bin/sh", "-c", script])
    }

    fn output(&self) -> String {
        self.client().get("/ledger/jobs/j/output").expect(200).text()
    }

    #[track_caller]
    pub fn nothing_waits(&self) {
        assert_eq!(self.spool().read_dir().unwrap().count(), 0, "the spool is empty");
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn a_command_is_recorded_from_its_start_to_its_end() {
    let place = Place::new();
    let script = "echo out; echo err >&2; echo last";
    let done = place.exec(&["--label", "ticket:A-17", "--job-type", "nightly"], script).run();
    assert_eq!(done.clone().expect(0).stdout, "out\nlast\n");
    assert_eq!(done.stderr, "err\n");
    let job = place.job("j");
    assert_eq!(job["status"], "completed");
    assert_eq!((&job["spec"]["job_type"], &job["labels"]["ticket"]), (&json!("nightly"), &json!("A-17")));
    let events = place.events("j");
    let expected =
        ["job.created", "job.started", "job.hook_output", "job.hook_output", "job.hook_output", "job.completed"];
    assert_eq!(types(&events), expected);
    assert_eq!(events[2]["data"], json!({"output": "out\nlast\n", "stream": "stdout"}));
    assert_eq!(events[3]["data"], json!({"output": "err\n", "stream": "stderr"}));
    assert_eq!(events[4]["data"], json!({"exit_code": 0, "execution_time_sec": 0}));
    place.nothing_waits();
}

#[test]
fn the_exit_code_is_that_of_the_command() {
    for (script, code, message) in
        [("exit 3", 3, "the command ended with exit code 3"), ("kill -9 $$", 137, "signal 9 ended the command")]
    {
        let place = Place::new();
        place.exec(&[], script).run().refused(code, &[message, "job j"]);
        let job = place.job("j");
        assert_eq!((&job["status"], &job["message"]), (&json!("failed"), &json!(message)));
    }
    let place = Place::new();
    let words = ["exec", "--url", &place.server.url, "--token", &place.token, "--job", "j", "--", "/no/such/program"];
    cli(words).run().refused(127, &["cannot run `/no/such/program`"]);
    assert_eq!(place.job("j")["status"], "failed");
}

#[test]
fn lines_on_stdout_may_be_reports() {
    let place = Place::new();
    let script = r#"echo '::progress records_processed=650 total_records=1000 step="Processing accounts"'
        echo plain
        echo '::item hoop_ro completed message="created, granted"'
        echo '::item hoop_rw failed'
        echo '::note asked the vendor'
        echo '::progress step="open'
        echo '::item x done'
        echo '::note on stderr' >&2"#;
    let done = place.exec(&[], script).run().expect(0);
    let left_out: Vec<&str> = done.stderr.lines().filter(|line| line.contains("left out")).collect();
    assert!(left_out[0].contains("expected a closing quote"), "{left_out:?}");
    assert!(left_out[1].contains("/data/status"), "{left_out:?}");
    let job = place.job("j");
    assert_eq!((&job["status"], &job["records_processed"]), (&json!("completed"), &json!(650)));
    assert_eq!(job["current_step"], "Processing accounts");
    let items: Vec<_> = job["items"].as_array().unwrap().iter().map(|item| [&item["item"], &item["status"]]).collect();
    assert_eq!(items, [[&json!("hoop_ro"), &json!("completed")], [&json!("hoop_rw"), &json!("failed")]]);
    assert_eq!(job["notes"][0]["text"], "asked the vendor");
    assert_eq!(place.output(), "plain\n::note on stderr\n");

    let place = Place::new();
    place.exec(&["--no-commands"], "echo '::note x'").run().expect(0);
    assert_eq!(place.output(), "::note x\n");
}

#[test]
fn a_cancelled_job_ends_its_command() {
    for (script, code) in [
        // The process group gets the signal, not the shell alone.
        ("echo ready; sleep 1000", 143),
        ("trap '' TERM; echo ready; sleep 1000; sleep 1000", 137),
        ("trap 'echo tidied; exit 7' TERM; echo ready; sleep 1000 & wait", 7),
    ] {
        let place = Place::new();
        let running = place.exec(&["--grace", "300ms"], script).start();
        assert_eq!(running.line().unwrap(), "ready");
        until("the job runs", || place.client().get("/ledger/jobs/j").text().contains("\"running\""));
        place.client().append(&event("job.cancelled", "j", json!({"reason": "wrong target"}))).expect(201);
        running.wait().refused(code, &["job j is cancelled"]);
        assert_eq!(place.job("j")["status"], "cancelled");
        place.nothing_waits();
    }
}

#[test]
fn signals_go_to_the_command() {
    let place = Place::new();
    let running = place.exec(&[], "trap 'echo stopped; exit 5' INT; echo ready; sleep 1000 & wait").start();
    assert_eq!(running.line().unwrap(), "ready");
    running.signal("INT");
    assert_eq!(running.wait().expect(5).stdout, "stopped\n");
    assert_eq!(place.job("j")["status"], "failed");
}

#[test]
fn the_command_knows_its_job_and_has_the_umask_of_its_caller() {
    let place = Place::new();
    let done = place.exec(&[], "umask; echo $JOBLEDGER_JOB_ID").run().expect(0);
    assert_ne!(done.stdout, "0077\nj\n");
    assert!(done.stdout.ends_with("\nj\n"), "{}", done.stdout);

    // Another `jobledger` does not take the variable for a mistyped option.
    let script = format!("{} completions bash", env!("CARGO_BIN_EXE_jobledger"));
    let place = Place::new();
    assert_eq!(place.exec(&[], &script).run().expect(0).stderr, "");
}

#[test]
fn reports_wait_for_a_server_that_is_away_and_arrive_once() {
    let mut place = Place::new();
    let address = place.server.url.strip_prefix("http://").unwrap().to_owned();
    let ledger = place.dir.path().join("ledger");
    let script = "echo one; read line; echo two; echo '::note three'";
    let words = ["exec", "--url", &place.server.url, "--token", &place.token, "--job", "j", "--spool"];
    let (stdin, go) = std::io::pipe().unwrap();
    let running = cli(words).arg(place.spool()).args(["--", "/bin/sh", "-c", script]).stdin(stdin).start();
    assert_eq!(running.line().unwrap(), "one");
    until("the job runs", || place.client().get("/ledger/jobs/j").text().contains("\"running\""));
    place.server.signal("KILL");
    place.server.ended().expect(137);
    drop(go);
    assert_eq!(running.line().unwrap(), "two");
    until("reports wait", || {
        std::fs::read_dir(place.spool())
            .unwrap()
            .any(|file| std::fs::read_to_string(file.unwrap().path()).unwrap().contains("job.completed"))
    });
    place.server = Serving::on(&ledger, &address);
    assert!(running.wait().expect(0).stderr.contains("reports wait in"));
    assert_eq!(place.output(), "one\ntwo\n");
    assert_eq!(place.job("j")["status"], "completed");
    assert_eq!(place.job("j")["notes"].as_array().unwrap().len(), 1);
    place.nothing_waits();
}

/// Runs a script while no server is there, and gives up at once.
fn away(place: &Path, url: &str, token: &str, job: &str) -> Done {
    let words = ["exec", "--url", url, "--token", token, "--job", job, "--deliver-timeout", "0s", "--spool"];
    cli(words).arg(place.join("spool")).args(["--", "/bin/sh", "-c", "echo late; exit 4"]).run()
}

#[test]
fn a_spool_is_delivered_by_a_later_exec_or_by_append() {
    let mut place = Place::new();
    let (url, address) = (place.server.url.clone(), place.server.url.strip_prefix("http://").unwrap().to_owned());
    place.server.signal("KILL");
    place.server.ended();
    let (dir, token) = (place.dir.path(), place.token.clone());
    for job in ["a", "b"] {
        away(dir, &url, &token, job).refused(4, &["not delivered", "spool"]);
    }
    let mut files: Vec<_> = place.spool().read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 2);
    place.server = Serving::on(&dir.join("ledger"), &address);
    let append = |times: usize| {
        for _ in 0..times {
            cli(["append", "--url", &url, "--token", &token]).arg(&files[0]).run().expect(0);
        }
    };
    append(2);
    place.exec(&[], "echo now").run().expect(0);
    place.nothing_waits();
    for job in ["a", "b"] {
        let job = place.client().get(&format!("/ledger/jobs/{job}")).expect(200).json();
        assert_eq!((&job["status"], &job["message"]), (&json!("failed"), &json!("the command ended with exit code 4")));
    }
    assert_eq!(place.client().head(), 15);
}

#[test]
fn a_job_that_the_server_refuses_never_runs() {
    let place = Place::new();
    let mark = place.dir.path().join("ran");
    let script = format!("touch {}", mark.display());
    place.exec(&[], "true").run().expect(0);
    place.exec(&[], &script).run().refused(1, &["lifecycle"]);
    place.exec(&["--kind", "task"], &script).run().refused(2, &["--job-type"]);
    place.exec(&["--kind", "rule"], &script).run().refused(2, &["--spec"]);
    place.exec(&["--kind", "task", "--job-type", "nightly"], &script).run().refused(1, &["job_type"]);
    place.exec(&["--spec", "[]"], &script).run().refused(2, &["--spec", "JSON object"]);
    place.exec(&["--label", "x"], &script).run().refused(2, &["`name:value`"]);
    place.exec(&["--grace", "forever"], &script).run().refused(2, &["--grace"]);
    let words = ["exec", "--url", &place.server.url, "--token", "jl_wrong", "--", "/bin/sh", "-c", &script];
    cli(words).run().refused(1, &["401"]);
    cli(["exec", "--url", &place.server.url, "--token", &place.token]).run().refused(2, &["COMMAND"]);
    assert!(!mark.exists());
    place.nothing_waits();
}

#[test]
fn much_output_and_bytes_that_are_no_text_arrive_whole() {
    let place = Place::new();
    // 6 MB, and more than fits into one event between two ticks.
    let script = r#"i=0; while [ $i -lt 3 ]; do head -c 1500000 /dev/zero | tr '\0' 'x'; echo; i=$((i+1)); done
        printf 'a\377b\n'; printf 'no newline at the end'"#;
    place.exec(&[], script).stdout(std::process::Stdio::null()).run().expect(0);
    let line = format!("{}\n", "x".repeat(1_500_000));
    assert!(place.output() == format!("{}a\u{fffd}b\nno newline at the end", line.repeat(3)));
}

#[test]
fn output_beyond_the_limit_of_the_spool_is_counted() {
    let mut place = Place::new();
    let (ledger, address) =
        (place.dir.path().join("ledger"), place.server.url.strip_prefix("http://").unwrap().to_owned());
    let (stdin, go) = std::io::pipe().unwrap();
    let words = ["--spool-limit", "8KiB"];
    let running = place.exec(&words, "read line; head -c 100000 /dev/zero | tr '\\0' 'x'").stdin(stdin).start();
    until("the job runs", || place.client().get("/ledger/jobs/j").text().contains("\"running\""));
    place.server.signal("KILL");
    place.server.ended();
    drop(go);
    until("reports wait", || {
        std::fs::read_dir(place.spool())
            .unwrap()
            .any(|file| std::fs::read_to_string(file.unwrap().path()).unwrap().contains("job.completed"))
    });
    place.server = Serving::on(&ledger, &address);
    running.wait().expect(0);
    let job = place.job("j");
    assert_eq!(job["status"], "completed");
    let note = job["notes"][0]["text"].as_str().unwrap();
    assert!(note.starts_with("100000 bytes of output found no room in the spool"), "{note}");
}

#[test]
fn a_spool_that_cannot_be_written_waits_in_memory() {
    let place = Place::new();
    std::fs::write(place.spool(), "a file, not a folder").unwrap();
    let done = place.exec(&[], "echo one").run().expect(0);
    assert!(done.stderr.contains("reports wait in memory"), "{}", done.stderr);
    assert_eq!(place.output(), "one\n");
}

#[test]
fn a_process_that_the_command_leaves_behind_holds_nothing_up() {
    let place = Place::new();
    place.exec(&[], "sleep 1000 & echo $! > pid; echo done").current_dir(place.dir.path()).run().expect(0);
    assert_eq!(place.job("j")["status"], "completed");
    let pid = std::fs::read_to_string(place.dir.path().join("pid")).unwrap();
    std::process::Command::new("kill").arg(pid.trim()).status().unwrap();
}

#[test]
fn the_id_of_a_new_job_is_the_first_line_on_stderr() {
    let place = Place::new();
    let words = ["exec", "--url", &place.server.url, "--token", &place.token, "--", "/bin/true"];
    let done = cli(words).run().expect(0);
    let id = done.stderr.lines().next().unwrap().strip_prefix("jobledger: job ").unwrap();
    let job = place.client().get(&format!("/ledger/jobs/{id}")).expect(200).json();
    assert_eq!((&job["status"], &job["spec"]["job_type"]), (&json!("completed"), &json!("true")));
}

#[test]
fn the_job_runs_under_a_lease_that_exec_renews() {
    let place = Place::new();
    let (stdin, go) = std::io::pipe().unwrap();
    let running = place.exec(&["--lease", "1s", "--worker", "host-7"], "read line; echo late").stdin(stdin).start();
    until("the job runs", || place.client().get("/ledger/jobs/j").text().contains("\"running\""));
    let job = place.job("j");
    assert_eq!((&job["worker"], &job["lease_sec"]), (&json!("host-7"), &json!(1)));
    // A silent command, for longer than the lease.
    std::thread::sleep(std::time::Duration::from_secs(3));
    place.client().append(&event("job.progress", "j", json!({"progress": 1}))).expect(409);
    drop(go);
    running.wait().expect(0);
    assert_eq!((place.job("j")["status"].as_str(), place.output().as_str()), (Some("completed"), "late\n"));
    place.nothing_waits();
}

#[test]
fn a_killed_exec_leaves_no_job_running() {
    let place = Place::new();
    let (stdin, _open) = std::io::pipe().unwrap();
    let running = place.exec(&["--lease", "1s", "--worker", "host-7"], "read line").stdin(stdin).start();
    until("the job runs", || place.client().get("/ledger/jobs/j").text().contains("\"running\""));
    running.signal("KILL");
    until("the job ends", || place.job("j")["status"] == "failed");
    assert_eq!(place.job("j")["message"], "worker host-7 was lost: no report for 1 s");
}

#[test]
fn a_lost_lease_ends_the_command_and_keeps_its_reports() {
    let mut place = Place::new();
    let (ledger, address) =
        (place.dir.path().join("ledger"), place.server.url.strip_prefix("http://").unwrap().to_owned());
    let (stdin, _open) = std::io::pipe().unwrap();
    let script = "trap 'echo stopped; exit 7' TERM; while :; do sleep 0.1; done";
    let running = place.exec(&["--lease", "2s", "--grace", "60s"], script).stdin(stdin).start();
    until("the job runs", || place.client().get("/ledger/jobs/j").text().contains("\"running\""));
    // `exec` cannot reach the server for longer than the lease, which the stopped process stands for.
    running.signal("STOP");
    until("the job ends", || place.job("j")["status"] == "failed");
    running.signal("CONT");
    let done = running.wait();
    assert!(done.stderr.contains("lost to this worker: the command gets SIGTERM"), "{}", done.stderr);
    done.refused(7, &["reports that came too late are in"]);
    let late: Vec<_> = place.spool().read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    assert!(std::fs::read_to_string(&late[0]).unwrap().contains("stopped"), "{late:?}");
    place.server.signal("TERM");
    place.server.ended();
    place.server = Serving::on(&ledger, &address);
    assert_eq!(place.job("j")["status"], "failed");
}
