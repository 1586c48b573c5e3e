//! The parameters of a read of events.

use std::time::Duration;

use crate::http::answer::{Error, shortened};
use crate::http::app::App;
use crate::http::request::{Caller, Params};
use crate::http::tail::TailOf;
use crate::job::{EventType, JobId, OrgId, Position, listed};
use crate::log::{Filter, Types};

/// How often `type` may stand in a query. There are fewer types.
const MOST_TYPES: usize = 64;

/// Which events a request asks for.
pub struct EventQuery {
    /// The events that pass.
    pub filter: Filter,
    /// The position after which they start.
    pub after: Option<Position>,
    /// Most events on a page.
    pub limit: u64,
    /// The position that the log must have reached.
    min: Option<Position>,
    /// How often the client of a tail asked for a heartbeat.
    pub heartbeat: Option<Duration>,
    /// Whether the job of the filter must exist.
    must_exist: bool,
}

impl EventQuery {
    /// The query of `/ledger/events`.
    pub fn of_log(mut params: Params, caller: &Caller) -> Result<EventQuery, Error> {
        let mut query = EventQuery::take(&mut params)?;
        query.filter.job = params.one("job")?;
        query.filter.org = caller.org_of_list(params.one("org")?)?;
        query.finish(params)
    }

    /// The query of `/ledger/jobs/{id}/events`.
    pub fn of_job(mut params: Params, org: OrgId, job: JobId) -> Result<EventQuery, Error> {
        let mut query = EventQuery::take(&mut params)?;
        (query.filter.org, query.filter.job, query.must_exist) = (Some(org), Some(job), true);
        query.finish(params)
    }

    /// Takes the parameters that both routes have.
    fn take(params: &mut Params) -> Result<EventQuery, Error> {
        let after = params.one("after")?;
        let limit = params.count("limit", 50, 1000)? as u64;
        let (kind, types) = (params.one("kind")?, types(&params.many("type", MOST_TYPES)?)?);
        let filter = Filter { kind, types, ..Filter::default() };
        let (min, heartbeat) = (params.one("min_position")?, params.heartbeat()?);
        Ok(EventQuery { filter, after, limit, min, heartbeat, must_exist: false })
    }

    fn finish(self, params: Params) -> Result<EventQuery, Error> {
        params.finish()?;
        Ok(self)
    }

    /// The tail of these events.
    pub fn tail(self) -> TailOf {
        TailOf { filter: self.filter, after: self.after, heartbeat: self.heartbeat, must_exist: self.must_exist }
    }

    /// Waits until the log has reached `min_position`.
    pub async fn reach(&self, app: &App) -> Result<(), Error> {
        match self.min {
            Some(min) => Ok(app.ledger.reach(min).await?),
            None => Ok(()),
        }
    }
}

/// The set of the types that a request names; all types if it names none.
fn types(words: &[String]) -> Result<Types, Error> {
    let known = |word: &String| EventType::shown().find(|known| known.as_str() == word);
    if let Some(unknown) = words.iter().find(|word| known(word).is_none()) {
        let (known, found) = (listed(EventType::shown()), shortened(unknown));
        return Err(Error::parameter("type", format!("expected one of {known}, found `{found}`")));
    }
    Ok(if words.is_empty() { Types::ALL } else { words.iter().filter_map(known).collect() })
}
