//! The server's HTTP: connections, requests, answers and the ledger's own routes. Only this room and `kinds` know status codes.
//!
//! Not here: what is recorded and read (`ledger`), what is shown of a job (`model`), the documented job APIs (`kinds`), and the
//! start and end of the server (`server`).

mod across;
mod answer;
mod app;
mod connection;
mod cors;
mod description;
mod diff;
mod evidence;
mod forward;
mod limits;
mod node_model;
mod observe;
mod request;
mod routes;
mod signed_in;
mod site;
mod tail;

pub use answer::{
    Code, Error, ErrorStyle, KeepBody, LongAnswer, PageName, Pages, Problem, RenderedEvents, RenderedJobs, json, page,
    streamed, title,
};
pub use app::{App, AppState};
pub use connection::{HttpOptions, Tls, TlsError, Transport, serve};
pub use cors::SharedWith;
pub use description::{ETagAnswers, SingleJobAnswers, SingleJobParams, routes_with_errors};
pub use diff::job_diff;
pub use limits::{Bound, Bounds, Limit, Limits, Permit};
pub use node_model::NodeModel;
pub use observe::{ACCESS_LOG, Requests, in_request, off_thread};
pub use request::cursor::{decode as decode_cursor, encode as encode_cursor};
pub use request::{Caller, JobRead, NotAnOrigin, Origin, OwnOrigins, Params, Segment, precondition, refuse_heartbeat};
pub use routes::append::{Creation, NewJob, create_job, read_document};
pub use routes::events::EventQuery;
pub use routes::jobs::{job_query, order as job_order};
pub use routes::session::{OnceLink, sign_in_once};
pub use routes::single_job::{Render, Representation, single_job};
pub use site::Site;
pub use tail::Openings;

use axum::Router;
use axum::http::HeaderName;
use utoipa_axum::router::OpenApiRouter;

/// The response header that names the position that the answer shows.
pub const POSITION: HeaderName = HeaderName::from_static("ledger-position");

/// A documented API: its routes and the form of its errors.
pub struct Api {
    /// The routes, described.
    pub routes: OpenApiRouter<App>,
    /// The form of its errors.
    pub errors: ErrorStyle,
}

/// All routes with their description: the ledger's own and those of `apis`.
pub fn described(apis: Vec<Api>) -> (Router<App>, utoipa::openapi::OpenApi, Vec<ErrorStyle>) {
    let styles: Vec<ErrorStyle> = apis.iter().map(|api| api.errors).collect();
    let all = apis.into_iter().fold(routes::own_routes(), |all, api| all.merge(api.routes));
    let (router, mut description) = all.split_for_parts();
    description.info.version = env!("CARGO_PKG_VERSION").to_owned();
    description::complete(&mut description, &styles);
    (router, description, styles)
}
