//! Parameters and answers that several routes describe alike, written once.

use utoipa::{IntoParams, IntoResponses};

/// The parameters of every single-job read.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes what `Params::reading` takes")]
pub struct ReadingParams {
    /// A position or an RFC 3339 time of recording (inclusive): the answer as the ledger stood then.
    #[param(example = "2025-02-28T12:34:56Z")]
    as_of: Option<String>,
    /// Answer only when the views show this position.
    min_position: Option<u64>,
    /// The job's organisation, for auditors.
    org: Option<uuid::Uuid>,
}

/// What every single-job read may answer besides what its own document says.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "describes what `single_job` answers")]
pub enum LiveAnswers {
    /// Live, and `Last-Event-ID` is at or past the job's end
    #[response(status = 204)]
    Ended,
    /// The views are not there yet
    #[response(status = 503)]
    Late,
}

/// What a read with an `ETag` may answer besides.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "describes what `single_job` answers")]
pub enum Revisioned {
    /// The caller's `If-None-Match` names this revision
    #[response(status = 304)]
    Known,
}
