//! The size of a request's headers over HTTP/2. hyper checks those of HTTP/1.1 itself, where the path has a limit of its own.

use axum::extract::Request;
use axum::http::header::COOKIE;
use axum::http::{HeaderMap, Version};

use crate::http::answer::{Code, Error};

/// Bytes of the headers of a request of HTTP/2, the path included: 32 KiB. A client may have many streams open, each with its headers,
/// so this is less than over HTTP/1.1.
pub const MAX_HEADERS: usize = 32 << 10;
/// Headers of a request, as hyper counts them over HTTP/1.1.
const MOST: usize = 100;
/// Bytes that each header counts beside its name and value (RFC 9113, section 6.5.2).
const EACH: usize = 32;

/// Checks the size of the headers of a request of HTTP/2.
///
/// # Errors
///
/// 431 for more than [`MAX_HEADERS`] bytes or more than 100 headers.
pub fn check_size<B>(request: &Request<B>) -> Result<(), Error> {
    if request.version() != Version::HTTP_2 {
        return Ok(());
    }
    let headers = request.headers();
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len() + EACH);
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + EACH).sum();
    if count(headers) > MOST || path + size > MAX_HEADERS {
        let detail = format!(
            "expected at most {MOST} headers, of at most {} KiB together with the path, where each counts {EACH} bytes more",
            MAX_HEADERS >> 10
        );
        return Err(Error::new(Code::HEADERS_TOO_LARGE, detail));
    }
    Ok(())
}

/// How many headers there are. A client of HTTP/2 may send each cookie in a header of its own (RFC 9113, section 8.2.3); together
/// they count as one.
fn count(headers: &HeaderMap) -> usize {
    headers.len() - headers.get_all(COOKIE).iter().count().saturating_sub(1)
}
