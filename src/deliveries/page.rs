//! The events that a webhook sends next, as a page of the log.

use std::ops::ControlFlow;

use sha2::{Digest, Sha256};

use crate::job::Position;
use crate::ledger::Ledger;
use crate::log::{self, Filter, Row, enough};
use crate::webhooks::WebhookId;
use crate::wire::cloudevent;

/// Most events of a page.
const EVENTS: u64 = 64;
/// Bytes of events after which a page ends, 64 KiB. A larger event is not on a page: it is read when it is sent.
const BYTES: usize = 64 << 10;

/// Some events, in the order of the log.
pub(super) struct Page {
    pub notices: Vec<Notice>,
    /// The page covers the log up to here.
    pub scanned: Position,
    /// Whether the log goes on.
    pub more: bool,
    /// The newest redaction when the page was read. After a later one an event may show what was erased.
    pub redacted: Position,
}

/// An event that a webhook sends.
pub(super) struct Notice {
    pub position: Position,
    /// The same for each try, and different for each webhook.
    pub id: String,
    /// The CloudEvent as reads show it; `None` for an event that is too large for a page.
    pub event: Option<Vec<u8>>,
}

impl Page {
    /// Reads the page after `position`. Waits for SQLite, so it runs off the async threads.
    ///
    /// # Errors
    /// The log cannot be read.
    pub(super) fn read(
        ledger: &Ledger,
        webhook: &WebhookId,
        filter: &Filter,
        position: Position,
    ) -> Result<Page, log::Error> {
        let redacted = ledger.newest_redaction();
        let (mut notices, mut size) = (Vec::new(), 0);
        let page = ledger.log(|log| {
            log.page(position, EVENTS, filter, |row| {
                let event = Some(cloudevent(row.leaf, row.data)).filter(|event| event.len() <= BYTES);
                size += event.as_ref().map_or(0, Vec::len);
                notices.push(Notice { position: row.position, id: message_id(webhook, &row), event });
                Ok::<ControlFlow<()>, log::Error>(enough(size, BYTES))
            })
        })?;
        Ok(Page { notices, scanned: page.scanned, more: page.scanned < page.head, redacted })
    }
}

impl Notice {
    /// The event that is too large for a page, as reads show it now.
    ///
    /// # Errors
    /// The log cannot be read.
    pub(super) fn read_large(ledger: &Ledger, position: Position) -> Result<Vec<u8>, log::Error> {
        let event = ledger.log(|log| log.at(position, |row| cloudevent(row.leaf, row.data)))?;
        Ok(event.expect("the log keeps every event"))
    }
}

/// The id of the message that tells `webhook` of an event. It has the position for people. The hash is over the leaf, which no
/// redaction changes, and which no other event of this ledger or of a copy of it has.
fn message_id(webhook: &WebhookId, row: &Row<'_>) -> String {
    let digest = Sha256::new().chain_update(webhook.as_str()).chain_update(row.leaf).finalize();
    format!("msg_{}_{}", row.position, hex::encode(&digest[..12]))
}
