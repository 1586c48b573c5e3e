//! `POST /session`, `DELETE /session`: a browser trades its token for a cookie, because EventSource cannot send headers.

use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::access::SESSION_SECONDS;
use crate::http::answer::Error;
use crate::http::app::App;
use crate::http::observe::asked_by;
use crate::http::request::{COOKIE_NAME, Caller, bearer, same_origin, session_cookie};

/// Sign a browser in: trade the bearer token for a session cookie.
#[utoipa::path(
    post, path = "/session", tag = "session",
    responses(
        (status = 204, description = "Signed in for 12 hours; the cookie is HttpOnly and SameSite=Strict. Beyond 20 sessions of one token the oldest ends"),
        (status = 503, description = "The session cannot be written just now; try again"),
    )
)]
pub async fn sign_in(State(app): State<App>, headers: HeaderMap) -> Result<Response, Error> {
    let now = app.ledger.now();
    // A token only: a session that could make sessions would never end.
    let token = bearer(&headers).ok_or_else(Error::unauthorized)?;
    let principal = app.access.authenticate(token, now).await?.ok_or_else(Error::unauthorized)?;
    asked_by(&principal);
    let session = app.access.sign_in(&principal, now).await?;
    Ok(with_cookie(&app, session.reveal(), SESSION_SECONDS))
}

/// Sign the browser out.
#[utoipa::path(
    delete, path = "/session", tag = "session",
    responses(
        (status = 204, description = "Signed out"),
        (status = 403, description = "Asked from a page of another site"),
        (status = 503, description = "The end of the session cannot be written just now; try again"),
    )
)]
pub async fn sign_out(State(app): State<App>, _caller: Caller, headers: HeaderMap) -> Result<Response, Error> {
    if let Some(session) = session_cookie(&headers) {
        same_origin(app.scheme, &headers)?;
        app.access.sign_out(session).await?;
    }
    Ok(with_cookie(&app, "", 0))
}

fn with_cookie(app: &App, value: &str, max_age: u32) -> Response {
    let secure = if app.scheme == "https" { "; Secure" } else { "" };
    let cookie = format!("{COOKIE_NAME}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}");
    (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response()
}
