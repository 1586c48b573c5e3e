//! hyper's answer to a request that it cannot parse: a head without a body. Here it gets the body of the path's errors.

use axum::http::StatusCode;

use crate::http::answer::{Code, Error, ErrorStyle};
use crate::http::observe;

/// hyper's answer `written`, with the body that the path of `request` (its first bytes) asks for. An answer to `HEAD`, and one
/// that is no error without a body, stays as it is.
pub fn with_body(written: &[u8], request: &[u8], styles: &[ErrorStyle]) -> Vec<u8> {
    let Some((status, head)) = bare_error(written) else { return written.to_vec() };
    let path = path(request);
    tracing::info!(status = status.as_u16(), "a request that cannot be parsed was refused");
    if request.starts_with(b"HEAD ") {
        return written.to_vec();
    }
    let style = ErrorStyle::of(styles, path);
    let body = (style.body)(&error(status), path);
    let id = observe::new_request_id();
    let more = format!(
        "content-type: {}\r\ncontent-length: {}\r\ncache-control: no-store\r\nconnection: close\r\n{}: {}\r\n\r\n",
        style.content_type,
        body.len(),
        observe::REQUEST_ID,
        id.to_str().unwrap_or("")
    );
    [head.as_bytes(), more.as_bytes(), &body].concat()
}

/// The status of an error without a body, and its head without the empty line and the headers that [`with_body`] sets.
fn bare_error(written: &[u8]) -> Option<(StatusCode, String)> {
    let text = std::str::from_utf8(written).ok()?;
    let status = StatusCode::from_bytes(text.strip_prefix("HTTP/1.1 ")?.get(..3)?.as_bytes()).ok()?;
    let mut lines: Vec<&str> = text.trim_end().split("\r\n").collect();
    let all = lines.len();
    lines.retain(|line| *line != "content-length: 0");
    if !status.is_client_error() || lines.len() == all {
        return None;
    }
    lines.retain(|line| *line != "connection: close");
    Some((status, lines.join("\r\n") + "\r\n"))
}

fn error(status: StatusCode) -> Error {
    match status {
        StatusCode::URI_TOO_LONG => {
            Error::new(Code::URI_TOO_LONG, "expected a path and a query of at most 65534 bytes together")
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            Error::new(Code::HEADERS_TOO_LARGE, "expected at most 100 headers, of at most 400 KiB together")
        }
        _ => {
            let detail = "expected an HTTP/1.1 request; its first line or one of its headers is malformed";
            Error::new(Code { status, ..Code::BAD_REQUEST }, detail)
        }
    }
}

/// The path in the first line of a request; empty if that line has none.
fn path(request: &[u8]) -> &str {
    let mut words = request.split(|byte| *byte == b' ');
    let method = words.next().unwrap_or(b"");
    let target = words.next().unwrap_or(b"");
    let end = target.iter().position(|byte| *byte == b'?' || !byte.is_ascii_graphic()).unwrap_or(target.len());
    let is_path = method.iter().all(u8::is_ascii_uppercase) && target.starts_with(b"/");
    std::str::from_utf8(&target[..end]).ok().filter(|_| is_path).unwrap_or("")
}
