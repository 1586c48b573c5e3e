//! Decides whether an event may be appended to its job. The writer asks once, before it records the event; a replay
//! never asks.

use super::event::{Detail, Event, ItemResult, Redacted};
use super::event_type::EventType;
use super::id::{JobId, JobKey, Position};
use super::item::{Item, ItemStatus};
use super::lifecycle::{Conflict, Moment, Status, Step, step};
use super::progress::Tally;
use super::size;
use super::spec::{Kind, Spec};
use super::state::Job;
use super::time::Time;

/// Maximum number of items in one job.
pub const MAX_ITEMS: usize = 10_000;

/// Maximum number of notes on one job.
pub const MAX_NOTES: usize = 10_000;

/// Maximum size, in bytes, of one job, as [`Summary::bytes`](super::Summary::bytes) counts them: 16 MiB. With
/// redactions a job may reach twice as much, so that data of a full job can still be redacted.
pub const MAX_BYTES: u64 = 16 << 20;

/// What the writer does with an event that the rules accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Record the event.
    Record,
    /// Record nothing: the job was cancelled before, at this position, which is the answer.
    AlreadyCancelled(Position),
}

/// Why the rules refuse an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The organisation has no such job, and the event does not create it. Holds the job id.
    #[error("no job `{0}` in this organisation; the first event of a job is `job.created`")]
    NoSuchJob(String),
    /// The state does not allow the event.
    #[error(transparent)]
    Lifecycle(#[from] Conflict),
    /// The job's state allows the event, but an item, the hook or an earlier redaction rules it out.
    #[error("`{event}` is not possible: {reason}")]
    RuledOut {
        /// The job's state.
        state: Status,
        /// The type of the event.
        event: EventType,
        /// The reason, as a clause of the message.
        reason: String,
    },
    /// Another worker holds the job's lease, or the sender's lease has run out.
    #[error("`{event}` is not possible: {reason}")]
    LeaseLost {
        /// The job's state.
        state: Status,
        /// The type of the event.
        event: EventType,
        /// The reason, as a clause of the message.
        reason: String,
    },
    /// The event would exceed a limit of the job.
    #[error("{detail}")]
    Full {
        /// JSON pointer, from the event's root, of the field that would exceed the limit.
        pointer: &'static str,
        /// The message, with the limit and the value found.
        detail: String,
    },
    /// A field is wrong by itself, or contradicts an earlier event of the job.
    #[error("{detail}")]
    Invalid {
        /// JSON pointer of that field, from the event's root.
        pointer: &'static str,
        /// The message, with the expected and the found value.
        detail: String,
    },
}

impl Refusal {
    /// JSON pointer, from the event's root, of the field at fault; `None` if no one field is.
    pub fn pointer(&self) -> Option<&'static str> {
        match self {
            Refusal::Full { pointer, .. } | Refusal::Invalid { pointer, .. } => Some(pointer),
            Refusal::NoSuchJob(_) | Refusal::Lifecycle(_) | Refusal::RuledOut { .. } | Refusal::LeaseLost { .. } => {
                None
            }
        }
    }
}

/// An event that a sender asks to append, and the lease that the sender holds.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// The event.
    pub event: &'a Event,
    /// When the event happened.
    pub time: Time,
    /// The ledger's clock.
    pub now: Time,
    /// The lease of this job that the sender holds, by the position of its `job.started`. `None` if the sender names no
    /// lease of this job.
    pub lease: Option<Position>,
}

/// Decides whether the event of `attempt` may be appended to `job`, which is `None` before the job's first event.
///
/// # Errors
/// A [`Refusal`] if the state machine, a lease, a limit, or an earlier event of the job rules the event out.
pub fn decide(job: Option<&Job>, key: &JobKey, attempt: Attempt<'_>) -> Result<Decision, Refusal> {
    let Attempt { event, time, now, lease } = attempt;
    check_time(job, time, now)?;
    job.map_or(Ok(()), |job| check_lease(job, event, lease))?;
    // Actor and position are stored in the new state but do not decide whether the step is allowed.
    let moment = Moment { time, actor: "", position: Position::GENESIS };
    let step = match (job, step(job.map(|job| &job.state), event, moment)) {
        (None, Err(_)) => return Err(Refusal::NoSuchJob(key.id.to_string())),
        (_, step) => step?,
    };
    if let Step::Repeat(position) = step {
        return Ok(Decision::AlreadyCancelled(position));
    }
    match job {
        None => check_new(key, event)?,
        Some(job) => check_parts(job, event)?,
    }
    Ok(Decision::Record)
}

/// The event that a redaction names, as the log has it. It belongs to the job of the redaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedactionTarget<T> {
    /// An event that still has its data.
    HasData(T),
    /// An event whose data was redacted before.
    Redacted,
    /// A redaction. Its data holds a residue, which the fold needs.
    Redaction,
}

/// Decides whether `redacted`, which the job's `state` allows, may redact `target`; returns the target's data. `target`
/// is `None` if the log has no event of the job at that position.
///
/// # Errors
/// A [`Refusal`] if there is no such event, if it is a redaction, or if its data was redacted before.
pub fn may_redact<T>(state: Status, redacted: &Redacted, target: Option<RedactionTarget<T>>) -> Result<T, Refusal> {
    let invalid = |detail| Err(Refusal::Invalid { pointer: "/data/position", detail });
    let position = redacted.position;
    match target {
        Some(RedactionTarget::HasData(data)) => Ok(data),
        Some(RedactionTarget::Redacted) => Err(Refusal::RuledOut {
            state,
            event: EventType::Redacted,
            reason: format!("the data of event {position} was redacted before"),
        }),
        Some(RedactionTarget::Redaction) => invalid(format!(
            "expected the position of an event other than a redaction, found the `{}` at {position}",
            EventType::Redacted
        )),
        None => invalid(format!("expected the position of an earlier event of this job, found {position}")),
    }
}

/// Checks the event's `time` against the ledger's clock and against the creation of the job: 24 h of skew are allowed.
fn check_time(job: Option<&Job>, time: Time, now: Time) -> Result<(), Refusal> {
    let invalid = |detail| Err(Refusal::Invalid { pointer: "/time", detail });
    if time > now.plus(Time::DAY) {
        return invalid(format!("expected a time at most 24 h ahead of the ledger's clock ({now}), found {time}"));
    }
    match job {
        // The job was created while the ledger's clock was more than a day ahead. Events with the right time stay
        // allowed.
        Some(job) if job.created_at > now.plus(Time::DAY) => Ok(()),
        Some(job) if time < job.created_at.plus(-Time::DAY) => invalid(format!(
            "expected a time at most 24 h before the job was created ({}), found {time}",
            job.created_at
        )),
        _ => Ok(()),
    }
}

/// Checks that only the holder of the job's lease reports, and that the lease has not run out. Notes, cancellations and
/// redactions stay open to every sender.
fn check_lease(job: &Job, event: &Event, held: Option<Position>) -> Result<(), Refusal> {
    use Event as E;
    match event {
        E::Started(_) | E::Progress(_) | E::ItemResult(_) | E::HookOutput(_) | E::Completed(_) | E::Failed(_) => {}
        E::Created(_) | E::Cancelled(_) | E::Noted(_) | E::Redacted(_) | E::Retried(_) => return Ok(()),
    }
    let status = job.state.status();
    let lost = |reason| Err(Refusal::LeaseLost { state: status, event: event.event_type(), reason });
    let worker = job.worker.as_ref();
    let name = || worker.map_or("", |worker| &worker.name);
    let since = worker.and_then(|worker| worker.lease).map(|lease| lease.since);
    match (status, held) {
        (Status::Running, held) if held == since => Ok(()),
        (Status::Running, _) if since.is_none() => lost("the job runs without a lease".into()),
        (Status::Running, None) => lost(format!(
            "worker `{}` holds the job's lease; its reports have the header `Ledger-Lease` with the lease's token",
            name()
        )),
        (Status::Running, Some(_)) => lost(format!("worker `{}` holds the job's lease under another token", name())),
        (_, Some(_)) if held == since && worker.is_some_and(|worker| worker.lost) => {
            lost("the lease ran out, and the ledger ended the job; stop this work".into())
        }
        _ => Ok(()),
    }
}

/// Checks what only a `job.created` can get wrong.
fn check_new(key: &JobKey, event: &Event) -> Result<(), Refusal> {
    match event {
        Event::Created(created) if created.spec.kind() == Kind::DbRole && key.id.as_uuid().is_none() => {
            Err(Refusal::Invalid {
                pointer: "/subject",
                detail: format!("expected a UUID, because the job is a `dbrole`, found `{}`", key.id),
            })
        }
        _ => Ok(()),
    }
}

/// Checks the event against the parts of a job that exists.
fn check_parts(job: &Job, event: &Event) -> Result<(), Refusal> {
    let ruled_out =
        |reason: String| Err(Refusal::RuledOut { state: job.state.status(), event: event.event_type(), reason });
    check_counts(job, event)?;
    match event {
        Event::ItemResult(result) => check_item(job, result, ruled_out),
        Event::HookOutput(_) if job.hook.as_ref().is_some_and(|hook| hook.exit.is_some()) => {
            ruled_out("the job's hook has ended, and a job has only one hook".into())
        }
        Event::Completed(_) if job.spec.kind() == Kind::Rule && !job.items.all_completed() => {
            ruled_out("not every action of the rule job is completed".into())
        }
        Event::Retried(_) if job.retried_as.is_some() => {
            let retried_as = job.retried_as.as_ref().map_or("", JobId::as_str);
            ruled_out(format!("the job was retried before, as `{retried_as}`"))
        }
        Event::Noted(_) if job.notes.len() >= MAX_NOTES => {
            Err(Refusal::Full { pointer: "/data/text", detail: format!("expected at most {MAX_NOTES} notes on a job") })
        }
        Event::Noted(noted) => check_room(job, "/data/text", size::json_len(&noted.text), MAX_BYTES),
        Event::Redacted(redacted) => check_room(job, "/data/reason", size::json_len(&redacted.reason), 2 * MAX_BYTES),
        _ => Ok(()),
    }
}

/// Refuses the field at `pointer` if its `more` bytes would take the job over `most` bytes.
fn check_room(job: &Job, pointer: &'static str, more: u64, most: u64) -> Result<(), Refusal> {
    if job.bytes + more <= most {
        return Ok(());
    }
    let detail = format!(
        "expected at most {most} bytes in the spec, items, notes and redactions of a job, found {} and {more} more",
        job.bytes
    );
    Err(Refusal::Full { pointer, detail })
}

/// Checks that `records_processed` ≤ `total_records` after the event.
fn check_counts(job: &Job, event: &Event) -> Result<(), Refusal> {
    let after: Tally = job.tally.after(event);
    // Only an event that carries one of the two counts can break the rule, so the pointer below names one of its
    // fields.
    if after.consistent() {
        return Ok(());
    }
    let counts = after.counts;
    Err(Refusal::Invalid {
        pointer: if event.counts().processed.is_some() { "/data/records_processed" } else { "/data/total_records" },
        detail: format!(
            "expected `records_processed` ≤ `total_records`, also against earlier events, found {} of {}",
            counts.processed.unwrap_or(0),
            counts.total.unwrap_or(0)
        ),
    })
}

/// Checks an item's result: its detail fits the kind, the item may take it, and the job has room.
fn check_item(
    job: &Job,
    result: &ItemResult,
    ruled_out: impl Fn(String) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let invalid = |pointer, detail| Err(Refusal::Invalid { pointer, detail });
    let kind = job.spec.kind();
    match (kind, &result.detail) {
        (_, None) | (Kind::DbRole, Some(Detail::Credentials(_))) | (Kind::Generic, Some(_)) => {}
        (Kind::DbRole, Some(Detail::Json(_))) => {
            return invalid("/data/detail", "expected `credentials_info`, because the job is a `dbrole`".into());
        }
        (Kind::Task | Kind::Rule, Some(_)) => {
            return invalid("/data/detail", format!("expected no detail: items of a `{kind}` job have none"));
        }
    }
    match (job.items.get(&result.item), &job.spec) {
        (None, Spec::Rule(_)) => invalid(
            "/data/item",
            format!("expected the id of one of the job's actions, found `{}`", result.item.as_str()),
        ),
        (None, _) if job.items.len() >= MAX_ITEMS => Err(Refusal::Full {
            pointer: "/data/item",
            detail: format!("expected at most {MAX_ITEMS} different items in a job"),
        }),
        (Some(item), _) if item.ended() && result.status == ItemStatus::Running => {
            ruled_out(format!("item `{}` is {} and cannot run again", item.id.as_str(), item.status))
        }
        (item, _) => {
            let new = Item {
                message: result.message.clone(),
                detail: result.detail.clone(),
                ..Item::pending(result.item.clone())
            };
            let grown_in = |size: fn(&Item) -> u64| size(&new).saturating_sub(item.map_or(0, size));
            let grown = grown_in(size::of_item);
            // A result that is no longer than the one it replaces always fits, also into a full job.
            if grown == 0 {
                return Ok(());
            }
            let members = [
                ("/data/item", grown_in(size::of_id)),
                ("/data/detail", grown_in(size::of_detail)),
                ("/data/message", grown_in(size::of_message)),
            ];
            // Name the member that grew most. Of two that grew alike, name the later one in the list.
            let pointer =
                members.into_iter().max_by_key(|(_, grown)| *grown).map_or("/data/item", |(pointer, _)| pointer);
            check_room(job, pointer, grown, MAX_BYTES)
        }
    }
}
