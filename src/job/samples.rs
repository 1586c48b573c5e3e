//! Events for the unit tests of this room and of those above.

use super::event::{Created, Event};
use super::id::{JobKey, OrgId, Position};
use super::spec::{Labels, RawJson, Spec, TaskSpec, TaskType};
use super::state::Fact;
use super::time::Time;

/// An event of the job `job`. Its time is its position, in microseconds.
pub(crate) fn fact(job: &str, position: u64, event: Event) -> Fact {
    let key = JobKey { org: OrgId::default(), id: job.parse().expect("the id of a test") };
    let (position, time) = (Position::new(position), Time::from_micros(position as i64));
    Fact { key, position, time, recorded: time, actor: "worker".into(), event }
}

/// The creation of a background job.
pub(crate) fn created() -> Event {
    let spec = Spec::Task(TaskSpec { job_type: TaskType::FullSync, total_records: None });
    let spec_json = RawJson(r#"{"job_type":"full_sync"}"#.into());
    let (labels, created_by) = (Labels::new(), None);
    Event::Created(Box::new(Created { spec, spec_json, created_by, labels, not_before: None, retry: None }))
}
