//! The heartbeats of a stream: what it sends while nothing else is to be sent.

use std::time::Duration;

use tokio::time::Instant;

/// Longest silence of a stream: a message with its `id` alone follows, which browsers do not show to a page.
const SILENCE: Duration = Duration::from_secs(15);

/// When the heartbeats of a stream are due.
pub(super) struct Beats {
    /// How long after its last message the stream sends `event: heartbeat`; `None` for a stream that was not asked for it.
    every: Option<Duration>,
    /// When `event: heartbeat` is due.
    event_at: Option<Instant>,
    /// When the stream has been silent for [`SILENCE`].
    silent_at: Instant,
}

/// A heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// `event: heartbeat`, for a client that asked for it.
    Event,
    /// A message with its `id` alone.
    IdAlone,
}

impl Beats {
    /// The heartbeats of a stream that begins at `now`.
    pub fn new(every: Option<Duration>, now: Instant) -> Beats {
        let mut beats = Beats { every, event_at: None, silent_at: now };
        beats.sent(now);
        beats
    }

    /// A message was sent at `now`.
    pub fn sent(&mut self, now: Instant) {
        self.event_at = self.every.map(|every| now + every);
        self.silent_at = now + SILENCE;
    }

    /// When the next heartbeat is due.
    pub fn due(&self) -> Instant {
        self.event_at.map_or(self.silent_at, |event_at| event_at.min(self.silent_at))
    }

    /// The heartbeat that is due at `now`, and whether it is an event.
    pub fn beat(&mut self, now: Instant) -> Beat {
        if self.event_at.is_some_and(|event_at| event_at <= now) {
            self.sent(now);
            return Beat::Event;
        }
        self.silent_at = now + SILENCE;
        Beat::IdAlone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The heartbeats of a minute in which nothing else is sent: the second of each, and whether it is an event.
    fn minute(every: Option<u64>) -> Vec<(u64, bool)> {
        let began = Instant::now();
        let (mut beats, mut seen) = (Beats::new(every.map(Duration::from_secs), began), Vec::new());
        while beats.due() <= began + Duration::from_secs(60) {
            let now = beats.due();
            seen.push(((now - began).as_secs(), beats.beat(now) == Beat::Event));
        }
        seen
    }

    #[test]
    fn a_stream_that_was_asked_for_heartbeats_sends_them_as_events() {
        assert_eq!(minute(None), [15, 30, 45, 60].map(|second| (second, false)));
        assert_eq!(minute(Some(12)), [12, 24, 36, 48, 60].map(|second| (second, true)));
        // A proxy must not take a silent stream for a dead one.
        assert_eq!(minute(Some(40)), [(15, false), (30, false), (40, true), (55, false)]);
    }

    #[test]
    fn a_message_puts_the_heartbeat_off() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut beats = Beats::new(Some(Duration::from_secs(5)), began);
        beats.sent(at(3));
        assert_eq!(beats.due(), at(8));
    }
}
