//! `job.item_result`: what became of a part of a job.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::generic::{check_detail, left_of, mask_object};
use super::{said, text};
use crate::job::{Credentials, Detail, Event, ItemId, ItemResult, ItemStatus, Provider, RawJson};
use crate::json;
use crate::mask::Mask;
use crate::wire::fields::{Object, Raw, TEXT, Text, Word};
use crate::wire::incoming::Reject;
use crate::wire::residue::ERASED;
use crate::wire::shape::{DATA, Shape, Wrong, read};

/// `job.item_result` with its detail already read.
#[derive(Debug, Serialize)]
pub struct ItemResult1 {
    item: Word<ItemId>,
    status: Word<ItemStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text<TEXT>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Detail1>,
}

/// `job.item_result` as it is read: what `detail` must look like depends on whether it has `credentials_info`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemResultHead1<'a> {
    item: Word<ItemId>,
    status: Word<ItemStatus>,
    message: Option<Text<TEXT>>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Detail1 {
    /// Of a database role.
    Role(RoleDetail1),
    /// Of an item of a generic job.
    Json(Raw),
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
    secret_id: Option<Text<TEXT>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_keys: Option<Vec<Text<256>>>,
}

impl ItemResult1 {
    /// From a producer, or from the log.
    pub fn read(data: &str) -> Result<ItemResult1, Reject> {
        let head: ItemResultHead1<'_> = read(DATA, data)?;
        let detail = head.detail.map(|detail| Detail1::read(detail.get())).transpose()?;
        Ok(ItemResult1 { item: head.item, status: head.status, message: head.message, detail })
    }
}

impl Detail1 {
    fn read(detail: &str) -> Result<Detail1, Reject> {
        /// Only the names count.
        type Members<'a> = HashMap<Cow<'a, str>, IgnoredAny>;
        match serde_json::from_str::<Members<'_>>(detail) {
            Ok(members) if !members.contains_key("credentials_info") => {
                Ok(Detail1::Json(Raw(RawJson(json::compact(detail).into()))))
            }
            _ => read("/data/detail", detail).map(Detail1::Role),
        }
    }

    fn erase(&mut self) {
        match self {
            Detail1::Json(Raw(json)) => *json = left_of(json),
            Detail1::Role(RoleDetail1 { credentials_info: Object(info) }) => {
                let keys = info.secret_keys.iter_mut().flatten().map(|key| &mut key.0);
                said(&mut info.secret_id).into_iter().chain(keys).for_each(|text| ERASED.clone_into(text));
            }
        }
    }

    fn into_detail(self) -> Detail {
        match self {
            Detail1::Json(Raw(json)) => Detail::Json(json),
            Detail1::Role(RoleDetail1 { credentials_info: Object(info) }) => Detail::Credentials(Credentials {
                provider: info.secrets_manager_provider.0,
                secret_id: text(info.secret_id).unwrap_or_default(),
                secret_keys: info.secret_keys.unwrap_or_default().into_iter().map(|key| key.0).collect(),
            }),
        }
    }
}

impl Shape for ItemResult1 {
    fn texts(&mut self) -> Vec<&mut String> {
        said(&mut self.message).into_iter().collect()
    }

    fn mask(&mut self, mask: &Mask, hits: &mut Vec<Arc<str>>) {
        self.texts().into_iter().for_each(|text| mask.text(text, hits));
        if let Some(Detail1::Json(Raw(json))) = &mut self.detail {
            mask_object(json, mask, hits);
        }
    }

    fn erase(&mut self) {
        self.texts().into_iter().for_each(|text| ERASED.clone_into(text));
        self.detail.iter_mut().for_each(Detail1::erase);
    }

    fn check(&self) -> Result<(), Wrong> {
        if self.status.0 == ItemStatus::Pending {
            return Err(("/status".into(), "expected running, completed or failed, found `pending`".into()));
        }
        match &self.detail {
            Some(Detail1::Json(Raw(json))) => check_detail(json),
            _ => Ok(()),
        }
    }

    fn into_event(self) -> Event {
        Event::ItemResult(ItemResult {
            item: self.item.0,
            status: self.status.0,
            message: text(self.message),
            detail: self.detail.map(Detail1::into_detail),
        })
    }
}
