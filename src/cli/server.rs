//! A running server, as commands ask it: reads, and appends that are tried again.

use std::time::Duration;

use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::Failure;
use super::client::{Remote, expect_type, failed, is_hopeless, problem, refused, unexpected};
use super::output::{remark, shown};
use crate::job::JobId;

/// The longest answer that a command reads, 64 MiB: that of an append has the id and source of each event of a batch.
const LONGEST_ANSWER: u64 = 64 * 1024 * 1024;
/// How often a command sends an append while the server is busy or does not answer.
const TRIES: u32 = 8;

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
        let request = self.agent.get(self.remote.at(path)).query_pairs(query.iter().map(|(name, text)| (name, text)));
        let mut answer = request.header("authorization", self.remote.bearer()).call().map_err(failed)?;
        if answer.status() == 200 { Ok(answer) } else { Err(refused(&mut answer)) }
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

    /// Appends a batch, and returns the answer of any status but a passing one. Sends the batch again after a 503 or a broken
    /// connection: the ledger records events with the same ids once.
    pub(super) fn append(&self, batch: &[u8]) -> Result<Response<Body>, Failure> {
        let mut wait = Duration::from_millis(200);
        for attempt in 1.. {
            let text = match self.post(batch) {
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

    fn post(&self, body: &[u8]) -> Result<Response<Body>, ureq::Error> {
        self.agent
            .post(self.remote.at("/ledger/events"))
            .header("authorization", self.remote.bearer())
            .content_type("application/cloudevents-batch+json")
            .send(body)
    }
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
