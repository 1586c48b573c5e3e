//! The shape of `job.created`: the members of every job, and the spec of each kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::generic::Generic1;
use super::rule::Rule1;
use super::{into_count, into_text, text_mut};
use crate::job::{Created, DbRoleSpec, Event, ItemId, Kind, RawJson, Spec, Tag, TaskSpec, TaskType};
use crate::json;
use crate::mask::Mask;
use crate::wire::fields::{CompactJson, Count, MAX_TEXT, Object, Text, TextMap, Word};
use crate::wire::reject::Reject;
use crate::wire::shape::{DATA, REDACTED_TEXT, Shape, read_object};
use crate::wire::stored::Origin;

/// `job.created`, its spec read in the shape of its kind.
#[derive(Debug, Serialize)]
pub struct Created1 {
    pub kind: Word<Kind>,
    /// The stored text of `read`.
    pub spec: CompactJson,
    #[serde(skip)]
    pub read: Spec1,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Text<256>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// `job.created` before its spec is read, whose shape depends on `kind`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreatedHead1<'a> {
    pub kind: Word<Kind>,
    #[serde(borrow)]
    pub spec: &'a serde_json::value::RawValue,
    pub created_by: Option<Text<256>>,
    pub labels: Option<TextMap>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Spec1 {
    DbRole(DbRole1),
    Task(Task1),
    Rule(Rule1),
    Generic(Generic1),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DbRole1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    account_arn: Option<Text<MAX_TEXT>>,
    db_arn: Text<MAX_TEXT>,
    #[serde(skip_serializing_if = "Option::is_none")]
    db_name: Option<Text<MAX_TEXT>>,
    db_engine: Text<MAX_TEXT>,
    #[serde(skip_serializing_if = "Option::is_none")]
    db_tags: Option<Vec<Object<Tag1>>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag1 {
    key: Text<MAX_TEXT>,
    value: Text<MAX_TEXT>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task1 {
    job_type: Word<TaskType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_records: Option<Count>,
}

impl Created1 {
    /// Reads data from a producer or from the log.
    pub fn read(data: &str, origin: Origin<'_>) -> Result<Created1, Reject> {
        let CreatedHead1 { kind, spec, created_by, labels } = read_object(DATA, data)?;
        Created1::of_members(kind, spec.get(), created_by, labels.unwrap_or_default().0, origin)
    }

    /// Reads the spec in the shape of its kind.
    pub fn of_members(
        kind: Word<Kind>,
        text: &str,
        created_by: Option<Text<256>>,
        labels: BTreeMap<String, String>,
        origin: Origin<'_>,
    ) -> Result<Created1, Reject> {
        let (read, spec) = match origin {
            Origin::Producer { action_id } => {
                let spec = Spec1::read_sent(kind.0, text, action_id)?;
                let json = spec.to_json();
                (spec, json)
            }
            Origin::Log => (Spec1::read_stored(kind.0, text)?, RawJson(Arc::from(text))),
        };
        Ok(Created1 { kind, spec: CompactJson(spec), read, created_by, labels })
    }
}

impl Shape for Created1 {
    fn texts(&mut self) -> Vec<&mut String> {
        // Names, ids and rules are stored as they are. A member that is named like a secret is refused.
        Vec::new()
    }

    fn mask(&mut self, mask: &Mask, hits: &mut Vec<Arc<str>>) {
        if let Spec1::Generic(spec) = &mut self.read {
            spec.mask(mask, hits);
            self.spec = CompactJson(self.read.to_json());
        }
    }

    fn redact(&mut self) {
        match &mut self.read {
            Spec1::DbRole(spec) => spec.redact(),
            Spec1::Task(_) => {}
            Spec1::Rule(spec) => spec.redact(),
            Spec1::Generic(spec) => spec.redact(),
        }
        self.spec = CompactJson(self.read.to_json());
        text_mut(&mut self.created_by).into_iter().for_each(|name| REDACTED_TEXT.clone_into(name));
        self.labels = (1..=self.labels.len()).map(|n| (format!("redacted-{n}"), REDACTED_TEXT.to_owned())).collect();
    }

    fn check(&self) -> Result<(), Reject> {
        check_labels(&self.labels)?;
        match &self.read {
            Spec1::Rule(rule) => rule.check(),
            Spec1::Generic(spec) => spec.check(),
            Spec1::DbRole(_) | Spec1::Task(_) => Ok(()),
        }
    }

    fn into_event(self) -> Event {
        Event::Created(Box::new(Created {
            spec: self.read.into_spec(),
            spec_json: self.spec.0,
            created_by: into_text(self.created_by),
            labels: self.labels,
            not_before: None,
            retry: None,
        }))
    }
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), Reject> {
    if labels.len() > 16 {
        let detail = format!("expected at most 16 labels, found {}", labels.len());
        return Err(Reject::invalid("/data/labels", detail));
    }
    let key_ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    for (key, value) in labels {
        if key.is_empty() || key.len() > 64 || !key.chars().all(key_ok) {
            let detail = "expected label names of 1 to 64 of `A-Z a-z 0-9 . _ - /`";
            return Err(Reject::invalid("/data/labels", detail));
        }
        if value.len() > 256 {
            let detail = format!("expected at most 256 bytes, found {}", value.len());
            return Err(Reject::invalid(format!("/data/labels/{}", json::token(key)), detail));
        }
    }
    Ok(())
}

impl Spec1 {
    fn read(kind: Kind, spec: &str) -> Result<Spec1, Reject> {
        let root = "/data/spec";
        Ok(match kind {
            Kind::DbRole => Spec1::DbRole(read_object(root, spec)?),
            Kind::Task => Spec1::Task(read_object(root, spec)?),
            Kind::Rule => Spec1::Rule(read_object(root, spec)?),
            Kind::Generic => Spec1::Generic(read_object(root, spec)?),
        })
    }

    /// Reads a producer's spec, and adds an id to each rule action that has none.
    fn read_sent(kind: Kind, spec: &str, action_id: &dyn Fn(usize) -> ItemId) -> Result<Spec1, Reject> {
        let mut spec = Spec1::read(kind, spec)?;
        if let Spec1::Rule(rule) = &mut spec {
            rule.add_ids(action_id);
        }
        Ok(spec)
    }

    /// Reads a stored spec, in which every rule action has an id.
    pub fn read_stored(kind: Kind, spec: &str) -> Result<Spec1, Reject> {
        match Spec1::read(kind, spec)? {
            Spec1::Rule(rule) if !rule.has_ids() => {
                Err(Reject::invalid("/data/spec/actions", "expected an id on every stored action"))
            }
            spec => Ok(spec),
        }
    }

    /// The text to store.
    fn to_json(&self) -> RawJson {
        RawJson(serde_json::to_string(self).expect("stored shapes hold nothing that JSON cannot express").into())
    }

    /// The spec as the fold takes it today.
    pub fn into_spec(self) -> Spec {
        match self {
            Spec1::DbRole(spec) => Spec::DbRole(spec.into_spec()),
            Spec1::Task(spec) => {
                Spec::Task(TaskSpec { job_type: spec.job_type.0, total_records: into_count(spec.total_records) })
            }
            Spec1::Rule(spec) => Spec::Rule(spec.into_spec()),
            Spec1::Generic(spec) => Spec::Generic(spec.into_spec()),
        }
    }
}

impl DbRole1 {
    fn redact(&mut self) {
        let names = text_mut(&mut self.account_arn).into_iter().chain(text_mut(&mut self.db_name));
        let tags = self.db_tags.iter_mut().flatten().flat_map(|Object(tag)| [&mut tag.key.0, &mut tag.value.0]);
        let needed = [&mut self.db_arn.0, &mut self.db_engine.0];
        names.chain(needed).chain(tags).for_each(|text| REDACTED_TEXT.clone_into(text));
    }

    fn into_spec(self) -> DbRoleSpec {
        let tag = |Object(tag): Object<Tag1>| Tag { key: tag.key.0, value: tag.value.0 };
        DbRoleSpec {
            account_arn: into_text(self.account_arn),
            db_arn: self.db_arn.0,
            db_engine: self.db_engine.0,
            db_name: into_text(self.db_name),
            db_tags: self.db_tags.map(|tags| tags.into_iter().map(tag).collect()),
        }
    }
}
