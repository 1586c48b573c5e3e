//! Reference clients of live reads: they know only the rules that the guide states.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::client::{Frame, Stream};

/// A client of a live list: the page that it shows.
#[derive(Debug, Default, Clone)]
pub struct ListClient {
    /// The rows by `created_position`.
    rows: BTreeMap<u64, Value>,
    /// Most rows of the page.
    first: usize,
    /// `after` of the next page.
    pub next: Option<String>,
    /// The page shows every event up to here.
    pub position: u64,
}

impl ListClient {
    /// Takes a message of the stream.
    #[track_caller]
    pub fn take(&mut self, frame: &Frame) {
        let message = frame.json();
        match frame.event.as_str() {
            "snapshot" => {
                self.rows.clear();
                self.first = message["first"].as_u64().unwrap() as usize;
            }
            "changed" => {}
            other => panic!("an event of another kind: {other}"),
        }
        for row in message["jobs"].as_array().unwrap() {
            self.rows.insert(row["created_position"].as_u64().unwrap(), row.clone());
        }
        let gone = message["gone_created"].as_array().map_or(&[][..], Vec::as_slice);
        assert_eq!(gone.len(), message["gone"].as_array().map_or(0, Vec::len));
        for created in gone {
            self.rows.remove(&created.as_u64().unwrap());
        }
        while self.rows.len() > self.first {
            self.rows.pop_first();
        }
        self.next = message["next"].as_str().map(str::to_owned);
        self.position = message["position"].as_u64().unwrap();
        assert_eq!(frame.id, Some(self.position));
    }

    /// Takes the next message, and returns it.
    #[track_caller]
    pub fn read(&mut self, stream: &mut Stream) -> Frame {
        let frame = stream.event();
        self.take(&frame);
        frame
    }

    /// The rows as the list answers them, newest first.
    pub fn jobs(&self) -> Vec<Value> {
        let row = |row: &Value| {
            let mut row = row.clone();
            row.as_object_mut().unwrap().remove("created_position");
            row
        };
        self.rows.values().rev().map(row).collect()
    }

    /// The ids of the rows, newest first.
    pub fn ids(&self) -> Vec<String> {
        self.rows.values().rev().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// A client of a live job in the ledger's own API: the job that it shows.
#[derive(Debug, Default, Clone)]
pub struct JobClient {
    /// The job.
    pub job: Value,
}

impl JobClient {
    /// Takes a message of the stream.
    #[track_caller]
    pub fn take(&mut self, frame: &Frame) {
        match (frame.event.as_str(), frame.json()) {
            ("snapshot", job) => self.job = job,
            ("changed", Value::Object(change)) => self.change(change),
            other => panic!("an event of another kind: {other:?}"),
        }
        assert_eq!(frame.id, self.job["position"].as_u64());
    }

    fn change(&mut self, mut change: Map<String, Value>) {
        let (items, output) = (change.remove("items"), change.remove("output"));
        let job = self.job.as_object_mut().expect("a snapshot comes first");
        for (name, value) in change {
            match (name.as_str(), job.get_mut(&name), value) {
                ("hook", Some(Value::Object(hook)), Value::Object(members)) => hook.extend(members),
                (_, _, value) => drop(job.insert(name, value)),
            }
        }
        let shown = job["items"].as_array_mut().unwrap();
        for item in items.iter().flat_map(|items| items.as_array().unwrap()) {
            match shown.iter_mut().find(|shown| shown["item"] == item["item"]) {
                Some(shown) => *shown = item.clone(),
                None => shown.push(item.clone()),
            }
        }
        if let Some(added) = output {
            let mut output = job["hook"]["output"].as_str().unwrap().to_owned();
            output.truncate(added["offset"].as_u64().unwrap() as usize);
            output.push_str(added["text"].as_str().unwrap());
            job["hook"]["output"] = output.into();
        }
    }

    /// Takes the next message, and returns it.
    #[track_caller]
    pub fn read(&mut self, stream: &mut Stream) -> Frame {
        let frame = stream.event();
        self.take(&frame);
        frame
    }
}
