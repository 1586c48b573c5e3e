//! A session that the leader began or ended for a caller of this node: the node waits until it knows of it too.
//!
//! Not here: sessions themselves (`access`), and the way of the leader's sessions to this node (`cluster`).

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use tokio::time::{sleep, timeout};

use crate::http::app::App;
use crate::http::request::{COOKIE_NAME, session_cookie};

/// How long the node waits for the leader's sessions.
const ARRIVAL: Duration = Duration::from_secs(5);
/// Pause between two looks at the sessions.
const PAUSE: Duration = Duration::from_millis(20);

/// What the leader did with a session. The text is the cookie's value.
#[derive(Debug, PartialEq, Eq)]
pub enum SessionChange {
    Begun(String),
    Ended(String),
}

impl SessionChange {
    /// What an answer with the headers `answer` did to the sessions, after a request with the headers `request`.
    pub fn of(request: &HeaderMap, answer: &HeaderMap) -> Option<SessionChange> {
        let cookie = answer.get(SET_COOKIE)?.to_str().ok()?;
        let value = cookie.strip_prefix(COOKIE_NAME)?.strip_prefix('=')?.split(';').next()?;
        match value {
            "" => session_cookie(request).map(|ended| SessionChange::Ended(ended.to_owned())),
            begun => Some(SessionChange::Begun(begun.to_owned())),
        }
    }

    /// Waits until this node knows of the change; for 5 s at most, because the leader has made it all the same.
    pub async fn arrives(&self, app: &App) {
        let arrived = async {
            while !self.has_arrived(app).await {
                sleep(PAUSE).await;
            }
        };
        let _ = timeout(ARRIVAL, arrived).await;
    }

    async fn has_arrived(&self, app: &App) -> bool {
        let now = app.ledger.now();
        match self {
            SessionChange::Begun(value) => matches!(app.access.session(value, now).await, Ok(Some(_))),
            SessionChange::Ended(value) => matches!(app.access.session(value, now).await, Ok(None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::COOKIE;

    use super::*;

    fn change(sent: Option<&str>, set: Option<&str>) -> Option<SessionChange> {
        let mut headers = [HeaderMap::new(), HeaderMap::new()];
        for (headers, (name, cookie)) in headers.iter_mut().zip([(COOKIE, sent), (SET_COOKIE, set)]) {
            headers.extend(cookie.map(|cookie| (name, cookie.parse().unwrap())));
        }
        SessionChange::of(&headers[0], &headers[1])
    }

    #[test]
    fn an_answer_says_what_it_did_to_the_sessions() {
        let begun = SessionChange::Begun("new".into());
        assert_eq!(change(None, Some("jobledger_session=new; Path=/; HttpOnly")), Some(begun));
        let ended = SessionChange::Ended("old".into());
        assert_eq!(change(Some("a=b; jobledger_session=old"), Some("jobledger_session=; Max-Age=0")), Some(ended));
        assert_eq!(change(None, Some("jobledger_session=; Max-Age=0")), None);
        assert_eq!(change(Some("jobledger_session=old"), None), None);
        assert_eq!(change(None, Some("another=new")), None);
    }
}
