//! `GET /ledger/jobs`: the list of jobs of all kinds.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Capability;
use crate::http::answer::{Error, PageName, page, shortened};
use crate::http::app::App;
use crate::http::description::{JobFilterParams, ListOrder};
use crate::http::request::{Caller, Params, accept, cursor, refuse_heartbeat};
use crate::http::tail::{live_list, or_busy};
use crate::job::JobId;
use crate::model::{JobEntry, StatusName, line};
use crate::tails::ListOf;
use crate::views::{JobList, JobQuery, Order};

/// The forms of an answer. A request that accepts none of them gets the first.
const FORMS: [&str; 2] = ["application/json", "text/event-stream"];

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobPage {
    /// In the order that was asked for, by default newest first.
    jobs: Vec<JobEntry>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// List jobs of all kinds, newest first or oldest first.
///
/// With `Accept: text/event-stream` the list is live: `event: snapshot` has the first page (`ListSnapshot`), and `event: changed`
/// the rows that changed since (`ListChange`), at most five a second. After `Last-Event-ID` the first event is `changed`, or
/// `snapshot` if too much has changed.
#[utoipa::path(
    get, path = "/ledger/jobs", tag = "ledger", operation_id = "list_jobs",
    params(
        JobFilterParams,
        ("status" = Option<StatusName>, Query, description = "In one state"),
        ("order" = Option<ListOrder>, Query, description = "By creation; default `newest`"),
        ("first" = Option<u64>, Query, description = "Jobs on a page, 1 to 1000; default 50", minimum = 1, maximum = 1000),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("heartbeat" = Option<u64>, Query, description = "A stream sends `event: heartbeat` after so many seconds without another message", minimum = 1, maximum = 60),
        ("Last-Event-ID" = Option<String>, Header, description = "The position that the client of a live list has seen; pages ignore it"),
    ),
    responses(
        (status = 200, description = "A page, or a live list",
            content((JobPage = "application/json"), (String = "text/event-stream"))),
        (status = 400, description = "A parameter is not what was expected"),
        (status = 404, description = "`org` is not the caller's"),
        (status = 503, description = "The views have not reached the position in time, or there are too many streams (`too-many-tails`)"),
    )
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let first = params.count("first", 50, 1000)?;
    let after = params.text("after")?;
    let (min, heartbeat) = (params.one("min_position")?, params.heartbeat()?);
    let query = JobQuery { order: order(&mut params)?, ..job_query(&caller, &mut params)? };
    params.finish()?;
    if accept::choose(&headers, &FORMS) == Some("text/event-stream") {
        if query.order == Order::Oldest {
            return Err(Error::parameter("order", "expected `newest` on a live list"));
        }
        if after.is_some() {
            return Err(Error::parameter("after", "expected none on a live list, which begins with the first page"));
        }
        let of = ListOf { query, first, min, cursor: cursor::encode };
        return or_busy(&app, &caller, live_list(&app, &caller, &headers, of, heartbeat).await);
    }
    refuse_heartbeat(heartbeat)?;
    let beyond = after.map(|after| cursor::decode(&after, &query)).transpose()?;
    let render = |list: &JobList| {
        let last = list.jobs.last().filter(|_| list.more);
        Bytes::from(line(&JobPage {
            next: last.map(|job| cursor::encode(job.created_position, &query)),
            jobs: list.jobs.iter().map(JobEntry::from).collect(),
        }))
    };
    let name = PageName { route: "/ledger/jobs", query: JobQuery { beyond, ..query.clone() }, limit: first };
    let shown = app.pages.get(&app.ledger, name, min, render).await?;
    Ok(page(shown))
}

/// Takes the order of a list from the query.
///
/// # Errors
///
/// 400 for any other word.
pub fn order(params: &mut Params) -> Result<Order, Error> {
    match params.text("order")?.as_deref() {
        None | Some("newest") => Ok(Order::Newest),
        Some("oldest") => Ok(Order::Oldest),
        Some(found) => {
            Err(Error::parameter("order", format!("expected `newest` or `oldest`, found `{}`", shortened(found))))
        }
    }
}

/// Takes the filters of a list of jobs from the query.
///
/// # Errors
///
/// 400 for a filter that is not what was expected; 404 for an organisation that the caller may not see.
pub fn job_query(caller: &Caller, params: &mut Params) -> Result<JobQuery, Error> {
    let label = params.text("label")?.map(|label| match label.split_once(':') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(Error::parameter("label", "expected `name:value`")),
    });
    Ok(JobQuery {
        org: caller.org_of_list(params.one("org")?)?,
        kind: params.one("kind")?,
        status: params.one("status")?,
        job_type: params.one("job_type")?,
        label: label.transpose()?,
        created_by: params.text("created_by")?,
        created_after: params.time("created_after")?,
        created_before: params.time("created_before")?,
        ended_after: params.time("ended_after")?,
        ended_before: params.time("ended_before")?,
        cancelled_by: params.text("cancelled_by")?,
        quiet_for: params.one("quiet_for")?,
        id_prefix: params.text("id_prefix")?.map(normalised),
        ..JobQuery::default()
    })
}

/// The prefix in the form of stored ids: a whole UUID in lower case. A part of a UUID stays as it is, because it may also begin
/// an id of another form.
fn normalised(prefix: String) -> String {
    prefix.parse::<JobId>().map_or(prefix, |id| id.to_string())
}
