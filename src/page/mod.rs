//! The pages: what a person sees of the ledger in a browser. The server renders each page whole, so a page is useful before its
//! scripts run and without them. The scripts then keep it current over the same API that programs use.
//!
//! Not here: the API itself (`http`, `kinds`), and writes. A page cancels and notes with the appends that any client sends.

mod assets;
mod chart;
mod filters;
mod job;
mod jobs;
mod log;
mod refusal;
mod row;
mod shell;
mod sign_in;
mod terminal;
mod timeline;
mod travel;
mod visitor;

use axum::Router;
use axum::routing::get;

use crate::http::App;

/// The paths of the pages, as templates of routes.
pub const PATHS: [&str; 5] = ["/", "/jobs/{id}", "/log", "/sign-in", "/assets/{version}/{name}"];

/// The routes of the pages. They are not in the API description, because they answer people.
pub fn routes() -> Router<App> {
    let [jobs, job, log, sign_in, assets] = PATHS;
    Router::new()
        .route(jobs, get(jobs::page))
        .route(job, get(job::page))
        .route(log, get(self::log::page))
        .route(sign_in, get(self::sign_in::page))
        .route(assets, get(self::assets::asset))
}
