//! `GET /`: the list of jobs, newest first, with the filters of `/ledger/jobs` and the number of jobs in each state.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::filters::{Choice, Filters, choices};
use super::refusal::Refusal;
use super::row::JobRow;
use super::shell::{Shell, answer};
use super::visitor::Visitor;
use crate::access::{Capability, Role};
use crate::http::{App, Params, decode_cursor, encode_cursor, job_order, job_query};
use crate::job::{Kind, Status};
use crate::views::{JobCounts, JobQuery, Order};

/// Jobs on a page.
const ROWS: usize = 50;
/// An example of a time.
const TIME: &str = "2026-11-28T14:00:00Z";

#[derive(Template)]
#[template(path = "jobs.html", config = "src/page/askama.toml")]
struct JobsPage {
    shell: Shell,
    /// The person's organisation. Links to jobs of others name theirs.
    own: String,
    counts: Vec<StateCount>,
    /// Whether the numbers are the least that they may be.
    at_least: bool,
    rows: Vec<JobRow>,
    /// The row that scripts clone.
    blank: JobRow,
    kinds: Vec<Choice>,
    states: Vec<Choice>,
    texts: Vec<TextFilter>,
    /// The filters that the form folds away.
    more: Vec<TextFilter>,
    /// Whether one of the folded filters is set.
    unfolded: bool,
    /// Whether a filter is set.
    filtered: bool,
    /// The query of the next page; empty on the last.
    next: String,
    /// Whether the list begins with the oldest job.
    oldest: bool,
    /// Whether this is the first page in the order of the live list.
    live: bool,
    position: u64,
    /// Whether scripts may offer to cancel all jobs that match.
    may_cancel: bool,
}

/// The jobs in one state, or in all.
struct StateCount {
    /// The state; empty for all.
    state: &'static str,
    jobs: u64,
    /// The path of the list that shows them.
    href: String,
    chosen: bool,
}

/// A filter with free text.
struct TextFilter {
    name: &'static str,
    label: &'static str,
    value: String,
    /// An example; empty where none is needed.
    example: &'static str,
    /// The regular expression of a value; empty for any.
    pattern: &'static str,
}

/// The page of jobs.
pub(super) async fn page(
    State(app): State<App>,
    visitor: Visitor,
    filters: Filters,
    params: Params,
) -> Result<Response, Refusal> {
    let mut params = params.without_empty();
    let after = params.text("after")?;
    let order = job_order(&mut params)?;
    let query = JobQuery { order, ..job_query(&visitor.0, &mut params)? };
    params.finish()?;
    let beyond = after.as_deref().map(|after| decode_cursor(after, &query)).transpose()?;
    let shown = app.ledger.jobs(&JobQuery { beyond, ..query.clone() }, ROWS, None).await?;
    let counted = app.ledger.job_counts(&JobQuery { status: None, ..query.clone() }, None).await?.value;
    let last = shown.value.jobs.last().filter(|_| shown.value.more);
    let next = last.map(|job| filters.with("after", &encode_cursor(job.created_position, &query))).unwrap_or_default();
    let own = visitor.principal().org;
    let more = folded(&filters, visitor.principal().role.may(Capability::AllOrganisations));
    let oldest = order == Order::Oldest;
    let page = JobsPage {
        own: own.to_string(),
        shell: visitor.shell("Jobs"),
        counts: counts(&counted, &filters),
        at_least: counted.at_least,
        rows: shown.value.jobs.iter().map(|job| JobRow::of(job, own)).collect(),
        blank: JobRow::default(),
        kinds: choices(Kind::ALL.iter().map(|kind| kind.as_str()), &filters.value("kind")),
        states: choices(Status::ALL.iter().map(|state| state.as_str()), &filters.value("status")),
        texts: texts(&filters),
        unfolded: oldest || more.iter().any(|filter| !filter.value.is_empty()),
        more,
        filtered: filters.any(),
        next,
        oldest,
        live: after.is_none() && !oldest,
        position: shown.position.get(),
        may_cancel: visitor.principal().role == Role::Admin,
    };
    Ok(answer(StatusCode::OK, &page))
}

/// The number of all jobs and of the jobs in each state, as links that keep the other filters.
fn counts(counted: &JobCounts, filters: &Filters) -> Vec<StateCount> {
    let chosen = filters.value("status");
    let count = |state: &'static str, jobs| {
        let query = filters.first_page_with("status", state);
        StateCount { state, jobs, href: format!("/?{query}"), chosen: state == chosen }
    };
    let all: u64 = Status::ALL.iter().map(|status| counted.of(*status)).sum();
    let states = Status::ALL.iter().map(|status| count(status.as_str(), counted.of(*status)));
    std::iter::once(count("", all)).chain(states).collect()
}

/// The text filters that the form always shows.
fn texts(filters: &Filters) -> Vec<TextFilter> {
    let text = |name, label, example, pattern| TextFilter { name, label, value: filters.value(name), example, pattern };
    vec![
        text("job_type", "Type", "", ""),
        text("id_prefix", "Id begins with", "", ""),
        text("label", "Label", "name:value", "[^:]*:.*"),
        text("created_by", "Created by", "", ""),
        text("quiet_for", "Quiet for", "15m", "[0-9]+[smhd]"),
    ]
}

/// The text filters that the form folds away. A person who sees all organisations may choose one.
fn folded(filters: &Filters, organisations: bool) -> Vec<TextFilter> {
    let text = |name, label, example| TextFilter { name, label, value: filters.value(name), example, pattern: "" };
    let org = organisations.then(|| text("org", "Organisation", ""));
    let more = [
        text("cancelled_by", "Cancelled by", ""),
        text("created_after", "Created after", TIME),
        text("created_before", "Created before", TIME),
        text("ended_after", "Ended after", TIME),
        text("ended_before", "Ended before", TIME),
    ];
    more.into_iter().chain(org).collect()
}
