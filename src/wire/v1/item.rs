//! The shape of `job.item_result`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::generic::{check_detail, mask_object, residue_of_object};
use super::{into_text, text_mut};
use crate::job::{Credentials, Detail, Event, ItemId, ItemResult, ItemStatus, Provider, RawJson};
use crate::json;
use crate::mask::Mask;
use crate::wire::fields::{CompactJson, MAX_TEXT, Object, Text, Word};
use crate::wire::reject::Reject;
use crate::wire::shape::{DATA, REDACTED_TEXT, Shape, read_object};

/// `job.item_result`, its detail read in one of two shapes.
#[derive(Debug, Serialize)]
pub struct ItemResult1 {
    item: Word<ItemId>,
    status: Word<ItemStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text<MAX_TEXT>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Detail1>,
}

/// `job.item_result` before its detail is read. The detail has the shape of a database role's if it has
/// `credentials_info`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemResultHead1<'a> {
    item: Word<ItemId>,
    status: Word<ItemStatus>,
    message: Option<Text<MAX_TEXT>>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Detail1 {
    /// The detail of a database role.
    Role(RoleDetail1),
    /// The detail of a generic job's item.
    Json(CompactJson),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleDetail1 {
    credentials_info: Object<Credentials1>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials1 {
    secrets_manager_provider: Word<Provider>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_id: Option<Text<MAX_TEXT>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_keys: Option<Vec<Text<256>>>,
}

impl ItemResult1 {
    /// Reads data from a producer or from the log.
    pub fn read(data: &str) -> Result<ItemResult1, Reject> {
        let head: ItemResultHead1<'_> = read_object(DATA, data)?;
        let detail = head.detail.map(|detail| Detail1::read(detail.get())).transpose()?;
        Ok(ItemResult1 { item: head.item, status: head.status, message: head.message, detail })
    }
}

impl Detail1 {
    fn read(detail: &str) -> Result<Detail1, Reject> {
        /// The names of the members; their values are not kept.
        type Members<'a> = HashMap<Cow<'a, str>, IgnoredAny>;
        match serde_json::from_str::<Members<'_>>(detail) {
            Ok(members) if !members.contains_key("credentials_info") => {
                Ok(Detail1::Json(CompactJson(RawJson(json::compact(detail).into()))))
            }
            _ => read_object("/data/detail", detail).map(Detail1::Role),
        }
    }

    fn redact(&mut self) {
        match self {
            Detail1::Json(CompactJson(json)) => *json = residue_of_object(json),
            Detail1::Role(RoleDetail1 { credentials_info: Object(info) }) => {
                let keys = info.secret_keys.iter_mut().flatten().map(|key| &mut key.0);
                text_mut(&mut info.secret_id).into_iter().chain(keys).for_each(|text| REDACTED_TEXT.clone_into(text));
            }
        }
    }

    fn into_detail(self) -> Detail {
        match self {
            Detail1::Json(CompactJson(json)) => Detail::Json(json),
            Detail1::Role(RoleDetail1 { credentials_info: Object(info) }) => Detail::Credentials(Credentials {
                provider: info.secrets_manager_provider.0,
                secret_id: into_text(info.secret_id).unwrap_or_default(),
                secret_keys: info.secret_keys.unwrap_or_default().into_iter().map(|key| key.0).collect(),
            }),
        }
    }
}

impl Shape for ItemResult1 {
    fn texts(&mut self) -> Vec<&mut String> {
        text_mut(&mut self.message).into_iter().collect()
    }

    fn mask(&mut self, mask: &Mask, hits: &mut Vec<Arc<str>>) {
        self.texts().into_iter().for_each(|text| mask.text(text, hits));
        if let Some(Detail1::Json(CompactJson(json))) = &mut self.detail {
            mask_object(json, mask, hits);
        }
    }

    fn redact(&mut self) {
        self.texts().into_iter().for_each(|text| REDACTED_TEXT.clone_into(text));
        self.detail.iter_mut().for_each(Detail1::redact);
    }

    fn check(&self) -> Result<(), Reject> {
        if self.status.0 == ItemStatus::Pending {
            return Err(Reject::invalid("/data/status", "expected running, completed or failed, found `pending`"));
        }
        match &self.detail {
            Some(Detail1::Json(CompactJson(json))) => check_detail(json),
            _ => Ok(()),
        }
    }

    fn into_event(self) -> Event {
        Event::ItemResult(ItemResult {
            item: self.item.0,
            status: self.status.0,
            message: into_text(self.message),
            detail: self.detail.map(Detail1::into_detail),
        })
    }
}
