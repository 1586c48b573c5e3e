//! Laws of deciding and folding, for random histories and inputs.

use jobledger::job::{
    Completed, Counts, Credentials, Decision, Detail, Event, Fact, HOOK_HEAD, HookExit, HookOutput, ItemResult,
    ItemStatus, Job, Kind, Progress, Provider, RawJson, Refusal, Started, Time,
};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::given::*;

pub fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Counts from a small range, so that they break their rule now and then, and the largest ones.
fn count() -> impl Strategy<Value = Option<u64>> {
    of(prop_oneof![9 => 0..6_u64, 1 => Just(1 << 53)])
}

fn counts() -> impl Strategy<Value = Counts> {
    (count(), count(), count(), count(), count()).prop_map(|(processed, total, created, updated, deleted)| Counts {
        processed,
        total,
        created,
        updated,
        deleted,
    })
}

fn text() -> impl Strategy<Value = Option<String>> {
    of(".{0,8}")
}

fn result() -> impl Strategy<Value = Event> {
    let status = select(vec![ItemStatus::Running, ItemStatus::Completed, ItemStatus::Failed]);
    let credentials = Credentials { provider: Provider::Database, secret_id: String::new(), secret_keys: Vec::new() };
    let detail = prop_oneof![4 => Just(None), 1 => Just(Some(Detail::Credentials(credentials))),
                              1 => Just(Some(Detail::Json(RawJson("{\"rows\":5}".into()))))];
    (select(vec!["a", "b", "c"]), status, text(), detail).prop_map(|(item, status, message, detail)| {
        Event::ItemResult(ItemResult { item: item.parse().unwrap(), status, message, detail })
    })
}

/// Any event; those that end a job are rare, so that histories grow.
fn event() -> impl Strategy<Value = Event> {
    let progress = (of(0..=100_u8), text(), counts(), text()).prop_map(|(percent, current_step, counts, message)| {
        Event::Progress(Progress { percent, current_step, counts, message })
    });
    let started = (text(), count());
    let started = started.prop_map(|(message, total_records)| Started { message, total_records, ..Started::default() });
    let exit = prop_oneof![9 => Just(None), 1 => Just(Some(HookExit { code: 1, seconds: 2 }))];
    let chunk = (text(), exit).prop_map(|(output, exit)| HookOutput { output, stream: None, exit });
    prop_oneof![
        1 => select(Kind::ALL).prop_map(created),
        3 => started.prop_map(Event::Started),
        8 => progress,
        8 => result(),
        4 => chunk.prop_map(Event::HookOutput),
        1 => (text(), counts()).prop_map(|(message, counts)| Event::Completed(Completed { message, counts })),
        1 => Just(failed()),
        1 => Just(cancelled()),
        2 => Just(noted()),
        1 => (1..9_u64).prop_map(redacted),
    ]
}

/// A kind, and events, each with the number of hours by which its time is early or late.
fn reports() -> impl Strategy<Value = (Kind, Vec<(Event, i64)>)> {
    (select(Kind::ALL), prop::collection::vec((event(), -27..27_i64), 0..40))
}

/// Reports the events to one job. Returns each answer with the job after it.
fn tell(kind: Kind, reports: Vec<(Event, i64)>) -> Vec<(When, Option<Job>)> {
    let mut given = given([]);
    let mut told = Vec::new();
    // The job is created and started first. Otherwise the ledger refuses nearly every event for the same reason.
    for (event, hours) in [(created(kind), 0), (started(), 0)].into_iter().chain(reports) {
        let when = given.clone().at(dawn().plus(hours * Time::DAY / 24)).when_the_clock_says(dawn()).when(event);
        if when.answer == Ok(Decision::Record) {
            given.job = when.folded().ok();
        }
        told.push((when, given.job.clone()));
    }
    told
}

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn the_fold_takes_recorded_events_and_refuses_those_that_the_state_forbids((kind, reports) in reports()) {
        for (when, _) in tell(kind, reports) {
            let folded = when.folded();
            match when.answer {
                Ok(Decision::Record) => prop_assert!(folded.is_ok(), "{folded:?}"),
                Ok(Decision::AlreadyCancelled(_)) | Err(Refusal::NoSuchJob(_)) => prop_assert!(folded.is_err()),
                Err(Refusal::Lifecycle(conflict)) => prop_assert_eq!(folded, Err(conflict)),
                // The state allows these; what forbids them is asked once, at append, and never by the fold.
                Err(Refusal::RuledOut { .. } | Refusal::Full { .. }) => prop_assert!(folded.is_ok()),
                Err(Refusal::LeaseLost { .. }) => unreachable!("no event here names a worker"),
                Err(Refusal::Invalid { .. }) => {}
            }
        }
    }

    #[test]
    fn the_fold_of_a_prefix_is_the_job_that_was_seen_then((kind, reports) in reports()) {
        let told = tell(kind, reports);
        let recorded: Vec<(Fact, Option<Job>)> = told
            .into_iter()
            .filter(|(when, _)| when.answer == Ok(Decision::Record))
            .map(|(when, seen)| (when.fact, seen))
            .collect();
        for (last, (fact, seen)) in recorded.iter().enumerate() {
            let facts = recorded[..=last].iter().map(|(fact, _)| fact.clone());
            let folded = facts.fold(None, |job, fact| Job::fold(job, fact).ok());
            prop_assert_eq!(&folded, seen);
            prop_assert_eq!(folded.map(|job| job.position), Some(fact.position));
        }
    }

    #[test]
    fn a_refused_event_leaves_no_trace((kind, reports) in reports()) {
        let told = tell(kind, reports);
        for (before, after) in told.iter().zip(&told[1..]) {
            if after.0.answer != Ok(Decision::Record) {
                prop_assert_eq!(&before.1, &after.1);
            }
        }
    }

    #[test]
    fn a_percentage_is_between_0_and_100(reports in prop::collection::vec(event(), 0..40)) {
        // The fold alone, without asking whether the events are decent.
        let mut job = given([created(Kind::Task), started()]).job();
        for event in reports {
            let fact = given([]).when(event).fact;
            let _ = job.apply(fact);
            prop_assert!(job.percent() <= 100 && job.tally.percent <= 100);
        }
    }

    #[test]
    fn the_head_of_the_hook_is_the_beginning_of_its_output(
        sizes in prop::collection::vec((0..1500_usize, select(vec!['x', 'é', '€', '😀'])), 0..8),
    ) {
        let mut job = given([created(Kind::DbRole), started()]).job();
        let mut whole = String::new();
        for (length, character) in sizes {
            let chunk: String = std::iter::repeat_n(character, length).collect();
            whole.push_str(&chunk);
            job.apply(given([]).when(hook(&chunk)).fact).unwrap();
        }
        let hook = job.summary.hook.unwrap_or_default();
        prop_assert_eq!(hook.len, whole.len() as u64);
        // As much as fits without cutting a character, and never more.
        prop_assert_eq!(hook.head.as_str(), &whole[..whole.floor_char_boundary(HOOK_HEAD)]);
    }
}
