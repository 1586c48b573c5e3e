//! `job.created`: what every job has, and the spec of its kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::generic::Generic1;
use super::rule::Rule1;
use super::{count, said, text};
use crate::job::{Created, DbRoleSpec, Event, ItemId, Kind, RawJson, Spec, Tag, TaskSpec, TaskType};
use crate::json;
use crate::mask::Mask;
use crate::wire::fields::{Count, Names, Object, Raw, TEXT, Text, Word};
use crate::wire::incoming::Reject;
use crate::wire::residue::ERASED;
use crate::wire::shape::{DATA, Shape, Wrong, read};

/// `job.created` with its spec already read for its kind.
#[derive(Debug, Serialize)]
pub struct Created1 {
    pub kind: Word<Kind>,
    pub spec: Raw,
    #[serde(skip)]
    pub read: Spec1,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Text<256>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// `job.created` as it is read: what `spec` must look like depends on `kind`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreatedHead1<'a> {
    pub kind: Word<Kind>,
    #[serde(borrow)]
    pub spec: &'a serde_json::value::RawValue,
    pub created_by: Option<Text<256>>,
    pub labels: Option<Names>,
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
    account_arn: Option<Text<TEXT>>,
    db_arn: Text<TEXT>,
    #[serde(skip_serializing_if = "Option::is_none")]
    db_name: Option<Text<TEXT>>,
    db_engine: Text<TEXT>,
    #[serde(skip_serializing_if = "Option::is_none")]
    db_tags: Option<Vec<Object<Tag1>>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag1 {
    key: Text<TEXT>,
    value: Text<TEXT>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task1 {
    job_type: Word<TaskType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_records: Option<Count>,
}

impl Created1 {
    /// From a producer: actions without an id are given one by `mint` before anything is checked or stored.
    pub fn given(data: &str, mint: impl Fn(usize) -> ItemId) -> Result<Created1, Reject> {
        let head: CreatedHead1<'_> = read(DATA, data)?;
        let mut spec = Spec1::read(head.kind.0, head.spec.get())?;
        if let Spec1::Rule(rule) = &mut spec {
            rule.name_actions(mint);
        }
        let json = spec.to_json();
        Ok(Created1::of(head, spec, json))
    }

    /// As it was stored.
    pub fn stored(data: &str) -> Result<Created1, Reject> {
        let head: CreatedHead1<'_> = read(DATA, data)?;
        let spec = Spec1::stored(head.kind.0, head.spec.get())?;
        let json = RawJson(Arc::from(head.spec.get()));
        Ok(Created1::of(head, spec, json))
    }

    fn of(head: CreatedHead1<'_>, read: Spec1, spec: RawJson) -> Created1 {
        let labels = head.labels.unwrap_or_default().0;
        Created1 { kind: head.kind, spec: Raw(spec), read, created_by: head.created_by, labels }
    }
}

impl Shape for Created1 {
    fn texts(&mut self) -> Vec<&mut String> {
        // Names, ids, and a rule's own JSON: where a secret's name may stand, which is refused.
        Vec::new()
    }

    fn mask(&mut self, mask: &Mask, hits: &mut Vec<Arc<str>>) {
        if let Spec1::Generic(spec) = &mut self.read {
            spec.mask(mask, hits);
            self.spec = Raw(self.read.to_json());
        }
    }

    fn erase(&mut self) {
        match &mut self.read {
            Spec1::DbRole(spec) => spec.erase(),
            Spec1::Task(_) => {}
            Spec1::Rule(spec) => spec.erase(),
            Spec1::Generic(spec) => spec.erase(),
        }
        self.spec = Raw(self.read.to_json());
        said(&mut self.created_by).into_iter().for_each(|name| ERASED.clone_into(name));
        self.labels = (1..=self.labels.len()).map(|n| (format!("redacted-{n}"), ERASED.to_owned())).collect();
    }

    fn check(&self) -> Result<(), Wrong> {
        check_labels(&self.labels)?;
        match &self.read {
            Spec1::Rule(rule) => rule.check(),
            Spec1::Generic(spec) => spec.check(),
            Spec1::DbRole(_) | Spec1::Task(_) => Ok(()),
        }
    }

    fn into_event(self) -> Event {
        Event::Created(Created {
            spec: self.read.into_spec(),
            spec_json: self.spec.0,
            created_by: text(self.created_by),
            labels: self.labels,
        })
    }
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), Wrong> {
    if labels.len() > 16 {
        return Err(("/labels".into(), format!("expected at most 16 labels, found {}", labels.len())));
    }
    let key_ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    for (key, value) in labels {
        if key.is_empty() || key.len() > 64 || !key.chars().all(key_ok) {
            return Err(("/labels".into(), "expected label names of 1 to 64 of `A-Z a-z 0-9 . _ - /`".into()));
        }
        if value.len() > 256 {
            let pointer = format!("/labels/{}", json::escape(key));
            return Err((pointer, format!("expected at most 256 bytes, found {}", value.len())));
        }
    }
    Ok(())
}

impl Spec1 {
    /// From a producer, or from the log.
    fn read(kind: Kind, spec: &str) -> Result<Spec1, Reject> {
        let root = "/data/spec";
        Ok(match kind {
            Kind::DbRole => Spec1::DbRole(read(root, spec)?),
            Kind::Task => Spec1::Task(read(root, spec)?),
            Kind::Rule => Spec1::Rule(read(root, spec)?),
            Kind::Generic => Spec1::Generic(read(root, spec)?),
        })
    }

    /// As it was stored.
    pub fn stored(kind: Kind, spec: &str) -> Result<Spec1, Reject> {
        match Spec1::read(kind, spec)? {
            Spec1::Rule(rule) if !rule.is_named() => {
                Err(Reject::invalid("/data/spec/actions", "expected an id on every stored action"))
            }
            spec => Ok(spec),
        }
    }

    /// As it is stored.
    fn to_json(&self) -> RawJson {
        RawJson(serde_json::to_string(self).expect("stored shapes hold nothing that JSON cannot").into())
    }

    /// Today's spec.
    pub fn into_spec(self) -> Spec {
        match self {
            Spec1::DbRole(spec) => Spec::DbRole(spec.into_spec()),
            Spec1::Task(spec) => {
                Spec::Task(TaskSpec { job_type: spec.job_type.0, total_records: count(spec.total_records) })
            }
            Spec1::Rule(spec) => Spec::Rule(spec.into_spec()),
            Spec1::Generic(spec) => Spec::Generic(spec.into_spec()),
        }
    }
}

impl DbRole1 {
    fn erase(&mut self) {
        let names = said(&mut self.account_arn).into_iter().chain(said(&mut self.db_name));
        let tags = self.db_tags.iter_mut().flatten().flat_map(|Object(tag)| [&mut tag.key.0, &mut tag.value.0]);
        let needed = [&mut self.db_arn.0, &mut self.db_engine.0];
        names.chain(needed).chain(tags).for_each(|text| ERASED.clone_into(text));
    }

    fn into_spec(self) -> DbRoleSpec {
        let tag = |Object(tag): Object<Tag1>| Tag { key: tag.key.0, value: tag.value.0 };
        DbRoleSpec {
            account_arn: text(self.account_arn),
            db_arn: self.db_arn.0,
            db_engine: self.db_engine.0,
            db_name: text(self.db_name),
            db_tags: self.db_tags.map(|tags| tags.into_iter().map(tag).collect()),
        }
    }
}
