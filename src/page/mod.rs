//! The pages: what a person sees of the ledger in a browser. The server renders each page whole, so a page is useful before its
//! scripts run and without them. The scripts then keep it current over the same API that programs use.
//!
//! Not here: the API itself (`http`, `kinds`), and writes. A page cancels and notes with the appends that any client sends.

mod assets;
mod audit;
mod chart;
mod compare;
mod events;
mod filters;
mod job;
mod jobs;
mod log;
mod output;
mod refusal;
mod row;
mod run;
mod shell;
mod shown;
mod sign_in;
mod timeline;
mod travel;
mod visitor;
mod webhooks;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;

use crate::http::App;

/// The paths of the pages, as templates of routes.
pub const PATHS: [&str; 11] = [
    "/",
    "/jobs/{id}",
    "/jobs/{id}/events",
    "/jobs/{id}/output",
    "/jobs/{id}/diff",
    "/log",
    "/audit",
    "/webhooks",
    "/sign-in",
    "/sign-in/{code}",
    "/assets/{version}/{name}",
];

/// The routes of the pages. They are not in the API description, because they answer people.
pub fn routes() -> Router<App> {
    let [jobs, job, events, output, diff, log, audit, webhooks, sign_in, once, assets] = PATHS;
    Router::new()
        .route(jobs, get(jobs::page))
        .route(job, get(job::page))
        .route(events, get(self::events::page))
        .route(output, get(self::output::page))
        .route(diff, get(compare::page))
        .route(log, get(self::log::page))
        .route(audit, get(self::audit::page))
        .route(webhooks, get(self::webhooks::page))
        .route(sign_in, get(self::sign_in::page))
        .route(once, get(self::sign_in::once))
        .route(assets, get(self::assets::asset))
        .layer(from_fn(refusal::render))
}
