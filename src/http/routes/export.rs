//! `GET /ledger/export`: the export that `jobledger export` writes, for auditors who cannot read the data folder.

use axum::extract::State;
use axum::response::Response;

use crate::access::Capability;
use crate::http::answer::{Error, Lines, LongAnswer, Range, ndjson};
use crate::http::app::App;
use crate::http::request::{Caller, Params};
use crate::job::Position;
use crate::ledger::export_line;
use crate::log::enough;

/// Events that are read at a time.
const STEP: u64 = 500;
/// About how many bytes are read at a time, 256 KiB. An export whose client does not read holds that much.
const STEP_BYTES: usize = 256 << 10;

/// Export the log: one export line for each event, with everything that proves and restores the event.
///
/// Leaf, salt and data of each event from `from` on, of all organisations and of the ledger itself, up to the
/// head at the time of the request. `jobledger import` restores a log from it, and `jobledger verify export` verifies it.
#[utoipa::path(
    get, path = "/ledger/export", tag = "tree", operation_id = "export_log",
    params(("from" = Option<u64>, Query, description = "The first event; default 0, the genesis event")),
    responses(
        (status = 200, description = "One export line an event", body = String, content_type = "application/x-ndjson"),
        (status = 400, description = "A parameter is not what was expected"),
        (status = 403, description = "The role may not: the log has the events of all organisations"),
        (status = 503, description = "Too many exports at once (`too-many-exports`); try again"),
    )
)]
pub async fn export(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let from: Option<Position> = params.one("from")?;
    params.finish()?;
    caller.require(Capability::AllOrganisations)?;
    let long = LongAnswer::new(&app, &caller, app.limits.exports.try_acquire(&caller, 1)?);
    let range = Range { from: from.unwrap_or(Position::GENESIS), to: app.ledger.head() };
    Ok(ndjson(app, long, range, lines))
}

/// The first lines of `range`, about [`STEP_BYTES`] at most.
fn lines(app: &App, range: Range) -> Result<Lines, Error> {
    let Range { from, to } = range;
    let (mut text, mut read_to) = (Vec::new(), from);
    app.ledger.log(|log| {
        log.scan(from, STEP.min(to.get() + 1 - from.get()), |row| {
            read_to = row.position;
            text.extend(export_line(row));
            text.push(b'\n');
            Ok::<_, Error>(enough(text.len(), STEP_BYTES))
        })
    })?;
    Ok(Lines { text, read_to })
}
