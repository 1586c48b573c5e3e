//! What an event changes of a job's read model.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::job::{ItemModel, JobCore, JobHook, JobModel, JobReported, NoteModel, RedactionModel};
use crate::job::{Change, Conflict, Event, Fact, Job, Summary};

/// One field that is not as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The field's JSON pointer in the read model.
    pub pointer: String,
    /// As it was; null where there was none.
    pub from: Value,
    /// As it is.
    pub to: Value,
}

/// A job that takes its events and tells what each changed. An event costs the same however many items or notes there are.
#[derive(Debug)]
pub struct Changing {
    job: Option<Job>,
    core: Value,
}

impl Changing {
    /// Goes on from `job`; `None` before it exists.
    pub fn new(job: Option<Job>) -> Changing {
        Changing { core: job.as_ref().map_or(Value::Null, |job| core(job)), job }
    }

    /// The job as it is now.
    pub fn job(&self) -> Option<&Job> {
        self.job.as_ref()
    }

    /// Takes the job's next event; answers what it changed.
    pub fn take(&mut self, fact: Fact) -> Result<Vec<Difference>, Conflict> {
        let Some(job) = &mut self.job else {
            let job = Job::begin(fact)?;
            let found = between(None, &job);
            *self = Changing::new(Some(job));
            return Ok(found);
        };
        let item = match &fact.event {
            Event::ItemResult(result) => job.items.get(&result.item).map(|item| value(&ItemModel::from(item))),
            _ => None,
        };
        let (status, is_output) = (job.state.status(), matches!(&fact.event, Event::HookOutput(_)));
        let change = job.apply(fact)?;
        let mut found = Vec::new();
        match change {
            // Only what the event may have changed is rendered and compared: a diff takes events by the hundred thousand.
            Change::Job => {
                let part = match (job.state.status() == status, is_output) {
                    (true, true) => value(&JobHook::new(job, output(job))),
                    (true, false) => value(&JobReported::from(&job.summary)),
                    (false, _) => core(job),
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
            // The events before it came without what it erased already, so it changes nothing else.
            Change::Redaction => {
                let redactions = job.redactions.iter().enumerate().next_back();
                redactions.into_iter().for_each(|(n, redaction)| {
                    let now = value(&RedactionModel::from(redaction));
                    compare(&format!("/redactions/{n}"), &Value::Null, &now, &mut found);
                });
            }
        }
        debug_assert_eq!(self.core, core(job), "an event changed more than was compared");
        Ok(found)
    }
}

/// What differs between two states of one job; `None` before it existed.
pub fn between(before: Option<&Job>, after: &Job) -> Vec<Difference> {
    let (before, after) = (before.map(model), model(after));
    let before = before.unwrap_or_else(|| nothing_of(&after));
    let mut found = Vec::new();
    compare("", &before, &after, &mut found);
    found
}

/// The read model, but for how much of a hook's output it shows.
pub fn model(job: &Job) -> Value {
    value(&JobModel::whole(job, output(job)))
}

fn core(job: &Summary) -> Value {
    value(&JobCore::new(job, output(job)))
}

/// The beginning of the output, and where that is not all, how long all of it is: so it differs when more was written.
fn output(job: &Summary) -> String {
    let shown = job.hook.as_ref().map(|hook| match hook.head.len() as u64 == hook.len {
        true => hook.head.clone(),
        false => format!("{}… ({} bytes)", hook.head, hook.len),
    });
    shown.unwrap_or_default()
}

fn value(model: &impl Serialize) -> Value {
    serde_json::to_value(model).expect("the model is JSON")
}

/// Puts the members of `part` into `core`; notes those that differ.
fn replace(core: &mut Value, part: Value, found: &mut Vec<Difference>) {
    let (Value::Object(core), Value::Object(part)) = (core, part) else { return };
    for (name, now) in part {
        let before = core.get(&name).unwrap_or(&Value::Null);
        compare(&format!("/{}", token(&name)), before, &now, found);
        core.insert(name, now);
    }
}

/// A model that has nothing yet of what `model` has.
fn nothing_of(model: &Value) -> Value {
    let members = model.as_object().into_iter().flatten();
    members
        .map(|(name, value)| (name.clone(), if value.is_array() { Value::Array(vec![]) } else { Value::Null }))
        .collect()
}

/// Every field below `pointer` that differs; of what is missing on one side, null. The job's revision changes with every event
/// and says nothing.
fn compare(pointer: &str, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    match (before, after) {
        _ if before == after || pointer == "/position" => {}
        (Value::Object(old), Value::Object(new)) => {
            let gone = old.keys().filter(|name| !new.contains_key(*name));
            for name in new.keys().chain(gone) {
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

/// A name as a pointer writes it (RFC 6901).
fn token(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) { name.replace('~', "~0").replace('/', "~1").into() } else { name.into() }
}
