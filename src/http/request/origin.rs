//! Origins (RFC 6454): which pages belong to this server. A browser also sends cookies with requests that other sites make, so a
//! write by cookie is checked here.

use std::fmt;
use std::str::FromStr;

use axum::http::HeaderMap;
use axum::http::header::{FORWARDED, HOST, HeaderName, ORIGIN};
use fluent_uri::Uri;

use crate::http::answer::Error;

/// The header by which a browser says from which site a page sends a request.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The header in which most proxies name the scheme that the client used.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Scheme, host and port, as a browser writes them into `Origin`: in lower case, without the scheme's default port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// The text is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an origin such as `https://ledger.example` or `http://localhost:8347`: `http://` or `https://`, a host, and the port if it is not 80 or 443"
)]
pub struct NotAnOrigin;

impl Origin {
    /// The scheme, `http` or `https`.
    pub fn scheme(&self) -> &str {
        self.0.split(':').next().unwrap_or("")
    }

    /// The origin as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Origin, NotAnOrigin> {
        let text = text.to_ascii_lowercase();
        let uri = Uri::parse(text.as_str()).map_err(|_| NotAnOrigin)?;
        let default = match uri.scheme().as_str() {
            "http" => "80",
            "https" => "443",
            _ => return Err(NotAnOrigin),
        };
        let authority = uri.authority().ok_or(NotAnOrigin)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b);
        let host = Some(authority.host()).filter(|host| !host.is_empty() && host.bytes().all(plain));
        let more = authority.has_userinfo() || uri.has_query() || uri.has_fragment() || !uri.path().is_empty();
        let (host, false) = (host.ok_or(NotAnOrigin)?, more) else { return Err(NotAnOrigin) };
        let port = authority.port().map(|port| port.as_str()).filter(|port| !port.is_empty() && *port != default);
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(NotAnOrigin);
        }
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Origin(format!("{}://{host}{port}", uri.scheme())))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Under which origins browsers know this server.
#[derive(Debug, Clone)]
pub struct OwnOrigins {
    scheme: &'static str,
    behind_tls: bool,
    public: Option<Origin>,
}

impl OwnOrigins {
    /// `scheme` is the one of this server's URLs. `behind_tls` says that a proxy in front ends TLS, so that its headers are believed.
    /// `public` is the origin under which a proxy in front serves this server.
    pub fn new(scheme: &'static str, behind_tls: bool, public: Option<Origin>) -> OwnOrigins {
        OwnOrigins { scheme, behind_tls, public }
    }

    /// Whether browsers reach this server over TLS, so that its cookies are `Secure`.
    pub fn are_secure(&self) -> bool {
        self.scheme == "https"
    }

    /// Checks that a request that a cookie allows comes from a page of this server. The browser names the site in
    /// `Sec-Fetch-Site`, or the origin in `Origin`.
    ///
    /// # Errors
    ///
    /// 403 for a page of another origin, and for a request without either header.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Error> {
        if self.same(headers) == Some(true) {
            return Ok(());
        }
        Err(Error::forbidden("a write by cookie must come from a page of this server"))
    }

    /// Whether the request comes from a page of this server; `None` if it has neither header, as requests of programs that are no
    /// browsers.
    pub fn same(&self, headers: &HeaderMap) -> Option<bool> {
        if let Some(site) = headers.get(SITE) {
            return Some(site == "same-origin");
        }
        let origin = text(headers, &ORIGIN)?;
        let Ok(origin) = origin.parse::<Origin>() else { return Some(false) };
        if self.public.as_ref() == Some(&origin) {
            return Some(true);
        }
        let own = format!("{}://{}", self.scheme_of(headers), text(headers, &HOST).unwrap_or(""));
        Some(own.parse() == Ok(origin))
    }

    /// The scheme by which the client reached the proxy in front, or this server.
    fn scheme_of(&self, headers: &HeaderMap) -> &'static str {
        match self.behind_tls.then(|| forwarded_scheme(headers)).flatten() {
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => "http",
            _ => self.scheme,
        }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The scheme that the first proxy saw: `proto` in `Forwarded` (RFC 7239), else the first value of `X-Forwarded-Proto`.
fn forwarded_scheme(headers: &HeaderMap) -> Option<&str> {
    if let Some(forwarded) = text(headers, &FORWARDED) {
        let first = forwarded.split(',').next().unwrap_or("");
        let pairs = first.split(';').filter_map(|pair| pair.trim().split_once('='));
        let proto = pairs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("proto"));
        return proto.map(|(_, scheme)| scheme.trim_matches('"'));
    }
    text(headers, &FORWARDED_PROTO)?.split(',').next().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Option<String> {
        text.parse::<Origin>().ok().map(|origin| origin.to_string())
    }

    #[test]
    fn an_origin_is_read_as_a_browser_writes_it() {
        for (text, read) in [
            ("https://ledger.example", "https://ledger.example"),
            ("HTTPS://Ledger.Example:443", "https://ledger.example"),
            ("http://localhost:8347", "http://localhost:8347"),
            ("http://localhost:443", "http://localhost:443"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(origin(text).as_deref(), Some(read), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_origin() {
        let texts = [
            "",
            "null",
            "*",
            "ledger.example",
            "//ledger.example",
            "ftp://ledger.example",
            "https://",
            "https://a/",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://me@a",
            "https://*.example",
            "https://a b",
            "https://a:b",
            "https://a:99999",
            "https://a, https://b",
        ];
        for text in texts {
            assert_eq!(origin(text), None, "{text}");
        }
    }
}
