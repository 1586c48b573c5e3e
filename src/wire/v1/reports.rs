//! What workers and people report of a job that there is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::generic::{check_detail, left_of, mask_object};
use super::{count, said, text};
use crate::job::{
    Cancelled, Completed, Counts, Credentials, Detail, Event, Failed, HookExit, HookOutput, ItemId, ItemResult,
    ItemStatus, Noted, Position, Progress, Provider, RawJson, Redacted, Started, Stream,
};
use crate::wire::fields::{CHUNK, Count, MAX_COUNT, Object, Percent, Raw, TEXT, Text, Whole, Word};
use crate::wire::incoming::Reject;
use crate::wire::json;
use crate::wire::mask::Mask;
use crate::wire::residue::ERASED;
use crate::wire::shape::{DATA, Shape, Wrong, read};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text<TEXT>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_records: Option<Count>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Percent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_step: Option<Text<TEXT>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records_processed: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_records: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records_created: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records_updated: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records_deleted: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text<TEXT>>,
}

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

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookOutput1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Text<CHUNK>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<Word<Stream>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_time_sec: Option<Whole<{ MAX_COUNT }>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Completed1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text<TEXT>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records_processed: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_records: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records_created: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records_updated: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records_deleted: Option<Count>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed1 {
    message: Text<TEXT>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancelled1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Text<TEXT>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noted1 {
    text: Text<TEXT>,
}

/// `job.redacted` as a producer sends it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redacted1 {
    position: Count,
    reason: Text<TEXT>,
}

/// `job.redacted` as it is stored: the ledger adds what is left of the data that it erased.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual1 {
    position: Count,
    reason: Text<TEXT>,
    pub residue: Raw,
}

impl Shape for Started1 {
    fn texts(&mut self) -> Vec<&mut String> {
        said(&mut self.message).into_iter().collect()
    }

    fn into_event(self) -> Event {
        Event::Started(Started { message: text(self.message), total_records: count(self.total_records) })
    }
}

impl Shape for Progress1 {
    fn texts(&mut self) -> Vec<&mut String> {
        said(&mut self.current_step).into_iter().chain(said(&mut self.message)).collect()
    }

    fn check(&self) -> Result<(), Wrong> {
        let counts = [
            self.records_processed,
            self.total_records,
            self.records_created,
            self.records_updated,
            self.records_deleted,
        ];
        let any = self.progress.is_some()
            || self.current_step.is_some()
            || self.message.is_some()
            || counts.iter().any(Option::is_some);
        if any { Ok(()) } else { Err((String::new(), "expected at least one field of progress".into())) }
    }

    fn into_event(self) -> Event {
        Event::Progress(Progress {
            percent: self.progress.map(|p| u8::try_from(p.0).expect("at most 100")),
            current_step: text(self.current_step),
            counts: Counts {
                processed: count(self.records_processed),
                total: count(self.total_records),
                created: count(self.records_created),
                updated: count(self.records_updated),
                deleted: count(self.records_deleted),
            },
            message: text(self.message),
        })
    }
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

impl Shape for HookOutput1 {
    fn texts(&mut self) -> Vec<&mut String> {
        said(&mut self.output).into_iter().collect()
    }

    fn check(&self) -> Result<(), Wrong> {
        match (self.exit_code, self.execution_time_sec) {
            (Some(_), None) => Err(("/execution_time_sec".into(), "expected beside `exit_code`, found none".into())),
            (None, Some(_)) => Err(("/exit_code".into(), "expected beside `execution_time_sec`, found none".into())),
            _ => Ok(()),
        }
    }

    fn into_event(self) -> Event {
        let exit = self.exit_code.zip(self.execution_time_sec);
        Event::HookOutput(HookOutput {
            output: text(self.output),
            stream: self.stream.map(|stream| stream.0),
            exit: exit.map(|(code, seconds)| HookExit { code, seconds: seconds.0 }),
        })
    }
}

impl Shape for Completed1 {
    fn texts(&mut self) -> Vec<&mut String> {
        said(&mut self.message).into_iter().collect()
    }

    fn into_event(self) -> Event {
        Event::Completed(Completed {
            message: text(self.message),
            counts: Counts {
                processed: count(self.records_processed),
                total: count(self.total_records),
                created: count(self.records_created),
                updated: count(self.records_updated),
                deleted: count(self.records_deleted),
            },
        })
    }
}

impl Shape for Failed1 {
    fn texts(&mut self) -> Vec<&mut String> {
        vec![&mut self.message.0]
    }

    fn into_event(self) -> Event {
        Event::Failed(Failed { message: self.message.0 })
    }
}

impl Shape for Cancelled1 {
    fn texts(&mut self) -> Vec<&mut String> {
        said(&mut self.reason).into_iter().collect()
    }

    fn into_event(self) -> Event {
        Event::Cancelled(Cancelled { reason: text(self.reason) })
    }
}

impl Shape for Noted1 {
    fn texts(&mut self) -> Vec<&mut String> {
        vec![&mut self.text.0]
    }

    fn into_event(self) -> Event {
        Event::Noted(Noted { text: self.text.0 })
    }
}

impl Shape for Redacted1 {
    fn texts(&mut self) -> Vec<&mut String> {
        vec![&mut self.reason.0]
    }

    fn check(&self) -> Result<(), Wrong> {
        if self.reason.0.trim().is_empty() {
            return Err(("/reason".into(), "expected why the data is erased, found nothing".into()));
        }
        Ok(())
    }

    fn into_event(self) -> Event {
        Event::Redacted(Redacted { position: Position::new(self.position.0), reason: self.reason.0 })
    }
}

impl Residual1 {
    /// As the producer sent it.
    pub fn sent(self) -> Redacted1 {
        Redacted1 { position: self.position, reason: self.reason }
    }
}
