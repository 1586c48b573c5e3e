//! `jobledger exec --claim`: a command for each job that the ledger hands out.

use serde_json::{Value, json};

use crate::support::cli::{Cli, Serving, cli, token};
use crate::support::event;
use crate::support::place::Place;
use crate::support::wait::until;

/// `jobledger exec --claim` of a script, for two jobs of the type `nightly`.
fn claiming(place: &Place, options: &[&str], script: &str) -> Cli {
    let words =
        ["exec", "--url", &place.server.url, "--token", &place.token, "--claim", "--job-type", "nightly", "--spool"];
    cli(words).arg(place.spool()).args(options).args(["--", "/bin/sh", "-c", script])
}

fn nightly(job: &str) -> Value {
    event("job.created", job, json!({"kind": "generic", "spec": {"job_type": "nightly", "parameters": {"n": job}}}))
}

#[test]
fn with_claim_the_command_runs_for_each_job() {
    let place = Place::new();
    place.client().append(&json!([nightly("a"), nightly("b"), nightly("c")])).expect(201);
    let script = r#"read -r job; echo "$JOBLEDGER_JOB_ID $JOBLEDGER_JOB_KIND $JOBLEDGER_JOB_TYPE $job"
        test "$JOBLEDGER_JOB_ID" != b"#;
    let done = claiming(&place, &["--max-jobs", "2", "--worker", "w"], script).run().expect(0);
    for line in done.stdout.lines() {
        let (names, job) = line.split_at(line.find('{').unwrap());
        let job: Value = serde_json::from_str(job).unwrap();
        assert_eq!(names, format!("{} generic nightly ", job["id"].as_str().unwrap()));
        assert_eq!((&job["status"], &job["spec"]["parameters"]["n"]), (&json!("running"), &job["id"]));
    }
    let status = |job: &str| place.client().get(&format!("/ledger/jobs/{job}")).expect(200).json()["status"].clone();
    assert_eq!([status("a"), status("b"), status("c")], ["completed", "failed", "pending"]);
    assert!(done.stderr.contains("the command ended with exit code 1"), "{}", done.stderr);
    // The folder of the spool is not there at the beginning, which is no fault.
    assert!(!done.stderr.contains("cannot deliver"), "{}", done.stderr);
    place.nothing_waits();
}

#[test]
fn claims_wait_for_jobs_and_for_the_server_and_end_with_a_signal() {
    let mut place = Place::new();
    let (ledger, address) =
        (place.dir.path().join("ledger"), place.server.url.strip_prefix("http://").unwrap().to_owned());
    let running = claiming(&place, &["--concurrency", "2"], "echo done").start();
    place.client().append(&nightly("a")).expect(201);
    let ended =
        |place: &Place, job: &str| place.client().get(&format!("/ledger/jobs/{job}")).text().contains("completed");
    until("the job ends", || ended(&place, "a"));
    place.server.signal("KILL");
    place.server.ended();
    place.server = Serving::on(&ledger, &address);
    place.client().append(&nightly("b")).expect(201);
    until("the second job ends", || ended(&place, "b"));
    running.signal("TERM");
    running.wait().expect(0);
}

#[test]
fn claims_that_the_server_refuses_end_exec() {
    let place = Place::new();
    let viewer = token(&place.dir.path().join("ledger"), "viewer");
    let words = ["exec", "--url", &place.server.url, "--token", &viewer, "--claim", "--", "/bin/true"];
    cli(words).run().refused(1, &["403"]);
    for (option, value) in
        [("--lease", "0s"), ("--lease", "1500ms"), ("--lease", "2days"), ("--concurrency", "0"), ("--job", "x")]
    {
        claiming(&place, &[option, value], "true").run().refused(2, &[option]);
    }
    place.exec(&["--concurrency", "2"], "true").run().refused(2, &["--claim"]);
}
