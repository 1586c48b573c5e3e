//! What must hold of every request before a route sees it, because a proxy in front could read it otherwise than this
//! server does.

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Version};

use crate::http::answer::Error;

/// Headers that have one value. RFC 9110, section 5.3, forbids a second line of them: a proxy could read the one and this server
/// the other.
const SINGLE: [HeaderName; 6] = [
    AUTHORIZATION,
    HOST,
    CONTENT_TYPE,
    ORIGIN,
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("last-event-id"),
];

/// 400 where a header that has one value is there twice, or `Host` does not name a host (RFC 9112, section 3.2).
pub fn sound<B>(request: &Request<B>) -> Result<(), Error> {
    let headers = request.headers();
    for name in &SINGLE {
        let found = headers.get_all(name).iter().count();
        if found > 1 {
            return Err(Error::bad_request(format!("expected the header `{name}` once, found it {found} times")));
        }
    }
    // HTTP/1.0 does not know the header.
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
    // An authority may name a user too (RFC 3986, section 3.2); a host does not.
    !host.contains('@') && host.parse::<Authority>().is_ok_and(|host| !host.host().is_empty())
}
