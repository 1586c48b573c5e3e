//! The person that asks for a page.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};

use super::refusal::{AskedBy, Refusal};
use super::shell::Shell;
use super::sign_in;
use crate::access::{Capability, Principal};
use crate::http::{App, Caller, Error};

/// A caller with a session or a token. A request without either is sent to the sign-in page, which leads back.
pub(super) struct Visitor(pub Caller);

impl Visitor {
    /// The token or session behind the request.
    pub fn principal(&self) -> &Principal {
        &self.0.0
    }

    /// The shell of a page with `title`.
    pub fn shell(&self, title: impl Into<String>) -> Shell {
        Shell::signed(title, self.principal())
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Visitor, Response> {
        let found = <Caller as FromRequestParts<App>>::from_request_parts(parts, app).await;
        if let (Ok(caller), Some(asked_by)) = (&found, parts.extensions.get::<AskedBy>()) {
            asked_by.is(&caller.0);
        }
        let readable = found.and_then(|caller| caller.require(Capability::ReadLedger).map(|()| caller));
        readable.map(Visitor).map_err(|error: Error| match error.status() {
            StatusCode::UNAUTHORIZED => Redirect::to(&sign_in::path_to(&parts.uri)).into_response(),
            _ => Refusal::from(error).into_response(),
        })
    }
}
