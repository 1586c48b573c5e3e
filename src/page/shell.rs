//! The frame around every page: its title, the person that is signed in, and the headers that tell a browser what the page may do.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};

use super::assets;
use crate::access::{Capability, Principal};
use crate::http::KeepBody;

/// What a page may load and do: the files and the API of this server, and nothing else. Scripts cannot turn text into HTML.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// What the layout shows on every page.
pub(super) struct Shell {
    pub title: String,
    /// The version in the paths of style sheet and scripts.
    pub assets: &'static str,
    pub visitor: Option<Signed>,
}

/// The person that is signed in.
pub(super) struct Signed {
    pub name: String,
    pub role: &'static str,
    pub org: String,
    pub may_append: bool,
    /// Whether the person may see the webhooks.
    pub may_manage: bool,
}

impl Shell {
    /// The shell of a page that a person without a session may see.
    pub fn public(title: impl Into<String>) -> Shell {
        Shell { title: title.into(), assets: assets::version(), visitor: None }
    }

    /// The shell of a page for `principal`.
    pub fn signed(title: impl Into<String>, principal: &Principal) -> Shell {
        let visitor = Signed {
            name: principal.name.clone(),
            role: principal.role.as_str(),
            org: principal.org.to_string(),
            may_append: principal.role.may(Capability::Append),
            may_manage: principal.role.may(Capability::Webhooks),
        };
        Shell { visitor: Some(visitor), ..Shell::public(title) }
    }
}

/// Answers with a page.
pub(super) fn answer(status: StatusCode, page: &impl Template) -> Response {
    let html = page.render().expect("a template writes to memory, and its fields format without errors");
    let headers: [(HeaderName, &str); 4] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
    ];
    let mut response = (status, headers, html).into_response();
    response.extensions_mut().insert(KeepBody);
    response
}
