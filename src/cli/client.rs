//! Requests to a running server, and its answers.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use ureq::http::{Response, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Error};

use super::Failure;
use super::output::shown;
pub(super) use crate::client::is_hopeless;
use crate::client::roots;

/// A running server, and the token for it.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    /// The address, such as `http://127.0.0.1:8347`.
    pub url: String,
    /// The token.
    pub token: String,
    /// The authorities that vouch for the server.
    pub authorities: Authorities,
}

/// The authorities that vouch for a server's certificate.
#[derive(Debug, Clone, Args)]
pub(super) struct Authorities {
    /// Certificates (PEM) of the authorities that vouch for the server, instead of the public authorities
    #[arg(long, env = "JOBLEDGER_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// The text is no address of a server.
#[derive(Debug, thiserror::Error)]
#[error("expected `http://` or `https://`, a host, and the port if it is not 80 or 443")]
pub(super) struct NotAServer;

/// Reads the address of a server.
pub(super) fn server(text: &str) -> Result<String, NotAServer> {
    let uri: Uri = text.parse().map_err(|_| NotAServer)?;
    let is_server = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    if is_server { Ok(text.to_owned()) } else { Err(NotAServer) }
}

impl Remote {
    /// The address of `path` on the server.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url.trim_end_matches('/'))
    }

    /// The value of `Authorization`.
    pub(super) fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// An agent that hands every status to the caller. `answer` bounds the wait for the head of an answer, not for its body.
    pub(super) fn agent(&self, answer: Duration) -> Result<Agent, Failure> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(answer))
            .tls_config(TlsConfig::builder().root_certs(self.authorities.roots()?).build());
        Ok(config.build().into())
    }
}

impl Authorities {
    /// These authorities, or those in the file `ca` if none were given.
    pub(super) fn or(self, ca: Option<PathBuf>) -> Authorities {
        Authorities { ca: self.ca.or(ca) }
    }

    fn roots(&self) -> Result<RootCerts, Failure> {
        let Some(path) = &self.ca else { return Ok(RootCerts::WebPki) };
        roots(path).map_err(|why| Failure::CouldNotRun(format!("--ca: cannot use `{}`: {why}", path.display())))
    }
}

/// The reason that a request has no answer, with a hint for known reasons.
pub(super) fn failed(error: Error) -> Failure {
    let text = crate::chain(&error);
    let hint = match text {
        // By default `openssl req -x509` makes the certificate of an authority.
        _ if text.contains("CaUsedAsEndEntity") => {
            "the server uses the certificate of an authority as its own; make a certificate for a server with `openssl req -x509 \
             -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost,IP:127.0.0.1 …`, with the \
             names that clients use, and give that file by --ca"
        }
        _ if text.contains("UnknownIssuer") => {
            "if you trust the authority that made the server's certificate, give the authority's certificate by --ca FILE"
        }
        _ if text.contains("NotValidForName") || text.contains("not valid for name") => {
            "the certificate must name the host of --url as a subjectAltName"
        }
        _ => return error.into(),
    };
    Failure::CouldNotRun(format!("{}; {hint}", shown(&text)))
}

/// Refuses an answer of another media type, because any program may answer at an address.
pub(super) fn expect_type(answer: &Response<Body>, expected: &str) -> Result<(), Failure> {
    let found = answer.headers().get("content-type").and_then(|found| found.to_str().ok()).unwrap_or("nothing");
    if found.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(unexpected(&format!("expected {expected}, found {}", shown(found))))
}

/// The server answers with success, but the answer is not that of a ledger.
pub(super) fn unexpected(what: &str) -> Failure {
    Failure::CouldNotRun(format!("the answer is not that of a ledger: {what}; check --url"))
}

/// A problem as a server tells it.
#[derive(Default)]
pub(super) struct Problem {
    /// The place, `detail` and status.
    pub text: String,
    pub code: String,
    /// The state of the job that the problem is about.
    pub state: Option<String>,
    /// The event of the batch that the problem is about, from 0.
    pub index: Option<u64>,
}

impl Problem {
    /// Reads the body of an answer. A body that is no problem gives the status as the text.
    pub(super) fn of(answer: &mut Response<Body>) -> Problem {
        let status = answer.status();
        let body = answer.body_mut().read_to_string().unwrap_or_default();
        let Ok(problem) = serde_json::from_str::<Value>(&body) else {
            return Problem { text: status.to_string(), ..Problem::default() };
        };
        let text = |name: &str| problem[name].as_str().map(|text| shown(text).into_owned());
        let detail = text("detail").unwrap_or(status.to_string());
        let index = problem["index"].as_u64();
        let placed = placed(detail, text("pointer").as_deref(), index);
        let code = text("code").unwrap_or_default();
        let text_of = if code.is_empty() { placed } else { format!("{placed} ({} {code})", status.as_u16()) };
        Problem { text: text_of, code, state: text("state"), index }
    }
}

/// Returns the text of a refusal (its place, `detail` and status), and its `code`.
pub(super) fn problem(answer: &mut Response<Body>) -> (String, String) {
    let Problem { text, code, .. } = Problem::of(answer);
    (text, code)
}

/// A refusal with its place: the event of a batch, and the field.
pub(super) fn placed(detail: String, pointer: Option<&str>, index: Option<u64>) -> String {
    let text = pointer.map_or(detail.clone(), |pointer| format!("`{pointer}`: {detail}"));
    index.map_or(text.clone(), |index| format!("event {} of the batch: {text}", index.saturating_add(1)))
}

/// A refusal (4xx) is exit code 1. Every other error of the server is exit code 2.
pub(super) fn refused(answer: &mut Response<Body>) -> Failure {
    refusal(answer).0
}

/// [`refused`], and the state of the job that the refusal is about.
pub(super) fn refusal(answer: &mut Response<Body>) -> (Failure, Option<String>) {
    let Problem { text, state, .. } = Problem::of(answer);
    let failure = if answer.status().is_client_error() { Failure::Refused(text) } else { Failure::CouldNotRun(text) };
    (failure, state)
}
