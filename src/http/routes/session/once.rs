//! A link that signs one browser in: the first time that it is opened, and never again. `jobledger demo` prints one.

use std::sync::Arc;

use axum::response::Response;
use parking_lot::Mutex;
use uuid::Uuid;

use super::{SIGN_IN_PAGE, see_other, trade};
use crate::http::answer::Error;
use crate::http::app::App;
use crate::http::observe::refused;

/// The link. Its path has 122 random bits.
#[derive(Clone)]
pub struct OnceLink {
    code: Arc<str>,
    /// The token of the session; `None` before one is given, and once the link was opened.
    token: Arc<Mutex<Option<String>>>,
}

impl OnceLink {
    /// A link that signs no browser in before it is given a token.
    #[expect(clippy::new_without_default, reason = "two links are never the same")]
    pub fn new() -> OnceLink {
        OnceLink { code: Uuid::new_v4().simple().to_string().into(), token: Arc::default() }
    }

    /// Lets the link sign one browser in with this token.
    pub fn give(&self, token: String) {
        *self.token.lock() = Some(token);
    }

    /// The path of the link.
    pub fn path(&self) -> String {
        format!("{SIGN_IN_PAGE}/{}", self.code)
    }

    fn take(&self, code: &str) -> Option<String> {
        if *self.code == *code { self.token.lock().take() } else { None }
    }
}

/// Answers a browser that opens the link with `code`: signs it in and leads it to the jobs, or leads it to the page that signs in.
///
/// # Errors
///
/// 503 if the session cannot be written just now.
pub async fn sign_in_once(app: &App, code: &str) -> Result<Response, Error> {
    let token = app.once.as_ref().and_then(|link| link.take(code));
    let cookie = match token {
        Some(token) => trade(app, &token).await?,
        None => None,
    };
    Ok(match cookie {
        Some(cookie) => see_other("/", Some(cookie)),
        None => {
            refused();
            see_other(&format!("{SIGN_IN_PAGE}?failed=opened"), None)
        }
    })
}
