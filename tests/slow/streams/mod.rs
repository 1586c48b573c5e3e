//! Clients of server-sent events from other projects follow a job through a kill of the server, directly and behind nginx.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::json;

use crate::nginx::Nginx;
use crate::python::python;
use crate::support::cli::{Serving, token};
use crate::support::wait::PATIENCE;
use crate::support::{completed, processed, skipped, started, task_job};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/slow/streams");
/// The variable that names a Python with the packages of `requirements.txt`.
const PYTHON: &str = "JOBLEDGER_TEST_STREAMS";
/// Where Debian's `node-eventsource` lies.
const NODE_PATH: &str = "/usr/share/nodejs";

/// A program that follows a tail. Dropping the value kills the program.
struct Follower {
    name: String,
    process: Child,
    lines: Receiver<String>,
}

impl Follower {
    /// Starts `script` on the tail at `url`.
    fn start(mut command: Command, script: &str, url: &str, token: &str) -> Follower {
        command.arg(Path::new(HERE).join(script)).args([url, token]).env("NODE_PATH", NODE_PATH);
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (send, lines) = channel();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().try_for_each(|line| send.send(line.unwrap())));
        Follower { name: format!("{script} on {url}"), process, lines }
    }

    /// Expects these ids as the next ones.
    #[track_caller]
    fn expect(&self, ids: std::ops::RangeInclusive<u64>) {
        for id in ids {
            let line = self.lines.recv_timeout(PATIENCE);
            assert_eq!(line.as_deref(), Ok(id.to_string().as_str()), "{}", self.name);
        }
    }

    /// Expects that the program ends by itself and has seen nothing more.
    #[track_caller]
    fn expect_end(mut self) {
        assert!(self.process.wait().unwrap().success(), "{}", self.name);
        assert!(self.lines.recv_timeout(PATIENCE).is_err(), "{} saw an event twice", self.name);
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // Both fail if the program has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The programs that run the scripts; `None`, with a word on stderr, if this machine lacks one.
fn programs() -> Option<[(Command, &'static str); 3]> {
    let runs = |command: &mut Command| command.output().is_ok_and(|done| done.status.success());
    let has_python = runs(Command::new(python(PYTHON, "streams")).args(["-c", "import httpx_sse"]));
    let has_node = runs(Command::new("node").env("NODE_PATH", NODE_PATH).args(["-e", "require('eventsource')"]));
    match (has_python, has_node) {
        (false, _) => skipped("a Python in target/streams with tests/slow/streams/requirements.txt"),
        (_, false) => skipped("nodejs and node-eventsource"),
        _ => {
            let commands = [python(PYTHON, "streams"), "node".into(), "bash".into()].map(Command::new);
            let [python, node, bash] = commands;
            return Some([(python, "follow.py"), (node, "follow.js"), (bash, "follow.sh")]);
        }
    }
    None
}

#[test]
fn clients_of_other_projects_miss_nothing_when_the_server_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let (Some(direct), Some(proxied), Some(nginx)) = (programs(), programs(), Nginx::before(&server.url)) else {
        return;
    };
    let (worker, address) = (token(dir.path(), "worker"), server.url.strip_prefix("http://").unwrap().to_owned());
    let client = server.client(&worker);
    client.append(&json!([task_job("a"), started("a")])).expect(201);
    let follow = |(command, script), url: &str| {
        Follower::start(command, script, &format!("{url}/ledger/jobs/a/events?after=0"), &worker)
    };
    let direct = direct.into_iter().map(|program| follow(program, &server.url));
    let proxied = proxied.into_iter().map(|program| follow(program, &nginx.url));
    let followers: Vec<Follower> = direct.chain(proxied).collect();
    client.append(&processed("a", 1)).expect(201);
    followers.iter().for_each(|follower| follower.expect(1..=3));

    server.end("KILL").expect(137);
    let server = Serving::on(dir.path(), &address);
    server.client(&worker).append(&json!([processed("a", 2), processed("a", 3)])).expect(201);
    followers.iter().for_each(|follower| follower.expect(4..=5));
    server.client(&worker).append(&completed("a")).expect(201);
    followers.iter().for_each(|follower| follower.expect(6..=6));
    followers.into_iter().for_each(Follower::expect_end);
}
