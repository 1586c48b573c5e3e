//! `GET /`: the list of jobs, newest first, with the filters of `/ledger/jobs`.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::filters::{Choice, Filters, choices};
use super::refusal::Refusal;
use super::row::JobRow;
use super::shell::{Shell, answer};
use super::visitor::Visitor;
use crate::http::{App, Params, decode_cursor, encode_cursor, job_query};
use crate::job::{Kind, Status};
use crate::views::JobQuery;

/// Jobs on a page.
const ROWS: usize = 50;

#[derive(Template)]
#[template(path = "jobs.html", config = "src/page/askama.toml")]
struct JobsPage {
    shell: Shell,
    /// The person's organisation. Links to jobs of others name theirs.
    own: String,
    rows: Vec<JobRow>,
    /// The row that scripts clone.
    blank: JobRow,
    kinds: Vec<Choice>,
    states: Vec<Choice>,
    /// The text filters: name, label, value.
    texts: Vec<TextFilter>,
    /// Whether a filter is set.
    filtered: bool,
    /// The query of the next page; empty on the last.
    older: String,
    /// Whether this is the first page, which is live.
    newest: bool,
    position: u64,
}

/// A filter with free text.
struct TextFilter {
    name: &'static str,
    label: &'static str,
    value: String,
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
    let query = job_query(&visitor.0, &mut params)?;
    params.finish()?;
    let beyond = after.as_deref().map(|after| decode_cursor(after, &query)).transpose()?;
    let shown = app.ledger.jobs(&JobQuery { beyond, ..query.clone() }, ROWS, None).await?;
    let last = shown.value.jobs.last().filter(|_| shown.value.more);
    let older = last.map(|job| filters.with("after", &encode_cursor(job.created_position, &query))).unwrap_or_default();
    let text = |name, label| TextFilter { name, label, value: filters.value(name) };
    let own = visitor.principal().org;
    let page = JobsPage {
        own: own.to_string(),
        shell: visitor.shell("Jobs"),
        rows: shown.value.jobs.iter().map(|job| JobRow::of(job, own)).collect(),
        blank: JobRow::default(),
        kinds: choices(Kind::ALL.iter().map(|kind| kind.as_str()), &filters.value("kind")),
        states: choices(Status::ALL.iter().map(|state| state.as_str()), &filters.value("status")),
        texts: vec![
            text("job_type", "Type"),
            text("label", "Label"),
            text("created_by", "Created by"),
            text("id_prefix", "Id begins with"),
        ],
        filtered: filters.any(),
        older,
        newest: after.is_none(),
        position: shown.position.get(),
    };
    Ok(answer(StatusCode::OK, &page))
}
