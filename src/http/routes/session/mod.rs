//! `POST /session`, `DELETE /session`, `POST /sign-out`: a browser trades its token for a cookie, because EventSource cannot send
//! headers. `GET /session` tells a client what its token is.
//!
//! Not here: the page that shows the form, and the sessions themselves (`access`).

mod form;
mod next;
mod once;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

pub use self::form::MAX_FORM;
pub use self::once::{OnceLink, sign_in_once};

use self::form::SignInForm;
use crate::access::{AccessError, Principal, SESSION_SECONDS};
use crate::http::answer::{Error, JsonLine};
use crate::http::app::App;
use crate::http::observe::{asked_by, refused};
use crate::http::request::{COOKIE_NAME, Caller, Params, bearer, session_cookie};

/// The page with the form.
const SIGN_IN_PAGE: &str = "/sign-in";

/// Sign a browser in: trade a token for a session cookie.
///
/// The token stands in `Authorization`, or in a form.
#[utoipa::path(
    post, path = "/session", tag = "session", security(("bearer" = []), ()),
    request_body(content = Option<SignInForm>, content_type = "application/x-www-form-urlencoded",
        description = "The form of a page of this server; not read if the request has `Authorization`"),
    responses(
        (status = 204, description = "Signed in for 12 hours; the cookie is HttpOnly and SameSite=Lax, and Secure under TLS. Beyond 20 sessions of one token the oldest ends"),
        (status = 303, description = "The answer to a form: signed in, and `Location` is `next`; or back to `/sign-in?failed=1&next=…` for a token that is not valid, `failed=later` if tokens cannot be read just now",
            headers(("Location" = String, description = "A path of this server"))),
        (status = 400, description = "The form has other fields, or one twice"),
        (status = 403, description = "The form is on a page of another site"),
        (status = 408, description = "The form did not arrive within 60 s"),
        (status = 413, description = "The form has over 8 KiB"),
        (status = 503, description = "The session cannot be written just now; try again"),
    )
)]
pub async fn sign_in(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Error> {
    if !headers.contains_key(AUTHORIZATION) && form::is_form(&headers) {
        return by_form(&app, &headers, body).await;
    }
    // A token only: a session that could make sessions would never end.
    let token = bearer(&headers).ok_or_else(Error::unauthorized)?;
    let cookie = trade(&app, token).await?.ok_or_else(Error::unauthorized)?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}

async fn by_form(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, Error> {
    // Another site could sign the browser in with a token of its own, and so see what its user does here. Every browser names
    // the page that sends a form.
    if app.origins.same(headers) == Some(false) {
        return Err(Error::forbidden("a form that signs in must be on a page of this server"));
    }
    let form = SignInForm::read(body).await?;
    let failed = match trade(app, form.token.trim()).await {
        Ok(Some(cookie)) => return Ok(see_other(&next::checked(&form.next), Some(cookie))),
        Ok(None) => "1",
        Err(error) => {
            // The conversion writes the cause to the log.
            let _ = Error::from(error);
            "later"
        }
    };
    refused();
    Ok(see_other(&format!("{SIGN_IN_PAGE}?failed={failed}{}", next::parameter(&form.next)), None))
}

/// The cookie of a new session; `None` for a token that is not valid.
async fn trade(app: &App, token: &str) -> Result<Option<String>, AccessError> {
    let now = app.ledger.now();
    let found: Option<Principal> = app.access.authenticate(token, now).await?;
    let Some(principal) = found else { return Ok(None) };
    asked_by(&principal);
    let session = app.access.sign_in(&principal, now).await?;
    Ok(Some(cookie(app, session.reveal(), SESSION_SECONDS)))
}

/// The token of a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct CallerModel {
    /// The token's name: the actor of the events that it appends.
    name: String,
    /// The token's role: `admin`, `worker`, `viewer` or `auditor`.
    role: &'static str,
    /// The token's organisation. An auditor reads the others too.
    org_id: String,
    /// When the token, its secret or the session ends; null if none of them ends.
    expires_at: Option<String>,
    /// The sources that the token's events may have; empty for a token that is bound to none.
    sources: Vec<String>,
}

/// Read what the request's token is: its name, role and organisation.
#[utoipa::path(
    get, path = "/session", tag = "session", operation_id = "read_session",
    responses(
        (status = 200, description = "The token, or the one that the session was made with", body = CallerModel),
        (status = 400, description = "A parameter, which the route does not take"),
    )
)]
pub async fn caller(caller: Caller, params: Params) -> Result<JsonLine<CallerModel>, Error> {
    params.finish()?;
    let principal = caller.0;
    Ok(JsonLine(CallerModel {
        name: principal.name,
        role: principal.role.as_str(),
        org_id: principal.org.to_string(),
        expires_at: principal.expires.map(|time| time.to_string()),
        sources: principal.sources.to_vec(),
    }))
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
    let cookie = end(&app, &headers).await?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}

/// Sign the browser out by a form, which works without scripts.
#[utoipa::path(
    post, path = "/sign-out", tag = "session", security(()),
    responses(
        (status = 303, description = "Signed out; `Location` is the page that signs in",
            headers(("Location" = String, description = "`/sign-in`"))),
        (status = 400, description = "A parameter, which the route does not take"),
        (status = 403, description = "The form is on a page of another site"),
        (status = 503, description = "The end of the session cannot be written just now; try again"),
    )
)]
pub async fn sign_out_by_form(State(app): State<App>, headers: HeaderMap, params: Params) -> Result<Response, Error> {
    params.finish()?;
    let cookie = end(&app, &headers).await?;
    Ok(see_other(SIGN_IN_PAGE, Some(cookie)))
}

/// Ends the session of the request, if it has one. Returns a cookie that makes the browser forget it.
async fn end(app: &App, headers: &HeaderMap) -> Result<String, Error> {
    if let Some(session) = session_cookie(headers) {
        app.origins.check(headers)?;
        app.access.sign_out(session).await?;
    }
    Ok(cookie(app, "", 0))
}

fn see_other(place: &str, cookie: Option<String>) -> Response {
    let headers = [(LOCATION, Some(place.to_owned())), (SET_COOKIE, cookie)].into_iter();
    let headers = AppendHeaders(headers.filter_map(|(name, value)| Some((name, value?))));
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// `SameSite=Lax`: with `Strict` a browser would leave the cookie out where a link of another site leads here, and its user would
/// look signed out. Requests that write are checked by their origin instead.
fn cookie(app: &App, value: &str, max_age: u32) -> String {
    let secure = if app.origins.are_secure() { "; Secure" } else { "" };
    format!("{COOKIE_NAME}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}")
}
