//! A running server, as commands ask it: reads, and appends that are tried again.

use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::http::Response;
use ureq::typestate::WithoutBody;
use ureq::{Agent, Body, RequestBuilder};

use super::client::{Remote, expect_type, failed, is_hopeless, problem, refused, unexpected};
use super::follow::rest;
use super::output::{remark, shown};
use super::{Failure, Outcome};
use crate::job::JobId;

/// The header that names a worker's lease.
const LEASE: &str = "ledger-lease";
/// The longest answer that a command reads, 64 MiB: that of an append has the id and source of each event of a batch.
const LONGEST_ANSWER: u64 = 64 * 1024 * 1024;
/// How often a command sends an append while the server is busy or does not answer.
const TRIES: u32 = 8;
/// The pause before a read that got no answer is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// A running server.
pub(super) struct Server {
    pub remote: Remote,
    agent: Agent,
}

/// A parameter of a request.
pub(super) type Parameter = (&'static str, String);

impl Server {
    /// The server that `remote` names. The head of an answer may take 60 s.
    pub(super) fn new(remote: Remote) -> Result<Server, Failure> {
        Ok(Server { agent: remote.agent(Duration::from_secs(60))?, remote })
    }

    /// The answer to a read, with status 200.
    pub(super) fn get(&self, path: &str, query: &[Parameter]) -> Result<Response<Body>, Failure> {
        let mut answer = self.read(path, query).call().map_err(failed)?;
        if answer.status() == 200 { Ok(answer) } else { Err(refused(&mut answer)) }
    }

    /// The answer to a read of events, one a line.
    pub(super) fn ndjson(&self, path: &str, query: &[Parameter]) -> Result<Response<Body>, Failure> {
        let mut answer = self.read(path, query).header("accept", "application/x-ndjson").call().map_err(failed)?;
        if answer.status() != 200 {
            return Err(refused(&mut answer));
        }
        expect_type(&answer, "application/x-ndjson")?;
        Ok(answer)
    }

    /// The value of a read that answers JSON; `None` if there is no such thing (404).
    pub(super) fn found(&self, path: &str, query: &[Parameter]) -> Result<Option<Value>, Failure> {
        let mut answer = self.read(path, query).call().map_err(failed)?;
        match answer.status().as_u16() {
            200 => serde_json::from_str(&text(answer)?).map(Some).map_err(|_| unexpected("expected JSON")),
            404 => Ok(None),
            _ => Err(refused(&mut answer)),
        }
    }

    /// The newest position of the log.
    pub(super) fn head(&self) -> Result<u64, Failure> {
        let page = self.json("/ledger/events", &[("limit", "1".into())])?;
        page["head"].as_u64().ok_or_else(|| unexpected("expected a page of events with its head"))
    }

    /// The answer to a write with a JSON body. The command sends it once, because the server may have done it.
    pub(super) fn post_json(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.agent.post(self.remote.at(path)).header("authorization", self.remote.bearer());
        written(request.content_type("application/json").send(body.to_string()).map_err(failed)?)
    }

    /// The answer to a write without a body. The command sends it once.
    pub(super) fn post_empty(&self, path: &str, query: &[Parameter]) -> Result<Value, Failure> {
        let request = self.agent.post(self.remote.at(path)).query_pairs(query.iter().map(|(name, text)| (name, text)));
        written(request.header("authorization", self.remote.bearer()).send_empty().map_err(failed)?)
    }

    /// Deletes what is at `path`.
    pub(super) fn delete(&self, path: &str) -> Outcome {
        let request = self.agent.delete(self.remote.at(path)).header("authorization", self.remote.bearer());
        let mut answer = request.call().map_err(failed)?;
        if answer.status().is_success() { Ok(()) } else { Err(refused(&mut answer)) }
    }

    fn read(&self, path: &str, query: &[Parameter]) -> RequestBuilder<WithoutBody> {
        let request = self.agent.get(self.remote.at(path)).query_pairs(query.iter().map(|(name, text)| (name, text)));
        request.header("authorization", self.remote.bearer())
    }

    /// The text of a read that answers JSON.
    pub(super) fn json_text(&self, path: &str, query: &[Parameter]) -> Result<String, Failure> {
        let answer = self.get(path, query)?;
        expect_type(&answer, "application/json")?;
        text(answer)
    }

    /// The value of a read that answers JSON.
    pub(super) fn json(&self, path: &str, query: &[Parameter]) -> Result<Value, Failure> {
        serde_json::from_str(&self.json_text(path, query)?).map_err(|_| unexpected("expected JSON"))
    }

    /// The value of a read that answers JSON. While the server does not answer or answers 5xx, asks again; `None` once `until` has
    /// come.
    pub(super) fn patient_json(
        &self,
        path: &str,
        query: &[Parameter],
        until: Option<Instant>,
    ) -> Result<Option<Value>, Failure> {
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            let request = self.read(path, query).config().timeout_global(left).build();
            let why = match request.call() {
                Ok(answer) if answer.status() == 200 => {
                    expect_type(&answer, "application/json")?;
                    match text(answer) {
                        Ok(text) => {
                            return serde_json::from_str(&text).map(Some).map_err(|_| unexpected("expected JSON"));
                        }
                        Err(failure) => failure.to_string(),
                    }
                }
                Ok(mut answer) if answer.status().is_client_error() => return Err(refused(&mut answer)),
                Ok(mut answer) => problem(&mut answer).0,
                Err(error) if is_hopeless(&error) => return Err(failed(error)),
                Err(error) => error.to_string(),
            };
            if until.is_none_or(|until| Instant::now() < until) {
                remark!("jobledger: {why}; trying again");
                rest(PAUSE, until);
            }
        }
    }

    /// Appends a batch under a lease, if there is one, and returns the answer of any status but a passing one. Sends the batch again after a 503 or a broken
    /// connection: the ledger records events with the same ids once.
    pub(super) fn append(&self, batch: &[u8], lease: Option<&str>) -> Result<Response<Body>, Failure> {
        let mut wait = Duration::from_millis(200);
        for attempt in 1.. {
            let text = match self.post(batch, lease) {
                Ok(mut answer) if answer.status() == 503 => match problem(&mut answer) {
                    // A read-only ledger stays read-only, so the command does not try again.
                    (text, code) if code == "read-only" => return Err(Failure::Refused(text)),
                    (text, _) => text,
                },
                Ok(answer) => return Ok(answer),
                Err(error) if is_hopeless(&error) => return Err(failed(error)),
                Err(error) => shown(&error.to_string()).into_owned(),
            };
            if attempt == TRIES {
                return Err(Failure::CouldNotRun(format!("tried {TRIES} times: {text}")));
            }
            // All waits that remain: this one and its doubles.
            let rest = wait * ((1 << (TRIES - attempt)) - 1);
            remark!(
                "jobledger: {text}; waiting {:.1} s (try {attempt} of {TRIES}, gives up after {:.0} s more of waiting)",
                wait.as_secs_f64(),
                rest.as_secs_f64().ceil()
            );
            std::thread::sleep(wait);
            wait *= 2;
        }
        unreachable!("the last try answers")
    }

    /// Appends a batch, once, under a lease if there is one.
    pub(super) fn post(&self, body: &[u8], lease: Option<&str>) -> Result<Response<Body>, ureq::Error> {
        let request = self.agent.post(self.remote.at("/ledger/events")).header("authorization", self.remote.bearer());
        let request = lease.into_iter().fold(request, |request, lease| request.header(LEASE, lease));
        request.content_type("application/cloudevents-batch+json").send(body)
    }

    /// Renews the lease of a job, once.
    pub(super) fn renew(&self, job: &JobId, lease: &str) -> Result<Response<Body>, ureq::Error> {
        let request = self.agent.put(self.remote.at(&format!("{}/lease", job_path(job))));
        request.header("authorization", self.remote.bearer()).header(LEASE, lease).send_empty()
    }

    /// Claims a job, once.
    pub(super) fn claim(&self, claim: &Value) -> Result<Response<Body>, ureq::Error> {
        let request = self.agent.post(self.remote.at("/ledger/claims")).header("authorization", self.remote.bearer());
        request.content_type("application/json").send(claim.to_string())
    }
}

/// The JSON of a write that went well.
fn written(mut answer: Response<Body>) -> Result<Value, Failure> {
    if !answer.status().is_success() {
        return Err(refused(&mut answer));
    }
    expect_type(&answer, "application/json")?;
    serde_json::from_str(&text(answer)?).map_err(|_| unexpected("expected JSON"))
}

/// The body of an answer.
pub(super) fn text(mut answer: Response<Body>) -> Result<String, Failure> {
    answer.body_mut().with_config().limit(LONGEST_ANSWER).read_to_string().map_err(failed)
}

/// The path of a job. `/ledger/jobs/counts` is another route, so the job `counts` has a path of its own.
pub(super) fn job_path(job: &JobId) -> String {
    match job.as_str() {
        "counts" => "/ledger/jobs/%63ounts".into(),
        job => format!("/ledger/jobs/{job}"),
    }
}
