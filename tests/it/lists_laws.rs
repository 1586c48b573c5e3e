//! The law of live lists: a client that applies every message has the first page of the list.

use jobledger::access::Role;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::wait::until;
use crate::support::watching::ListClient;
use crate::support::{Client, Stream, TestServer, completed, event, noted, processed, rule_job, started, task_job};

/// The filters of the clients. Some are served by an index, and some are not.
const QUERIES: [&str; 10] = [
    "first=4",
    "status=running&first=3",
    "status=pending&first=2",
    "status=failed",
    "kind=task&status=running&first=1",
    "label=team:red&first=3",
    "label=team:blue&status=running&first=2",
    "created_by=ann&status=running&first=2",
    "id_prefix=j1&first=2",
    "job_type=full_sync&first=1000",
];

/// A random event of one of twenty jobs. The ledger refuses many of them.
fn something(random: &mut fastrand::Rng) -> Value {
    let job = format!("j{}", random.u32(0..20));
    match random.u32(0..12) {
        0 => rule_job(&job, &["one"]),
        1..4 => {
            let mut created = task_job(&job);
            created["data"]["labels"] = json!({"team": random.choice(["red", "blue"])});
            created["data"]["created_by"] = json!(random.choice(["ann", "bob"]));
            created
        }
        4..7 => started(&job),
        7 | 8 => processed(&job, random.u64(0..1000)),
        9 => completed(&job),
        10 if random.bool() => event("job.failed", &job, json!({"message": "no"})),
        10 => event("job.cancelled", &job, json!({"reason": "enough"})),
        _ => noted(&job, "hm"),
    }
}

/// A client of a live list, its stream, and its filters.
struct Watching {
    query: &'static str,
    page: ListClient,
    stream: Option<Stream>,
}

impl Watching {
    fn new(query: &'static str) -> Watching {
        Watching { query, page: ListClient::default(), stream: None }
    }

    /// Opens the stream, with the position that the client has seen.
    fn connect(&mut self, client: &Client) {
        let path = format!("/ledger/jobs?{}&heartbeat=1", self.query);
        let stream = match self.page.position {
            0 => client.tail(&path, &[]),
            seen => client.resume(&path, seen),
        };
        self.stream = Some(stream);
    }

    /// Reads until the client has seen everything, and compares its page with the list.
    fn catches_up(&mut self, client: &Client) {
        let head = client.head();
        for frame in self.stream.as_mut().unwrap().events_to(head) {
            self.page.take(&frame);
        }
        let list = client.get(&format!("/ledger/jobs?{}", self.query)).expect(200).json();
        assert_eq!(json!(self.page.jobs()), list["jobs"], "{}", self.query);
        // The live list does not follow the jobs beyond its page: they may have left.
        assert!(list["next"].is_null() || self.page.next.as_deref() == list["next"].as_str(), "{}", self.query);
    }
}

#[test]
fn the_page_of_every_client_is_the_list_after_any_history() {
    let seed = fastrand::u64(..);
    println!("the seed is {seed}");
    let random = &mut fastrand::Rng::with_seed(seed);
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&task_job("first")).expect(201);
    let mut clients = QUERIES.map(Watching::new);
    for round in 0..6 {
        // The first time a client begins. Then it comes back with its position, and has missed the events since.
        for client in &mut clients {
            client.connect(&admin);
        }
        for _ in 0..30 {
            let status = admin.append(&something(random)).status;
            assert!([200, 201, 404, 409].contains(&status), "{status}");
            // Messages come while events are recorded, so each has another number of them.
            if random.u32(0..12) == 0 {
                let some = random.usize(0..clients.len());
                clients[some].catches_up(&admin);
            }
        }
        if round == 3 {
            until("the views are made again", || admin.send(Method::POST, "/ledger/rebuild", &[], b"").status != 202);
        }
        for client in &mut clients {
            client.catches_up(&admin);
            client.stream = None;
        }
        for _ in 0..random.usize(0..20) {
            admin.append(&something(random));
        }
    }
}

#[test]
fn a_list_that_is_behind_the_jobs_in_memory_reads_the_log() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let mut clients = ["status=failed&first=5", "status=pending&first=5"].map(Watching::new);
    admin.append(&task_job("first")).expect(201);
    for client in &mut clients {
        client.connect(&admin);
        client.catches_up(&admin);
    }
    // More bytes of texts than memory keeps, in one commit.
    let message = "x".repeat(16_000);
    let failed = |n: usize| {
        let job = format!("j{n}");
        [task_job(&job), event("job.failed", &job, json!({"message": message}))]
    };
    admin.append(&json!((0..480).flat_map(failed).collect::<Vec<_>>())).expect(201);
    for client in &mut clients {
        client.catches_up(&admin);
    }
    assert_eq!(clients[0].page.ids(), ["j479", "j478", "j477", "j476", "j475"]);
}
