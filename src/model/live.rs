//! The messages of a live job: the members that changed between two of its revisions.
//!
//! A message tells values and no steps: applied to the job at any revision between the two, it gives the job at the later one. So it
//! also tells a member that changed and has its earlier value again.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::job::{JobCore, SHOWN_OUTPUT, SHOWN_PARTS};
use super::parts::{ItemModel, NoteModel};
use crate::history::Error;
use crate::job::{Event, Fact, Item, Note, Summary};

/// The data of `event: changed` of a live job.
///
/// The members are those of `JobModel` that changed, each with its new value; null for a member that vanished. A client puts each of
/// `items` in the place of the item with its id, or at the end. It sets the changed members of `hook`, and then puts the text of
/// `output` into the hook's output.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobChange {
    /// The members that changed, but for `items`. Of `hook` only its own members that changed, unless it was null.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    members: Map<String, Value>,
    /// The items that changed; absent if none did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    items: Vec<ItemModel>,
    /// The output that the hook added; absent if it added none. Only the first 1 MiB of a hook's output is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<AddedOutput>,
    /// When the ledger recorded the job's newest event.
    last_event_at: String,
    /// The job's revision: the position of its newest event.
    #[schema(minimum = 0)]
    position: u64,
}

/// Output that a hook added.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddedOutput {
    /// The bytes of output (as UTF-8) before this text. The text replaces the output from there on.
    #[schema(minimum = 0)]
    offset: u64,
    /// The text.
    text: String,
}

/// The change of a job from `before` to `after`. `facts` are the job's events between the two, and none of them is a redaction. `notes`
/// are the newest notes and the number of all notes at `after`, if one of the facts is a note.
///
/// # Errors
/// The state machine refuses one of the facts.
pub fn job_change(
    before: &Summary,
    after: &Summary,
    facts: Vec<Fact>,
    notes: Option<(Vec<Note>, usize)>,
) -> Result<JobChange, Error> {
    let mut members = changed_members(before, after, &facts)?;
    if let Some((newest, count)) = notes {
        members.insert("notes".to_owned(), value(&newest.iter().map(NoteModel::from).collect::<Vec<_>>()));
        if count > SHOWN_PARTS {
            members.insert("notes_left_out".to_owned(), value(&(count - SHOWN_PARTS)));
        }
    }
    let mut told = Told::default();
    facts.into_iter().for_each(|fact| told.take(fact));
    let output = added(before.hook.as_ref().map_or(0, |hook| hook.len), &told.output);
    let last_event_at = after.recorded_at.with_micros();
    Ok(JobChange { members, items: told.items, output, last_event_at, position: after.position.get() })
}

/// The members of `after` that differ from `before`, or from the job between two of the facts.
fn changed_members(before: &Summary, after: &Summary, facts: &[Fact]) -> Result<Map<String, Value>, Error> {
    let (mut members, after) = (Map::new(), core(after));
    tell(&mut members, &core(before), &after);
    let mut between = before.clone();
    for fact in &facts[..facts.len().saturating_sub(1)] {
        let changes_core = match &fact.event {
            Event::ItemResult(_) | Event::Noted(_) => false,
            Event::HookOutput(chunk) => chunk.exit.is_some() || between.hook.is_none(),
            _ => true,
        };
        between.apply(fact).map_err(Error::misfit(fact.position))?;
        if changes_core {
            tell(&mut members, &core(&between), &after);
        }
    }
    Ok(members)
}

/// Adds the members of `after` that differ from `before`; null for a member that vanished.
fn tell(members: &mut Map<String, Value>, before: &Map<String, Value>, after: &Map<String, Value>) {
    let vanished = before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name, &Value::Null));
    for (name, now) in after.iter().chain(vanished) {
        match (before.get(name).unwrap_or(&Value::Null), now) {
            (before, now) if before == now => {}
            (before, Value::Object(now)) if name == "hook" => {
                let told = members.entry("hook").or_insert_with(|| Map::new().into()).as_object_mut();
                let changed = now.iter().filter(|(name, now)| before.get(name) != Some(now));
                told.expect("a hook never vanishes").extend(changed.map(|(name, now)| (name.clone(), now.clone())));
            }
            (_, now) => drop(members.insert(name.clone(), now.clone())),
        }
    }
}

/// The part of the text, added to an output of `offset` bytes, that a job shows.
fn added(offset: u64, text: &str) -> Option<AddedOutput> {
    let room = (SHOWN_OUTPUT as u64).checked_sub(offset)? as usize;
    let text = &text[..text.floor_char_boundary(room)];
    (!text.is_empty()).then(|| AddedOutput { offset, text: text.to_owned() })
}

/// What events tell of items and output.
#[derive(Default)]
struct Told {
    /// The newest result of each item, in the order in which the events first name them.
    items: Vec<ItemModel>,
    places: HashMap<String, usize>,
    output: String,
}

impl Told {
    fn take(&mut self, fact: Fact) {
        match fact.event {
            Event::ItemResult(result) => {
                let id = result.item.to_string();
                let item = ItemModel::from(&Item::reported(result, fact.time, 0));
                match self.places.get(&id) {
                    Some(place) => self.items[*place] = item,
                    None => {
                        self.places.insert(id, self.items.len());
                        self.items.push(item);
                    }
                }
            }
            Event::HookOutput(chunk) => self.output.push_str(chunk.output.as_deref().unwrap_or("")),
            _ => {}
        }
    }
}

/// The members that an event may change, without items, notes and the hook's output.
fn core(job: &Summary) -> Map<String, Value> {
    let Value::Object(core) = value(&JobCore::new(job, String::new())) else {
        unreachable!("the core of a job is an object");
    };
    core
}

fn value(model: &impl Serialize) -> Value {
    serde_json::to_value(model).expect("the model is JSON")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::job::samples::fact;
    use crate::job::{
        Counts, Created, GenericSpec, HookExit, HookOutput, Job, Labels, Noted, Progress, RawJson, Spec, Started,
    };

    /// Events of a running job. Few values, so that members often come back to an earlier one.
    fn event() -> impl Strategy<Value = Event> {
        let text = || prop::option::of(prop::sample::select(vec!["one".to_owned(), "two".to_owned()]));
        let progress = (prop::option::of(0..2_u8), text(), text(), prop::option::of(0..2_u64)).prop_map(
            |(percent, message, current_step, processed)| {
                let counts = Counts { processed, ..Counts::default() };
                Event::Progress(Progress { percent, message, current_step, counts })
            },
        );
        let hook = (text(), prop::option::of((0..2, 0..2_u64))).prop_map(|(output, exit)| {
            let exit = exit.map(|(code, seconds)| HookExit { code, seconds });
            Event::HookOutput(HookOutput { output, exit, ..HookOutput::default() })
        });
        prop_oneof![4 => progress, 2 => hook, 1 => Just(Event::Noted(Noted { text: "hm".into() }))]
    }

    /// What a client makes of `core` and the members of a message.
    fn applied(mut core: Map<String, Value>, members: Map<String, Value>) -> Map<String, Value> {
        for (name, now) in members {
            match (core.get_mut(&name), now) {
                (Some(Value::Object(hook)), Value::Object(now)) if name == "hook" => hook.extend(now),
                (_, now) => drop(core.insert(name, now)),
            }
        }
        core.retain(|_, value| !value.is_null());
        core
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        /// A message that is made from one state to a later one serves every client whose job is between the two.
        #[test]
        fn a_message_gives_the_later_job_from_every_revision_between(events in prop::collection::vec(event(), 1..8)) {
            let spec = Spec::Generic(GenericSpec { job_type: "sync".parse().unwrap(), parameters: None, total_records: Some(2) });
            let (spec_json, labels) = (RawJson("{}".into()), Labels::new());
            let created = Created { spec, spec_json, created_by: None, labels, not_before: None, retry: None };
            let mut states = vec![Job::begin(fact("a", 1, Event::Created(Box::new(created)))).unwrap().summary];
            let events = std::iter::once(Event::Started(Started::default())).chain(events);
            let facts: Vec<Fact> = (2..).zip(events).map(|(position, event)| fact("a", position, event)).collect();
            for fact in &facts {
                let mut next = states.last().unwrap().clone();
                next.apply(fact).unwrap();
                states.push(next);
            }
            let after = states.last().unwrap();
            let whole = applied(core(after), Map::new());
            let change = job_change(&states[0], after, facts, None).unwrap();
            for between in &states {
                prop_assert_eq!(&applied(core(between), change.members.clone()), &whole);
            }
        }
    }
}
