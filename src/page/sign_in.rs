//! `GET /sign-in`: a person trades a token for a session. The form goes to `POST /session`.

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use super::refusal::Refusal;
use super::shell::{Shell, answer};
use crate::http::{App, Params, Segment, sign_in_once};

#[derive(Template)]
#[template(path = "sign_in.html", config = "src/page/askama.toml")]
struct SignInPage {
    shell: Shell,
    /// The path that the person goes to after signing in. `POST /session` checks it.
    next: String,
    /// Why the last try failed; empty before the first.
    failed: &'static str,
}

/// The sign-in page.
pub(super) async fn page(mut params: Params) -> Result<Response, Refusal> {
    let next = params.text("next")?.unwrap_or_else(|| "/".to_owned());
    let failed = match params.text("failed")?.as_deref() {
        None => "",
        Some("later") => "The ledger cannot read its tokens just now. Try again in a moment.",
        Some("opened") => "This link signs in once, and it was opened before. Sign in with a token.",
        Some(_) => "The ledger does not know this token, or the token was revoked or has expired.",
    };
    params.finish()?;
    Ok(answer(StatusCode::OK, &SignInPage { shell: Shell::public("Sign in"), next, failed }))
}

/// `GET /sign-in/{code}`: the link that signs in once.
pub(super) async fn once(State(app): State<App>, Segment(code): Segment, params: Params) -> Result<Response, Refusal> {
    params.finish()?;
    Ok(sign_in_once(&app, &code).await?)
}

/// The path of the sign-in page that leads back to `uri`.
pub(super) fn path_to(uri: &Uri) -> String {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let next: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
    format!("/sign-in?next={next}")
}
