//! Data as it is stored: which (type, version) there is, how it is read on the way in, and how it is read again.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::fields::{Object, Raw, Word};
use super::incoming::Reject;
use super::json;
use super::mask::Mask;
use super::v1::{
    Action1, Cancelled1, Completed1, Created1, CreatedHead1, DbRole1, Failed1, HookOutput1, ItemResult1, Noted1,
    Progress1, Redacted1, Residual1, Rule1, Shape, Spec1, Started1, Task1, Wrong,
};
use crate::job::{ActionType, Event, ItemId, Kind, RawJson, RuleSpec, Spec};

/// Data that was accepted: the event, and the bytes to store.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What happened.
    pub event: Event,
    /// The version of the stored shape.
    pub version: u32,
    /// Compact JSON, members in the shape's order: equal content gives equal bytes. Free text in it is masked.
    pub data: Vec<u8>,
    /// The rule of each secret that was masked.
    pub masked: Vec<Arc<str>>,
}

/// Stored data that this program cannot read: the log was written by a newer one, or is damaged.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// An unknown (type, version).
    #[error("unknown event `{event_type}` version {version}; a newer jobledger wrote it: use that one")]
    Unknown {
        /// The CloudEvents type.
        event_type: String,
        /// The version of its data.
        version: u32,
    },
    /// The data is not of its shape.
    #[error("data of `{event_type}` does not have its stored shape: {detail}")]
    Damaged {
        /// The CloudEvents type.
        event_type: String,
        /// What was expected and found.
        detail: String,
    },
}

/// Reads a producer's data for `event_type`, and masks the secrets in it. `mint` gives the id of the n-th rule action that
/// has none.
pub fn parse(event_type: &str, data: &str, mint: impl Fn(usize) -> ItemId, mask: &Mask) -> Result<Parsed, Reject> {
    let parsed = match event_type {
        "job.created" => new_created(data, mint).and_then(|created| accept(created, mask)),
        "job.started" => new::<Started1>(data, mask),
        "job.progress" => new::<Progress1>(data, mask),
        "job.item_result" => new::<ItemResult1>(data, mask),
        "job.hook_output" => new::<HookOutput1>(data, mask),
        "job.completed" => new::<Completed1>(data, mask),
        "job.failed" => new::<Failed1>(data, mask),
        "job.cancelled" => new::<Cancelled1>(data, mask),
        "job.noted" => new::<Noted1>(data, mask),
        Event::REDACTED => new::<Redacted1>(data, mask),
        _ => {
            let found: String = event_type.chars().take(64).collect();
            let detail = format!("expected one of {}, found `{found}`", Event::TYPES.join(", "));
            return Err(Reject::invalid("/type", detail));
        }
    };
    // Names are free in `job.created` alone; elsewhere one that is not known was refused, and is looked at again only because
    // the refusal must then say nothing of the value.
    if event_type != "job.created" && parsed.is_ok() {
        return parsed;
    }
    match mask.named(data) {
        Some(pointer) => Err(Reject::Secret { pointer }),
        None => parsed,
    }
}

/// Reads stored data again; older versions are turned into today's event here, one arm each.
pub fn decode(event_type: &str, version: u32, data: &[u8]) -> Result<Event, Undecodable> {
    again::<AsEvent>(event_type, version, data)
}

/// What is made of stored data, whatever its shape.
pub(super) trait Make {
    /// What it is.
    type Made;

    /// Makes it.
    fn of<S: Shape + Serialize>(shape: S) -> Self::Made;
}

struct AsEvent;

impl Make for AsEvent {
    type Made = Event;

    fn of<S: Shape + Serialize>(shape: S) -> Event {
        shape.into_event()
    }
}

/// Reads stored data again, and makes of it what is wanted: the one place that knows which shapes there are.
pub(super) fn again<M: Make>(event_type: &str, version: u32, data: &[u8]) -> Result<M::Made, Undecodable> {
    let damaged = |detail: String| Undecodable::Damaged { event_type: event_type.to_owned(), detail };
    let text = std::str::from_utf8(data).map_err(|error| damaged(error.to_string()))?;
    let made = match (event_type, version) {
        ("job.created", 1) => old_created(text).map(M::of),
        ("job.started", 1) => read::<Started1>(text).map(M::of),
        ("job.progress", 1) => read::<Progress1>(text).map(M::of),
        ("job.item_result", 1) => read::<ItemResult1>(text).map(M::of),
        ("job.hook_output", 1) => read::<HookOutput1>(text).map(M::of),
        ("job.completed", 1) => read::<Completed1>(text).map(M::of),
        ("job.failed", 1) => read::<Failed1>(text).map(M::of),
        ("job.cancelled", 1) => read::<Cancelled1>(text).map(M::of),
        ("job.noted", 1) => read::<Noted1>(text).map(M::of),
        (Event::REDACTED, 1) => read::<Residual1>(text).map(Residual1::sent).map(M::of),
        _ => return Err(Undecodable::Unknown { event_type: event_type.to_owned(), version }),
    };
    made.map_err(|reject| damaged(reject.to_string()))
}

/// Reads a spec that was stored inside `job.created`, for who keeps specs by themselves (the views).
pub fn read_spec(kind: Kind, spec: &str) -> Result<Spec, Undecodable> {
    spec1(kind, spec)
        .and_then(|spec| require_ids(&spec).map(|()| spec.into_spec()))
        .map_err(|reject| Undecodable::Damaged { event_type: "job.created".into(), detail: reject.to_string() })
}

fn new<'a, S: Shape + Serialize + Deserialize<'a>>(data: &'a str, mask: &Mask) -> Result<Parsed, Reject> {
    accept(read::<S>(data)?, mask)
}

fn accept<S: Shape + Serialize>(mut shape: S, mask: &Mask) -> Result<Parsed, Reject> {
    shape.check().map_err(|(pointer, detail)| Reject::invalid(format!("/data{pointer}"), detail))?;
    let mut masked = Vec::new();
    shape.texts().into_iter().for_each(|text| mask.text(text, &mut masked));
    let data = serde_json::to_vec(&shape).expect("stored shapes hold nothing that JSON cannot");
    Ok(Parsed { event: shape.into_event(), version: 1, data, masked })
}

/// A shape from a producer, with the place of whatever is wrong.
fn read<'a, S: Deserialize<'a>>(data: &'a str) -> Result<S, Reject> {
    read_at("/data", data)
}

fn read_at<'a, S: Deserialize<'a>>(root: &str, data: &'a str) -> Result<S, Reject> {
    // The plain reader is twice as fast as the one that tracks the path, and nearly every read succeeds.
    if let Ok(Object(shape)) = serde_json::from_str(data) {
        return Ok(shape);
    }
    let mut reader = serde_json::Deserializer::from_str(data);
    let Object(shape) = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| Reject::invalid(json::pointer(root, error.path()), json::message(error.inner())))?;
    // Without this, what follows the object would turn the refusal of the plain reader into an acceptance.
    reader.end().map_err(|error| Reject::invalid(root.to_owned(), json::message(&error)))?;
    Ok(shape)
}

/// `job.created` from a producer: actions without an id are given one before anything is checked or stored.
fn new_created(data: &str, mint: impl Fn(usize) -> ItemId) -> Result<Created1, Reject> {
    let (head, mut spec) = created_parts(data)?;
    if let Spec1::Rule(rule) = &mut spec {
        for (n, action) in rule.actions.iter_mut().enumerate() {
            action.0.id.get_or_insert_with(|| Word(mint(n)));
        }
    }
    let json = spec_json(&spec);
    Ok(created1(head, spec, json))
}

/// A spec as it is stored.
pub(super) fn spec_json(spec: &Spec1) -> Arc<str> {
    serde_json::to_string(spec).expect("stored shapes hold nothing that JSON cannot").into()
}

/// `job.created` as it was stored.
fn old_created(data: &str) -> Result<Created1, Reject> {
    let (head, spec) = created_parts(data)?;
    require_ids(&spec)?;
    let json = Arc::from(head.spec.get());
    Ok(created1(head, spec, json))
}

fn require_ids(spec: &Spec1) -> Result<(), Reject> {
    match spec {
        Spec1::Rule(rule) if rule.actions.iter().any(|action| action.0.id.is_none()) => {
            Err(Reject::invalid("/data/spec/actions", "expected an id on every stored action"))
        }
        _ => Ok(()),
    }
}

fn created_parts(data: &str) -> Result<(CreatedHead1<'_>, Spec1), Reject> {
    let head: CreatedHead1<'_> = read(data)?;
    let spec = spec1(head.kind.0, head.spec.get())?;
    Ok((head, spec))
}

fn created1(head: CreatedHead1<'_>, read: Spec1, json: Arc<str>) -> Created1 {
    let spec = Raw(RawJson(json));
    Created1 { kind: head.kind, spec, read, created_by: head.created_by, labels: head.labels.unwrap_or_default().0 }
}

fn spec1(kind: Kind, spec: &str) -> Result<Spec1, Reject> {
    let root = "/data/spec";
    Ok(match kind {
        Kind::DbRole => Spec1::DbRole(read_at::<DbRole1>(root, spec)?),
        Kind::Task => Spec1::Task(read_at::<Task1>(root, spec)?),
        Kind::Rule => Spec1::Rule(read_at::<Rule1>(root, spec)?),
    })
}

/// Rule actions: how many, each id once, and the known keys of each rule (unknown keys are kept as they are).
pub(super) fn check_actions(actions: &[Object<Action1>]) -> Result<(), Wrong> {
    let pointer = "/spec/actions";
    if actions.is_empty() || actions.len() > RuleSpec::MAX_ACTIONS {
        let detail = format!("expected 1 to {} actions, found {}", RuleSpec::MAX_ACTIONS, actions.len());
        return Err((pointer.into(), detail));
    }
    let mut seen = HashSet::new();
    for (n, Object(action)) in actions.iter().enumerate() {
        let id = action.id.as_ref().map_or("", |id| id.0.as_str());
        if !seen.insert(id) {
            return Err((format!("{pointer}/{n}/id"), format!("expected each action id once, found `{id}` again")));
        }
        check_rule(&action.rule.0.0, action.action.0)
            .map_err(|(at, detail)| (format!("{pointer}/{n}/rule{at}"), detail))?;
    }
    Ok(())
}

/// The keys of a rule that are known, by seed document 004; only read, the rule's own text is what is kept.
#[derive(Deserialize)]
struct KnownRule {
    #[serde(rename = "type", default)]
    _type: Option<Word<Effect>>,
    #[serde(rename = "permissions", default)]
    _permissions: Option<Vec<Word<Permission>>>,
    #[serde(rename = "version", default)]
    _version: Option<i64>,
    #[serde(rename = "enabled", default)]
    _enabled: Option<bool>,
    #[serde(rename = "matchParams", default)]
    _match_params: Option<bool>,
    #[serde(default)]
    id: Option<Box<RawValue>>,
}

crate::job::words! {
    /// What a rule does.
    Effect, "rule type" {
        /// Allows.
        Grant = "grant",
        /// Forbids.
        Prohibit = "prohibit",
    }
}

crate::job::words! {
    /// What a rule is about.
    Permission, "permission" {
        /// Add to a container.
        Add = "add",
        /// Create.
        Create = "create",
        /// Delete.
        Delete = "delete",
        /// Read.
        Read = "read",
        /// Remove from a container.
        Remove = "remove",
        /// Change who may.
        Secure = "secure",
        /// Change.
        Update = "update",
    }
}

fn check_rule(rule: &str, action: ActionType) -> Result<(), Wrong> {
    if !rule.starts_with('{') {
        return Err((String::new(), "expected an object".into()));
    }
    // Read as a whole too: the text is served verbatim, so it must be JSON that every reader accepts.
    serde_json::from_str::<serde_json::Value>(rule).map_err(|error| (String::new(), json::message(&error)))?;
    let known: KnownRule = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(rule))
        .map_err(|error| (json::pointer("", error.path()), json::message(error.inner())))?;
    let named = known.id.is_some_and(|id| id.get().len() > 2 && id.get().starts_with('"'));
    if action != ActionType::Create && !named {
        return Err(("/id".into(), format!("expected the id of the rule to {action}, found none")));
    }
    Ok(())
}
