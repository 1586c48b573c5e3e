//! The URL of a receiver.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ureq::http::Uri;

use super::address::is_public;

/// Longest URL, in bytes.
const MAX_LEN: usize = 2048;

/// The URL to which a webhook posts: `https` or `http`, with a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver(String);

/// A text that is not the URL of a receiver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAReceiver {
    /// The text is no URL, or has no host.
    #[error("expected a URL with scheme and host, such as `https://receiver.example/jobs`, found `{0}`")]
    NotAUrl(String),
    /// The text is too long.
    #[error("expected a URL of at most {MAX_LEN} bytes, found {0}")]
    TooLong(usize),
    /// The URL has a user name or a password.
    #[error("expected a URL without user name and password; the receiver knows the ledger by the signature")]
    WithUser,
    /// The URL has a fragment, which no request carries.
    #[error("expected a URL without `#`, because no request carries the part after it")]
    WithFragment,
}

/// Why a server calls a receiver only with `serve --webhook-allow-private`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exposed {
    /// Without TLS the events are readable on the network.
    #[error("expected `https`, found `http`, which the server uses only with `serve --webhook-allow-private`")]
    Clear,
    /// The host is this machine, or an address that is not public.
    #[error(
        "expected a public host, found a loopback or private one, which the server calls only with \
         `serve --webhook-allow-private`"
    )]
    Private,
}

impl Receiver {
    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A URL that was checked when it was stored.
    pub(super) fn stored(text: String) -> Receiver {
        Receiver(text)
    }

    /// Why a server without `--webhook-allow-private` refuses the URL; `None` if the URL alone tells no reason. A name may still
    /// lead to a private address, which each delivery checks.
    pub fn exposed(&self) -> Option<Exposed> {
        let uri: Uri = self.0.parse().ok()?;
        if uri.scheme_str() != Some("https") {
            return Some(Exposed::Clear);
        }
        let host = uri.host().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
        let private = match bare.parse::<IpAddr>() {
            Ok(address) => !is_public(address),
            Err(_) => host == "localhost" || host.ends_with(".localhost"),
        };
        private.then_some(Exposed::Private)
    }
}

impl FromStr for Receiver {
    type Err = NotAReceiver;

    fn from_str(text: &str) -> Result<Receiver, NotAReceiver> {
        let not_a_url = || NotAReceiver::NotAUrl(text.chars().take(64).collect());
        if text.len() > MAX_LEN {
            return Err(NotAReceiver::TooLong(text.len()));
        }
        if text.contains('#') {
            return Err(NotAReceiver::WithFragment);
        }
        let uri: Uri = text.parse().map_err(|_| not_a_url())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(not_a_url());
        }
        let authority = uri.authority().ok_or_else(not_a_url)?;
        if authority.as_str().contains('@') {
            return Err(NotAReceiver::WithUser);
        }
        // A port that is no number is read as no port.
        let has_port = authority.as_str().len() > authority.host().len();
        if authority.host().is_empty() || has_port && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(not_a_url());
        }
        Ok(Receiver(text.to_owned()))
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_a_url_with_a_host_and_nothing_that_is_lost_on_the_way() {
        for good in
            ["https://receiver.example", "https://r.example:8443/a?b=c", "http://127.0.0.1:9/x", "https://[::1]/"]
        {
            assert_eq!(good.parse::<Receiver>().unwrap().as_str(), good);
        }
        for bad in
            ["", "receiver.example", "/jobs", "ftp://r.example/", "https://", "https:///x", "https://r.example:x/"]
        {
            assert!(matches!(bad.parse::<Receiver>(), Err(NotAReceiver::NotAUrl(_))), "{bad}");
        }
        assert_eq!("https://u:p@r.example/".parse::<Receiver>(), Err(NotAReceiver::WithUser));
        assert_eq!("https://r.example/#x".parse::<Receiver>(), Err(NotAReceiver::WithFragment));
        let long = format!("https://r.example/{}", "x".repeat(MAX_LEN));
        assert_eq!(long.parse::<Receiver>(), Err(NotAReceiver::TooLong(long.len())));
    }

    #[test]
    fn a_url_that_leads_to_this_machine_or_needs_no_tls_is_exposed() {
        let exposed = |text: &str| text.parse::<Receiver>().unwrap().exposed();
        for private in
            ["localhost", "LOCALHOST:9", "a.localhost", "127.0.0.1", "[::1]:9", "10.0.0.7", "[::ffff:10.0.0.7]"]
        {
            assert_eq!(exposed(&format!("https://{private}/x")), Some(Exposed::Private), "{private}");
        }
        assert_eq!(exposed("http://receiver.example/"), Some(Exposed::Clear));
        assert_eq!(exposed("https://receiver.example/"), None);
        assert_eq!(exposed("https://1.1.1.1/"), None);
    }
}
