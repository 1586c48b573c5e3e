//! Preconditions (RFC 9110, section 13) of the routes that write to a job: what the job's newest position must be.

use axum::http::HeaderMap;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};

use crate::http::answer::Error;
use crate::job::Position;
use crate::ledger::Guard;

/// The guard of a request, from `If-Match` and `If-None-Match`; `None` where it has neither. 400 for a guard of another form.
pub fn guard(headers: &HeaderMap) -> Result<Option<Guard>, Error> {
    // Several lines of one header are one list (RFC 9110, section 5.3).
    let text = |name| {
        let lines = headers.get_all(name).iter().map(|line| line.to_str().map(str::trim));
        let lines: Vec<&str> = lines.collect::<Result<_, _>>().map_err(|_| Error::bad_request("expected ASCII"))?;
        Ok::<_, Error>((!lines.is_empty()).then(|| lines.join(",")))
    };
    match (text(IF_MATCH)?.as_deref(), text(IF_NONE_MATCH)?.as_deref()) {
        (None, None) => Ok(None),
        (None, Some("*")) => Ok(Some(Guard::NoJob)),
        (None, Some(_)) => {
            Err(Error::bad_request("expected `If-None-Match: *`, which asks that there is no such job yet"))
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
        let found: String = tag.chars().take(64).collect();
        Error::bad_request(format!(
            "expected `If-Match: \"<position>\"`, the job's newest position in quotes, found `{found}`"
        ))
    })
}
