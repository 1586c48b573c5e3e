//! The lifecycle: which events are possible in which state of a job, and the state after them.

use jobledger::job::{
    Completed, Counts, Credentials, Decision, Detail, Event, Fact, ItemResult, ItemStatus, Kind, MAX_BYTES, MAX_ITEMS,
    MAX_NOTES, Noted, Position, Provider, RawJson, Redacted, RedactionTarget, Refusal, Spec, State, Status, TaskSpec,
    TaskType, Time, may_redact,
};

use crate::given::*;

/// The effect of an event on a job.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    /// The event is recorded, and the job is then in this state.
    To(Status),
    /// The answer is the position of the earlier cancellation.
    Repeat,
    /// The event is refused.
    No,
}
use Does::{No, Repeat, To};
use Status::{Cancelled, Completed as Done, Failed, Pending, Running};

/// The whole table: a line for each state, a column for each event.
#[rustfmt::skip]
const TABLE: [(Option<Status>, [Does; 11]); 6] = [
    //                created      started      progress     item_result  hook_output  completed failed      cancelled      noted          redacted        retried
    (None,            [To(Pending), No,          No,          No,          No,          No,       No,         No,            No,            No,             No]),
    (Some(Pending),   [No,          To(Running), No,          No,          No,          No,       To(Failed), To(Cancelled), To(Pending),   No,             No]),
    (Some(Running),   [No,          No,          To(Running), To(Running), To(Running), To(Done), To(Failed), To(Cancelled), To(Running),   No,             No]),
    (Some(Done),      [No,          No,          No,          No,          No,          No,       No,         No,            To(Done),      To(Done),       No]),
    (Some(Failed),    [No,          No,          No,          No,          No,          No,       No,         No,            To(Failed),    To(Failed),     To(Failed)]),
    (Some(Cancelled), [No,          No,          No,          No,          No,          No,       No,         Repeat,        To(Cancelled), To(Cancelled),  To(Cancelled)]),
];

/// Every event, in the order of the columns. Each is valid by itself for a job of that kind.
fn events(kind: Kind) -> [Event; 11] {
    let progress = counted(Some(1), Some(2));
    let result = item("a", ItemStatus::Completed);
    let (created, started, hook) = (created(kind), started(), hook("x"));
    let (completed, failed, cancelled) = (completed(), failed(), cancelled());
    let (noted, redacted, retried) = (noted(), redacted(1), retried("b"));
    [created, started, progress, result, hook, completed, failed, cancelled, noted, redacted, retried]
}

/// A job of that kind in that state. Its items are completed, if the job could complete.
fn in_state(kind: Kind, state: Option<Status>) -> Given {
    let Some(status) = state else { return given([]) };
    let results = [item("a", ItemStatus::Completed), item("b", ItemStatus::Completed)];
    let running = || given([created(kind), started()].into_iter().chain(results));
    match status {
        Pending => given([created(kind)]),
        Running => running(),
        Done => running().when(completed()).recorded(),
        Failed => running().when(failed()).recorded(),
        Cancelled => running().when(cancelled()).recorded(),
    }
}

#[test]
fn every_state_meets_every_event() {
    for kind in Kind::ALL {
        for (state, line) in TABLE {
            for (event, does) in events(*kind).into_iter().zip(line) {
                let (before, name) = (in_state(*kind, state), event.event_type().as_str());
                let when = before.clone().when(event);
                match does {
                    To(status) => assert_eq!(when.recorded().job().state.status(), status, "{kind} {state:?} {name}"),
                    Repeat => assert_eq!(when.repeated(), before.job().position, "{kind} {state:?} {name}"),
                    No => {
                        let conflict = when.conflict();
                        assert_eq!((conflict.state, conflict.event.as_str()), (state, name), "{kind}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_columns_of_the_table_are_every_event_once() {
    let names = events(Kind::Task).map(|event| event.event_type().as_str());
    let expected = [
        "job.created",
        "job.started",
        "job.progress",
        "job.item_result",
        "job.hook_output",
        "job.completed",
        "job.failed",
        "job.cancelled",
        "job.noted",
        "job.redacted",
        "job.retried",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_state_knows_when_it_began_and_ended() {
    let second = |n: i64| dawn().plus(n * 1_000_000_000);
    let state = |events: Vec<Event>| given(events).job().summary.state;
    let (created, started_at) = (created(Kind::Task), second(1));
    let early = state(vec![created.clone(), failed()]);
    assert_eq!(early, State::Failed { started_at: None, ended_at: second(1) });
    let late = state(vec![created.clone(), started(), failed()]);
    assert_eq!(late, State::Failed { started_at: Some(started_at), ended_at: second(2) });
    let done = state(vec![created.clone(), started(), noted(), completed(), noted()]);
    assert_eq!(done, State::Completed { started_at, ended_at: second(3) });
    let State::Cancelled { started_at, ended_at, by, reason, position } = state(vec![created, cancelled()]) else {
        panic!("not cancelled")
    };
    assert_eq!((started_at, ended_at, position.get()), (None, second(1), 2));
    assert_eq!((by.as_str(), reason.as_deref()), ("worker", Some("enough")));
}

#[test]
fn a_repeated_cancellation_is_answered_with_the_first_one() {
    let job = given([created(Kind::Task), cancelled(), noted(), noted()]);
    assert_eq!(job.clone().when(cancelled()).repeated().get(), 2);
    assert_eq!(job.job().position.get(), 4);
}

#[test]
fn an_item_with_an_outcome_never_runs_again_and_its_later_result_replaces_the_earlier() {
    use ItemStatus::{Completed, Failed, Running};
    for ended in [Completed, Failed] {
        let job = given([created(Kind::DbRole), started(), item("a", Running), item("a", ended)]);
        assert!(job.clone().when(item("a", Running)).part().contains("`a` is"));
        job.clone().when(item("b", Running)).recorded();
        for later in [Completed, Failed] {
            let job = job.clone().when(item("a", later)).recorded().job();
            assert_eq!((job.items.len(), job.items.as_slice()[0].status), (1, later));
        }
    }
    // The later result replaces the whole earlier one, its message and its detail included.
    let told = ItemResult { item: "a".parse().unwrap(), status: Failed, message: Some("m".into()), detail: detail() };
    let job = given([created(Kind::DbRole), started(), Event::ItemResult(told), item("a", Completed)]).job();
    let item = &job.items.as_slice()[0];
    assert_eq!((&item.message, &item.detail, item.at), (&None, &None, Some(dawn().plus(3_000_000_000))));
}

#[test]
fn the_items_of_a_rule_job_are_its_actions_and_it_completes_with_all_of_them() {
    use ItemStatus::{Completed, Failed, Running};
    let job = given([created(Kind::Rule), started()]);
    assert_eq!(job.clone().when(item("c", Completed)).invalid(), "/data/item");
    assert!(job.clone().when(completed()).part().contains("every action"));
    let job = job.when(item("b", Completed)).recorded();
    for not_yet in [Running, Failed] {
        job.clone().when(item("a", not_yet)).recorded().when(completed()).part();
    }
    let both = job.clone().when(item("a", Completed)).recorded();
    assert_eq!(both.clone().when(completed()).recorded().job().state.status(), Done);
    both.when(item("b", Failed)).recorded().when(completed()).part();
    // The job may fail or be cancelled at any time, and its items keep the order of the actions.
    let items = job.when(failed()).recorded().job().items;
    let shown: Vec<_> = items.as_slice().iter().map(|item| (item.id.as_str(), item.status)).collect();
    assert_eq!(shown, [("a", ItemStatus::Pending), ("b", Completed)]);
}

#[test]
fn an_event_with_data_is_redacted_once_and_a_redaction_never() {
    let Event::Redacted(redacted) = redacted(3) else { unreachable!() };
    let asked = |named| may_redact(Status::Failed, &redacted, named);
    assert_eq!(asked(Some(RedactionTarget::HasData("data"))), Ok("data"));
    for named in [None, Some(RedactionTarget::Redaction)] {
        assert!(matches!(asked(named), Err(Refusal::Invalid { pointer: "/data/position", .. })), "{named:?}");
    }
    let again = asked(Some(RedactionTarget::Redacted)).unwrap_err();
    assert_eq!(again.to_string(), "`job.redacted` is not possible: the data of event 3 was redacted before");
}

#[test]
fn a_redaction_changes_no_state_and_is_shown_with_its_actor_and_reason() {
    let job = given([created(Kind::Task), failed(), redacted(1), noted(), redacted(2)]).job();
    let shown: Vec<_> =
        job.redactions.iter().map(|r| (r.position.get(), r.by.as_str(), r.reason.as_str(), r.at)).collect();
    let at = |n: i64| dawn().plus(n * 1_000_000_000);
    assert_eq!(shown, [(1, "worker", "asked for", at(2)), (2, "worker", "asked for", at(4))]);
    assert_eq!((job.state.ended_at(), job.position), (Some(at(1)), Position::new(5)));
}

#[test]
fn a_hook_ends_once_and_does_not_decide_the_job() {
    let job = given([created(Kind::DbRole), started(), hook("x"), hook_ended(7)]);
    for more in [hook("y"), hook_ended(0)] {
        assert!(job.clone().when(more).part().contains("hook has ended"));
    }
    let job = job.when(completed()).recorded().job();
    assert_eq!(job.state.status(), Done);
    assert_eq!(job.summary.hook.unwrap().exit.unwrap().code, 7);
}

#[test]
fn counts_over_their_total_are_refused() {
    let total = |total_records| {
        let spec = Spec::Task(TaskSpec { job_type: TaskType::FullSync, total_records });
        given([created_with(spec), started()])
    };
    let (processed, total_of) = ("/data/records_processed", "/data/total_records");
    assert_eq!(total(None).when(counted(Some(3), Some(2))).invalid(), processed);
    assert_eq!(total(Some(2)).when(counted(Some(3), None)).invalid(), processed);
    assert_eq!(total(None).when(counted(Some(3), None)).recorded().when(counted(None, Some(2))).invalid(), total_of);
    total(Some(2)).when(counted(Some(3), Some(4))).recorded();
    total(Some(2)).when(counted(Some(2), None)).recorded();
    let last = |processed| {
        Event::Completed(Completed { counts: Counts { processed, ..Counts::default() }, ..Completed::default() })
    };
    assert_eq!(total(Some(2)).when(last(Some(3))).invalid(), processed);
    total(Some(2)).when(last(Some(2))).recorded();
    total(Some(2)).when(completed()).recorded();
}

#[test]
fn clocks_may_be_a_day_off_and_not_a_nanosecond_more() {
    let (job, created_at) = (given([created(Kind::Task)]), dawn());
    let now = created_at.plus(5 * Time::DAY);
    let at = |time| job.clone().at(time).when_the_clock_says(now).when(started());
    at(created_at.plus(-Time::DAY)).recorded();
    assert_eq!(at(created_at.plus(-Time::DAY - 1)).invalid(), "/time");
    at(now.plus(Time::DAY)).recorded();
    assert_eq!(at(now.plus(Time::DAY + 1)).invalid(), "/time");
    // A new job may be as old as it likes: an import brings old ones.
    let new = |time| given([]).at(time).when_the_clock_says(now).when(created(Kind::Task));
    new(now.plus(-9000 * Time::DAY)).recorded();
    assert_eq!(new(now.plus(Time::DAY + 1)).invalid(), "/time");
    // A duration never becomes negative.
    assert_eq!(at(now).recorded().at(created_at).when(completed()).recorded().job().elapsed_ms(now), Some(0));
}

#[test]
fn only_a_database_role_job_needs_a_uuid() {
    for kind in Kind::ALL {
        let named = given([]).named("job-123").when(created(*kind));
        if *kind == Kind::DbRole {
            assert_eq!(named.invalid(), "/subject");
        } else {
            named.recorded();
        }
    }
}

#[test]
fn database_role_and_generic_jobs_alone_have_details() {
    let details = [detail(), Some(Detail::Json(RawJson(r#"{"rows":5}"#.into())))];
    for kind in Kind::ALL {
        for (detail, json) in details.iter().zip([false, true]) {
            let result = ItemResult {
                item: "a".parse().unwrap(),
                status: ItemStatus::Completed,
                message: None,
                detail: detail.clone(),
            };
            let detailed = given([created(*kind), started()]).when(Event::ItemResult(result));
            if *kind == Kind::Generic || (*kind == Kind::DbRole && !json) {
                assert_eq!(detailed.recorded().job().items.as_slice()[0].detail, *detail, "{kind}");
            } else {
                assert_eq!(detailed.invalid(), "/data/detail", "{kind}");
            }
        }
    }
}

fn detail() -> Option<Detail> {
    let credentials =
        Credentials { provider: Provider::Vault, secret_id: "s".into(), secret_keys: vec!["HOST".into()] };
    Some(Detail::Credentials(credentials))
}

#[test]
fn the_numbers_of_items_and_notes_of_a_job_are_limited() {
    // The test folds the events up to the limit without deciding on them, because deciding on each takes long.
    let mut full = given([created(Kind::Task), started()]);
    let mut job = full.job.take().unwrap();
    let items = (0..MAX_ITEMS).map(|n| item(&format!("i{n}"), ItemStatus::Running));
    for event in items.chain((0..MAX_NOTES).map(|_| noted())) {
        let fact = given([]).when(event).fact;
        let position = job.position.next();
        job.apply(Fact { position, ..fact }).unwrap();
    }
    full.job = Some(job);
    assert_eq!(full.clone().when(item("one more", ItemStatus::Running)).full(), "/data/item");
    full.clone().when(item("i0", ItemStatus::Completed)).recorded();
    assert_eq!(full.clone().when(noted()).full(), "/data/text");
    full.when(completed()).recorded();
}

#[test]
fn the_bytes_of_a_job_are_limited() {
    let long = "\u{1}".repeat(16 << 10);
    let said = |item: &str, message: &str| {
        let (item, message) = (item.parse().unwrap(), Some(message.to_owned()));
        Event::ItemResult(ItemResult { item, status: ItemStatus::Running, message, detail: None })
    };
    let mut full = given([created(Kind::Task), started(), said("long", &long), said("short", "x")]);
    let mut job = full.job.take().unwrap();
    // A control character is six bytes of JSON.
    while job.bytes + 6 * long.len() as u64 + 200 < MAX_BYTES {
        let fact = given([]).when(Event::Noted(Noted { text: long.clone() })).fact;
        let position = job.position.next();
        job.apply(Fact { position, ..fact }).unwrap();
    }
    assert!(job.notes.len() > 160);
    full.job = Some(job);
    let when = |event: Event| full.clone().when(event);
    assert_eq!(when(Event::Noted(Noted { text: long.clone() })).full(), "/data/text");
    assert_eq!(when(said("new", &long)).full(), "/data/message");
    assert_eq!(when(said("short", &long)).full(), "/data/message");
    // Events that need no further room are recorded, and the job can end.
    when(said("long", "x")).recorded();
    when(said("long", &long)).recorded();
    when(noted()).recorded();
    let ended = when(completed()).recorded();
    // Redactions have room of their own, which is limited too.
    let redacted = || Event::Redacted(Redacted { position: Position::new(1), reason: long.clone() });
    let mut full = ended.when(redacted()).recorded();
    while let Ok(Decision::Record) = full.clone().when(redacted()).answer {
        full = full.when(redacted()).recorded();
    }
    assert_eq!(full.clone().when(redacted()).full(), "/data/reason");
    assert!(full.job().redactions.len() > 160);
}

#[test]
fn only_the_holder_of_a_lease_reports_and_every_sender_may_note_and_cancel() {
    let job = given([created(Kind::Task), leased("w")]);
    for report in [started(), counted(Some(1), None), item("a", ItemStatus::Running), hook("x"), completed(), failed()]
    {
        let name = report.event_type();
        assert!(job.clone().when(report.clone()).lost().contains("worker `w` holds"), "{name}");
        assert!(job.clone().under_lease(1).when(report.clone()).lost().contains("under another token"), "{name}");
        if name.as_str() != "job.started" {
            job.clone().under_lease(2).when(report).recorded();
        }
    }
    job.clone().when(noted()).recorded();
    let cancelled = job.clone().when(cancelled()).recorded();
    // The holder learns the state, as every late reporter does.
    assert_eq!(cancelled.under_lease(2).when(counted(Some(1), None)).conflict().state, Some(Cancelled));
    let free = given([created(Kind::Task), started()]);
    assert!(free.under_lease(2).when(hook("x")).lost().contains("without a lease"));
}

#[test]
fn a_lease_that_ran_out_is_lost_to_its_holder_alone() {
    let job = given([created(Kind::Task), leased("w")]).under_lease(2).by("ledger").when(failed()).recorded();
    assert!(job.clone().job().worker.as_ref().unwrap().lost);
    assert!(job.clone().under_lease(2).when(completed()).lost().contains("ran out"));
    assert_eq!(job.when(completed()).conflict().state, Some(Failed));
}

#[test]
fn a_job_is_repeated_once() {
    let job = given([created(Kind::Task), failed(), retried("b")]);
    assert_eq!(job.clone().job().retried_as.as_ref().unwrap().as_str(), "b");
    assert!(job.when(retried("c")).part().contains("retried before, as `b`"));
}
