//! Reading streams of server-sent events to a certain point.

use super::client::{Client, Frame, Stream};

impl Client {
    /// Opens a stream, checks its first frame, which every stream has, and returns the stream after that frame.
    #[track_caller]
    pub fn tail(&self, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut stream = self.stream(path, headers);
        let first = stream.next().expect("a first frame");
        // Only the first frame of a tail that starts at the head has an id: the client cannot know that position.
        assert_eq!(first, Frame { retry: Some(1000), id: first.id, ..Frame::default() });
        stream
    }

    /// Opens a tail after the event `id`, as a browser reconnects.
    #[track_caller]
    pub fn resume(&self, path: &str, id: u64) -> Stream {
        self.tail(path, &[("last-event-id", &id.to_string())])
    }

    /// The positions of all events that the pages of the log show; `query` holds further parameters, such as `&kind=task`.
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
        self.find(|frame| !frame.is_heartbeat()).expect("another event")
    }

    /// The events up to the heartbeat that says that the client has seen everything up to `position`. The stream has the parameter
    /// `heartbeat`.
    #[track_caller]
    pub fn events_to(&mut self, position: u64) -> Vec<Frame> {
        let seen = |frame: &Frame| frame.event == "heartbeat" && frame.json()["position"].as_u64().unwrap() >= position;
        let mut events: Vec<Frame> = self.by_ref().take_while(|frame| !seen(frame)).collect();
        events.retain(|frame| !frame.is_heartbeat());
        events
    }

    /// The ids of the next `count` events.
    #[track_caller]
    pub fn ids(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.event().id.unwrap()).collect()
    }

    /// The ids of the next events, up to `last`, which is included.
    #[track_caller]
    pub fn ids_to(&mut self, last: u64) -> Vec<u64> {
        let mut ids = Vec::new();
        while ids.last() != Some(&last) {
            ids.push(self.event().id.unwrap());
        }
        ids
    }

    /// The remaining events until the server ends the stream, without heartbeats.
    pub fn rest(self) -> Vec<Frame> {
        self.filter(|frame| !frame.is_heartbeat()).collect()
    }
}
