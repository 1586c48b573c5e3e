//! `GET /ledger/export`: what `jobledger export` writes, for auditors who have no access to the folder.

use axum::extract::State;
use axum::response::Response;

use crate::access::Capability;
use crate::http::answer::Error;
use crate::http::answer::Long;
use crate::http::answer::{Stretch, ndjson};
use crate::http::app::App;
use crate::http::request::Caller;
use crate::http::request::Params;
use crate::job::Position;
use crate::ledger::export_line;
use crate::log::enough;

/// Events read at a time, and about how many bytes: 256 KiB, which every export that is not read holds.
const STEP: u64 = 500;
const STEP_BYTES: usize = 256 << 10;

/// Export the log: every event with everything that proves and restores it, one export line each.
///
/// Leaf, salt and data of each event from `from` on, of all organisations and of the ledger itself, to the head of this
/// moment. `jobledger import` restores a log from it, and `jobledger verify export` verifies it.
#[utoipa::path(
    get, path = "/ledger/export", tag = "tree", operation_id = "export_log",
    params(("from" = Option<u64>, Query, description = "The first event; default 0, the genesis event")),
    responses(
        (status = 200, description = "One export line an event", body = String, content_type = "application/x-ndjson"),
        (status = 400, description = "A parameter is not what was expected"),
        (status = 403, description = "The role may not: the log is of all organisations"),
        (status = 503, description = "Too many exports at once (`too-many-exports`); try again"),
    )
)]
pub async fn export(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let from: Option<Position> = params.one("from")?;
    params.finish()?;
    caller.require(Capability::AllOrganisations)?;
    let long = Long::new(&app, &caller, app.limits.exports.take(&caller, 1)?);
    let head = app.ledger.head();
    Ok(ndjson(app, long, (from.unwrap_or(Position::GENESIS), head), lines))
}

fn lines(app: &App, from: Position, head: Position) -> Result<Stretch, Error> {
    let (mut lines, mut last) = (Vec::new(), from);
    app.ledger.log(|log| {
        log.scan(from, STEP.min(head.get() + 1 - from.get()), |row| {
            last = row.position;
            lines.extend(export_line(row));
            lines.push(b'\n');
            Ok::<_, Error>(enough(lines.len(), STEP_BYTES))
        })
    })?;
    Ok((lines, last))
}
