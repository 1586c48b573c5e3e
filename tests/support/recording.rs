//! Recorded histories: the folders of `replay-fixtures/`. The README there describes the files.

use std::path::{Path, PathBuf};

use jobledger::access::Role;
use jobledger::job::OrgId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One recorded history, in a folder of its own.
pub struct Recording {
    name: &'static str,
    dir: PathBuf,
}

/// A line of `sent.ndjson`: one request, in order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sent {
    pub actor: String,
    pub role: String,
    pub org: String,
    /// The time of the ledger's clock.
    pub at: String,
    /// The status of the answer.
    pub expect: u16,
    /// The code in the answer, where the ledger refuses.
    pub code: Option<String>,
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
    /// The array of CloudEvents, exactly as it goes over the wire.
    pub events: Option<Box<RawValue>>,
    /// The path of a `DELETE`; a line has either `events` or this.
    pub delete: Option<String>,
}

/// A read that the tests send after the history.
#[derive(Clone, Serialize, Deserialize)]
pub struct Ask {
    pub get: String,
    pub role: String,
    pub org: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
}

/// An entry of `answers.json`.
#[derive(Serialize, Deserialize)]
pub struct Answered {
    #[serde(flatten)]
    pub ask: Ask,
    pub status: u16,
    pub content_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    pub body: String,
}

/// A role, as files spell it.
pub fn role(word: &str) -> Role {
    word.parse().unwrap()
}

/// An organisation, as files spell it.
pub fn org(uuid: &str) -> OrgId {
    uuid.parse().unwrap()
}

impl Recording {
    pub fn named(name: &'static str) -> Recording {
        Recording { name, dir: Recording::all().join(name) }
    }

    /// The folder of all recorded histories.
    pub fn all() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("replay-fixtures")
    }

    fn read(&self, file: &str) -> String {
        let path = self.dir.join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The lines of `sent.ndjson`. In a line `{minted}` stands for the newest job id that the ledger made.
    pub fn sent(&self) -> Vec<String> {
        self.read("sent.ndjson").lines().map(str::to_owned).collect()
    }

    /// The clock at the first request, and at the last.
    pub fn span(&self) -> (String, String) {
        let sent = self.sent();
        let at = |line: &String| serde_json::from_str::<Sent>(line).unwrap().at;
        (at(&sent[0]), at(&sent[sent.len() - 1]))
    }

    /// The log, as an export.
    pub fn events(&self) -> String {
        self.read("events.ndjson")
    }

    /// The file that holds the log.
    pub fn events_file(&self) -> PathBuf {
        self.dir.join("events.ndjson")
    }

    /// The answers that the ledger must give after the history.
    pub fn answers(&self) -> Vec<Answered> {
        serde_json::from_str(&self.read("answers.json")).unwrap()
    }

    /// Whether `JOBLEDGER_RECORD` names this history and `file` is missing. A recorded file is never written again.
    fn lacks(&self, file: &str) -> bool {
        std::env::var("JOBLEDGER_RECORD").is_ok_and(|name| name == self.name) && !self.dir.join(file).exists()
    }

    /// Writes `events.ndjson` while recording, if it is missing.
    pub fn record_events(&self, export: &str) {
        if self.lacks("events.ndjson") {
            std::fs::write(self.events_file(), export).unwrap();
        }
    }

    /// Writes `answers.json` while recording, if it is missing: `answer` to each of `asks.json`.
    pub fn record_answers(&self, answer: impl Fn(Ask) -> Answered) {
        if self.lacks("answers.json") {
            let asks: Vec<Ask> = serde_json::from_str(&self.read("asks.json")).unwrap();
            let lines: Vec<_> = asks.into_iter().map(|ask| serde_json::to_string(&answer(ask)).unwrap()).collect();
            std::fs::write(self.dir.join("answers.json"), format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
        }
    }
}
