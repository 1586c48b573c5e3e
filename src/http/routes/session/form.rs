//! The form of the page that signs in.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::answer::{Error, shortened};
use crate::http::request::body::read_small;

/// The largest form: 8 KiB.
pub const MAX_FORM: usize = 8 << 10;

/// What a page sends to sign in.
#[derive(Serialize, ToSchema)]
pub(super) struct SignInForm {
    /// A token, as `jobledger token create` printed it. White space around it does not count.
    pub(super) token: String,
    /// Where to go then: a path of this server with its query. Anything else means `/`.
    #[schema(required = false, example = "/jobs/sync-9?as_of=37")]
    pub(super) next: String,
}

/// Whether the request has a form.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = content_type.split(';').next().unwrap_or("").trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

impl SignInForm {
    /// Reads the form. `next` is empty if it is missing.
    ///
    /// # Errors
    ///
    /// 400 for a form without `token`, with a field twice or with another field; 408, 413.
    pub(super) async fn read(body: Body) -> Result<SignInForm, Error> {
        let body = read_small(body, MAX_FORM).await?;
        let (mut token, mut next) = (None, None);
        for (name, value) in form_urlencoded::parse(&body) {
            let field = match &*name {
                "token" => &mut token,
                "next" => &mut next,
                _ => return Err(wrong(&name, "unknown here; expected `token` and `next`")),
            };
            if field.replace(value.into_owned()).is_some() {
                return Err(wrong(&name, "expected once"));
            }
        }
        let token = token.ok_or_else(|| wrong("token", "expected a token, found no such field"))?;
        Ok(SignInForm { token, next: next.unwrap_or_default() })
    }
}

fn wrong(field: &str, detail: &str) -> Error {
    Error::bad_request(format!("form field `{}`: {detail}", shortened(field)))
}
