//! Whether an event may be recorded. Asked once, at append; what was recorded is never asked again.

use super::event::{Detail, Event, ItemResult, Redacted};
use super::id::{JobKey, Position};
use super::item::{Item, ItemStatus};
use super::lifecycle::{Conflict, Moment, Status, Step, step};
use super::progress::Tally;
use super::size;
use super::spec::{Kind, Spec};
use super::state::Job;
use super::time::Time;

/// Most items that one job may report: a limit on everything.
pub const MAX_ITEMS: usize = 10_000;

/// Most notes on one job.
pub const MAX_NOTES: usize = 10_000;

/// Most bytes of one job, as [`Summary::bytes`](super::Summary::bytes) counts them: 16 MiB. Redactions have as much room again,
/// so that a full job can be erased from.
pub const MAX_BYTES: u64 = 16 << 20;

/// What to do with an event that may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Append it.
    Record,
    /// The job was cancelled already; answer with that position and record nothing.
    AlreadyCancelled(Position),
}

/// Why an event may not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such job, and the event does not create one.
    #[error("no job `{0}` in this organisation; the first event of a job is `job.created`")]
    NoSuchJob(String),
    /// The state does not allow the event.
    #[error(transparent)]
    Lifecycle(#[from] Conflict),
    /// The job's state allows the event, but a part of the job does not.
    #[error("`{event}` is not possible: {reason}")]
    Part {
        /// The job's state.
        state: Status,
        /// The type of the event.
        event: &'static str,
        /// What stands against it.
        reason: String,
    },
    /// The job has no room for the event.
    #[error("{detail}")]
    Full {
        /// JSON pointer of the field that takes the room, from the event's root.
        pointer: &'static str,
        /// What the limit is.
        detail: String,
    },
    /// The event is wrong in itself or against what was reported before.
    #[error("{detail}")]
    Invalid {
        /// JSON pointer of the field, from the event's root.
        pointer: &'static str,
        /// What was expected and what was found.
        detail: String,
    },
}

/// Decides whether `event` may happen to `job` (`None`: no such job yet) at `time`, when the ledger's clock says `now`.
pub fn decide(job: Option<&Job>, key: &JobKey, event: &Event, time: Time, now: Time) -> Result<Decision, Refusal> {
    check_time(job, time, now)?;
    // Actor and position matter to the state that is entered, not to whether it may be: here only that is asked.
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

/// What the log has at the position that a redaction names, where that is an event of the same job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<T> {
    /// An event with its data.
    Whole(T),
    /// An event whose data was erased before.
    Erased,
    /// Another redaction, which holds what is left of what it erased.
    Redaction,
}

/// Decides whether `redacted`, which the job's `state` allows, may erase what it names, and answers that; `None`
/// where the log has no event of the job there.
pub fn may_erase<T>(state: Status, redacted: &Redacted, named: Option<Named<T>>) -> Result<T, Refusal> {
    let invalid = |detail| Err(Refusal::Invalid { pointer: "/data/position", detail });
    let position = redacted.position;
    match named {
        Some(Named::Whole(data)) => Ok(data),
        Some(Named::Erased) => Err(Refusal::Part {
            state,
            event: Event::REDACTED,
            reason: format!("the data of event {position} is erased already"),
        }),
        Some(Named::Redaction) => invalid(format!(
            "expected an event that is no erasure itself, found the `{}` at {position}, which stays to explain one",
            Event::REDACTED
        )),
        None => invalid(format!("expected the position of an earlier event of this job, found {position}")),
    }
}

fn check_time(job: Option<&Job>, time: Time, now: Time) -> Result<(), Refusal> {
    let invalid = |detail| Err(Refusal::Invalid { pointer: "/time", detail });
    if time > now.plus(Time::DAY) {
        return invalid(format!("expected a time at most 24 h ahead of the ledger's clock ({now}), found {time}"));
    }
    match job {
        // Only a ledger's clock that was ahead creates a job so late. It must not refuse the right time afterwards.
        Some(job) if job.created_at > now.plus(Time::DAY) => Ok(()),
        Some(job) if time < job.created_at.plus(-Time::DAY) => invalid(format!(
            "expected a time at most 24 h before the job was created ({}), found {time}",
            job.created_at
        )),
        _ => Ok(()),
    }
}

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

fn check_parts(job: &Job, event: &Event) -> Result<(), Refusal> {
    let part = |reason: String| Err(Refusal::Part { state: job.state.status(), event: event.type_name(), reason });
    check_counts(job, event)?;
    match event {
        Event::ItemResult(result) => check_item(job, result, part),
        Event::HookOutput(_) if job.hook.as_ref().is_some_and(|hook| hook.exit.is_some()) => {
            part("the job's hook has ended, and a job has one hook".into())
        }
        Event::Completed(_) if job.spec.kind() == Kind::Rule && !job.items.all_completed() => {
            part("a rule job completes only when every action is completed".into())
        }
        Event::Noted(_) if job.notes.len() >= MAX_NOTES => Err(Refusal::Full {
            pointer: "/data/text",
            detail: format!("the job has {MAX_NOTES} notes, the most that a job may have"),
        }),
        Event::Noted(noted) => check_room(job, "/data/text", size::json_len(&noted.text), MAX_BYTES),
        Event::Redacted(redacted) => check_room(job, "/data/reason", size::json_len(&redacted.reason), 2 * MAX_BYTES),
        _ => Ok(()),
    }
}

/// Whether `more` bytes at `pointer` fit into the job, which may take `most`.
fn check_room(job: &Job, pointer: &'static str, more: u64, most: u64) -> Result<(), Refusal> {
    if job.bytes + more <= most {
        return Ok(());
    }
    let detail = format!(
        "expected at most {most} bytes in a job, its spec, items, notes and erasures together, found {} and {more} more",
        job.bytes
    );
    Err(Refusal::Full { pointer, detail })
}

fn check_counts(job: &Job, event: &Event) -> Result<(), Refusal> {
    let after: Tally = job.tally.after(event);
    // Only events that carry one of the two counts can break the rule, so only those are asked.
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

fn check_item(job: &Job, result: &ItemResult, part: impl Fn(String) -> Result<(), Refusal>) -> Result<(), Refusal> {
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
            part(format!("item `{}` is {} and cannot run again", item.id.as_str(), item.status))
        }
        (item, _) => {
            let new = Item {
                message: result.message.clone(),
                detail: result.detail.clone(),
                ..Item::pending(result.item.clone())
            };
            let grown_in = |size: fn(&Item) -> u64| size(&new).saturating_sub(item.map_or(0, size));
            let grown = grown_in(size::of_item);
            // A result that is no longer than the one it replaces fits into every job.
            if grown == 0 {
                return Ok(());
            }
            let members = [
                ("/data/item", grown_in(size::of_id)),
                ("/data/detail", grown_in(size::of_detail)),
                ("/data/message", grown_in(size::of_message)),
            ];
            // The member that grew most; the message of two that are equal.
            let pointer =
                members.into_iter().max_by_key(|(_, grown)| *grown).map_or("/data/item", |(pointer, _)| pointer);
            check_room(job, pointer, grown, MAX_BYTES)
        }
    }
}
