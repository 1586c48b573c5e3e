//! `GET /jobs/{id}/events`: the timeline of a job by itself, filtered, as of a moment. The page of the job takes its entries.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::filters::{Choice, choices};
use super::refusal::Refusal;
use super::row::{org_query, segment};
use super::shell::{Shell, answer};
use super::shown::ShownJob;
use super::timeline::{Entries, Wanted, links};
use super::visitor::Visitor;
use crate::drawn::Entry;
use crate::http::off_thread;
use crate::http::{App, Error, Params, Segment};
use crate::job::EventType;

#[derive(Template)]
#[template(path = "events.html", config = "src/page/askama.toml")]
struct EventsPage {
    shell: Shell,
    id: String,
    id_path: String,
    org_query: String,
    /// The position of the moment that the person asked for; empty for now.
    moment: String,
    types: Vec<Choice>,
    failures: bool,
    /// The filters as parameters, each with an ampersand after it.
    filters: String,
    entries: Vec<Entry>,
    older: u64,
    /// The job's newest event, and the number of its events.
    newest: u64,
    events: u64,
}

/// The page of a job's events.
pub(super) async fn page(
    State(app): State<App>,
    visitor: Visitor,
    Segment(id): Segment,
    params: Params,
) -> Result<Response, Refusal> {
    let mut params = params.without_empty();
    let wanted = wanted(&mut params)?;
    let ShownJob { turn, job, is_past } = ShownJob::read(&app, &visitor, params, &id).await?;
    let (key, newest, events) = (job.key.clone(), job.position.get(), job.events);
    let moment = if is_past { job.position.to_string() } else { String::new() };
    let (ledger, links) = (app.ledger.clone(), links(&key, visitor.principal().org));
    let read = off_thread(move || {
        let _turn = turn;
        Entries::read(&ledger, &job, wanted, links)
    });
    let Entries { entries, older } = read.await?;
    let chosen = wanted.event_type.map_or("", EventType::as_str);
    let mut filters = wanted.event_type.map(|event_type| format!("type={event_type}&")).unwrap_or_default();
    if wanted.failures {
        filters += "failures=1&";
    }
    let page = EventsPage {
        shell: visitor.shell(format!("Events of {}", key.id)),
        id: key.id.to_string(),
        id_path: segment(key.id.as_str()),
        org_query: org_query("", key.org, visitor.principal().org),
        moment,
        types: choices(EventType::of_jobs().map(EventType::as_str), chosen),
        failures: wanted.failures,
        filters,
        entries,
        older,
        newest,
        events,
    };
    Ok(answer(StatusCode::OK, &page))
}

/// Takes the filters of a timeline from the query.
fn wanted(params: &mut Params) -> Result<Wanted, Error> {
    let event_type = params.text("type")?.map(|word| {
        let unknown = || Error::parameter("type", "expected the type of a job's event, such as `job.progress`");
        EventType::named(&word).ok_or_else(unknown)
    });
    let failures = match params.text("failures")?.as_deref() {
        None => false,
        Some("1") => true,
        Some(_) => return Err(Error::parameter("failures", "expected `1`")),
    };
    let after = params.one("after")?.unwrap_or_default();
    Ok(Wanted { event_type: event_type.transpose()?, failures, after })
}
