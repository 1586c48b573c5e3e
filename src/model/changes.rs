//! The changes that an event makes to a job's model.

use serde::Serialize;
use serde_json::Value;

use super::job::{JobCore, JobHook, JobModel, JobReported};
use super::parts::{ItemModel, NoteModel, RedactionModel};
use crate::job::{Change, Conflict, Event, Fact, Job, Summary};
use crate::json::token;

/// A field that differs between two states of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The field's JSON pointer (RFC 6901) in the model.
    pub pointer: String,
    /// The earlier value; null if the field did not exist.
    pub from: Value,
    /// The later value.
    pub to: Value,
}

/// Folds a job's events and returns the changes of each. The cost of an event does not grow with the number of items or notes.
#[derive(Debug)]
pub struct ChangeTracker {
    job: Option<Job>,
    core: Value,
    /// Whether `core` is of an earlier state of the job.
    core_is_old: bool,
    /// Whether the output of a hook is compared.
    with_output: bool,
}

impl ChangeTracker {
    /// Starts from `job`; from `None` if the job does not exist yet.
    pub fn new(job: Option<Job>) -> ChangeTracker {
        ChangeTracker { job, core: Value::Null, core_is_old: true, with_output: true }
    }

    /// The same, for a caller that shows the output of hooks itself: no output is compared, so an event of a long output costs no
    /// more than another one.
    pub fn without_output(job: Option<Job>) -> ChangeTracker {
        ChangeTracker { with_output: false, ..ChangeTracker::new(job) }
    }

    /// The job after the events so far.
    pub fn job(&self) -> Option<&Job> {
        self.job.as_ref()
    }

    /// Folds the job's next event and returns the fields that it changed.
    ///
    /// # Errors
    /// The state machine refuses the event.
    pub fn take(&mut self, fact: Fact) -> Result<Vec<Difference>, Conflict> {
        let Some(job) = &mut self.job else {
            let job = Job::begin(fact)?;
            let found = differences(None, &job);
            (self.job, self.core_is_old) = (Some(job), true);
            return Ok(found);
        };
        if std::mem::take(&mut self.core_is_old) {
            self.core = core(job, self.with_output);
        }
        let item = match &fact.event {
            Event::ItemResult(result) => job.items.get(&result.item).map(|item| value(&ItemModel::from(item))),
            _ => None,
        };
        let (status, is_output) = (job.state.status(), matches!(&fact.event, Event::HookOutput(_)));
        let is_retry = matches!(&fact.event, Event::Retried(_));
        let change = job.apply(fact)?;
        let mut found = Vec::new();
        match change {
            // Renders and compares only the members that the event can change: a diff folds up to hundreds of thousands of events.
            Change::Job => {
                let part = match (job.state.status() == status, is_output) {
                    (true, true) => value(&JobHook::new(job, output(job, self.with_output))),
                    (true, false) if !is_retry => value(&JobReported::from(&job.summary)),
                    _ => core(job, self.with_output),
                };
                replace(&mut self.core, part, &mut found);
            }
            Change::Item(n) => {
                let now = value(&ItemModel::from(&job.items.as_slice()[n]));
                compare(&format!("/items/{n}"), &item.unwrap_or_default(), &now, &mut found);
            }
            Change::Note => {
                let notes = job.notes.iter().enumerate().next_back();
                notes.into_iter().for_each(|(n, note)| {
                    compare(&format!("/notes/{n}"), &Value::Null, &value(&NoteModel::from(note)), &mut found);
                });
            }
            // The fold has read the residue of the redacted event, so the redaction changes no other field.
            Change::Redaction => {
                let redactions = job.redactions.iter().enumerate().next_back();
                redactions.into_iter().for_each(|(n, redaction)| {
                    let now = value(&RedactionModel::from(redaction));
                    compare(&format!("/redactions/{n}"), &Value::Null, &now, &mut found);
                });
            }
        }
        debug_assert_eq!(self.core, core(job, self.with_output), "an event changed more than was compared");
        Ok(found)
    }

    /// Folds the job's next event without comparing.
    ///
    /// # Errors
    /// The state machine refuses the event.
    pub fn pass(&mut self, fact: Fact) -> Result<(), Conflict> {
        match &mut self.job {
            Some(job) => drop(job.apply(fact)?),
            None => self.job = Some(Job::begin(fact)?),
        }
        self.core_is_old = true;
        Ok(())
    }
}

/// The differences between two states of a job; `before` is `None` if the job did not exist yet.
pub fn differences(before: Option<&Job>, after: &Job) -> Vec<Difference> {
    let (before, after) = (before.map(model), model(after));
    let before = before.unwrap_or_else(|| nothing_of(&after));
    let mut found = Vec::new();
    compare("", &before, &after, &mut found);
    found
}

/// The job's model for comparisons. Of the hook's output it has the beginning and the length.
pub fn model(job: &Job) -> Value {
    value(&JobModel::whole(job, output(job, true)))
}

fn core(job: &Summary, with_output: bool) -> Value {
    value(&JobCore::new(job, output(job, with_output)))
}

/// The beginning of the output, and the length of a longer output: so two outputs of different lengths differ. Nothing if the output
/// is not compared.
fn output(job: &Summary, is_compared: bool) -> String {
    if !is_compared {
        return String::new();
    }
    let shown = job.hook.as_ref().map(|hook| match hook.head.len() as u64 == hook.len {
        true => hook.head.clone(),
        false => format!("{}… ({} bytes)", hook.head, hook.len),
    });
    shown.unwrap_or_default()
}

fn value(model: &impl Serialize) -> Value {
    serde_json::to_value(model).expect("the model is JSON")
}

/// Replaces the members of `core` by those of `part`, and adds the differences to `found`.
fn replace(core: &mut Value, part: Value, found: &mut Vec<Difference>) {
    let (Value::Object(core), Value::Object(part)) = (core, part) else { return };
    for (name, now) in part {
        let before = core.get(&name).unwrap_or(&Value::Null);
        compare(&format!("/{}", token(&name)), before, &now, found);
        core.insert(name, now);
    }
}

/// A model with the members of `model`, all of them empty.
fn nothing_of(model: &Value) -> Value {
    let members = model.as_object().into_iter().flatten();
    members
        .map(|(name, value)| (name.clone(), if value.is_array() { Value::Array(vec![]) } else { Value::Null }))
        .collect()
}

/// Adds the fields below `pointer` that differ to `found`. A missing field counts as null. `position` and
/// `last_event_at`, which change with every event, are left out.
fn compare(pointer: &str, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    match (before, after) {
        _ if before == after || matches!(pointer, "/position" | "/last_event_at") => {}
        (Value::Object(old), Value::Object(new)) => {
            let removed = old.keys().filter(|name| !new.contains_key(*name));
            for name in new.keys().chain(removed) {
                let (old, new) = (old.get(name).unwrap_or(&Value::Null), new.get(name).unwrap_or(&Value::Null));
                compare(&format!("{pointer}/{}", token(name)), old, new, found);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for n in 0..old.len().max(new.len()) {
                let (old, new) = (old.get(n).unwrap_or(&Value::Null), new.get(n).unwrap_or(&Value::Null));
                compare(&format!("{pointer}/{n}"), old, new, found);
            }
        }
        (Value::Null, Value::Object(other)) | (Value::Object(other), Value::Null) if other.is_empty() => {}
        _ => found.push(Difference { pointer: pointer.to_owned(), from: before.clone(), to: after.clone() }),
    }
}
