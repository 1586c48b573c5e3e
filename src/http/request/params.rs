//! Query parameters: each named in its error, none ignored.

use std::convert::Infallible;
use std::fmt::Display;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::http::answer::Error;
use crate::http::request::Caller;
use crate::job::{JobId, JobKey, OrgId, Position, Time};
use crate::ledger::AsOf;

/// The parameters that a route has not taken yet. [`Params::finish`] refuses what is left.
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
    /// The values of `name`, each once, in the order in which they came; the parameter may be given up to `most` times.
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

    /// The value of `name` as text; at most one.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        let mut values = self.take(name);
        if values.len() > 1 {
            return Err(Error::parameter(name, "expected at most once"));
        }
        Ok(values.pop())
    }

    /// The value of `name`, read by `T`.
    pub fn one<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, Error> {
        let value = self.text(name)?;
        value.map(|value| value.parse()).transpose().map_err(|error| Error::parameter(name, error))
    }

    /// A whole number from 1 to `max`.
    pub fn count(&mut self, name: &str, default: usize, max: usize) -> Result<usize, Error> {
        let Some(value) = self.text(name)? else { return Ok(default) };
        let digits = value.bytes().all(|b| b.is_ascii_digit());
        value.parse().ok().filter(|n| digits && (1..=max).contains(n)).ok_or_else(|| {
            let found: String = value.chars().take(32).collect();
            Error::parameter(name, format!("expected a whole number from 1 to {max}, found `{found}`"))
        })
    }

    /// An RFC 3339 time. A `+` that was not escaped arrives as a space, and can only have been a `+`.
    pub fn time(&mut self, name: &str) -> Result<Option<Time>, Error> {
        let value = self.text(name)?.map(|value| value.replace(' ', "+"));
        value.map(|value| value.parse()).transpose().map_err(|error| Error::parameter(name, error))
    }

    /// Refuses every parameter that the route does not know.
    pub fn finish(self) -> Result<(), Error> {
        match self.0.first() {
            Some((name, _)) => Err(Error::parameter(name, "unknown here; `/openapi.json` lists those of this route")),
            None => Ok(()),
        }
    }

    /// The parameters of every single-job read, and nothing else.
    pub fn reading(mut self, caller: &Caller, id: &str) -> Result<Reading, Error> {
        let as_of = self.moment("as_of")?;
        let (key, min) = self.job(caller, id)?;
        Ok(Reading { key, as_of, min })
    }

    /// The parameters of a read that compares a job at two moments, and nothing else.
    pub fn span(mut self, caller: &Caller, id: &str) -> Result<Span, Error> {
        let (from, to) = (self.moment("from")?, self.moment("to")?);
        let (key, min) = self.job(caller, id)?;
        let none = "expected a position or an RFC 3339 time, found none";
        let from = from.ok_or_else(|| Error::parameter("from", none))?;
        Ok(Span { key, from, to, min })
    }

    /// What is left when a single-job read has taken its own: the organisation and `min_position`.
    pub fn job(mut self, caller: &Caller, id: &str) -> Result<(JobKey, Option<Position>), Error> {
        let min = self.one("min_position")?;
        let org = self.one::<OrgId>("org")?;
        self.finish()?;
        let org = caller.org_of_job(org)?;
        // An id that no job can have names no job.
        let id = id.parse::<JobId>().map_err(|_| Error::no_such_job())?;
        Ok((JobKey { org, id }, min))
    }

    /// A position or a time; see [`Params::time`] for the space.
    pub fn moment(&mut self, name: &str) -> Result<Option<AsOf>, Error> {
        let value = self.text(name)?.map(|value| value.replace(' ', "+"));
        value.map(|value| value.parse()).transpose().map_err(|error| Error::parameter(name, error))
    }
}

/// What a single-job read asks for.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The job.
    pub key: JobKey,
    /// As of when.
    pub as_of: Option<AsOf>,
    /// At least as new as this.
    pub min: Option<Position>,
}

/// What a read that compares a job at two moments asks for.
#[derive(Debug, Clone)]
pub struct Span {
    /// The job.
    pub key: JobKey,
    /// The earlier moment.
    pub from: AsOf,
    /// The later one; `None` is now.
    pub to: Option<AsOf>,
    /// At least as new as this.
    pub min: Option<Position>,
}
