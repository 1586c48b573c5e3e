//! The whole server: the routes, and what stands between them and a connection.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tower::Service;

use super::app::App;
use super::error::{self, ErrorStyle};
use super::{body, docs, observe};

/// Answers every request.
#[derive(Clone)]
pub struct Site {
    routes: Router,
    styles: Arc<[ErrorStyle]>,
}

impl Site {
    /// `routes` over `app`; `styles` say what the errors of each documented API look like.
    pub fn new(app: App, routes: Router<App>, styles: Vec<ErrorStyle>) -> Site {
        Site { routes: routes.merge(docs::reference()).with_state(app), styles: styles.into() }
    }

    /// Answers a request. Plain functions around the router, outermost first: as layers in it each would box every request.
    pub async fn answer(mut self, request: Request) -> Response {
        observe::observe(request, |request| {
            body::read_the_rest(request, |request| {
                error::render(&self.styles, request, |request| async {
                    self.routes.call(request).await.unwrap_or_else(|never| match never {})
                })
            })
        })
        .await
    }
}
