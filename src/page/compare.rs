//! `GET /jobs/{id}/diff`: the fields of a job that differ between two moments, and the events that changed them.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::refusal::Refusal;
use super::row::{org_query, segment};
use super::shell::{Shell, answer};
use super::travel::excerpt;
use super::visitor::Visitor;
use crate::http::{App, Params, Segment, job_diff};
use crate::model::{FieldChange, JobDiff};

/// Most fields on the page. The API has all of them.
const FIELDS: usize = 200;
/// Most events that the page names for one field: the newest.
const EVENTS: usize = 3;

#[derive(Template)]
#[template(path = "compare.html", config = "src/page/askama.toml")]
struct ComparePage {
    shell: Shell,
    id: String,
    id_path: String,
    org_query: String,
    from: u64,
    from_time: String,
    to: u64,
    to_time: String,
    fields: Vec<Field>,
    left_out: usize,
}

/// A field that differs.
struct Field {
    /// The field's name in the API, with the id of the item that it belongs to.
    name: String,
    from: String,
    to: String,
    /// The newest events that changed it: position, type and actor.
    by: Vec<(u64, &'static str, String)>,
    /// Whether more events changed it.
    more: bool,
}

/// The page that compares two moments.
pub(super) async fn page(
    State(app): State<App>,
    visitor: Visitor,
    Segment(id): Segment,
    params: Params,
) -> Result<Response, Refusal> {
    let span = params.without_empty().span(&visitor.0, &id)?;
    let key = span.key.clone();
    let own = visitor.principal().org;
    let shell = visitor.shell(format!("Two moments of {}", key.id));
    let (id, id_path, org_query) = (key.id.to_string(), segment(key.id.as_str()), org_query("", key.org, own));
    let make = move |diff: JobDiff| ComparePage {
        shell,
        id,
        id_path,
        org_query,
        from: diff.from.position,
        from_time: diff.from.time,
        to: diff.to.position,
        to_time: diff.to.time,
        left_out: diff.changes.len().saturating_sub(FIELDS),
        fields: diff.changes.iter().take(FIELDS).map(Field::from).collect(),
    };
    let (page, _) = job_diff(&app, span, make).await?;
    Ok(answer(StatusCode::OK, &page))
}

impl From<&FieldChange> for Field {
    fn from(change: &FieldChange) -> Field {
        let pointer = change.pointer.trim_start_matches('/');
        let name = match (&change.item, pointer.splitn(3, '/').nth(2)) {
            (Some(item), Some(member)) => format!("item {item}: {member}"),
            (Some(item), None) => format!("item {item}"),
            (None, _) => pointer.to_owned(),
        };
        let newest = change.by.len().saturating_sub(EVENTS);
        Field {
            name,
            from: excerpt(&change.from),
            to: excerpt(&change.to),
            by: change.by[newest..].iter().map(|by| (by.position, by.event_type, by.actor.clone())).collect(),
            more: change.more || newest > 0,
        }
    }
}
