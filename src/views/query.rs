//! Which jobs a list shows, and in which order.

use crate::job::{JobType, Kind, OrgId, Position, Span, State, Status, Summary, Time};

/// The order of a list: by the position of `job.created`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// The newest job first.
    #[default]
    Newest,
    /// The oldest job first.
    Oldest,
}

/// Which jobs a list shows. A filter that is `None` lets every job through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct JobQuery {
    /// The organisation.
    pub org: Option<OrgId>,
    /// The kind.
    pub kind: Option<Kind>,
    /// The state.
    pub status: Option<Status>,
    /// The type of a background or generic job.
    pub job_type: Option<JobType>,
    /// A label: its key and value.
    pub label: Option<(String, String)>,
    /// The name that the job was created for.
    pub created_by: Option<String>,
    /// Created strictly after.
    pub created_after: Option<Time>,
    /// Created strictly before.
    pub created_before: Option<Time>,
    /// Started strictly after.
    pub started_after: Option<Time>,
    /// Started strictly before.
    pub started_before: Option<Time>,
    /// Ended strictly after.
    pub ended_after: Option<Time>,
    /// Ended strictly before.
    pub ended_before: Option<Time>,
    /// The actor who cancelled the job.
    pub cancelled_by: Option<String>,
    /// Running, and the ledger recorded no event of the job for so long.
    pub quiet_for: Option<Span>,
    /// A prefix of the id.
    pub id_prefix: Option<String>,
    /// The order.
    pub order: Order,
    /// Beyond this position in the order of the list: where the last job of the previous page was created.
    pub beyond: Option<Position>,
}

impl JobQuery {
    /// Whether an index finds the jobs. A page then reads only the jobs that it shows.
    pub fn is_indexed(&self) -> bool {
        let created = [self.created_after, self.created_before, self.started_after, self.started_before];
        let times = created.into_iter().chain([self.ended_after, self.ended_before]).any(|time| time.is_some());
        let texts = self.label.is_some() || self.id_prefix.is_some() || self.cancelled_by.is_some();
        let unindexed = times || texts || self.quiet_for.is_some();
        let (typed, by) = (self.job_type.is_some(), self.created_by.is_some());
        // Every index begins with the organisation, and serves one of these.
        let one_index = match (self.kind, self.status) {
            (_, Some(_)) => !typed && !by,
            (Some(_), None) => !by,
            (None, None) => !(typed && by),
        };
        let every = self.kind.is_none() && self.status.is_none() && !typed && !by;
        !unindexed && one_index && (self.org.is_some() || every)
    }

    /// Whether the list may change while no event comes, because it depends on the time.
    pub fn depends_on_time(&self) -> bool {
        self.quiet_for.is_some()
    }
}

impl JobQuery {
    /// Whether the query shows the job, as its statement decides it. Ignores `beyond` and `order`, which are no filters, and
    /// `quiet_for`, which depends on the time.
    pub fn shows(&self, job: &Summary) -> bool {
        self.shows_in(job, job.state.status())
    }

    /// The same for a job that was in another state, `status`.
    pub fn shows_in(&self, job: &Summary, status: Status) -> bool {
        let JobQuery { org, kind, status: asked, job_type, label, created_by, cancelled_by, id_prefix, .. } = self;
        let started_at = job.state.started_at();
        // A job that was in another state had not ended, because a final state stays.
        let ended = Some(&job.state).filter(|state| state.status() == status);
        let ended_at = ended.and_then(|state| state.ended_at());
        let canceller = ended.and_then(|state| match state {
            State::Cancelled { by, .. } => Some(by),
            _ => None,
        });
        let after =
            |bound: Option<Time>, time: Option<Time>| bound.is_none_or(|bound| time.is_some_and(|at| at > bound));
        let before =
            |bound: Option<Time>, time: Option<Time>| bound.is_none_or(|bound| time.is_some_and(|at| at < bound));
        org.is_none_or(|org| job.key.org == org)
            && kind.is_none_or(|kind| job.kind == kind)
            && asked.is_none_or(|asked| status == asked)
            && (job_type.is_none() || *job_type == job.job_type)
            && label.as_ref().is_none_or(|(key, value)| job.labels.get(key) == Some(value))
            && created_by.as_ref().is_none_or(|by| job.created_by == *by)
            && (cancelled_by.is_none() || cancelled_by.as_ref() == canceller)
            && id_prefix.as_ref().is_none_or(|prefix| job.key.id.as_str().starts_with(prefix))
            && after(self.created_after, Some(job.created_at))
            && before(self.created_before, Some(job.created_at))
            && after(self.started_after, started_at)
            && before(self.started_before, started_at)
            && after(self.ended_after, ended_at)
            && before(self.ended_before, ended_at)
    }
}
