//! The filters of a list of jobs, as options.

use clap::Args;

use super::server::Parameter;
use crate::job::{JobType, Kind, Span, Status, Time};

/// Which jobs a command is about. Filters combine.
#[derive(Debug, Clone, Args)]
pub(super) struct Filters {
    /// Only jobs of this kind: dbrole, task, rule or generic
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,

    /// Only jobs in this state: pending, running, completed, failed or cancelled
    #[arg(long, value_name = "STATE")]
    pub status: Option<Status>,

    /// Only jobs of this type, such as account_sync
    #[arg(long, value_name = "TYPE")]
    job_type: Option<JobType>,

    /// Only jobs with this label
    #[arg(long, value_name = "NAME:VALUE")]
    label: Option<String>,

    /// Only jobs that were created for this name
    #[arg(long, value_name = "NAME")]
    created_by: Option<String>,

    /// Only jobs that were created after this RFC 3339 time
    #[arg(long, value_name = "TIME")]
    created_after: Option<Time>,

    /// Only jobs that were created before this RFC 3339 time
    #[arg(long, value_name = "TIME")]
    created_before: Option<Time>,

    /// Only jobs that ended after this RFC 3339 time
    #[arg(long, value_name = "TIME")]
    ended_after: Option<Time>,

    /// Only jobs that ended before this RFC 3339 time
    #[arg(long, value_name = "TIME")]
    ended_before: Option<Time>,

    /// Only jobs that this actor cancelled
    #[arg(long, value_name = "ACTOR")]
    cancelled_by: Option<String>,

    /// Only running jobs of which the ledger recorded no event for so long: a number with s, m, h or d
    #[arg(long, value_name = "SPAN")]
    quiet_for: Option<Span>,

    /// Only jobs with an id that begins with this
    #[arg(long, value_name = "PREFIX")]
    id_prefix: Option<String>,
}

impl Filters {
    /// The filters as parameters of `/ledger/jobs`.
    pub(super) fn query(&self) -> Vec<Parameter> {
        fn text(value: &Option<impl ToString>) -> Option<String> {
            value.as_ref().map(ToString::to_string)
        }
        let all = [
            ("kind", text(&self.kind)),
            ("status", text(&self.status)),
            ("job_type", text(&self.job_type)),
            ("label", self.label.clone()),
            ("created_by", self.created_by.clone()),
            ("created_after", text(&self.created_after)),
            ("created_before", text(&self.created_before)),
            ("ended_after", text(&self.ended_after)),
            ("ended_before", text(&self.ended_before)),
            ("cancelled_by", self.cancelled_by.clone()),
            ("quiet_for", text(&self.quiet_for)),
            ("id_prefix", self.id_prefix.clone()),
        ];
        all.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
    }
}
