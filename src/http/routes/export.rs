//! `GET /ledger/export`: the export that `jobledger export` writes, for auditors who cannot read the data folder.
//! The whole log, perhaps with its checkpoint, or one job.

use std::ops::ControlFlow;

use axum::extract::State;
use axum::response::Response;

use crate::access::Capability;
use crate::http::answer::{Code, Error, Lines, LongAnswer, Range, ndjson};
use crate::http::app::App;
use crate::http::request::{Caller, Params};
use crate::job::{JobId, JobKey, OrgId, Position};
use crate::ledger::export_line;
use crate::log::{Filter, Reader, Row, enough};
use crate::wire::ExportedLine;

/// Events that are read at a time.
const STEP: u64 = 500;
/// About how many bytes are read at a time, 256 KiB. An export whose client does not read holds that much.
const STEP_BYTES: usize = 256 << 10;

/// Export the log: one export line for each event, with everything that proves and restores the event.
///
/// Leaf, salt and data of each event from `from` on, of all organisations and of the ledger itself, up to the
/// head at the time of the request. `jobledger import` restores a log from it, and `jobledger verify export` verifies it.
/// With `job` only the events of that job.
#[utoipa::path(
    get, path = "/ledger/export", tag = "tree", operation_id = "export_log",
    params(
        ("from" = Option<u64>, Query, description = "The first event; default 0, the genesis event"),
        ("job" = Option<String>, Query, pattern = "^[A-Za-z0-9._:-]{1,128}$", description = "Only the events of this job"),
        ("org" = Option<uuid::Uuid>, Query, description = "The organisation of `job`; default that of the token"),
        ("checkpoint" = Option<bool>, Query, description = "`true`: the newest checkpoint as a last line, with which `jobledger verify export` checks the signer; only for a whole log"),
    ),
    responses(
        (status = 200, description = "One export line an event", body = String, content_type = "application/x-ndjson"),
        (status = 400, description = "A parameter is not what was expected"),
        (status = 403, description = "The role may not: the log has the events of all organisations"),
        (status = 404, description = "No such job, or no checkpoint covers the newest event (`no-checkpoint`)"),
        (status = 503, description = "Too many exports at once (`too-many-exports`); try again"),
    )
)]
pub async fn export(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let from: Option<Position> = params.one("from")?;
    let job: Option<JobId> = params.one("job")?;
    let (org, signed) = (params.one::<OrgId>("org")?, params.one("checkpoint")?.unwrap_or(false));
    params.finish()?;
    caller.require(Capability::AllOrganisations)?;
    if org.is_some() && job.is_none() {
        return Err(Error::parameter(
            "org",
            "expected `job` with it, because an export of the log has all organisations",
        ));
    }
    if signed && (from.is_some() || job.is_some()) {
        return Err(Error::parameter(
            "checkpoint",
            "expected neither `from` nor `job` with it: it covers the whole log",
        ));
    }
    let job = job.map(|id| Ok::<_, Error>(JobKey { org: caller.org_of_job(org)?, id })).transpose()?;
    let (to, part) = app.ledger.log(|log| Part::of(log, job, signed))?;
    let long = LongAnswer::new(&app, &caller, app.limits.exports.try_acquire(&caller, 1)?);
    let range = Range { from: from.unwrap_or(Position::GENESIS), to };
    Ok(ndjson(app, long, range, move |app, range| part.lines(app, range)))
}

/// What of the log is exported.
#[derive(Debug, Clone)]
enum Part {
    Log,
    /// The log, and then this checkpoint, which covers it.
    Signed(String),
    Job(JobKey),
}

impl Part {
    /// The part, and the position up to which it goes: the head of this moment.
    ///
    /// # Errors
    ///
    /// 404 for a job that does not exist, and if no checkpoint covers the head.
    fn of(log: &Reader<'_>, job: Option<JobKey>, signed: bool) -> Result<(Position, Part), Error> {
        // Both from one commit.
        let (head, newest) = log.snapshot(|| Ok::<_, Error>((log.head()?, log.checkpoint()?)))?;
        let part = match job {
            Some(key) if log.stream(key.org, &key.id)?.is_none() => return Err(Error::no_such_job()),
            Some(key) => Part::Job(key),
            None if signed => {
                let newest = newest.filter(|newest| newest.size.get() == head.next().get());
                let none = "no checkpoint covers the newest event, because this copy was imported and not continued; export \
                            without `checkpoint`, or continue the copy with `jobledger recover`";
                let newest = newest.ok_or_else(|| Error::new(Code::NO_CHECKPOINT, none))?;
                Part::Signed(String::from_utf8_lossy(&newest.note).into_owned())
            }
            None => Part::Log,
        };
        Ok((head, part))
    }

    /// The first lines of `range`, about [`STEP_BYTES`] at most.
    fn lines(&self, app: &App, range: Range) -> Result<Lines, Error> {
        let Range { from, to } = range;
        let mut lines = Lines { text: Vec::new(), read_to: from };
        app.ledger.log(|log| match self {
            Part::Log | Part::Signed(_) => {
                log.scan(from, STEP.min(to.get() + 1 - from.get()), |row| Ok::<_, Error>(push(&mut lines, row)))
            }
            Part::Job(key) => {
                let filter = Filter { upto: Some(to), ..Filter::of_job(key) };
                // A job has no event at position 0.
                let after = Position::new(from.get().saturating_sub(1));
                let page = log.page(after, STEP, &filter, |row| Ok::<_, Error>(push(&mut lines, row)))?;
                lines.read_to = page.scanned.max(from);
                Ok(())
            }
        })?;
        if let Part::Signed(note) = self
            && lines.read_to >= to
        {
            lines.text.extend(ExportedLine::checkpoint(note));
            lines.text.push(b'\n');
        }
        Ok(lines)
    }
}

fn push(lines: &mut Lines, row: Row<'_>) -> ControlFlow<()> {
    lines.read_to = row.position;
    lines.text.extend(export_line(row));
    lines.text.push(b'\n');
    enough(lines.text.len(), STEP_BYTES)
}
