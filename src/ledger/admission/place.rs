//! The place of a new event in the log, and its leaf.

use std::borrow::Cow;

use crate::job::{JobKey, Kind, Position, Time};
use crate::ledger::commit::Stamp;
use crate::wire::{Incoming, Leaf};

/// The place of a new event: what the log adds to the producer's attributes.
pub(super) struct Place<'a> {
    pub key: &'a JobKey,
    pub kind: Kind,
    /// The position of the job's previous event; `None` for the first.
    pub prev: Option<Position>,
    pub position: Position,
    pub time: Time,
}

impl Place<'_> {
    /// The leaf of `incoming` at this place. `digest` is of the data as stored.
    pub(super) fn leaf<'l>(
        &'l self,
        incoming: &'l Incoming,
        actor: &'l str,
        stamp: &'l Stamp,
        digest: &'l str,
    ) -> Leaf<'l> {
        let text = Cow::Borrowed::<str>;
        let event_type = incoming.event.event_type();
        Leaf {
            specversion: text("1.0"),
            id: text(&incoming.id),
            source: text(&incoming.source),
            event_type: text(event_type.as_str()),
            subject: Some(text(self.key.id.as_str())),
            // Most producers leave the time to the ledger.
            time: if self.time == stamp.recorded { text(&stamp.text) } else { Cow::Owned(self.time.to_string()) },
            datacontenttype: text("application/json"),
            dataschema: Cow::Owned(format!("/schema/events/{event_type}.v{}.json", incoming.version)),
            position: Cow::Owned(self.position.to_string()),
            recordedtime: text(&stamp.with_micros),
            actor: text(actor),
            orgid: Some(Cow::Owned(self.key.org.to_string())),
            jobkind: Some(text(self.kind.as_str())),
            datadigest: text(digest),
            prev: self.prev.map(|prev| Cow::Owned(prev.to_string())),
        }
    }
}
