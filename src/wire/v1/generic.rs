//! The spec of a generic job and the detail of its items: JSON objects whose members the producer chooses.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::into_count;
use crate::job::{GenericSpec, JobType, RawJson};
use crate::json::check_unambiguous;
use crate::mask::{Mask, counted_len};
use crate::wire::fields::{CompactJson, Count, Word};
use crate::wire::reject::Reject;
use crate::wire::shape::REDACTED_TEXT;

/// Maximum length, in bytes, of `parameters`: 64 KiB of compact JSON.
const MAX_PARAMETERS: usize = 64 * 1024;
/// Maximum length, in bytes, of an item's `detail`: 4 KiB of compact JSON, because a job may have 10,000 items.
const MAX_DETAIL: usize = 4 * 1024;
/// The job type in the residue of a `job.created`.
const REDACTED_TYPE: &str = "redacted";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generic1 {
    job_type: Word<JobType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<CompactJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_records: Option<Count>,
}

impl Generic1 {
    pub fn check(&self) -> Result<(), Reject> {
        match &self.parameters {
            Some(CompactJson(json)) => check_object("/data/spec/parameters", json, MAX_PARAMETERS),
            None => Ok(()),
        }
    }

    pub fn mask(&mut self, mask: &Mask, hits: &mut Vec<Arc<str>>) {
        if let Some(CompactJson(json)) = &mut self.parameters {
            mask_object(json, mask, hits);
        }
    }

    /// Replaces the spec by its residue.
    pub fn redact(&mut self) {
        self.job_type = Word(REDACTED_TYPE.parse().expect("`redacted` is a valid job type"));
        if let Some(CompactJson(json)) = &mut self.parameters {
            *json = residue_of_object(json);
        }
    }

    /// The spec as the fold takes it today.
    pub fn into_spec(self) -> GenericSpec {
        GenericSpec {
            job_type: self.job_type.0,
            parameters: self.parameters.map(|CompactJson(json)| json),
            total_records: into_count(self.total_records),
        }
    }
}

/// Checks that `json` may be the detail of an item.
pub fn check_detail(json: &RawJson) -> Result<(), Reject> {
    check_object("/data/detail", json, MAX_DETAIL)
}

/// Checks that `json` is an object of at most `max` bytes on which all readers agree. A mask counts as one byte.
fn check_object(pointer: &'static str, RawJson(json): &RawJson, max: usize) -> Result<(), Reject> {
    if !json.starts_with('{') {
        return Err(Reject::invalid(pointer, "expected an object"));
    }
    if json.len() > max && counted_len(json) > max {
        let detail = format!("expected at most {max} bytes of JSON, found {}", json.len());
        return Err(Reject::invalid(pointer, detail));
    }
    Ok(check_unambiguous(pointer, json)?)
}

/// Masks the secrets in the strings of `json`, and adds the name of the rule of each to `hits`.
pub fn mask_object(json: &mut RawJson, mask: &Mask, hits: &mut Vec<Arc<str>>) {
    let found = hits.len();
    let masked = mask.json(&json.0, hits);
    if hits.len() > found {
        *json = RawJson(masked.into());
    }
}

/// The residue of an object whose members the producer chose: `redacted-1`, `redacted-2` …, as many as it had members.
/// Their names are a producer's text, and no count or state depends on their numbers.
pub fn residue_of_object(json: &RawJson) -> RawJson {
    let members: std::collections::BTreeMap<String, &RawValue> =
        serde_json::from_str(&json.0).expect("`check_object` accepts objects only");
    let residue = (1..=members.len()).map(|n| format!("\"redacted-{n}\":\"{REDACTED_TEXT}\""));
    RawJson(format!("{{{}}}", residue.collect::<Vec<_>>().join(",")).into())
}
