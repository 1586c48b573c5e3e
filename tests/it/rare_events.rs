//! Reads of rare events in a long log: a filter passes over the parts of the log that have nothing for it, and misses no event.

use jobledger::access::Role;
use jobledger::job::{EventType, Kind, Position};
use jobledger::ledger::Folder;
use jobledger::log::{Filter, Types};
use jobledger::views::{BLOCK, quiet_after};
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Client, TestServer, event, noted, processed, started, task_job};

/// Blocks of the log, the last one not full.
const BLOCKS: u64 = 4;
const EVENTS: u64 = BLOCKS * BLOCK - 1000;

/// An event as filters see it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    event_type: EventType,
    kind: Kind,
}

impl Seen {
    fn of(event: &Value) -> Seen {
        Seen {
            event_type: EventType::named(event["type"].as_str().unwrap()).unwrap(),
            kind: event["jobkind"].as_str().unwrap().parse().unwrap(),
        }
    }

    fn is_shown(self, filter: &Filter) -> bool {
        filter.types.contains(self.event_type) && filter.kind.is_none_or(|kind| kind == self.kind)
    }
}

/// Appends a log of mostly reports about one job. A job that fails lies across the border of the blocks 0 and 1, and a job of another
/// kind across the border of the blocks 2 and 3.
fn fill(worker: &Client) {
    let mut next = 1;
    let mut events = vec![task_job("a"), started("a")];
    let generic = |job: &str| event("job.created", job, json!({"kind": "generic", "spec": {"job_type": "x"}}));
    while next < EVENTS {
        while events.len() < 1000 {
            let at = next + events.len() as u64;
            match at {
                _ if at == BLOCK - 2 => {
                    events.extend([task_job("b"), started("b"), event("job.failed", "b", json!({"message": "m"}))])
                }
                _ if at == 3 * BLOCK - 1 => events.extend([generic("c"), started("c")]),
                _ if at == 3 * BLOCK + 500 => events.push(noted("c", "rare")),
                _ => events.push(processed("a", 1)),
            }
        }
        worker.append(&Value::Array(std::mem::take(&mut events))).expect(201);
        next += 1000;
    }
}

/// Every event of the log from position 1 on.
fn all(client: &Client) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut after = Some(0);
    while let Some(from) = after {
        let page = client.get(&format!("/ledger/events?limit=1000&after={from}")).expect(200).json();
        seen.extend(page["events"].as_array().unwrap().iter().map(Seen::of));
        after = page["next"].as_u64();
    }
    seen
}

fn filters() -> Vec<Filter> {
    let types = |types: &[EventType]| Filter { types: types.iter().copied().collect(), ..Filter::default() };
    let kind = |kind| Filter { kind: Some(kind), ..Filter::default() };
    vec![
        types(&[EventType::Failed]),
        types(&[EventType::Started]),
        types(&[EventType::Created, EventType::Failed]),
        types(&[EventType::Cancelled]),
        kind(Kind::Generic),
        kind(Kind::Task),
        kind(Kind::Rule),
        Filter { kind: Some(Kind::Generic), ..types(&[EventType::Noted]) },
        Filter { kind: Some(Kind::Generic), ..types(&[EventType::Failed]) },
    ]
}

/// The parameters of a filter.
fn query(filter: &Filter) -> String {
    let types = match filter.types {
        Types::ALL => String::new(),
        types => types.each().map(|one| format!("&type={one}")).collect(),
    };
    filter.kind.map_or(types.clone(), |kind| format!("{types}&kind={kind}"))
}

#[test]
fn filtered_pages_tails_and_exports_have_every_event_that_the_filter_shows() {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    fill(&worker);
    let all = all(&worker);
    let misses_nothing = |client: &Client| {
        for filter in filters() {
            let shown = all.iter().zip(1..).filter(|(seen, _)| seen.is_shown(&filter)).map(|(_, position)| position);
            let expected: Vec<u64> = shown.collect();
            let query = query(&filter);
            assert_eq!(client.positions(&query), expected, "{query}");
            let lines =
                client.get_with(&format!("/ledger/events?{}", &query[1..]), &[("accept", "application/x-ndjson")]);
            assert_eq!(lines.expect(200).text().lines().count(), expected.len(), "{query}");
            if expected.len() < 100 {
                let mut tail = client.tail(&format!("/ledger/events?after=0{query}"), &[]);
                assert_eq!(tail.ids(expected.len()), expected, "{query}");
            }
        }
    };
    misses_nothing(&worker);
    server.restart();
    misses_nothing(&worker.at(&server.url));
    // The views are made again from the log, and reads of events go on meanwhile.
    server.stop();
    std::fs::remove_file(Folder::new(server.path()).views()).unwrap();
    server.restart();
    misses_nothing(&worker.at(&server.url));
}

#[test]
fn no_event_that_a_filter_shows_is_passed_over_and_whole_blocks_are() {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    fill(&worker);
    let all = all(&worker);
    server.stop();
    let views = Connection::open(Folder::new(server.path()).views()).unwrap();
    let head = all.len() as u64;
    let quiet = |after: u64, filter: &Filter| quiet_after(&views, Position::new(after), filter).unwrap().get();
    let failed = Filter { types: Types::one(EventType::Failed), ..Filter::default() };
    assert_eq!([quiet(0, &failed), quiet(BLOCK, &failed)], [BLOCK - 1, BLOCK]);
    assert_eq!(quiet(2 * BLOCK, &failed), head, "no job failed later");
    let generic = Filter { kind: Some(Kind::Generic), ..Filter::default() };
    assert_eq!(quiet(0, &generic), 2 * BLOCK - 1);
    assert_eq!(quiet(0, &Filter { kind: Some(Kind::Rule), ..Filter::default() }), head);
    assert_eq!(quiet(0, &Filter::default()), 0);

    let choices = (0..head, proptest::sample::select(filters()));
    proptest!(|((after, filter) in choices)| {
        let quiet = quiet(after, &filter);
        prop_assert!((after..=head).contains(&quiet));
        let passed = &all[after as usize..quiet as usize];
        prop_assert!(passed.iter().all(|seen| !seen.is_shown(&filter)), "{after} to {quiet}: {filter:?}");
    });
}
