//! A request of HTTP/2 in the form that it has over HTTP/1.1, so that the code behind knows one form only.

use axum::http::header::{HOST, HeaderValue};
use axum::http::{Method, Request, Uri};

/// The request with `:authority` as `Host`, and with path and query alone as its target.
///
/// If the request also has another `Host`, both stand there, and the request is refused like every one with two hosts.
pub(super) fn in_origin_form<B>(mut request: Request<B>) -> Request<B> {
    let named = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(host) = named
        && request.headers().get(HOST) != Some(&host)
    {
        request.headers_mut().append(HOST, host);
    }
    // `CONNECT` names a host in place of a path, also over HTTP/1.1.
    if request.method() != Method::CONNECT
        && let Some(target) = request.uri().path_and_query().cloned()
    {
        *request.uri_mut() = Uri::from(target);
    }
    request
}

#[cfg(test)]
mod tests {
    use axum::http::Version;

    use super::*;

    fn read(uri: &str, host: Option<&str>) -> (String, Vec<HeaderValue>) {
        let mut request = Request::builder().version(Version::HTTP_2).uri(uri);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        let request = in_origin_form(request.body(()).unwrap());
        (request.uri().to_string(), request.headers().get_all(HOST).iter().cloned().collect())
    }

    #[test]
    fn the_authority_becomes_the_host() {
        let target = "/ledger/events?after=3";
        let uri = format!("https://ledger.example:8347{target}");
        assert_eq!(read(&uri, None), (target.into(), vec!["ledger.example:8347".parse().unwrap()]));
        assert_eq!(read(&uri, Some("ledger.example:8347")).1.len(), 1);
        assert_eq!(read(&uri, Some("other.example")).1.len(), 2);
        assert_eq!(read(target, Some("other.example")), (target.into(), vec!["other.example".parse().unwrap()]));
    }
}
