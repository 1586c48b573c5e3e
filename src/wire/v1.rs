//! Version 1 of every event's data. Released shapes are never edited; a change is a new file beside this one, a line in
//! [`super::stored`], and a function that turns the old shape into today's event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fields::{CHUNK, Count, Names, Object, Percent, Raw, TEXT, Text, Whole, Word};
use super::residue::{self, ERASED};
use crate::job::{
    Action, ActionType, Cancelled, Completed, Counts, Created, Credentials, DbRoleSpec, Event, Failed, HookExit,
    HookOutput, ItemId, ItemResult, ItemStatus, Kind, Noted, Position, Progress, Provider, RawJson, Redacted, RuleSpec,
    Spec, Started, Stream, Tag, TaskSpec, TaskType,
};

/// `job.created` with its spec already read for its kind.
#[derive(Debug, Serialize)]
pub(super) struct Created1 {
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
pub(super) struct CreatedHead1<'a> {
    pub kind: Word<Kind>,
    #[serde(borrow)]
    pub spec: &'a serde_json::value::RawValue,
    pub created_by: Option<Text<256>>,
    pub labels: Option<Names>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Spec1 {
    DbRole(DbRole1),
    Task(Task1),
    Rule(Rule1),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DbRole1 {
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
pub(super) struct Tag1 {
    key: Text<TEXT>,
    value: Text<TEXT>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Task1 {
    job_type: Word<TaskType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_records: Option<Count>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule1 {
    pub actions: Vec<Object<Action1>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Action1 {
    /// Absent only on the way in; the ledger gives one before anything is stored.
    pub id: Option<Word<ItemId>>,
    #[serde(rename = "type")]
    pub action: Word<ActionType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    pub rule: Raw,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Started1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text<TEXT>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_records: Option<Count>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress1 {
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

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemResult1 {
    item: Word<ItemId>,
    status: Word<ItemStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text<TEXT>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Object<Detail1>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Detail1 {
    credentials_info: Object<Credentials1>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials1 {
    secrets_manager_provider: Word<Provider>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_id: Option<Text<TEXT>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_keys: Option<Vec<Text<256>>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HookOutput1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Text<CHUNK>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<Word<Stream>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_time_sec: Option<Whole<{ super::fields::MAX_COUNT }>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Completed1 {
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
pub(super) struct Failed1 {
    message: Text<TEXT>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cancelled1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Text<TEXT>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Noted1 {
    text: Text<TEXT>,
}

/// `job.redacted` as a producer sends it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Redacted1 {
    position: Count,
    reason: Text<TEXT>,
}

/// `job.redacted` as it is stored: the ledger adds what is left of the data that it erased.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Residual1 {
    position: Count,
    reason: Text<TEXT>,
    pub residue: Raw,
}

/// What is wrong in data that has the right shape: the pointer below `/data`, and what was expected.
pub(super) type Wrong = (String, String);

/// A shape that knows which event it is.
pub(super) trait Shape {
    /// What people wrote or a hook printed: free text, which is masked before it is stored.
    fn texts(&mut self) -> Vec<&mut String>;

    /// Leaves of it what [`residue::residue`] says.
    fn erase(&mut self) {
        self.texts().into_iter().for_each(|text| ERASED.clone_into(text));
    }

    /// Rules that need more than one field.
    fn check(&self) -> Result<(), Wrong> {
        Ok(())
    }

    /// Today's event.
    fn into_event(self) -> Event;
}

fn said<const MAX: usize>(text: &mut Option<Text<MAX>>) -> Option<&mut String> {
    text.as_mut().map(|text| &mut text.0)
}

fn text<const MAX: usize>(text: Option<Text<MAX>>) -> Option<String> {
    text.map(|text| text.0)
}

fn count(count: Option<Count>) -> Option<u64> {
    count.map(|count| count.0)
}

impl Shape for Created1 {
    fn texts(&mut self) -> Vec<&mut String> {
        // Names, ids, and a rule's own JSON: where a secret's name may stand, which is refused.
        Vec::new()
    }

    fn erase(&mut self) {
        match &mut self.read {
            Spec1::DbRole(spec) => spec.erase(),
            Spec1::Task(_) => {}
            Spec1::Rule(spec) => spec.actions.iter_mut().for_each(|Object(action)| {
                action.rule = Raw(residue::rule(&action.rule.0));
            }),
        }
        self.spec = Raw(RawJson(super::stored::spec_json(&self.read)));
        said(&mut self.created_by).into_iter().for_each(|name| ERASED.clone_into(name));
        self.labels = (1..=self.labels.len()).map(|n| (format!("redacted-{n}"), ERASED.to_owned())).collect();
    }

    fn check(&self) -> Result<(), Wrong> {
        check_labels(&self.labels)?;
        match &self.read {
            Spec1::Rule(rule) => super::stored::check_actions(&rule.actions),
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
            let pointer = format!("/labels/{}", super::json::escape(key));
            return Err((pointer, format!("expected at most 256 bytes, found {}", value.len())));
        }
    }
    Ok(())
}

impl DbRole1 {
    fn erase(&mut self) {
        let names = said(&mut self.account_arn).into_iter().chain(said(&mut self.db_name));
        let tags = self.db_tags.iter_mut().flatten().flat_map(|Object(tag)| [&mut tag.key.0, &mut tag.value.0]);
        let needed = [&mut self.db_arn.0, &mut self.db_engine.0];
        names.chain(needed).chain(tags).for_each(|text| ERASED.clone_into(text));
    }
}

impl Spec1 {
    /// Today's spec.
    pub(super) fn into_spec(self) -> Spec {
        match self {
            Spec1::DbRole(spec) => Spec::DbRole(DbRoleSpec {
                account_arn: text(spec.account_arn),
                db_arn: spec.db_arn.0,
                db_engine: spec.db_engine.0,
                db_name: text(spec.db_name),
                db_tags: spec
                    .db_tags
                    .map(|tags| tags.into_iter().map(|Object(t)| Tag { key: t.key.0, value: t.value.0 }).collect()),
            }),
            Spec1::Task(spec) => {
                Spec::Task(TaskSpec { job_type: spec.job_type.0, total_records: count(spec.total_records) })
            }
            Spec1::Rule(spec) => Spec::Rule(RuleSpec {
                actions: spec
                    .actions
                    .into_iter()
                    .map(|Object(a)| Action {
                        id: a.id.expect("given on the way in, required when read again").0,
                        action: a.action.0,
                        priority: a.priority,
                        rule: a.rule.0,
                    })
                    .collect(),
            }),
        }
    }
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

impl Shape for ItemResult1 {
    fn texts(&mut self) -> Vec<&mut String> {
        said(&mut self.message).into_iter().collect()
    }

    fn erase(&mut self) {
        let credentials = self.detail.as_mut().map(|Object(detail)| &mut detail.credentials_info.0);
        let credentials = credentials.into_iter().flat_map(|info| {
            let keys = info.secret_keys.iter_mut().flatten().map(|key| &mut key.0);
            said(&mut info.secret_id).into_iter().chain(keys)
        });
        said(&mut self.message).into_iter().chain(credentials).for_each(|text| ERASED.clone_into(text));
    }

    fn check(&self) -> Result<(), Wrong> {
        if self.status.0 == ItemStatus::Pending {
            return Err(("/status".into(), "expected running, completed or failed, found `pending`".into()));
        }
        Ok(())
    }

    fn into_event(self) -> Event {
        let credentials = |info: Credentials1| Credentials {
            provider: info.secrets_manager_provider.0,
            secret_id: text(info.secret_id).unwrap_or_default(),
            secret_keys: info.secret_keys.unwrap_or_default().into_iter().map(|key| key.0).collect(),
        };
        Event::ItemResult(ItemResult {
            item: self.item.0,
            status: self.status.0,
            message: text(self.message),
            detail: self.detail.map(|detail| credentials(detail.0.credentials_info.0)),
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
    pub(super) fn sent(self) -> Redacted1 {
        Redacted1 { position: self.position, reason: self.reason }
    }
}
