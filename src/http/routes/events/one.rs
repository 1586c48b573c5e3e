//! `GET /ledger/events/{position}`: one event.

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::access::Capability;
use crate::http::POSITION;
use crate::http::answer::{Code, Error};
use crate::http::app::App;
use crate::http::description::CloudEvent;
use crate::http::limits::{LARGE, bytes_with_permit};
use crate::http::observe::off_thread;
use crate::http::request::{Caller, Params, Segment};
use crate::job::Position;
use crate::log::{Reader, Row};
use crate::wire::{self, Leaf};

/// Read one event.
#[utoipa::path(
    get, path = "/ledger/events/{position}", tag = "ledger", operation_id = "get_event",
    params(
        ("position" = u64, Path, description = "The event's place in the log"),
        ("min_position" = Option<u64>, Query, description = "Answer only when the log has reached this position"),
    ),
    responses(
        (status = 200, description = "The event", body = CloudEvent, content_type = "application/cloudevents+json"),
        (status = 400, description = "Not a position"),
        (status = 404, description = "No such event"),
        (status = 503, description = "The log has not reached `min_position`, or there are too many large answers at once (`too-many-answers`)"),
    )
)]
pub async fn one(
    State(app): State<App>,
    caller: Caller,
    Segment(position): Segment,
    mut params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let min = params.one("min_position")?;
    params.finish()?;
    let position: Position = position.parse().map_err(|error| Error::bad_request(format!("{error}")))?;
    if let Some(min) = min {
        app.ledger.reach(min).await?;
    }
    let head = app.ledger.head();
    let small = app.ledger.log(|log| {
        let is_large = |row: &Row<'_>| row.data.is_some_and(|data| data.len() > LARGE);
        visible(log, &caller, position, |row| (!is_large(&row)).then(|| event_line(row)))
    })?;
    let event = match small {
        Some(event) => Bytes::from(event),
        None => {
            let permit = app.limits.answers.acquire(&caller, 1).await?;
            off_thread(move || {
                let event = app.ledger.log(|log| visible(log, &caller, position, event_line))?;
                Ok::<_, Error>(bytes_with_permit(permit, event))
            })
            .await?
        }
    };
    let headers =
        [(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json")), (POSITION, head.get().into())];
    Ok((headers, event).into_response())
}

/// The leaf of the event at `position`.
///
/// # Errors
///
/// 404 if the log has no such event, and if the caller may not see it.
pub fn visible_leaf(log: &Reader<'_>, caller: &Caller, position: Position) -> Result<Vec<u8>, Error> {
    visible(log, caller, position, |row| row.leaf.to_vec())
}

/// An event as a line of JSON.
fn event_line(row: Row<'_>) -> Vec<u8> {
    let mut line = wire::cloudevent(row.leaf, row.data);
    line.push(b'\n');
    line
}

/// The event at `position`, as `show` shows it; 404 as for [`visible_leaf`].
fn visible<T>(
    log: &Reader<'_>,
    caller: &Caller,
    position: Position,
    show: impl FnOnce(Row<'_>) -> T,
) -> Result<T, Error> {
    let missing = || Error::new(Code::NO_SUCH_EVENT, "no such event");
    let read = log.at(position, |row| {
        let leaf = Leaf::parse(row.leaf).map_err(|error| Error::internal(&error))?;
        let org = leaf.org().map_err(|error| Error::internal(&error))?;
        Ok::<_, Error>((org, show(row)))
    });
    let (org, shown) = read?.ok_or_else(missing)??;
    if caller.may_see(org) { Ok(shown) } else { Err(missing()) }
}
