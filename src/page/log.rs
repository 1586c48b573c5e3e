//! `GET /log`: the newest events of the whole log, and from then on each new one.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::filters::{Choice, Filters, choices};
use super::refusal::Refusal;
use super::shell::{Shell, answer};
use super::visitor::Visitor;
use crate::blocking::off_thread;
use crate::http::{App, Error, EventQuery, Params, refuse_heartbeat};
use crate::job::{EventType, Kind, Position};
use crate::ledger::Ledger;
use crate::log::Filter;
use crate::tails::TailError;
use crate::wire::Leaf;

/// Newest events of the log among which the page looks for those that its filters show.
const LOOKED_AT: u64 = 200;

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
}

/// An event of the log. `log.js` fills the same fields from the stream.
#[derive(Default)]
struct LogRow {
    position: u64,
    event_type: String,
    job: String,
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
    let ledger = app.ledger.clone();
    let read = off_thread(move || newest(&ledger, &query.filter));
    let (events, head) = read.await.map_err(Error::from)?;
    let page = LogPage {
        shell: visitor.shell("Log"),
        events,
        blank: LogRow::default(),
        kinds: choices(Kind::ALL.iter().map(|kind| kind.as_str()), &filters.value("kind")),
        types: choices(EventType::shown().map(EventType::as_str), &filters.value("type")),
        job: filters.value("job"),
        position: head.get(),
    };
    Ok(answer(StatusCode::OK, &page))
}

/// The newest events that `filter` shows, newest first, and the head of the log.
fn newest(ledger: &Ledger, filter: &Filter) -> Result<(Vec<LogRow>, Position), TailError> {
    ledger.log(|log| {
        let head = log.head()?;
        let after = match filter.one_job() {
            Some(_) => Position::GENESIS,
            None => Position::new(head.get().saturating_sub(LOOKED_AT)),
        };
        let mut events = Vec::new();
        log.page(after, LOOKED_AT, filter, |row| {
            let leaf = Leaf::parse(row.leaf)?;
            events.push(LogRow {
                position: row.position.get(),
                event_type: leaf.event_type.into_owned(),
                job: leaf.subject.map(|subject| subject.into_owned()).unwrap_or_default(),
                actor: leaf.actor.into_owned(),
                recorded: leaf.recordedtime.into_owned(),
            });
            Ok::<_, TailError>(std::ops::ControlFlow::Continue(()))
        })?;
        events.reverse();
        Ok((events, head))
    })
}
