//! The bytes of the stream: each node looks at them, and the leader purges messages that every member has, so that the stream does
//! not fill.
//!
//! A node that is away for longer gets what it lacks from another node (`peers`).
//!
//! Not here: redacted data (`erase`).

use std::time::Duration;

use async_nats::jetstream;

use super::nats::NatsError;
use super::{Cluster, ClusterError, Member, erase};
use crate::job::{Position, Time};
use crate::ledger::{Ledger, Role};
use crate::stream::Sequence;

/// How often a node looks.
const LOOK: Duration = Duration::from_secs(10);
/// The bytes of messages that stay although every member has them: 1 GiB, or a quarter of the stream if that is less.
const KEEP: u64 = 1 << 30;
/// A member that is silent for so long no longer counts, 24 h in milliseconds.
const SILENT_MS: i64 = 24 * 60 * 60 * 1000;

/// What the stream holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// The oldest message that is there.
    pub first: Sequence,
    /// The newest message.
    pub last: Sequence,
    /// How many messages are there.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Most bytes that the stream may have.
    pub most_bytes: u64,
}

impl Held {
    /// The first message that stays, if a purge is due. Every member has the messages up to `durable`.
    fn first_to_stay(self, durable: Sequence) -> Option<Sequence> {
        let keep = KEEP.min(self.most_bytes / 4);
        let excess = self.bytes.saturating_sub(keep);
        // Messages have about the same length.
        let count = u128::from(self.messages) * u128::from(excess) / u128::from(self.bytes.max(1));
        // The message at `durable` stays too: a node that starts compares it with its log.
        let first = durable.min(self.first + count as u64);
        (first > self.first).then_some(first)
    }
}

/// The newest message that every member has which was heard within 24 h.
fn durable_everywhere(members: &[Member], now: Time) -> Option<Sequence> {
    let oldest = now.micros() / 1000 - SILENT_MS;
    members.iter().filter(|member| member.at_ms > oldest).map(|member| member.sequence).min()
}

impl Cluster {
    /// Looks at the stream from time to time, and purges it while this node leads. Never returns.
    pub(super) async fn watch_stream(self, ledger: Ledger) {
        let mut erased = Position::default();
        loop {
            if let Err(error) = self.look_at_stream(&ledger, &mut erased).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the stream's bytes cannot be looked at now");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What the stream held when this node last looked; all 0 before the first look.
    pub fn held(&self) -> Held {
        *self.held.borrow()
    }

    async fn look_at_stream(&self, ledger: &Ledger, erased: &mut Position) -> Result<(), ClusterError> {
        let context = jetstream::new(self.client.clone());
        let stream = context.get_stream(self.names.stream()).await.map_err(NatsError::doing("look at the stream"))?;
        let info = stream.cached_info();
        let held = Held {
            first: info.state.first_sequence,
            last: info.state.last_sequence,
            messages: info.state.messages,
            bytes: info.state.bytes,
            most_bytes: u64::try_from(info.config.max_bytes).unwrap_or(u64::MAX),
        };
        self.held.send_replace(held);
        if ledger.node().is_none_or(|node| node.state().role != Role::Leads) {
            return Ok(());
        }
        let Some(durable) = durable_everywhere(&self.members().await?, ledger.now()) else { return Ok(()) };
        erase::redacted(&stream, ledger, held.first..=durable, erased).await?;
        if let Some(first) = held.first_to_stay(durable) {
            stream.purge().sequence(first).await.map_err(NatsError::doing("purge the stream"))?;
            tracing::info!(first, "messages that every member has were purged from the stream");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(first: Sequence, messages: u64, bytes: u64) -> Held {
        Held { first, last: first + messages, messages, bytes, most_bytes: 4000 }
    }

    #[test]
    fn a_purge_leaves_a_quarter_and_what_a_member_lacks() {
        assert_eq!(held(1, 0, 0).first_to_stay(9), None, "an empty stream");
        assert_eq!(held(1, 10, 1000).first_to_stay(10), None, "a quarter");
        assert_eq!(held(1, 20, 2000).first_to_stay(20), Some(11));
        assert_eq!(held(11, 20, 2000).first_to_stay(30), Some(21));
        assert_eq!(held(11, 20, 2000).first_to_stay(15), Some(15), "a member lacks later ones");
        assert_eq!(held(11, 20, 2000).first_to_stay(7), None, "a member lacks all of them");
    }

    #[test]
    fn a_member_that_is_silent_for_a_day_does_not_hold_the_stream() {
        let now = Time::from_micros((SILENT_MS + 1_000_000) * 1000);
        let member = |name: &str, sequence, at_ms| Member {
            name: name.into(),
            url: String::new(),
            version: String::new(),
            role: String::new(),
            sequence,
            head: 0,
            at_ms,
        };
        let members = [member("a", 9, SILENT_MS), member("b", 7, SILENT_MS), member("c", 2, 1)];
        assert_eq!(durable_everywhere(&members, now), Some(7));
        assert_eq!(durable_everywhere(&[], now), None);
    }
}
