//! A server to which tests send a recorded history. The server's clock shows the times of the history.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use jobledger::job::OrgId;
use jobledger::ledger::{Folder, export};
use jobledger::log::Reader;
use ureq::http::Method;

use super::client::{Answer, Client};
use super::clock::HandClock;
use super::recording::{Answered, Ask, Sent, org, role};
use super::server::TestServer;

/// In a line of `sent.ndjson` this text stands for the newest job id that the ledger made.
const MINTED: &str = "{minted}";

/// The server, its clock, and a client for each name and organisation.
pub struct Stage {
    server: TestServer,
    clock: HandClock,
    clients: RefCell<HashMap<(String, OrgId), Client>>,
}

impl Stage {
    /// A server on an empty folder.
    pub fn empty(now: &str) -> Stage {
        let clock = HandClock::at(now);
        Stage { server: TestServer::start_with(clock.clock()), clock, clients: RefCell::default() }
    }

    /// A server on a folder that holds a history already.
    pub fn on(path: &Path, now: &str) -> Stage {
        let clock = HandClock::at(now);
        Stage { server: TestServer::on(path, clock.clock()), clock, clients: RefCell::default() }
    }

    fn client(&self, name: &str, role_word: &str, org_text: &str) -> Client {
        let org = org(org_text);
        let mut clients = self.clients.borrow_mut();
        let made = || Client::new(&self.server.url, Some(&self.server.token(name, role(role_word), org)));
        clients.entry((name.to_owned(), org)).or_insert_with(made).clone()
    }

    /// Sends the lines in order, and checks the status and the code of every answer.
    pub fn send(&self, lines: &[String]) {
        let mut minted = String::new();
        for (n, line) in lines.iter().enumerate() {
            let sent: Sent = serde_json::from_str(&line.replace(MINTED, &minted)).unwrap();
            self.clock.set(&sent.at);
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

    /// Sends a read with a token of the role that `ask` names.
    pub fn ask(&self, ask: Ask) -> Answered {
        let client = self.client(&format!("reader-{}", ask.role), &ask.role, &ask.org);
        let accept: Vec<_> = ask.accept.as_deref().map(|accept| ("accept", accept)).into_iter().collect();
        let answer = client.get_with(&ask.get, &accept);
        let etag = answer.headers.contains_key("etag").then(|| answer.header("etag").to_owned());
        let content_type = answer.header("content-type").to_owned();
        // The recording keeps an answer of the ledger's own API without its final newline.
        let own = ask.get.starts_with("/ledger/") && content_type != "application/x-ndjson";
        let text = answer.text();
        let body = text.strip_suffix("}\n").filter(|_| own).map_or(text.clone(), |line| format!("{line}}}"));
        Answered { status: answer.status, content_type, etag, body, ask }
    }

    /// Everything in the log, as `jobledger export` writes it.
    pub fn export(&self) -> String {
        let conn = Reader::open(&Folder::new(self.server.path()).log()).unwrap();
        let mut bytes = Vec::new();
        export(&Reader::new(&conn), None, None, &mut bytes, |_| {}).unwrap();
        String::from_utf8(bytes).unwrap()
    }
}
