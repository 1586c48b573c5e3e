//! Refuses requests that a proxy in front could read differently than this server: a header twice, or a `Host` without a host.

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Version};

use crate::http::answer::Error;

/// Headers that have one value. RFC 9110, section 5.3, forbids a second line: a proxy could read the first and this server the
/// second.
const SINGLE: [HeaderName; 6] = [
    AUTHORIZATION,
    HOST,
    CONTENT_TYPE,
    ORIGIN,
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("last-event-id"),
];

/// Checks that a request means the same to this server and to a proxy in front.
///
/// # Errors
///
/// 400 if a header of [`SINGLE`] stands twice, or `Host` does not name a host (RFC 9112, section 3.2).
pub fn check_unambiguous<B>(request: &Request<B>) -> Result<(), Error> {
    let headers = request.headers();
    // Nearly all requests have no header twice, and need no look for each of these.
    let repeated = headers.len() > headers.keys_len();
    for name in SINGLE.iter().filter(|_| repeated) {
        let found = headers.get_all(name).iter().count();
        if found > 1 {
            return Err(Error::bad_request(format!("expected the header `{name}` once, found it {found} times")));
        }
    }
    // HTTP/1.0 has no such header.
    let needed = request.version() > Version::HTTP_10 || headers.contains_key(HOST);
    if needed && !names_a_host(headers) {
        return Err(Error::bad_request(
            "expected the header `host` with the name of this server, such as `localhost:8347`",
        ));
    }
    Ok(())
}

fn names_a_host(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    // An authority may have a user part (RFC 3986, section 3.2); a host has none.
    !host.contains('@') && host.parse::<Authority>().is_ok_and(|host| !host.host().is_empty())
}
