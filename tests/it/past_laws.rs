//! Laws of reads of the past. For a random history a read as of any moment answers what the log alone says of it: the first read after a
//! start, a read that finds states in memory, and a read after redactions.

use jobledger::access::Role;
use jobledger::history::{fold_job, job_facts};
use jobledger::job::{JobKey, Position};
use jobledger::ledger::PointInTime;
use jobledger::log::Reader;
use jobledger::model::Differ;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::laws::cases;
use crate::past::{append_all, by_the_log, key_of_a};
use crate::support::redactions::redacted;
use crate::support::{Client, TestServer, completed, event, noted, output, result, started, task_job};

/// A report on the job `a`, with a text that a redaction changes.
fn report() -> impl Strategy<Value = Value> {
    let text = "[ a-zé€😀\"\\\\\n]{1,60}";
    let item = (0..12_u8, select(vec!["completed", "failed"]));
    prop_oneof![
        3 => text.prop_map(|text| output("a", &text)),
        3 => text.prop_map(|text| event("job.progress", "a", json!({"current_step": text}))),
        3 => (item, text).prop_map(|((item, status), text)| {
            event("job.item_result", "a", json!({"item": format!("i{item}"), "status": status, "message": text}))
        }),
        1 => text.prop_map(|text| noted("a", &text)),
        // Made for each event, because the ledger takes an event with a known id once.
        1 => Just(()).prop_map(|()| noted("b", "between")),
        1 => (0..12_u8).prop_map(|item| result("a", &format!("i{item}"), "failed")),
    ]
}

/// Checks reads of the job `a` as of these moments, and the diffs from each moment to the next, against the log.
#[track_caller]
fn check(admin: &Client, log: &Reader<'_>, moments: &[u64]) -> Result<(), TestCaseError> {
    for position in moments {
        let then = admin.get(&format!("/ledger/jobs/a?as_of={position}")).expect(200);
        prop_assert_eq!(then.line(), by_the_log(log, *position), "as of {}", position);
    }
    for two in moments.windows(2) {
        let (from, to) = (two[0].min(two[1]), two[0].max(two[1]));
        let diff = admin.get(&format!("/ledger/jobs/a/diff?from={from}&to={to}")).expect(200);
        prop_assert_eq!(diff.line(), diff_by_the_log(log, from, to), "from {} to {}", from, to);
    }
    Ok(())
}

/// The diff of the job `a`, folded from the log alone.
fn diff_by_the_log(log: &Reader<'_>, from: u64, to: u64) -> String {
    let key: JobKey = key_of_a();
    let moment = |position: u64| {
        let position = Position::new(position);
        PointInTime { position, time: log.recorded(position).unwrap().unwrap() }
    };
    let (from, to) = (moment(from), moment(to));
    let mut differ = Differ::new(fold_job(log, &key, None, from.position).unwrap());
    job_facts(log, &key, from.position, to.position, |fact| {
        differ.take(fact).unwrap();
        Ok::<_, jobledger::history::Error>(())
    })
    .unwrap();
    serde_json::to_string(&differ.finish(from, to).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4, ..cases(4) })]

    #[test]
    fn a_read_of_the_past_is_what_the_log_says(
        reports in vec(report(), 600..1500),
        moments in vec(any::<Index>(), 10),
        named in vec(vec(any::<Index>(), 1..5), 2),
    ) {
        let mut server = TestServer::start();
        let admin = server.client(Role::Admin);
        let mut life = vec![task_job("a"), task_job("b"), started("a")];
        life.extend(reports);
        life.push(completed("a"));
        append_all(&admin, &life);
        let last = life.len();
        let moments: Vec<u64> = moments.iter().map(|at| 1 + at.index(last) as u64).collect();
        let log_file = server.path().join("log.db");
        let mut gone: Vec<u64> = Vec::new();
        {
            let conn = Reader::open(&log_file).unwrap();
            let log = Reader::new(&conn);
            check(&admin, &log, &moments)?;
            check(&admin, &log, &moments)?;
            for places in named {
                let places = places.iter().map(|at| 1 + at.index(last) as u64);
                let places: Vec<u64> = places.filter(|at| life[*at as usize - 1]["subject"] == "a" && !gone.contains(at)).collect();
                for position in places {
                    if !gone.contains(&position) {
                        admin.append(&redacted("a", position)).expect(201);
                        gone.push(position);
                    }
                    check(&admin, &log, &moments)?;
                }
            }
        }
        server.restart();
        let again = server.client_named(Role::Admin, "again");
        let conn = Reader::open(&log_file).unwrap();
        check(&again, &Reader::new(&conn), &moments)?;
    }
}
