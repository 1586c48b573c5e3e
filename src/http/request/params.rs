//! Query parameters. An error names its parameter, and a parameter that the route does not know is an error.

use std::convert::Infallible;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::http::answer::{Error, shortened};
use crate::http::request::Caller;
use crate::job::{JobId, JobKey, OrgId, Position, Time};
use crate::ledger::AsOf;

/// The parameters that a handler has not taken yet. [`Params::finish`] refuses the rest.
#[derive(Debug)]
pub struct Params(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Params, Infallible> {
        let query = parts.uri.query().unwrap_or("");
        Ok(Params(form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

impl Params {
    /// The parameters that have a value. A form sends each of its fields, the empty ones too.
    pub fn without_empty(mut self) -> Params {
        self.0.retain(|(_, value)| !value.is_empty());
        self
    }

    /// The distinct values of `name` in the order of the query.
    ///
    /// # Errors
    ///
    /// 400 if the parameter stands more than `most` times.
    pub fn many(&mut self, name: &str, most: usize) -> Result<Vec<String>, Error> {
        let taken = self.take(name);
        if taken.len() > most {
            return Err(Error::parameter(name, format!("expected at most {most} times, found {}", taken.len())));
        }
        let mut values: Vec<String> = Vec::with_capacity(taken.len());
        for value in taken {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        Ok(values)
    }

    fn take(&mut self, name: &str) -> Vec<String> {
        self.0.extract_if(.., |(key, _)| key == name).map(|(_, value)| value).collect()
    }

    /// The value of `name` as text.
    ///
    /// # Errors
    ///
    /// 400 if the parameter stands twice.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        let mut values = self.take(name);
        if values.len() > 1 {
            return Err(Error::parameter(name, "expected at most once"));
        }
        Ok(values.pop())
    }

    /// The value of `name`, parsed.
    ///
    /// # Errors
    ///
    /// 400 if the parameter stands twice or does not parse.
    pub fn one<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, Error> {
        let value = self.text(name)?;
        value.map(|value| value.parse()).transpose().map_err(|error| Error::parameter(name, error))
    }

    /// The value of `name` as a whole number from 1 to `max`.
    ///
    /// # Errors
    ///
    /// 400 for any other value.
    pub fn count(&mut self, name: &str, default: usize, max: usize) -> Result<usize, Error> {
        Ok(self.count_if_any(name, max)?.unwrap_or(default))
    }

    /// The value of `name` as a whole number from 1 to `max`, if it is given.
    ///
    /// # Errors
    ///
    /// 400 for any other value.
    pub fn count_if_any(&mut self, name: &str, max: usize) -> Result<Option<usize>, Error> {
        let Some(value) = self.text(name)? else { return Ok(None) };
        let digits = value.bytes().all(|b| b.is_ascii_digit());
        value.parse().ok().filter(|n| digits && (1..=max).contains(n)).map(Some).ok_or_else(|| {
            Error::parameter(name, format!("expected a whole number from 1 to {max}, found `{}`", shortened(&value)))
        })
    }

    /// The value of `heartbeat`: how often a stream sends one, 1 to 60 s.
    ///
    /// # Errors
    ///
    /// 400 for any other value.
    pub fn heartbeat(&mut self) -> Result<Option<Duration>, Error> {
        Ok(self.count_if_any("heartbeat", 60)?.map(|seconds| Duration::from_secs(seconds as u64)))
    }

    /// The value of `name` as an RFC 3339 time. An unescaped `+` decodes to a space, so a space stands for `+`.
    ///
    /// # Errors
    ///
    /// 400 for any other value.
    pub fn time(&mut self, name: &str) -> Result<Option<Time>, Error> {
        let value = self.text(name)?.map(|value| value.replace(' ', "+"));
        value.map(|value| value.parse()).transpose().map_err(|error| Error::parameter(name, error))
    }

    /// Refuses the parameters that no call has taken.
    ///
    /// # Errors
    ///
    /// 400 with the name of the first one.
    pub fn finish(self) -> Result<(), Error> {
        match self.0.first() {
            Some((name, _)) => Err(Error::parameter(name, "unknown here; `/openapi.json` lists those of this route")),
            None => Ok(()),
        }
    }

    /// All parameters, as those of a single-job read of the job `id`.
    ///
    /// # Errors
    ///
    /// 400 for any other parameter; 404 for an id that no job can have and for a job that the caller may not see.
    pub fn job_read(mut self, caller: &Caller, id: &str) -> Result<JobRead, Error> {
        let (as_of, heartbeat) = (self.moment("as_of")?, self.heartbeat()?);
        let (key, min) = self.job(caller, id)?;
        Ok(JobRead { key, as_of, min, heartbeat })
    }

    /// All parameters, as those of a read that compares the job `id` at two moments.
    ///
    /// # Errors
    ///
    /// As [`Params::job_read`], and 400 without `from`.
    pub fn span(mut self, caller: &Caller, id: &str) -> Result<Span, Error> {
        let (from, to) = (self.moment("from")?, self.moment("to")?);
        let (key, min) = self.job(caller, id)?;
        let none = "expected a position or an RFC 3339 time, found none";
        let from = from.ok_or_else(|| Error::parameter("from", none))?;
        Ok(Span { key, from, to, min })
    }

    /// The rest of the parameters, as those that every single-job read has: `org` and `min_position`.
    ///
    /// # Errors
    ///
    /// As [`Params::job_read`].
    pub fn job(mut self, caller: &Caller, id: &str) -> Result<(JobKey, Option<Position>), Error> {
        let min = self.one("min_position")?;
        let org = self.one::<OrgId>("org")?;
        self.finish()?;
        let org = caller.org_of_job(org)?;
        let id = id.parse::<JobId>().map_err(|_| Error::no_such_job())?;
        Ok((JobKey { org, id }, min))
    }

    /// The value of `name` as a position or a time; see [`Params::time`] for the space.
    ///
    /// # Errors
    ///
    /// 400 for any other value.
    pub fn moment(&mut self, name: &str) -> Result<Option<AsOf>, Error> {
        let value = self.text(name)?.map(|value| value.replace(' ', "+"));
        value.map(|value| value.parse()).transpose().map_err(|error| Error::parameter(name, error))
    }
}

/// The parameters of a single-job read.
#[derive(Debug, Clone)]
pub struct JobRead {
    /// The job.
    pub key: JobKey,
    /// As of which moment; `None` is now.
    pub as_of: Option<AsOf>,
    /// The position that the answer must show at least.
    pub min: Option<Position>,
    /// How often the client of a stream asked for a heartbeat.
    pub heartbeat: Option<Duration>,
}

/// Refuses `heartbeat` for an answer that is no stream.
///
/// # Errors
///
/// 400 if it is given.
pub fn refuse_heartbeat(given: Option<Duration>) -> Result<(), Error> {
    match given {
        Some(_) => Err(Error::parameter("heartbeat", "expected `Accept: text/event-stream` with it")),
        None => Ok(()),
    }
}

/// The parameters of a read that compares a job at two moments.
#[derive(Debug, Clone)]
pub struct Span {
    /// The job.
    pub key: JobKey,
    /// The earlier moment.
    pub from: AsOf,
    /// The later moment; `None` is now.
    pub to: Option<AsOf>,
    /// The position that the answer must show at least.
    pub min: Option<Position>,
}
