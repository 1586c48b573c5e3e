//! The server kit: who asks, what is answered, errors, appends, pages, tails, operation. Only this layer knows status codes.

mod accept;
mod app;
mod append;
mod arriving;
mod auth;
mod body;
mod cursor;
mod describe;
mod diff;
mod docs;
mod encoding;
mod error;
mod events;
mod evidence;
mod export;
mod guard;
mod jobs;
mod lease;
mod limits;
mod line;
mod metrics;
mod ndjson;
mod observe;
mod page;
mod panics;
mod params;
mod path;
mod ready;
mod rebuild;
mod renders;
mod serve;
mod session;
mod sheets;
mod single;
mod site;
mod sound;
mod streamed;
mod tail;
mod tls;
mod tree;
mod unparsed;

pub use app::{App, Shared};
pub use auth::Caller;
pub use cursor::{decode as decode_cursor, encode as encode_cursor};
pub use describe::routes_with_errors;
pub use diff::{ChangedBy, DiffMoment, Differ, FieldChange, JobDiff};
pub use docs::{Description, LiveAnswers, ReadingParams, Revisioned};
pub use error::{Error, ErrorStyle, Problem, title};
pub use guard::guard;
pub use limits::{Bounds, Held, Limit, Limits, Most};
pub use observe::{ACCESS_LOG, Requests};
pub use page::{json, page};
pub use params::{Params, Reading};
pub use path::Segment;
pub use renders::Renders;
pub use serve::{HttpOptions, Transport, serve};
pub use sheets::Sheets;
pub use single::{Render, View, single_job};
pub use site::Site;
pub use streamed::{Long, streamed};
pub use tail::{Tails, publish};
pub use tls::{Tls, TlsError};

use axum::Router;
use axum::http::HeaderName;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The header that tells which position an answer shows.
pub const POSITION: HeaderName = HeaderName::from_static("ledger-position");

/// What a documented API brings: its routes and its error body.
pub struct Api {
    /// Its routes, described.
    pub routes: OpenApiRouter<App>,
    /// What its errors look like.
    pub errors: ErrorStyle,
}

/// The ledger's own routes, described.
fn own_routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(append::append, events::list))
        .routes(routes!(events::one))
        .routes(routes!(tree::newest))
        .routes(routes!(tree::list))
        .routes(routes!(tree::leaf))
        .routes(routes!(tree::proof))
        .routes(routes!(tree::consistency))
        .routes(routes!(export::export))
        // An index may have several segments, which OpenAPI has no words for: these two are described apart.
        .route("/ledger/tile/entries/{*index}", get(tree::entries))
        .route("/ledger/tile/{level}/{*index}", get(tree::hashes))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::one))
        .routes(routes!(jobs::output))
        .routes(routes!(diff::diff))
        .routes(routes!(evidence::evidence))
        .routes(routes!(events::of_job))
        .routes(routes!(rebuild::rebuild))
        .routes(routes!(ready::healthz))
        .routes(routes!(ready::readyz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(session::sign_in, session::sign_out))
        .routes(routes!(docs::openapi))
        .routes(routes!(docs::event_schema))
}

/// All routes with their description: the ledger's own and those of `apis`.
pub fn described(apis: Vec<Api>) -> (Router<App>, utoipa::openapi::OpenApi, Vec<ErrorStyle>) {
    let styles: Vec<ErrorStyle> = apis.iter().map(|api| api.errors).collect();
    let all = apis.into_iter().fold(own_routes(), |all, api| all.merge(api.routes));
    let (router, mut description) = all.split_for_parts();
    description.info.version = env!("CARGO_PKG_VERSION").to_owned();
    describe::complete(&mut description, &styles);
    (router, description, styles)
}
