//! The state that all routes share.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;

use crate::access::LiveAccess;
use crate::cluster::Cluster;
use crate::deliveries::Webhooks;
use crate::http::answer::{Pages, RenderedEvents, RenderedJobs};
use crate::http::cors::SharedWith;
use crate::http::limits::Limits;
use crate::http::observe::Requests;
use crate::http::request::OwnOrigins;
use crate::http::routes::session::OnceLink;
use crate::http::tail::Openings;
use crate::ledger::Ledger;
use crate::tails::{LiveJobs, Tails};
use crate::workers::Claims;

/// The state of the server. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<AppState>);

/// See [`App`].
pub struct AppState {
    /// The ledger.
    pub ledger: Ledger,
    /// Who may do what.
    pub access: LiveAccess,
    /// The limits of concurrency.
    pub limits: Limits,
    /// Cached events, as pages show them.
    pub rendered_events: RenderedEvents,
    /// Cached large jobs, rendered.
    pub rendered_jobs: RenderedJobs,
    /// Cached pages of jobs, rendered.
    pub pages: Pages,
    /// Open tails.
    pub tails: Arc<Tails>,
    /// The pace at which streams are opened.
    pub openings: Openings,
    /// The jobs that are read live, with the messages that their watchers share.
    pub live_jobs: LiveJobs,
    /// The claims that are under way.
    pub claims: Claims,
    /// Who is told of events by HTTP.
    pub webhooks: Webhooks,
    /// The other nodes; `None` for a ledger on one machine.
    pub cluster: Option<Cluster>,
    /// Turns true when the server stops: streams end then.
    pub stopping: watch::Receiver<bool>,
    /// The origins under which browsers know this server.
    pub origins: OwnOrigins,
    /// The other origins whose pages may use the API.
    pub shared_with: SharedWith,
    /// A link that signs one browser in, once; `None` for a server that has none.
    pub once: Option<OnceLink>,
    /// Counters of requests.
    pub requests: Requests,
    /// Counts the log lines that the server dropped.
    pub dropped_lines: Counter,
    /// The API description, as text.
    pub openapi: String,
}

impl App {
    /// Makes `shared` cheap to clone.
    pub fn new(shared: AppState) -> App {
        App(Arc::new(shared))
    }
}

impl std::ops::Deref for App {
    type Target = AppState;

    fn deref(&self) -> &AppState {
        &self.0
    }
}
