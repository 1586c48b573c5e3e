//! What holds for every history and every input, not only for those in other tests.

use jobledger::job::{
    Completed, Counts, Credentials, Decision, Detail, Event, Fact, HOOK_HEAD, HookExit, HookOutput, ItemId, ItemResult,
    ItemStatus, Job, Kind, Progress, Provider, RawJson, Refusal, Started, Time,
};
use jobledger::mask::Mask;
use jobledger::wire;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::given::*;

fn cases(cases: u32) -> ProptestConfig {
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
    let started = (text(), count()).prop_map(|(message, total_records)| Started { message, total_records });
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

/// A kind, and reports with how many hours each is early or late.
fn reports() -> impl Strategy<Value = (Kind, Vec<(Event, i64)>)> {
    (select(Kind::ALL), prop::collection::vec((event(), -27..27_i64), 0..40))
}

/// Reports everything to one job: each answer, and the job after it.
fn tell(kind: Kind, reports: Vec<(Event, i64)>) -> Vec<(When, Option<Job>)> {
    let mut given = given([]);
    let mut told = Vec::new();
    // Created and started first: without that nearly all that follows is refused for one and the same reason.
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
    fn what_is_decided_can_be_folded_and_what_the_state_forbids_cannot((kind, reports) in reports()) {
        for (when, _) in tell(kind, reports) {
            let folded = when.folded();
            match when.answer {
                Ok(Decision::Record) => prop_assert!(folded.is_ok(), "{folded:?}"),
                Ok(Decision::AlreadyCancelled(_)) | Err(Refusal::NoSuchJob(_)) => prop_assert!(folded.is_err()),
                Err(Refusal::Lifecycle(conflict)) => prop_assert_eq!(folded, Err(conflict)),
                // The state allows these; what forbids them is asked once, at append, and never by the fold.
                Err(Refusal::RuledOut { .. } | Refusal::Full { .. }) => prop_assert!(folded.is_ok()),
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
    fn a_percentage_is_one(reports in prop::collection::vec(event(), 0..40)) {
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

    #[test]
    fn stored_data_reads_back_as_the_event_and_stores_as_itself(data in data()) {
        let (event_type, members, order, spaces) = data;
        let sent = written(&members, &order, &spaces);
        let parsed = wire::parse(event_type, &sent, &mint, &Mask::default()).unwrap();
        prop_assert_eq!(&wire::decode(event_type, parsed.event.event_type().version(), &parsed.data).unwrap(), &parsed.event);
        let stored = String::from_utf8(parsed.data).unwrap();
        let again = wire::parse(event_type, &stored, &|_| unreachable!("stored actions have ids"), &Mask::default()).unwrap();
        prop_assert_eq!(&again.event, &parsed.event);
        prop_assert_eq!(String::from_utf8(again.data).unwrap(), stored.clone());
        // Neither order nor white space is content.
        let mut plain: Vec<usize> = (0..members.len()).collect();
        plain.reverse();
        let other = wire::parse(event_type, &written(&members, &plain, ""), &mint, &Mask::default()).unwrap();
        prop_assert_eq!(String::from_utf8(other.data).unwrap(), stored);
    }

    #[test]
    fn what_is_left_of_erased_data_is_an_event_with_the_same_numbers_and_no_text(data in data()) {
        let (event_type, members, order, spaces) = data;
        let stored = wire::parse(event_type, &written(&members, &order, &spaces), &mint, &Mask::default()).unwrap();
        let left = wire::residue(event_type, 1, &stored.data).unwrap();
        prop_assert_eq!(&wire::residue(event_type, 1, &left).unwrap(), &left);
        let event = wire::decode(event_type, 1, &left).unwrap();
        // Item ids stay, which the texts of the shapes are told from by their place.
        let ids: Vec<&str> = match (&event, &stored.event) {
            (Event::ItemResult(left), Event::ItemResult(was)) => {
                prop_assert_eq!((&left.item, left.status), (&was.item, was.status));
                vec![was.item.as_str()]
            }
            (Event::Created(left), Event::Created(was)) => {
                prop_assert_eq!((left.spec.kind(), left.labels.len()), (was.spec.kind(), was.labels.len()));
                Vec::new()
            }
            _ => Vec::new(),
        };
        prop_assert_eq!(event.counts(), stored.event.counts());
        let (was, left): (serde_json::Value, serde_json::Value) =
            (serde_json::from_slice(&stored.data).unwrap(), serde_json::from_slice(&left).unwrap());
        // Of a rule only the documented members are left, and of free parameters nothing.
        if was["kind"] != "rule" && was["kind"] != "generic" {
            prop_assert_eq!(numbers(&left), numbers(&was));
        }
        let known = |text: &&str| text.starts_with("minted-") || KEPT.contains(text) || ids.contains(text);
        let kept: Vec<&str> = texts(&left).into_iter().filter(|text| !known(text)).collect();
        prop_assert_eq!(kept, Vec::<&str>::new());
    }
}

/// What may stand in what is left: names of members, words of fixed lists, and what stands for a text.
const KEPT: [&str; 41] = [
    "[redacted]",
    "redacted-1",
    "redacted-2",
    "kind",
    "spec",
    "created_by",
    "labels",
    "dbrole",
    "task",
    "rule",
    "generic",
    "parameters",
    "redacted",
    "db_arn",
    "db_engine",
    "db_tags",
    "key",
    "value",
    "job_type",
    "enrichment",
    "total_records",
    "actions",
    "id",
    "type",
    "create",
    "priority",
    "message",
    "records_processed",
    "records_created",
    "records_updated",
    "records_deleted",
    "item",
    "status",
    "failed",
    "output",
    "exit_code",
    "execution_time_sec",
    "text",
    "reason",
    "current_step",
    "progress",
];

/// Every number in `value`, in order.
fn numbers(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Number(number) => vec![number.to_string()],
        serde_json::Value::Array(values) => values.iter().flat_map(numbers).collect(),
        serde_json::Value::Object(members) => members.values().flat_map(numbers).collect(),
        _ => Vec::new(),
    }
}

/// Every text in `value`, names of members included.
fn texts(value: &serde_json::Value) -> Vec<&str> {
    match value {
        serde_json::Value::String(text) => vec![text],
        serde_json::Value::Array(values) => values.iter().flat_map(texts).collect(),
        serde_json::Value::Object(members) => {
            members.iter().flat_map(|(name, value)| std::iter::once(name.as_str()).chain(texts(value))).collect()
        }
        _ => Vec::new(),
    }
}

fn mint(n: usize) -> ItemId {
    format!("minted-{n}").parse().unwrap()
}

/// Good data of some type: its members, an order to write them in, and white space to write between.
type Data = (&'static str, Vec<(&'static str, String)>, Vec<usize>, String);

fn data() -> impl Strategy<Value = Data> {
    let members = prop_oneof![
        (optional("message", string()), optional("total_records", number()))
            .prop_map(|(a, b)| ("job.started", vec![a, b])),
        prop::collection::vec(number(), 5).prop_map(|n| {
            let names = ["records_deleted", "records_processed", "records_created", "total_records", "records_updated"];
            ("job.progress", names.into_iter().zip(n).map(Some).collect())
        }),
        (string(), optional("message", string())).prop_map(|(id, a)| (
            "job.item_result",
            vec![Some(("item", id)), Some(("status", "\"failed\"".into())), a]
        )),
        (optional("output", string()), of(number())).prop_map(|(output, exit)| {
            let code = exit.clone().map(|_| ("exit_code", "-7".to_owned()));
            ("job.hook_output", vec![output, code, exit.map(|seconds| ("execution_time_sec", seconds))])
        }),
        string().prop_map(|text| ("job.noted", vec![Some(("text", text))])),
        string().prop_map(|text| ("job.failed", vec![Some(("message", text))])),
        optional("reason", string()).prop_map(|a| ("job.cancelled", vec![a])),
        (spec(), optional("created_by", string()), of((string(), string()))).prop_map(|((kind, spec), by, labels)| {
            let labels = labels.map(|(a, b)| ("labels", format!(r#"{{"b" : {b},"a":{a} }}"#)));
            ("job.created", vec![Some(("kind", format!("\"{kind}\""))), Some(("spec", spec)), by, labels])
        }),
    ];
    let members = members.prop_map(|(event_type, members): (_, Vec<_>)| {
        (event_type, members.into_iter().flatten().collect::<Vec<(&'static str, String)>>())
    });
    members.prop_flat_map(|(event_type, members)| {
        let order = Just((0..members.len()).collect::<Vec<_>>()).prop_shuffle();
        (Just(event_type), Just(members), order, "[ \t\r\n]{0,3}")
    })
}

fn spec() -> impl Strategy<Value = (Kind, String)> {
    let rule = prop::collection::vec((string(), value()), 1..4).prop_map(|actions| {
        let rule = |(n, (name, value))| {
            format!(r#"{{"priority":{n},"rule":{{ "name" :{name},"x": {value} }},"type":"create"}}"#)
        };
        let actions: Vec<String> = actions.into_iter().enumerate().map(rule).collect();
        (Kind::Rule, format!(r#"{{"actions":[{}]}}"#, actions.join(" , ")))
    });
    let dbrole = (string(), string(), string()).prop_map(|(arn, key, value)| {
        let tags = format!(r#"[{{"value":{value},"key":{key}}}]"#);
        (Kind::DbRole, format!(r#"{{"db_tags":{tags},"db_engine":"postgres","db_arn":{arn}}}"#))
    });
    let task = number().prop_map(|n| (Kind::Task, format!(r#"{{"total_records":{n},"job_type":"enrichment"}}"#)));
    let generic = (string(), value(), number()).prop_map(|(name, value, n)| {
        let spec = format!(r#"{{"total_records":{n}, "parameters" :{{ {name}:{value}}},"job_type":"a.B_c-9"}}"#);
        (Kind::Generic, spec)
    });
    prop_oneof![rule, dbrole, task, generic]
}

/// Any JSON, numbers in any form.
fn value() -> impl Strategy<Value = String> {
    let leaf =
        prop_oneof![string(), "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?", Just("null".to_owned())];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop::collection::vec(inner, 0..3).prop_map(|values| format!("[{}]", values.join(", ")))
    })
}

/// A string in JSON, of what every text and id may hold.
fn string() -> impl Strategy<Value = String> {
    "[^\\p{Cc}]{1,12}".prop_map(|text| serde_json::to_string(&text).unwrap())
}

fn number() -> impl Strategy<Value = String> {
    (0..=1_u64 << 53).prop_map(|n| n.to_string())
}

/// The member, or its absence, or `null`, which is the same.
fn optional(
    name: &'static str,
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = Option<(&'static str, String)>> {
    prop_oneof![
        2 => value.prop_map(move |value| Some((name, value))),
        1 => Just(None),
        1 => Just(Some((name, "null".to_owned()))),
    ]
}

fn written(members: &[(&'static str, String)], order: &[usize], spaces: &str) -> String {
    let member = |at: &usize| format!("{spaces}\"{}\"{spaces}:{spaces}{}{spaces}", members[*at].0, members[*at].1);
    format!("{{{}}}", order.iter().map(member).collect::<Vec<_>>().join(","))
}
