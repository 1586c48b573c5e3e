//! Reads on a node of a cluster: what another node has answered is shown here too, if the client asks for it.
//!
//! A ledger on one machine needs none of it: each of its reads shows everything that was answered before.
//!
//! Not here: writes (`forward`), and `min_position` (`request`).

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::timeout;

use crate::http::answer::{Code, Error, shortened};
use crate::http::app::App;
use crate::job::Position;
use crate::ledger::{Node, Role};

/// Asks for a read that shows every event which any node answered before the request. Its value is `strong`.
const CONSISTENCY: HeaderName = HeaderName::from_static("ledger-consistency");
/// How long a node waits until it has what an answer rests on.
const CATCH_UP: Duration = Duration::from_secs(5);
/// A node that has lacked messages for so long shows nothing: a token that was revoked elsewhere would live on here.
const SILENT: Duration = Duration::from_secs(30);
/// Reads of the node's own state, which it shows all the same.
const OWN_STATE: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// What a cursor beyond the node's head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// No node has the position: the log was restored from an older copy.
    Restored,
    /// The node has it now.
    Reached,
    /// Another node may have it.
    Unknown,
}

/// Refuses a request to a node that has not had every message of the stream for 30 s, or not since it started.
///
/// # Errors
///
/// 503 `stream-silent`.
pub fn is_current(node: &Node, path: &str) -> Result<(), Error> {
    if OWN_STATE.contains(&path) {
        return Ok(());
    }
    let state = node.state();
    let (heard, current) = (state.heard.elapsed(), state.current.map(|current| current.elapsed()));
    let why = match (state.role, current) {
        (_, Some(current)) if current < SILENT => return Ok(()),
        (Role::Stopped, _) => "has stopped, and `/readyz` says why".to_owned(),
        (_, None) => "has not read the stream to its end since it started".to_owned(),
        (_, Some(_)) if heard >= SILENT => format!("has not heard NATS for {} s", heard.as_secs()),
        (_, Some(current)) => format!("has not had every message of the stream for {} s", current.as_secs()),
    };
    Err(Error::new(Code::STREAM_SILENT, format!("this node {why}; send the request to another node")))
}

/// Whether the request asks for a strong read.
///
/// # Errors
///
/// 400 for another value than `strong`.
pub fn is_strong(headers: &HeaderMap) -> Result<bool, Error> {
    match headers.get(CONSISTENCY).map(|value| value.as_bytes()) {
        None => Ok(false),
        Some(b"strong") => Ok(true),
        Some(other) => {
            let found = String::from_utf8_lossy(other);
            Err(Error::bad_request(format!("expected `Ledger-Consistency: strong`, found `{}`", shortened(&found))))
        }
    }
}

/// Waits until the node has what the request asks for: the position of `Ledger-Position`, and with `Ledger-Consistency: strong`
/// everything that any node answered before.
///
/// # Errors
///
/// 503: the node has not got there within 5 s, or no node leads.
pub async fn catch_up(app: &App, headers: &HeaderMap) -> Result<(), Error> {
    let strong = match (is_strong(headers)?, &app.cluster) {
        (true, Some(cluster)) => {
            let detail = "no node of the cluster leads now, so the newest position is unknown; try again";
            let newest = cluster.strong_position(&app.ledger).await;
            Some(newest.ok_or_else(|| Error::new(Code::NO_LEADER, detail))?)
        }
        _ => None,
    };
    let Some(wanted) = position(headers).max(strong) else { return Ok(()) };
    if has_position(app, wanted).await {
        return Ok(());
    }
    let detail = format!("this node has not got position {wanted} within {} s; try again", CATCH_UP.as_secs());
    Err(Error::new(Code::NOT_REACHED, detail))
}

/// What a cursor beyond the head says. On a node it may come from another node that is ahead.
pub async fn beyond(app: &App, cursor: Position) -> Beyond {
    let Some(cluster) = &app.cluster else { return Beyond::Restored };
    match cluster.strong_position(&app.ledger).await {
        Some(newest) if newest < cursor => Beyond::Restored,
        Some(_) if has_position(app, cursor).await => Beyond::Reached,
        _ => Beyond::Unknown,
    }
}

/// The position in the header of a request or an answer.
pub fn position(headers: &HeaderMap) -> Option<Position> {
    number(headers.get(crate::http::POSITION)).map(Position::new)
}

/// The number in a header.
pub fn number(value: Option<&HeaderValue>) -> Option<u64> {
    value?.to_str().ok()?.parse().ok()
}

/// Waits until this node has `position`; `false` after 5 s.
pub async fn has_position(app: &App, position: Position) -> bool {
    let mut head = app.ledger.bell();
    matches!(timeout(CATCH_UP, head.wait_for(|head| *head >= position)).await, Ok(Ok(_)))
}
