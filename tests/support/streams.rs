//! Reading streams of server-sent events to a certain point.

use super::client::{Client, Frame, Stream};

impl Client {
    /// Opens a stream, checks that it begins as every stream does, and answers what comes after that.
    #[track_caller]
    pub fn tail(&self, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut stream = self.stream(path, headers);
        let first = stream.next().expect("a first frame");
        // A tail says where it starts; a snapshot says so by itself.
        assert_eq!(first, Frame { retry: Some(1000), id: first.id, ..Frame::default() });
        stream
    }

    /// A tail that goes on after `id`, as a browser does.
    #[track_caller]
    pub fn resume(&self, path: &str, id: u64) -> Stream {
        self.tail(path, &[("last-event-id", &id.to_string())])
    }

    /// The positions of a whole log as its pages give them, `after` and `limit` aside filtered by `query`.
    pub fn positions(&self, query: &str) -> Vec<u64> {
        let (mut positions, mut after) = (Vec::new(), Some(0));
        while let Some(from) = after {
            let page = self.get(&format!("/ledger/events?limit=1000&after={from}{query}")).expect(200).json();
            positions.extend(page["events"].as_array().unwrap().iter().map(position));
            after = page["next"].as_u64();
        }
        positions
    }
}

/// The position in a CloudEvent, where it is a decimal string.
pub fn position(event: &serde_json::Value) -> u64 {
    event["position"].as_str().unwrap().parse().unwrap()
}

impl Stream {
    /// The next frame that is an event: no heartbeat.
    #[track_caller]
    pub fn event(&mut self) -> Frame {
        self.find(|frame| !frame.event.is_empty()).expect("another event")
    }

    /// The ids of the next `count` events.
    #[track_caller]
    pub fn ids(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.event().id.unwrap()).collect()
    }

    /// The ids of the events up to and with `last`.
    #[track_caller]
    pub fn ids_to(&mut self, last: u64) -> Vec<u64> {
        let mut ids = Vec::new();
        while ids.last() != Some(&last) {
            ids.push(self.event().id.unwrap());
        }
        ids
    }

    /// What is left until the server ends it, heartbeats aside.
    pub fn rest(self) -> Vec<Frame> {
        self.filter(|frame| !frame.event.is_empty()).collect()
    }
}
