//! Talking to a running server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use ureq::http::{Response, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Error};

use super::Failure;

/// Which server, and as whom.
#[derive(Debug, Clone, Args)]
pub(super) struct Remote {
    /// The server, such as http://127.0.0.1:8347
    #[arg(long, env = "JOBLEDGER_URL", value_name = "URL", value_parser = server)]
    pub url: String,

    /// The token
    #[arg(long, env = "JOBLEDGER_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub token: String,

    #[command(flatten)]
    pub authorities: Authorities,
}

/// Whose word counts for a server's certificate.
#[derive(Debug, Clone, Args)]
pub(super) struct Authorities {
    /// Who vouches for the server's certificate, instead of the public authorities: their certificates, PEM
    #[arg(long, env = "JOBLEDGER_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// The address of a server, as an option.
pub(super) fn server(text: &str) -> Result<String, String> {
    let uri: Option<Uri> = text.parse().ok();
    match uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()) {
        Some(_) => Ok(text.to_owned()),
        None => Err("expected `http://` or `https://`, a host, and its port where that is another one".to_owned()),
    }
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
    fn roots(&self) -> Result<RootCerts, Failure> {
        let Some(path) = &self.ca else { return Ok(RootCerts::WebPki) };
        let wrong = |why: String| Failure::CouldNotRun(format!("--ca: cannot use `{}`: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let roots = parse_pem(&pem).filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        });
        let roots: Vec<_> = roots.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))?;
        match roots.is_empty() {
            true => Err(wrong("expected a certificate in PEM, found none".into())),
            false => Ok(RootCerts::Specific(Arc::new(roots))),
        }
    }
}

/// Whether asking again cannot help: the request cannot be sent, or whoever answers is not whom it is for.
pub(super) fn is_hopeless(error: &Error) -> bool {
    use rustls::Error::{InvalidCertificate, InvalidMessage};
    match error {
        Error::Http(_) | Error::BadUri(_) | Error::Protocol(_) | Error::Tls(_) => true,
        Error::TooManyRedirects | Error::RedirectFailed => true,
        Error::Rustls(error) => matches!(error, InvalidCertificate(_) | InvalidMessage(_)),
        Error::Io(error) => {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
            matches!(cause, Some(InvalidCertificate(_) | InvalidMessage(_)))
        }
        _ => false,
    }
}

/// What the server says is wrong: its `detail` with what belongs to it, or the status; and its `code`.
pub(super) fn problem(answer: &mut Response<Body>) -> (String, String) {
    let status = answer.status();
    let body = answer.body_mut().read_to_string().unwrap_or_default();
    let Ok(problem) = serde_json::from_str::<Value>(&body) else { return (status.to_string(), String::new()) };
    let detail = problem["detail"].as_str().map_or(status.to_string(), str::to_owned);
    let text = placed(detail, problem["pointer"].as_str(), problem["index"].as_u64());
    match problem["code"].as_str() {
        Some(code) => (format!("{text} ({} {code})", status.as_u16()), code.to_owned()),
        None => (text, String::new()),
    }
}

/// What is wrong, and where: the field, and the event of a batch.
pub(super) fn placed(detail: String, pointer: Option<&str>, index: Option<u64>) -> String {
    let text = pointer.map_or(detail.clone(), |pointer| format!("`{pointer}`: {detail}"));
    index.map_or(text.clone(), |index| format!("event {} of the batch: {text}", index + 1))
}

/// A request that the server refused is exit code 1; one that it could not answer is 2.
pub(super) fn refused(answer: &mut Response<Body>) -> Failure {
    let (text, _) = problem(answer);
    if answer.status().is_client_error() { Failure::Refused(text) } else { Failure::CouldNotRun(text) }
}
