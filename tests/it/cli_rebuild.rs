//! `jobledger rebuild`: the same answers from new views.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::answers::all_reads;
use crate::support::cli::{Serving, cli, on, token};
use crate::support::exports::{append_to, small_ledger};
use crate::support::{ROLE_JOB, noted, task_job};

const JOBS: [&str; 3] = ["a", "r", ROLE_JOB];

#[test]
fn rebuilt_views_give_the_same_answers_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let admin = token(&folder, "admin");
    let reads = || {
        let server = Serving::start(&folder);
        all_reads(&server.client(&admin), &JOBS)
    };
    let before = reads();
    assert!(before.iter().filter(|(_, status, _)| *status == 200).count() > 10);
    assert_eq!(on(&folder, "rebuild", &[]).expect(0).stdout, "the views show position 8\n");
    assert_eq!(reads(), before);
    // The same with missing or damaged views.
    std::fs::write(folder.join("views.db"), "spoilt").unwrap();
    on(&folder, "rebuild", &[]).expect(0);
    assert_eq!(reads(), before);
    std::fs::remove_file(folder.join("views.db")).unwrap();
    on(&folder, "rebuild", &[]).expect(0);
    assert_eq!(reads(), before);
    on(&dir.path().join("nowhere"), "rebuild", &[]).refused(2, &["nowhere"]);
    assert!(!dir.path().join("nowhere").exists());
}

#[test]
fn a_running_server_keeps_its_folder_and_rebuilds_while_it_answers() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let many: Vec<_> = (0..5000).map(|n| task_job(&format!("many-{n}"))).collect();
    append_to(&folder, &many.into(), &[]);
    let server = Serving::start(&folder);
    on(&folder, "rebuild", &[]).refused(2, &["is in use"]);
    let (admin, worker) = (token(&folder, "admin"), token(&folder, "worker"));
    let rebuild = |token: &str| cli(["rebuild", "--url", &server.url, "--token", token]).run();
    rebuild(&worker).refused(1, &["403"]);
    rebuild("jl_guessed").refused(1, &["401"]);
    let client = server.client(&admin);
    let before = all_reads(&client, &JOBS);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(Ordering::SeqCst) || rounds == 0 {
                assert_eq!(all_reads(&client, &JOBS), before);
                rounds += 1;
            }
        });
        let rebuilt = rebuild(&admin);
        done.store(true, Ordering::SeqCst);
        reader.join().unwrap();
        assert_eq!(rebuilt.expect(0).stdout, "the views were made again, up to position 5008\n");
    });
    assert_eq!(all_reads(&client, &JOBS), before);
    // The new views take further events.
    client.append(&noted("a", "more")).expect(201);
    assert_eq!(client.get("/ledger/jobs/a").json()["position"], 5009);
}
