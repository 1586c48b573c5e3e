//! Preconditions (RFC 9110, section 13) of requests that write to a job, as a guard on the job's newest position.

use axum::http::HeaderMap;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};

use crate::http::answer::{Error, shortened};
use crate::job::Position;
use crate::ledger::Guard;

/// The guard that `If-Match` or `If-None-Match` asks for; `None` if the request has neither.
///
/// # Errors
///
/// 400 for both headers at once, and for values of another form.
pub fn precondition(headers: &HeaderMap) -> Result<Option<Guard>, Error> {
    // Several lines of one header are one list (RFC 9110, section 5.3).
    let text = |name| {
        let lines = headers.get_all(name).iter().map(|line| line.to_str().map(str::trim));
        let lines: Vec<&str> = lines
            .collect::<Result<_, _>>()
            .map_err(|_| Error::bad_request("expected `If-Match` and `If-None-Match` in ASCII"))?;
        Ok::<_, Error>((!lines.is_empty()).then(|| lines.join(",")))
    };
    match (text(IF_MATCH)?.as_deref(), text(IF_NONE_MATCH)?.as_deref()) {
        (None, None) => Ok(None),
        (None, Some("*")) => Ok(Some(Guard::NoJob)),
        (None, Some(_)) => {
            Err(Error::bad_request("expected `If-None-Match: *`, which asks that the job does not exist yet"))
        }
        (Some("*"), None) => Ok(Some(Guard::AnyJob)),
        (Some(tags), None) => {
            tags.split(',').map(quoted_position).collect::<Result<_, _>>().map(|p| Some(Guard::Newest(p)))
        }
        (Some(_), Some(_)) => Err(Error::bad_request("expected `If-Match` or `If-None-Match`, not both")),
    }
}

fn quoted_position(tag: &str) -> Result<Position, Error> {
    let digits = tag.trim().strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        let found = shortened(tag);
        Error::bad_request(format!(
            "expected `If-Match: \"<position>\"`, the job's newest position in quotes, found `{found}`"
        ))
    })
}
