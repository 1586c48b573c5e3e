//! The messages of a live job: the members that changed between two of its revisions.
//!
//! A message tells values and no steps: applied to the job at any revision between the two, it gives the job at the later one.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::job::{JobCore, SHOWN_OUTPUT, SHOWN_PARTS};
use super::parts::{ItemModel, NoteModel};
use crate::job::{Event, Fact, Item, Note, Position, Summary, Time};

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

/// A job at one revision, as far as a later change is compared with it: without its spec, items and output.
#[derive(Debug, Clone)]
pub struct LiveBase {
    /// The revision.
    pub revision: Position,
    recorded_at: Time,
    core: Map<String, Value>,
    /// The bytes of the hook's whole output.
    output: u64,
}

impl LiveBase {
    /// The job as it is now.
    pub fn of(job: &Summary) -> LiveBase {
        let Value::Object(core) = value(&JobCore::new(job, String::new())) else {
            unreachable!("the core of a job is an object");
        };
        let output = job.hook.as_ref().map_or(0, |hook| hook.len);
        LiveBase { revision: job.position, recorded_at: job.recorded_at, core, output }
    }

    /// The change from this revision to `after`. `facts` are the job's events between the two, and none of them is a redaction.
    /// `notes` are the newest notes and the number of all notes at `after`, if one of the facts is a note.
    pub fn change(&self, after: &LiveBase, facts: Vec<Fact>, notes: Option<(Vec<Note>, usize)>) -> JobChange {
        let mut members = Map::new();
        for (name, now) in &after.core {
            match (self.core.get(name).unwrap_or(&Value::Null), now) {
                (before, now) if before == now => {}
                (Value::Object(before), Value::Object(now)) if name == "hook" => {
                    let changed = now.iter().filter(|(name, now)| before.get(*name) != Some(now));
                    let changed = changed.map(|(name, now)| (name.clone(), now.clone()));
                    members.insert(name.clone(), Value::Object(changed.collect()));
                }
                (_, now) => drop(members.insert(name.clone(), now.clone())),
            }
        }
        let vanished = self.core.keys().filter(|name| !after.core.contains_key(*name));
        members.extend(vanished.map(|name| (name.clone(), Value::Null)));
        if let Some((newest, count)) = notes {
            members.insert("notes".to_owned(), value(&newest.iter().map(NoteModel::from).collect::<Vec<_>>()));
            if count > SHOWN_PARTS {
                members.insert("notes_left_out".to_owned(), value(&(count - SHOWN_PARTS)));
            }
        }
        let mut told = Told::default();
        facts.into_iter().for_each(|fact| told.take(fact));
        let output = self.added(&told.output);
        let last_event_at = after.recorded_at.with_micros();
        JobChange { members, items: told.items, output, last_event_at, position: after.revision.get() }
    }

    /// The part of the added text that a job shows.
    fn added(&self, text: &str) -> Option<AddedOutput> {
        let room = (SHOWN_OUTPUT as u64).checked_sub(self.output)? as usize;
        let text = &text[..text.floor_char_boundary(room)];
        (!text.is_empty()).then(|| AddedOutput { offset: self.output, text: text.to_owned() })
    }
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

fn value(model: &impl Serialize) -> Value {
    serde_json::to_value(model).expect("the model is JSON")
}
