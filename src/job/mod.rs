//! What a job is: its identifiers, its events, the state machine, and the fold.
//!
//! Everything here is a plain function of values: callers pass in the time, new identifiers and looked-up data.
//!
//! Not here: I/O, clock, randomness, logging, and serialisation ([`crate::wire`] has the stored shapes).

mod decide;
mod event;
mod event_type;
mod hook;
mod id;
mod item;
mod lifecycle;
mod plural;
mod progress;
mod run;
#[cfg(test)]
pub(crate) mod samples;
mod size;
mod span;
mod spec;
mod state;
mod summary;
mod time;

pub use decide::{Attempt, Decision, MAX_BYTES, MAX_ITEMS, MAX_NOTES, RedactionTarget, Refusal, decide, may_redact};
pub use event::{
    Cancelled, Completed, Counts, Created, Credentials, Detail, Event, Failed, HookExit, HookOutput, ItemResult, Noted,
    Progress, Provider, Redacted, Retried, Started, Stream,
};
pub use event_type::{EventType, listed};
pub use hook::{HOOK_HEAD, Hook};
pub use id::{BadId, ItemId, JobId, JobKey, JobType, OrgId, Position};
pub use item::{Item, ItemStatus, Items};
pub use lifecycle::{Conflict, State, Status};
pub use plural::plural;
pub use progress::Tally;
pub use run::{Lease, Retry, Worker};
pub use span::{BadSpan, Span};
pub(crate) use spec::words;
pub use spec::{
    Action, ActionType, DbRoleSpec, GenericSpec, Kind, Labels, RawJson, RuleSpec, Spec, Tag, TaskSpec, TaskType,
};
pub use state::{Change, Fact, Job, Note, Redaction};
pub use summary::{LEDGER, RETRY_OF, Summary};
pub use time::{BadTime, Time};
