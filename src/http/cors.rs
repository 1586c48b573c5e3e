//! Cross-origin resource sharing (Fetch Standard, "CORS protocol"): pages of the origins that `--cors-origin` names may read, and
//! append events, with a token.
//!
//! Deliberately absent: `Access-Control-Allow-Credentials`. A page of another origin never uses this server's cookie.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::{Either, ready};

use super::request::Origin;

/// The one route that takes writes of pages of other origins.
const APPEND: &str = "/ledger/events";
/// Headers that such a page may send, besides those that every page may.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, if-match, if-none-match, last-event-id, ledger-consistency, ledger-lease, ledger-position, prefer, \
     range",
);
/// Headers of an answer that such a page may read, besides those that every page may.
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static(
    "accept-ranges, content-range, etag, ledger-position, preference-applied, retry-after, x-request-id",
);
/// How long a browser may keep the answer to a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The origins whose pages may use the API. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SharedWith(Arc<[HeaderValue]>);

/// What the server does for a request by another origin's page.
enum Sharing {
    /// No origin is named: answers do not depend on the header `Origin`.
    Off,
    /// The page may not read the answer, or no page sent the request.
    Denied,
    /// The browser asks beforehand whether the page may send such a request.
    Preflight(HeaderValue),
    /// The page may read the answer.
    Allowed(HeaderValue),
}

impl SharedWith {
    /// The server is shared with pages of these origins.
    pub fn new(origins: &[Origin]) -> SharedWith {
        let value =
            |origin: &Origin| HeaderValue::from_str(origin.as_str()).expect("an origin is ASCII without spaces");
        SharedWith(origins.iter().map(value).collect())
    }

    fn sharing<B>(&self, request: &Request<B>) -> Sharing {
        if self.0.is_empty() {
            return Sharing::Off;
        }
        let headers = request.headers();
        let Some(origin) = headers.get(ORIGIN).filter(|origin| self.0.contains(origin)) else {
            return Sharing::Denied;
        };
        let (asked, origin) = (headers.get(ACCESS_CONTROL_REQUEST_METHOD), origin.clone());
        let is_shared = |method: &[u8]| match method {
            b"GET" | b"HEAD" => true,
            b"POST" => request.uri().path() == APPEND,
            _ => false,
        };
        match (request.method(), asked) {
            (&Method::OPTIONS, Some(method)) if is_shared(method.as_bytes()) => Sharing::Preflight(origin),
            (method, _) if is_shared(method.as_str().as_bytes()) => Sharing::Allowed(origin),
            _ => Sharing::Denied,
        }
    }
}

/// Answers a preflight, or passes the request on and adds to the answer which page may read it.
pub fn share<B, A: Future<Output = Response>>(
    with: SharedWith,
    request: Request<B>,
    next: impl FnOnce(Request<B>) -> A,
) -> impl Future<Output = Response> {
    let sharing = with.sharing(&request);
    let answer = match sharing {
        Sharing::Preflight(_) => Either::Left(ready(StatusCode::NO_CONTENT.into_response())),
        _ => Either::Right(next(request)),
    };
    answer.map(move |mut answer| {
        let headers = answer.headers_mut();
        if !matches!(sharing, Sharing::Off) {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        match sharing {
            Sharing::Off | Sharing::Denied => {}
            Sharing::Preflight(origin) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST"));
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
                headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
            }
            Sharing::Allowed(origin) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
            }
        }
        answer
    })
}
