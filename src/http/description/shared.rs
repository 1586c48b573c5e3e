//! Parameters and answers that several routes share. A route that needs other words for an answer lists it after the shared type.

use chrono::{DateTime, Utc};
use utoipa::{IntoParams, IntoResponses};

use crate::model::KindName;

/// The parameters of every single-job read.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes what `Params::job_read` takes")]
pub struct SingleJobParams {
    /// A position or an RFC 3339 time of recording (inclusive): the answer as the ledger stood then.
    #[param(example = "2025-02-28T12:34:56Z")]
    as_of: Option<String>,
    /// Answer only when the views show this position.
    min_position: Option<u64>,
    /// The job's organisation, for auditors.
    org: Option<uuid::Uuid>,
    /// A live read sends `event: heartbeat` after so many seconds without another message.
    #[param(minimum = 1, maximum = 60)]
    heartbeat: Option<u64>,
}

/// The filters of a list of jobs, and of its counts. `status` is not here: it means another thing in each.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes the parameters that `job_query` parses")]
pub struct JobFilterParams {
    /// Of one kind
    kind: Option<KindName>,
    /// Background and generic jobs of one type
    #[param(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    job_type: Option<String>,
    /// With this label, `name:value`
    #[param(pattern = "^[^:]*:")]
    label: Option<String>,
    /// Created for this name
    created_by: Option<String>,
    /// Created strictly after
    created_after: Option<DateTime<Utc>>,
    /// Created strictly before
    created_before: Option<DateTime<Utc>>,
    /// Ended strictly after
    ended_after: Option<DateTime<Utc>>,
    /// Ended strictly before
    ended_before: Option<DateTime<Utc>>,
    /// Cancelled by this actor
    cancelled_by: Option<String>,
    /// Running, and the ledger recorded no event of the job for so long; at most 3650d
    #[param(pattern = "^[0-9]+[smhd]$", example = "15m")]
    quiet_for: Option<String>,
    /// With an id that begins with this
    id_prefix: Option<String>,
    /// Of one organisation, for auditors
    org: Option<uuid::Uuid>,
    /// Answer only when the views show this position
    min_position: Option<u64>,
}

/// What every single-job read answers besides the job.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "describes what `single_job` answers")]
pub enum SingleJobAnswers {
    /// On a live read: `Last-Event-ID` is at or past the job's end
    #[response(status = 204)]
    Ended,
    /// A parameter is not what was expected
    #[response(status = 400)]
    BadParameter,
    /// No such job, or none yet at `as_of`
    #[response(status = 404)]
    NoSuchJob,
    /// `Accept` allows none of the forms
    #[response(status = 406)]
    NotAcceptable,
    /// The views have not reached the position in time, or there are too many streams (`too-many-tails`). A browser with a session
    /// gets a stream with `event: busy` in place of the latter
    #[response(status = 503)]
    ViewsBehind,
}

/// What a read with an `ETag` answers besides.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "describes what `single_job` answers")]
pub enum ETagAnswers {
    /// `If-None-Match` names the job's revision
    #[response(status = 304)]
    NotModified,
}

/// What every read of events answers besides the events.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "describes what the routes over the log answer")]
pub enum EventReadAnswers {
    /// On a tail of one job: the job has ended, and `Last-Event-ID` is at or past its end
    #[response(status = 204)]
    Ended,
    /// A parameter or `Last-Event-ID` is not what was expected
    #[response(status = 400)]
    BadParameter,
    /// `Accept` allows none of the three forms
    #[response(status = 406)]
    NotAcceptable,
    /// The log has not reached `min_position`, or there are too many streams (`too-many-tails`), exports (`too-many-exports`) or
    /// large answers (`too-many-answers`) at once. A browser with a session and one stream too many gets a stream with `event: busy`
    #[response(status = 503)]
    Busy,
}
