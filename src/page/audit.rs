//! `GET /audit`: what the ledger has signed, and how to check it. With `job`, what proves that job.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::refusal::Refusal;
use super::row::{org_query, segment};
use super::shell::{Shell, answer};
use super::visitor::Visitor;
use crate::http::off_thread;
use crate::http::{App, Error, NodeModel, Params};
use crate::job::{JobId, Kind};

#[derive(Template)]
#[template(path = "audit.html", config = "src/page/askama.toml")]
struct AuditPage {
    shell: Shell,
    origin: String,
    keys: Vec<String>,
    /// The newest checkpoint as the ledger publishes it; empty if none was ever signed in this copy of the log.
    checkpoint: String,
    /// Number of events in the log, the ledger's own included.
    size: u64,
    /// How many events the anchor's checkpoint covers; `None` for a server that keeps no anchor.
    anchored: Option<u64>,
    /// What the person typed as the id of a job.
    asked: String,
    job: Option<Proven>,
    /// The node that serves the page; `None` for a ledger on one machine.
    node: Option<NodeModel>,
}

/// A job that the page links to.
struct Proven {
    id: String,
    id_path: String,
    org_query: String,
    /// The position of the job's newest event.
    newest: u64,
    /// The path of the read in the job's documented API; `None` for a kind without one.
    documented: Option<String>,
}

/// The page for auditors.
pub(super) async fn page(State(app): State<App>, visitor: Visitor, params: Params) -> Result<Response, Refusal> {
    let mut params = params.without_empty();
    let asked = params.text("job")?;
    let job = match &asked {
        Some(id) => Some(proven(&app, &visitor, id, params).await?),
        None => {
            params.finish()?;
            None
        }
    };
    let ledger = app.ledger.clone();
    let checkpoint = off_thread(move || ledger.log(|log| log.checkpoint())).await.map_err(Error::from)?;
    let identity = app.ledger.identity();
    let page = AuditPage {
        shell: visitor.shell("Audit"),
        origin: identity.origin.clone(),
        keys: identity.keys.iter().map(ToString::to_string).collect(),
        checkpoint: checkpoint.map(|found| String::from_utf8_lossy(&found.note).into_owned()).unwrap_or_default(),
        size: app.ledger.head().get() + 1,
        anchored: app.ledger.anchored().map(|anchored| anchored.size),
        asked: asked.unwrap_or_default(),
        job,
        node: NodeModel::of(&app),
    };
    Ok(answer(StatusCode::OK, &page))
}

async fn proven(app: &App, visitor: &Visitor, id: &str, params: Params) -> Result<Proven, Error> {
    let id: JobId = id.parse().map_err(|_| Error::no_such_job())?;
    let (key, min) = params.job(&visitor.0, id.as_str())?;
    let turn = app.ledger.turn(min).await?;
    let job = app.ledger.whole_job(&turn, &key).await?.value.ok_or_else(Error::no_such_job)?;
    let id_path = segment(key.id.as_str());
    Ok(Proven {
        org_query: org_query("", key.org, visitor.principal().org),
        newest: job.position.get(),
        documented: documented(job.kind).map(|path| format!("{path}/{id_path}")),
        id: key.id.to_string(),
        id_path,
    })
}

/// The path below which the documented API of a kind has its jobs.
fn documented(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::DbRole => Some("/dbroles/jobs"),
        Kind::Task => Some("/api/v1/jobs"),
        Kind::Rule => Some("/authorization/rules/jobs"),
        Kind::Generic => None,
    }
}
