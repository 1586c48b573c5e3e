//! `GET /jobs/{id}`: one job, as it is now or as it stood after one of its events.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::chart::Chart;
use super::filters::{Choice, choices};
use super::output::Output;
use super::refusal::Refusal;
use super::row::{JobRow, org_query, segment};
use super::run::RunRow;
use super::shell::{Shell, answer};
use super::timeline::{Story, links};
use super::travel::Travel;
use super::visitor::Visitor;
use crate::drawn::Entry;
use crate::http::off_thread;
use crate::http::{App, Error, JobRead, Params, Segment, refuse_heartbeat};
use crate::job::{Action, Detail, EventType, Item, Job, Note, OrgId, Position, Redaction, Spec, Status, Summary};
use crate::ledger::{AsOf, Ledger, ReadError};

/// Most items on the page. The API has all of them.
const ITEMS: usize = 1000;
/// Newest notes and redactions on the page.
const REMARKS: usize = 100;

#[derive(Template)]
#[template(path = "job.html", config = "src/page/askama.toml")]
struct JobPage {
    shell: Shell,
    row: JobRow,
    run: RunRow,
    /// The job's id as a segment of a path.
    id_path: String,
    /// The parameter that names the organisation; empty for the person's own.
    org_query: String,
    started_at: String,
    message: String,
    step: String,
    labels: Vec<(String, String)>,
    /// The newest event of the job as it is shown.
    revision: u64,
    items: Vec<ItemRow>,
    items_left_out: usize,
    blank_item: ItemRow,
    notes: Vec<Remark>,
    blank_remark: Remark,
    redactions: Vec<Remark>,
    output: Option<Output>,
    entries: Vec<Entry>,
    /// The position up to which older events lie; 0 if the page shows all.
    older: u64,
    /// The types by which the timeline can be filtered.
    types: Vec<Choice>,
    /// Whether the timeline shows failures alone.
    failures: bool,
    /// The position of the moment that the person asked for; empty for now.
    moment: String,
    /// The moments that the person may compare.
    from: u64,
    to: u64,
    chart: Chart,
    travel: Travel,
    /// Whether the page shows the job as it is now and the job has not ended.
    live: bool,
    /// Whether scripts may offer to cancel the job.
    may_cancel: bool,
    /// Whether scripts may offer to repeat the job.
    may_retry: bool,
}

/// An item of the job.
#[derive(Default)]
struct ItemRow {
    id: String,
    status: &'static str,
    message: String,
    /// Where credentials are kept, or the result's JSON; of a rule's action its operation.
    detail: String,
    at: String,
}

/// A note or a redaction.
#[derive(Default)]
struct Remark {
    text: String,
    by: String,
    at: String,
}

/// The page of one job.
pub(super) async fn page(
    State(app): State<App>,
    visitor: Visitor,
    Segment(id): Segment,
    mut params: Params,
) -> Result<Response, Refusal> {
    let event = params.one("event")?;
    let JobRead { key, as_of, min, heartbeat } = params.job_read(&visitor.0, &id)?;
    refuse_heartbeat(heartbeat)?;
    if event.is_some() && as_of.is_some() {
        return Err(Error::parameter("event", "expected none beside `as_of`").into());
    }
    // Held until the page is made: the reads below may be long.
    let turn = app.ledger.turn(min).await?;
    let now = app.ledger.whole_job(&turn, &key).await?.value.ok_or_else(Error::no_such_job)?;
    let as_of = match event {
        Some(number) => Some(AsOf::Position(position_of(&app, &now, number).await?)),
        None => as_of,
    };
    let shown = match as_of {
        None => now.clone(),
        Some(moment) => app.ledger.job_as_of(&turn, &key, moment).await?.value.ok_or_else(Error::no_such_job)?,
    };
    let (ledger, shell) = (app.ledger.clone(), visitor.shell(key.id.to_string()));
    let own = visitor.principal().org;
    let made = off_thread(move || {
        let _turn = turn;
        make(&ledger, shell, own, &now, &shown, as_of.is_some())
    });
    Ok(answer(StatusCode::OK, &made.await?))
}

/// The position of the job's event with this number, counted from 1.
async fn position_of(app: &App, job: &Arc<Job>, number: u64) -> Result<Position, Error> {
    if !(1..=job.events).contains(&number) {
        return Err(Error::parameter("event", format!("expected a number from 1 to {}, found {number}", job.events)));
    }
    let (ledger, newest) = (app.ledger.clone(), job.position);
    // The chain leads back from the newest event.
    let back = usize::try_from(job.events - number + 1).unwrap_or(usize::MAX);
    let before = off_thread(move || ledger.log(|log| log.before_newest(newest, back))).await?;
    Ok(before.next())
}

fn make(ledger: &Ledger, shell: Shell, own: OrgId, now: &Job, shown: &Job, past: bool) -> Result<JobPage, ReadError> {
    let story = Story::read(ledger, shown, links(&shown.key, own))?;
    let travel = Travel::find(ledger, now, shown, past)?;
    let output = Output::of(ledger, shown, None)?;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let newest = |all: usize| all.saturating_sub(REMARKS);
    let ended = shown.state.ended_at().is_some();
    let may_append = shell.visitor.as_ref().is_some_and(|visitor| visitor.may_append);
    Ok(JobPage {
        row: JobRow::of(&shown.summary, own),
        run: RunRow::of(ledger, &shown.summary, own, past),
        org_query: org_query("", shown.key.org, own),
        id_path: segment(shown.key.id.as_str()),
        started_at: shown.state.started_at().map(|time| time.to_string()).unwrap_or_default(),
        message: text(&shown.message),
        step: text(&shown.current_step),
        labels: shown.labels.clone().into_iter().collect(),
        revision: shown.position.get(),
        items: shown.items.as_slice().iter().take(ITEMS).map(|item| ItemRow::of(item, &shown.spec)).collect(),
        items_left_out: shown.items.as_slice().len().saturating_sub(ITEMS),
        blank_item: ItemRow::default(),
        notes: shown.notes[newest(shown.notes.len())..].iter().map(Remark::from).collect(),
        blank_remark: Remark::default(),
        redactions: shown.redactions[newest(shown.redactions.len())..].iter().map(Remark::from).collect(),
        output,
        older: story.older(shown),
        failures: false,
        moment: if past { shown.position.to_string() } else { String::new() },
        from: shown.created_position.get(),
        to: shown.position.get(),
        types: choices(EventType::of_jobs().map(EventType::as_str), ""),
        chart: Chart::of(&story.points),
        entries: story.entries,
        travel,
        live: !past && !ended,
        may_cancel: !past && !ended && may_append,
        may_retry: !past && may_append && may_retry(&shown.summary),
        shell,
    })
}

/// Whether a job may be repeated.
fn may_retry(job: &Summary) -> bool {
    matches!(job.state.status(), Status::Failed | Status::Cancelled) && job.retried_as.is_none()
}

impl ItemRow {
    fn of(item: &Item, spec: &Spec) -> ItemRow {
        let detail = match (&item.detail, spec) {
            (Some(Detail::Credentials(kept)), _) => {
                format!("{}: {} ({})", kept.provider, kept.secret_id, kept.secret_keys.join(", "))
            }
            (Some(Detail::Json(json)), _) => json.0.to_string(),
            (None, Spec::Rule(rule)) => {
                rule.actions.iter().find(|action| action.id == item.id).map(operation).unwrap_or_default()
            }
            (None, _) => String::new(),
        };
        ItemRow {
            id: item.id.to_string(),
            status: item.status.as_str(),
            message: item.message.clone().unwrap_or_default(),
            detail,
            at: item.at.map(|time| time.to_string()).unwrap_or_default(),
        }
    }
}

fn operation(action: &Action) -> String {
    action.action.to_string()
}

impl From<&Note> for Remark {
    fn from(note: &Note) -> Remark {
        Remark { text: note.text.clone(), by: note.by.clone(), at: note.at.to_string() }
    }
}

impl From<&Redaction> for Remark {
    fn from(redaction: &Redaction) -> Remark {
        let text = format!("event {}: {}", redaction.position, redaction.reason);
        Remark { text, by: redaction.by.clone(), at: redaction.at.to_string() }
    }
}

impl JobPage {
    /// The number of the first line of output on the page; 1 for a job without output.
    fn first_line(&self) -> usize {
        self.output.as_ref().and_then(|output| output.drawn.lines.first()).map_or(1, |line| line.number)
    }

    /// The cancellation in words; empty for a job that was not cancelled.
    fn ended_by(&self) -> &str {
        if self.row.status == "cancelled" { &self.row.doing } else { "" }
    }
}
