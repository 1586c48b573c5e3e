//! Errors as pages.

use askama::Template;
use axum::response::{IntoResponse, Response};

use super::shell::{Shell, answer};
use crate::http::{Error, title};

/// A page that cannot be shown.
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
        let (status, title) = (self.0.status(), title(self.0.status()));
        let page = RefusalPage { shell: Shell::public(title), status: status.as_u16(), title, detail: self.0.detail };
        answer(status, &page)
    }
}
