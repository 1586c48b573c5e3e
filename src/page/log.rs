//! `GET /log`: the newest events of the whole log, and from then on each new one.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::filters::{Choice, Filters, choices};
use super::refusal::Refusal;
use super::row::{org_query, segment};
use super::shell::{Shell, answer};
use super::visitor::Visitor;
use crate::http::off_thread;
use crate::http::{App, Error, EventQuery, Params, refuse_heartbeat};
use crate::job::{EventType, Kind, OrgId, Position};
use crate::ledger::Ledger;
use crate::log::{self, Filter, Reader, Row, Types};
use crate::tails::TailError;
use crate::wire::Leaf;

/// Most rows of the page, and the number with which it looks no further.
const ROWS: usize = 200;
const ENOUGH: usize = 50;
/// Events among which the page looks for those that its filters show: first the newest ones of the log, then those before them.
const LOOKS: [u64; 5] = [200, 1_000, 5_000, 20_000, 80_000];
/// The same for the newest events of one job.
const OF_JOB: u64 = 2_000;

#[derive(Template)]
#[template(path = "log.html", config = "src/page/askama.toml")]
struct LogPage {
    shell: Shell,
    /// The newest events that the filters show, newest first.
    events: Vec<LogRow>,
    blank: LogRow,
    kinds: Vec<Choice>,
    types: Vec<Choice>,
    job: String,
    /// The position up to which the page shows events.
    position: u64,
    /// The person's organisation.
    own: String,
}

/// An event of the log. `log.js` fills the same fields from the stream.
#[derive(Default)]
struct LogRow {
    position: u64,
    event_type: String,
    job: String,
    /// The path of the job's page.
    href: String,
    actor: String,
    recorded: String,
}

/// The page of the log.
pub(super) async fn page(
    State(app): State<App>,
    visitor: Visitor,
    filters: Filters,
    params: Params,
) -> Result<Response, Refusal> {
    let query = EventQuery::of_log(params.without_empty(), &visitor.0)?;
    refuse_heartbeat(query.heartbeat)?;
    query.reach(&app).await?;
    let (ledger, own) = (app.ledger.clone(), visitor.principal().org);
    let read = off_thread(move || newest(&ledger, &query.filter, own));
    let (events, head) = read.await.map_err(Error::from)?;
    let page = LogPage {
        shell: visitor.shell("Log"),
        events,
        blank: LogRow::default(),
        kinds: choices(Kind::ALL.iter().map(|kind| kind.as_str()), &filters.value("kind")),
        types: choices(EventType::shown().map(EventType::as_str), &filters.value("type")),
        job: filters.value("job"),
        position: head.get(),
        own: own.to_string(),
    };
    Ok(answer(StatusCode::OK, &page))
}

impl LogRow {
    /// The row of an event for a person of the organisation `own`.
    fn of(row: &Row<'_>, own: OrgId) -> Result<LogRow, TailError> {
        let leaf = Leaf::parse(row.leaf)?;
        let org = leaf.org()?.map(|org| org_query("?", org, own)).unwrap_or_default();
        let job = leaf.subject.map(|subject| subject.into_owned()).unwrap_or_default();
        Ok(LogRow {
            position: row.position.get(),
            event_type: leaf.event_type.into_owned(),
            href: format!("/jobs/{}{org}", segment(&job)),
            job,
            actor: leaf.actor.into_owned(),
            recorded: leaf.recordedtime.into_owned(),
        })
    }
}

/// The newest events that `filter` shows, newest first, and the head of the log. `own` is the person's organisation.
fn newest(ledger: &Ledger, filter: &Filter, own: OrgId) -> Result<(Vec<LogRow>, Position), TailError> {
    let head = ledger.log(|log| log.head())?;
    let (mut rows, mut end) = (Vec::new(), filter.end(head));
    let looks = if filter.one_job().is_some() { &[OF_JOB][..] } else { &LOOKS };
    for look in looks {
        let after = ledger.log(|log| before_newest(log, filter, end, *look))?;
        let filter = Filter { upto: Some(end), ..filter.clone() };
        let (from, mut found) = (ledger.quiet_after(after, &filter), VecDeque::new());
        ledger.log(|log| {
            log.page_within(*look, from, *look, &filter, |row| {
                found.push_back(LogRow::of(&row, own)?);
                if found.len() > ROWS {
                    found.pop_front();
                }
                Ok::<_, TailError>(ControlFlow::Continue(()))
            })
        })?;
        rows.extend(found.into_iter().rev());
        if rows.len() >= ENOUGH || after == Position::GENESIS {
            break;
        }
        end = after;
    }
    rows.truncate(ROWS);
    Ok((rows, head))
}

/// The position before the newest events up to `end`: of the log, or of the one job that the filter names.
fn before_newest(log: &Reader<'_>, filter: &Filter, end: Position, events: u64) -> Result<Position, log::Error> {
    let Some(key) = filter.one_job() else { return Ok(Position::new(end.get().saturating_sub(events))) };
    let Some(stream) = log.stream(key.org, &key.id)? else { return Ok(Position::GENESIS) };
    match log.newest_but(stream, Types::NONE)? {
        Some((newest, _)) => log.before_newest(newest, events as usize),
        None => Ok(Position::GENESIS),
    }
}
