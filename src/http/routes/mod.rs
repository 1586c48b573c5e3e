//! The ledger's own routes, one file each or one file for a few that show the same.
//!
//! Not here: the documented job APIs (`kinds`), and the loops of tails (`tail`).

pub mod append;
pub mod claims;
mod counts;
pub mod docs;
pub mod events;
mod export;
mod job;
pub mod jobs;
mod lease;
pub mod metrics;
pub mod output;
mod ready;
mod rebuild;
mod retry;
pub mod session;
pub mod single_job;
pub mod tree;
mod webhooks;

use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::app::App;
use crate::http::description::Description;
use crate::http::{diff, evidence};

/// The ledger's own routes, described.
pub fn own_routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(append::append, events::list))
        .routes(routes!(events::one::one))
        .routes(routes!(tree::newest))
        .routes(routes!(tree::list))
        .routes(routes!(tree::leaf))
        .routes(routes!(tree::proof))
        .routes(routes!(tree::consistency))
        .routes(routes!(export::export))
        // An index may have several segments, which OpenAPI cannot express: these two are described apart.
        .route("/ledger/tile/entries/{*index}", get(tree::entries))
        .route("/ledger/tile/{level}/{*index}", get(tree::hashes))
        .routes(routes!(jobs::list))
        .routes(routes!(counts::counts))
        .routes(routes!(job::one))
        .routes(routes!(output::output))
        .routes(routes!(claims::claim))
        .routes(routes!(lease::renew))
        .routes(routes!(retry::retry))
        .routes(routes!(diff::diff))
        .routes(routes!(evidence::evidence))
        .routes(routes!(events::of_job))
        .routes(routes!(webhooks::list, webhooks::add))
        .routes(routes!(webhooks::remove))
        .routes(routes!(webhooks::replay))
        .routes(routes!(rebuild::rebuild))
        .routes(routes!(ready::healthz))
        .routes(routes!(ready::readyz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(session::caller, session::sign_in, session::sign_out))
        .routes(routes!(session::sign_out_by_form))
        .routes(routes!(docs::openapi))
        .routes(routes!(docs::event_schema))
}
