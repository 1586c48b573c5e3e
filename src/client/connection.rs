//! Requests to the server, each sent once, and what they came to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::http::{Response, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::error::{Error, Refusal};

/// The header that names a lease.
const LEASE: &str = "ledger-lease";
/// The longest answer, 64 MiB: that to an append has the id and source of each event of a batch.
const LONGEST_ANSWER: u64 = 64 << 20;
/// How long the head of an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a request came to.
#[derive(Debug)]
pub(super) enum Answer {
    /// Success, with the JSON of the answer; `null` without a body.
    Done(Value),
    /// Another try may succeed, after this time if the server names one.
    Later { why: String, after: Option<Duration> },
    /// The ledger refuses the request.
    Refused(Refusal),
    /// Every try would fail.
    Never(Error),
}

/// A server, and the token for it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connection {
    pub url: String,
    token: String,
    agent: Agent,
}

impl Connection {
    /// The server at `url`. The file `ca` has the certificates of the authorities that vouch for it, instead of the public ones.
    pub(super) fn new(url: &str, token: &str, ca: Option<&Path>) -> Result<Connection, Error> {
        let uri: Option<Uri> = url.parse().ok();
        let is_server = |uri: &Uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
        };
        if !uri.as_ref().is_some_and(is_server) {
            let expected = "`http://` or `https://`, a host, and the port if it is not 80 or 443";
            return Err(Error::Setup(format!("the URL of the ledger: expected {expected}; found `{url}`")));
        }
        let token = token.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Setup("the token: expected one as `jobledger token create` prints it".into()));
        }
        let roots = ca.map_or(Ok(RootCerts::WebPki), roots);
        let roots = roots.map_err(|why| Error::Authorities { path: ca.unwrap_or(Path::new("")).into(), why: why.0 })?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_recv_body(Some(PATIENCE))
            .tls_config(TlsConfig::builder().root_certs(roots).build());
        let url = url.trim_end_matches('/').to_owned();
        Ok(Connection { url, token: token.to_owned(), agent: config.build().into() })
    }

    /// Appends a batch, under a lease if there is one. An answer that succeeds has a member `events`.
    pub(super) fn append(&self, batch: &[u8], lease: Option<&str>) -> Answer {
        let request = self.agent.post(self.at("/ledger/events")).header("authorization", self.bearer());
        let request = lease.into_iter().fold(request, |request, lease| request.header(LEASE, lease));
        self.expect("events", request.content_type("application/cloudevents-batch+json").send(batch))
    }

    /// Renews the lease of a job.
    pub(super) fn renew(&self, job: &str, lease: &str) -> Answer {
        let request = self.agent.put(self.at(&format!("/ledger/jobs/{}/lease", segment(job))));
        let answer = request.header("authorization", self.bearer()).header(LEASE, lease).send_empty();
        self.answer(answer)
    }

    /// Claims a job. The server may wait for `wait`. An answer that succeeds has a member `job`, or is `null`.
    pub(super) fn claim(&self, claim: &Value, wait: Duration) -> Answer {
        let request = self.agent.post(self.at("/ledger/claims")).header("authorization", self.bearer());
        let request = request.config().timeout_recv_response(Some(PATIENCE + wait)).build();
        self.expect("job", request.content_type("application/json").send(claim.to_string()))
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Any program may answer at an address: an answer without the member is none of a ledger.
    fn expect(&self, member: &str, answer: Result<Response<Body>, ureq::Error>) -> Answer {
        match self.answer(answer) {
            Answer::Done(answer) if !answer.is_null() && answer.get(member).is_none() => {
                let expected = format!("JSON with the member `{member}`");
                Answer::Never(Error::NotALedger { url: self.url.clone(), expected })
            }
            answer => answer,
        }
    }

    fn answer(&self, answer: Result<Response<Body>, ureq::Error>) -> Answer {
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let why = crate::chain(&error);
                let url = self.url.clone();
                return match is_hopeless(&error) {
                    true => Answer::Never(Error::Unreachable { url, why }),
                    false => Answer::Later { why, after: None },
                };
            }
        };
        let (status, after) = (answer.status(), answer.headers().get("retry-after"));
        let after = after.and_then(|after| after.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        let body = match answer.body_mut().with_config().limit(LONGEST_ANSWER).read_to_string() {
            Ok(body) => body,
            // The ledger may have done what was asked. The next answer to the same request says so.
            Err(error) => return Answer::Later { why: crate::chain(&error), after },
        };
        if status.is_success() {
            // A success without JSON has no member that the caller expects.
            return Answer::Done(if body.is_empty() {
                Value::Null
            } else {
                serde_json::from_str(&body).unwrap_or(false.into())
            });
        }
        let refusal = Refusal::of(status.as_u16(), &body);
        match status.as_u16() {
            // A read-only ledger stays read-only.
            503 if refusal.code == "read-only" => Answer::Refused(refusal),
            408 | 429 | 500.. => Answer::Later { why: format!("{} ({status})", refusal.detail), after },
            400.. => Answer::Refused(refusal),
            _ => {
                let expected = format!("success or a refusal, found {status}");
                Answer::Never(Error::NotALedger { url: self.url.clone(), expected })
            }
        }
    }
}

/// A job's id as one segment of a path. `/ledger/jobs/counts` is another route, so the job `counts` has a path of its own.
fn segment(job: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let written = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") };
    if job == "counts" { "%63ounts".into() } else { job.bytes().map(written).collect() }
}

/// A file that has no certificates of authorities. The text says what was expected and found.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoRoots(String);

/// The authorities whose certificates the file `path` has, in PEM.
pub(crate) fn roots(path: &Path) -> Result<RootCerts, NoRoots> {
    let pem = std::fs::read(path).map_err(|error| NoRoots(error.to_string()))?;
    let roots = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    });
    let roots: Vec<_> = roots.collect::<Result<_, _>>().map_err(|error| NoRoots(error.to_string()))?;
    match roots.is_empty() {
        true => Err(NoRoots("expected a certificate in PEM, found none".into())),
        false => Ok(RootCerts::Specific(Arc::new(roots))),
    }
}

/// Whether another try would fail too: the request cannot be sent, or the server cannot prove its name.
pub(crate) fn is_hopeless(error: &ureq::Error) -> bool {
    use rustls::Error::{InvalidCertificate, InvalidMessage};
    use ureq::Error;
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
