//! The spec of a generic job, and what its items say: JSON objects of which only their producer knows the members.

use std::sync::Arc;

use serde::de::DeserializeSeed;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::count;
use crate::job::{GenericSpec, JobType, RawJson};
use crate::json;
use crate::mask::{Mask, counted};
use crate::wire::fields::{Count, Raw, Word};
use crate::wire::plain::Plain;
use crate::wire::residue::ERASED;
use crate::wire::shape::Wrong;

/// The largest `parameters`: 64 KiB of compact JSON.
const MAX_PARAMETERS: usize = 64 * 1024;
/// The largest `detail` of an item: 4 KiB of compact JSON, because a job may have 10,000 items.
const MAX_DETAIL: usize = 4 * 1024;
/// The type of a job whose creation was erased.
const ERASED_TYPE: &str = "redacted";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generic1 {
    job_type: Word<JobType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Raw>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_records: Option<Count>,
}

impl Generic1 {
    pub fn check(&self) -> Result<(), Wrong> {
        let parameters =
            self.parameters.as_ref().map(|Raw(json)| check_object("/spec/parameters", json, MAX_PARAMETERS));
        parameters.unwrap_or(Ok(()))
    }

    pub fn mask(&mut self, mask: &Mask, hits: &mut Vec<Arc<str>>) {
        if let Some(Raw(json)) = &mut self.parameters {
            mask_object(json, mask, hits);
        }
    }

    /// Leaves what [`crate::wire::residue`] says.
    pub fn erase(&mut self) {
        self.job_type = Word(ERASED_TYPE.parse().expect("a word of letters"));
        if let Some(Raw(json)) = &mut self.parameters {
            *json = left_of(json);
        }
    }

    /// Today's spec.
    pub fn into_spec(self) -> GenericSpec {
        GenericSpec {
            job_type: self.job_type.0,
            parameters: self.parameters.map(|Raw(json)| json),
            total_records: count(self.total_records),
        }
    }
}

/// Whether `json` may be the detail of an item.
pub fn check_detail(json: &RawJson) -> Result<(), Wrong> {
    check_object("/detail", json, MAX_DETAIL)
}

/// An object of at most `max` bytes that every reader takes for the same. A masked secret counts as one byte.
fn check_object(pointer: &str, RawJson(json): &RawJson, max: usize) -> Result<(), Wrong> {
    if !json.starts_with('{') {
        return Err((pointer.into(), "expected an object".into()));
    }
    if json.len() > max && counted(json) > max {
        return Err((pointer.into(), format!("expected at most {max} bytes of JSON, found {}", json.len())));
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    let mut place = serde_path_to_error::Track::new();
    Plain::default()
        .deserialize(serde_path_to_error::Deserializer::new(&mut reader, &mut place))
        .map_err(|error| (json::pointer(pointer, &place.path()), json::message(&error)))
}

/// Masks the secrets in the strings of `json`.
pub fn mask_object(json: &mut RawJson, mask: &Mask, hits: &mut Vec<Arc<str>>) {
    let found = hits.len();
    let masked = mask.json(&json.0, hits);
    if hits.len() > found {
        *json = RawJson(masked.into());
    }
}

/// What is left of an object that is erased: how many members it had. Their names are a producer's text, as those of labels
/// are, and no count or state rests on their numbers.
pub fn left_of(json: &RawJson) -> RawJson {
    let members: std::collections::BTreeMap<String, &RawValue> =
        serde_json::from_str(&json.0).expect("stored after it was read as an object");
    let left = (1..=members.len()).map(|n| format!("\"redacted-{n}\":\"{ERASED}\""));
    RawJson(format!("{{{}}}", left.collect::<Vec<_>>().join(",")).into())
}
