//! A server on which a recorded history is played: its clock stands where the history says.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jobledger::job::{JobId, OrgId, Position, Time};
use jobledger::ledger::{Clock, Folder};
use jobledger::log::{self, NewEvent, Reader, StreamId, Writer};
use jobledger::wire::{ExportLine, Leaf};
use ureq::http::Method;

use super::client::{Answer, Client};
use super::history::{Answered, Ask, Sent, org, role};
use super::server::TestServer;

/// In a line of `sent.ndjson`: the newest job id that the ledger gave.
const MINTED: &str = "{minted}";

/// The server and who talks to it.
pub struct Stage {
    server: TestServer,
    clock: Arc<AtomicI64>,
    clients: RefCell<HashMap<(String, OrgId), Client>>,
}

impl Stage {
    /// On an empty folder.
    pub fn empty(now: Time) -> Stage {
        let (clock, hand) = clock(now);
        Stage { server: TestServer::start_with(clock), clock: hand, clients: RefCell::default() }
    }

    /// On a folder that holds a history already.
    pub fn on(path: &Path, now: Time) -> Stage {
        let (clock, hand) = clock(now);
        Stage { server: TestServer::on(path, clock), clock: hand, clients: RefCell::default() }
    }

    fn client(&self, name: &str, role_word: &str, org_text: &str) -> Client {
        let org = org(org_text);
        let mut clients = self.clients.borrow_mut();
        let made = || Client::new(&self.server.url, Some(&self.server.token(name, role(role_word), org)));
        clients.entry((name.to_owned(), org)).or_insert_with(made).clone()
    }

    /// Sends the lines in order and checks every answer's status and code.
    pub fn send(&self, lines: &[String]) {
        let mut minted = String::new();
        for (n, line) in lines.iter().enumerate() {
            let sent: Sent = serde_json::from_str(&line.replace(MINTED, &minted)).unwrap();
            self.clock.store(sent.time().nanos(), Ordering::SeqCst);
            let answer = self.request(&sent);
            assert_eq!(answer.status, sent.expect, "line {}: {}", n + 1, answer.text());
            if let Some(code) = &sent.code {
                assert_eq!(&answer.json()["code"], code, "line {}", n + 1);
            }
            if line.contains("\"job.created\"") && !line.contains("\"subject\"") && answer.status == 201 {
                minted = answer.json()["events"][0]["subject"].as_str().unwrap().to_owned();
            }
        }
    }

    fn request(&self, sent: &Sent) -> Answer {
        let client = self.client(&sent.actor, &sent.role, &sent.org);
        match (&sent.events, &sent.delete) {
            (Some(events), None) => {
                let mut headers = vec![("content-type", "application/json")];
                headers.extend(sent.if_match.as_deref().map(|guard| ("if-match", guard)));
                headers.extend(sent.if_none_match.as_deref().map(|guard| ("if-none-match", guard)));
                client.send(Method::POST, "/ledger/events", &headers, events.get().as_bytes())
            }
            (None, Some(path)) => client.delete(path),
            _ => panic!("a line has `events` or `delete`"),
        }
    }

    /// Asks with a token of its own for each role.
    pub fn ask(&self, ask: Ask) -> Answered {
        let client = self.client(&format!("reader-{}", ask.role), &ask.role, &ask.org);
        let accept: Vec<_> = ask.accept.as_deref().map(|accept| ("accept", accept)).into_iter().collect();
        let answer = client.get_with(&ask.get, &accept);
        let etag = answer.headers.contains_key("etag").then(|| answer.header("etag").to_owned());
        let content_type = answer.header("content-type").to_owned();
        Answered { status: answer.status, content_type, etag, body: answer.text(), ask }
    }

    /// Everything in the log.
    pub fn log(&self) -> Vec<ExportLine> {
        let conn = Reader::open(&Folder::new(self.server.path()).log()).unwrap();
        let mut lines = Vec::new();
        let all = Reader::new(&conn).scan(Position::GENESIS, i64::MAX as u64, |row| {
            let salt = row.salt.map(|salt| salt.try_into().unwrap());
            lines.push(ExportLine { leaf: row.leaf.to_vec(), content: salt.zip(row.data.map(<[u8]>::to_vec)) });
            Ok::<_, log::Error>(std::ops::ControlFlow::Continue(()))
        });
        all.unwrap();
        lines
    }
}

fn clock(now: Time) -> (Clock, Arc<AtomicI64>) {
    let hand = Arc::new(AtomicI64::new(now.nanos()));
    let read = hand.clone();
    (Arc::new(move || Time::from_nanos(read.load(Ordering::SeqCst))), hand)
}

/// Makes a folder whose log holds exactly `lines`. It has no key, so it opens read-only, as a copy should.
pub fn restore(dir: &Path, lines: &[ExportLine]) {
    let mut streams = HashMap::new();
    let mut writer =
        Writer::open(&Folder::new(dir).log(), false, |writer| append(writer, &mut streams, &lines[0])).unwrap();
    writer.begin().unwrap();
    for line in &lines[1..] {
        append(&mut writer, &mut streams, line).unwrap();
    }
    writer.commit().unwrap();
}

fn append(
    log: &mut Writer,
    streams: &mut HashMap<(OrgId, JobId), StreamId>,
    line: &ExportLine,
) -> Result<(), log::Error> {
    let leaf = Leaf::parse_strict(&line.leaf).unwrap();
    let (salt, data) = line.content.as_ref().unwrap();
    let job = leaf.org().unwrap().map(|org| {
        let id: JobId = leaf.subject.as_deref().unwrap().parse().unwrap();
        let kind = leaf.kind().unwrap().unwrap();
        let new = || log.new_stream(org, &id, kind).unwrap();
        let stream = *streams.entry((org, id.clone())).or_insert_with(new);
        (org, stream, kind, leaf.prev().unwrap().unwrap_or_default())
    });
    log.append(&NewEvent {
        position: leaf.position().unwrap(),
        leaf: &line.leaf,
        data,
        salt,
        job,
        source: &leaf.source,
        id: &leaf.id,
        event_type: &leaf.event_type,
        version: leaf.version().unwrap(),
        recorded: leaf.recorded().unwrap(),
    })
}
