//! The whole server: the routes, and what stands between them and a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::FutureExt;
use futures_util::future::{Either, ready};
use tower::Service;

use crate::http::answer::{self, ErrorStyle};
use crate::http::app::App;
use crate::http::connection::ArrivingBody;
use crate::http::cors;
use crate::http::forward;
use crate::http::observe;
use crate::http::request::body;
use crate::http::request::{check_size, check_unambiguous};
use crate::http::routes::{docs, metrics};

/// Answers every request.
#[derive(Clone)]
pub struct Site {
    app: App,
    routes: Router,
    styles: Arc<[ErrorStyle]>,
}

impl Site {
    /// A site that answers `routes` and the pages under `/docs`. `styles` say what the errors of each documented API look like.
    pub fn new(app: App, routes: Router<App>, styles: Vec<ErrorStyle>) -> Site {
        Site { routes: routes.merge(docs::reference()).with_state(app.clone()), styles: styles.into(), app }
    }

    /// A site that answers the metrics alone, without a token.
    pub fn of_metrics(app: App) -> Site {
        let routes = Router::new().route("/metrics", get(metrics::without_token)).with_state(app.clone());
        Site { routes, styles: Arc::default(), app }
    }

    /// What the errors of each documented API look like.
    pub fn styles(&self) -> Arc<[ErrorStyle]> {
        self.styles.clone()
    }

    /// Answers a request.
    ///
    /// Plain functions stand around the router, the outermost first. As layers of the router each of them would box every request;
    /// the only box here is the one in which a panic is caught. Each function passes the request on before it makes its future: a
    /// future that held the request would be larger by the request, and futures are copied more than once. Where it can, a function maps
    /// the future of the next one: an `async` block that awaits a future has room for it twice.
    pub(super) fn answer(self, request: Request<ArrivingBody>, peer: SocketAddr) -> impl Future<Output = Response> {
        let Site { app, mut routes, styles } = self;
        let shared_with = app.shared_with.clone();
        let node = app.cluster.is_some().then(|| app.clone());
        observe::observe(app, peer, request, move |request| {
            body::read_the_rest(request, move |request| {
                unless_said(cors::share(shared_with, request, move |request| {
                    answer::render(styles, request, move |request| {
                        let checked = check_size(&request).and_then(|()| check_unambiguous(&request));
                        let answered = checked.map(|()| match node {
                            None => Either::Left(routes.call(request)),
                            Some(app) => Either::Right(Box::pin(forward::answer(app, routes, request))),
                        });
                        match answered {
                            Ok(answered) => {
                                Either::Left(answered.map(|answer| answer.unwrap_or_else(|never| match never {})))
                            }
                            Err(error) => Either::Right(ready(error.into_response())),
                        }
                    })
                }))
            })
        })
    }
}

/// Adds `Cache-Control: no-store` to an answer that has no `Cache-Control`, because nearly all answers depend on a token.
fn unless_said(answer: impl Future<Output = Response>) -> impl Future<Output = Response> {
    answer.map(|mut answer| {
        answer.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        answer
    })
}
