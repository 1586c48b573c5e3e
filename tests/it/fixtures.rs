//! The recorded histories in `replay-fixtures/`: today's code gives the recorded answers.

use std::collections::BTreeSet;

use jobledger::ledger::{Folder, import};
use jobledger::wire::{Entry, Leaf};
use serde_json::Value;

use crate::support::{Answered, Recording, Stage};

/// Every case, each with its two tests.
macro_rules! cases {
    ($($test:ident = $name:literal,)+) => {
        const CASES: &[&str] = &[$($name),+];
        $(mod $test {
            #[test]
            fn replays() {
                super::replay($name);
            }
            #[test]
            fn resends() {
                super::resend($name);
            }
        })+
    };
}

cases! {
    dbrole_cancelled_pending = "dbrole.cancelled-pending",
    dbrole_cancelled_running = "dbrole.cancelled-running",
    dbrole_hook_boundary = "dbrole.hook-boundary",
    dbrole_hook_failed = "dbrole.hook-failed",
    dbrole_minted = "dbrole.minted",
    dbrole_partial = "dbrole.partial",
    dbrole_provisioned = "dbrole.provisioned",
    dbrole_sample = "dbrole.sample",
    dbrole_unicode = "dbrole.unicode",
    dbrole_vault = "dbrole.vault",
    dbrole_vault_failed = "dbrole.vault-failed",
    generic_renewal = "generic.renewal",
    rule_applied = "rule.applied",
    rule_batch = "rule.batch",
    rule_cancelled = "rule.cancelled",
    rule_compared = "rule.compared",
    rule_failed = "rule.failed",
    rule_out_of_order = "rule.out-of-order",
    rule_sample = "rule.sample",
    rule_ten_thousand = "rule.ten-thousand",
    rule_verbatim = "rule.verbatim",
    task_cancelled_half_way = "task.cancelled-half-way",
    task_cancelled_pending = "task.cancelled-pending",
    task_clock_skew = "task.clock-skew",
    task_continued = "task.continued",
    task_counts = "task.counts",
    task_failed_before_start = "task.failed-before-start",
    task_fractions = "task.fractions",
    task_guards = "task.guards",
    task_huge = "task.huge",
    task_lists = "task.lists",
    task_notes = "task.notes",
    task_nothing = "task.nothing",
    task_percentages = "task.percentages",
    task_progress_sample = "task.progress-sample",
    task_refused = "task.refused",
    task_retries = "task.retries",
    task_running_sample = "task.running-sample",
    task_sample = "task.sample",
    task_two_orgs = "task.two-orgs",
}

/// Imports the recorded log into a folder. The ledger must give every recorded answer, byte for byte.
fn replay(name: &'static str) {
    let recording = Recording::named(name);
    let dir = tempfile::tempdir().unwrap();
    import(&Folder::new(dir.path()), &recording.events_file(), |_| {}).unwrap();
    let stage = Stage::on(dir.path(), &recording.span().1);
    recording.record_answers(|ask| stage.ask(ask));
    for expected in recording.answers() {
        same_answer(&expected, &stage.ask(expected.ask.clone()));
    }
    assert!(stage.export() == recording.events(), "events.ndjson is not what an export writes");
}

/// Sends the recorded requests again. The ledger must give the recorded log and answers, except for random values.
fn resend(name: &'static str) {
    let recording = Recording::named(name);
    let stage = Stage::empty(&recording.span().0);
    stage.send(&recording.sent());
    let export = stage.export();
    recording.record_events(&export);
    let random = same_history(&lines(&recording.events()), &lines(&export));
    let now = |text: &str| random.iter().fold(text.to_owned(), |text, (then, now)| text.replace(then, now));
    for mut expected in recording.answers() {
        expected.ask.get = now(&expected.ask.get);
        expected.body = now(&expected.body);
        same_answer(&expected, &stage.ask(expected.ask.clone()));
    }
}

fn lines(export: &str) -> Vec<Entry> {
    export.lines().map(|line| Entry::parse(line).unwrap()).collect()
}

/// Checks that `fresh` has the events of `recorded`. Returns pairs of random values, the recorded and the new one: job ids that the
/// ledger made, and event ids of its `DELETE` route.
fn same_history(recorded: &[Entry], fresh: &[Entry]) -> BTreeSet<(String, String)> {
    assert_eq!(recorded.len(), fresh.len(), "events in the log");
    let mut random = BTreeSet::new();
    for (then, now) in recorded.iter().zip(fresh) {
        let old = Leaf::parse(&then.leaf).unwrap();
        let mut new = Leaf::parse(&now.leaf).unwrap();
        let genesis = old.subject.is_none();
        if old.id != new.id {
            assert!(genesis || old.source == "/api/v1/jobs", "{}", old.id);
            random.insert((old.id.to_string(), new.id.to_string()));
        }
        if old.subject != new.subject {
            let subjects = [&old, &new].map(|leaf| leaf.subject.as_deref().unwrap().to_owned());
            let minted = |id: &String| uuid::Uuid::parse_str(id).is_ok_and(|id| id.get_version_num() == 7);
            assert!(subjects.iter().all(minted), "{subjects:?}");
            let [then, now] = subjects;
            random.insert((then, now));
        }
        new.id = old.id.clone();
        new.subject = old.subject.clone();
        new.datadigest = old.datadigest.clone();
        assert_eq!(old, new);
        // The genesis event names its ledger, and every ledger has a name and key of its own.
        if !genesis {
            let [then, now] = [then, now].map(|line| &line.content.as_ref().unwrap().1);
            assert!(then == now, "data of position {}: {}", old.position, String::from_utf8_lossy(now));
        }
    }
    random
}

/// A member that the ledger's own API has gained since most histories were recorded.
const ADDED: &str = r#""last_event_at":""#;

/// The body without the added member: a recording is never edited, and a client must not mind one member more.
fn without_added_members(body: &str) -> String {
    let mut rest = body;
    let mut kept = String::with_capacity(body.len());
    while let Some((before, behind)) = rest.split_once(ADDED) {
        let (time, after) = behind.split_once("\",").expect("a time, and a member after it");
        assert_eq!(time.len(), "2025-03-01T12:00:08.000000Z".len(), "{time}");
        kept.push_str(before);
        rest = after;
    }
    kept + rest
}

#[track_caller]
fn same_answer(expected: &Answered, found: &Answered) {
    let asked = format!("{} as {}", expected.ask.get, expected.ask.role);
    let head = |answer: &Answered| (answer.status, answer.content_type.clone(), answer.etag.clone());
    assert_eq!(head(expected), head(found), "{asked}: {:.500}", found.body);
    let body = match expected.body.contains(ADDED) {
        true => found.body.clone(),
        false => without_added_members(&found.body),
    };
    if expected.body != body {
        // Bodies may have megabytes: only the place is shown.
        let same = expected.body.bytes().zip(body.bytes()).take_while(|(a, b)| a == b).count();
        let around = |text: &str| {
            let from = text.floor_char_boundary(same.saturating_sub(60));
            text[from..text.floor_char_boundary(same + 60)].to_owned()
        };
        assert_eq!(around(&expected.body), around(&body), "{asked}: bodies differ at byte {same}");
    }
}

#[test]
fn every_folder_is_a_case_and_every_kind_has_some() {
    let folders = std::fs::read_dir(Recording::all()).unwrap().map(Result::unwrap);
    let folders = folders.filter(|entry| entry.file_type().unwrap().is_dir());
    let folders: BTreeSet<_> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    let cases: BTreeSet<_> = CASES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(folders, cases);
    assert!(cases.len() >= 20);
    for kind in ["dbrole.", "rule.", "task."] {
        assert!(cases.iter().any(|name| name.starts_with(kind)), "{kind}");
    }
    for name in &cases {
        let files = std::fs::read_dir(Recording::all().join(name)).unwrap();
        let files: BTreeSet<_> = files.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(files, BTreeSet::from(["answers.json", "events.ndjson", "sent.ndjson"].map(String::from)), "{name}");
    }
}

#[test]
fn every_route_that_reads_jobs_is_answered_somewhere() {
    let api: Value = serde_json::from_str(&jobledger::server::openapi()).unwrap();
    let mut unread = BTreeSet::new();
    for (path, operations) in api["paths"].as_object().unwrap() {
        let tag = &operations["get"]["tags"][0];
        if ["ledger", "dbrole", "task", "rule"].iter().any(|of_jobs| tag == of_jobs) {
            unread.insert(path.as_str());
        }
    }
    assert!(unread.contains("/ledger/jobs/{id}/output"), "{unread:?}");
    let routes = unread.clone();
    for answer in CASES.iter().flat_map(|name| Recording::named(name).answers()).filter(|answer| answer.status == 200) {
        let path = answer.ask.get.split('?').next().unwrap();
        // A route of its own comes before one with `{…}` in the same place.
        let fits = |route: &&&str| serves(route, path);
        let route = routes.get(path).or_else(|| routes.iter().find(fits));
        unread.remove(*route.unwrap_or_else(|| panic!("no route serves {path}")));
    }
    assert_eq!(unread, BTreeSet::new());
}

/// Whether `path` belongs to `route`, which may have `{…}` for a segment.
fn serves(route: &str, path: &str) -> bool {
    let (route, path): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
    route.len() == path.len() && route.iter().zip(&path).all(|(r, p)| r.starts_with('{') || r == p)
}
