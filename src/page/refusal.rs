//! Errors as pages.

use std::sync::{Arc, OnceLock};

use askama::Template;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::shell::{Shell, answer};
use crate::access::Principal;
use crate::http::{Error, title};

/// A page that cannot be shown. [`render`] makes the answer, because it knows the person that asked.
#[derive(Clone)]
pub(super) struct Refusal(Error);

#[derive(Template)]
#[template(path = "refusal.html", config = "src/page/askama.toml")]
struct RefusalPage {
    shell: Shell,
    status: u16,
    title: &'static str,
    detail: String,
}

impl<E: Into<Error>> From<E> for Refusal {
    fn from(error: E) -> Refusal {
        Refusal(error.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.0.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl Refusal {
    fn page(&self, asked_by: Option<&Principal>) -> Response {
        let (status, title) = (self.0.status(), title(self.0.status()));
        let shell = asked_by.map_or_else(|| Shell::public(title), |principal| Shell::signed(title, principal));
        let page = RefusalPage { shell, status: status.as_u16(), title, detail: self.0.detail.clone() };
        answer(status, &page)
    }
}

/// The person that asks for a page, once the session is known. Each request of a page carries one among its extensions.
#[derive(Clone, Default)]
pub(super) struct AskedBy(Arc<OnceLock<Principal>>);

impl AskedBy {
    /// The session is that of `principal`.
    pub fn is(&self, principal: &Principal) {
        let _ = self.0.set(principal.clone());
    }
}

/// Middleware: renders a [`Refusal`]. A person who is signed in gets the same header as on every other page.
pub(super) async fn render(mut request: Request, next: Next) -> Response {
    let asked_by = AskedBy::default();
    request.extensions_mut().insert(asked_by.clone());
    let response = next.run(request).await;
    match response.extensions().get::<Refusal>() {
        Some(refusal) => refusal.page(asked_by.0.get()),
        None => response,
    }
}
