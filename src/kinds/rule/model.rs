//! The read model of a rule job, with the keys in the order of the API's document. The model has no times.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::job::{Action, Items, Job, JobId, RuleSpec, Spec, Status};
use crate::model::raw;

/// The version of the representation; never a counter.
const VERSION: u8 = 2;

/// A rule job.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::kinds) struct RuleJob {
    /// The ID of the rule job.
    id: String,
    /// The person or service that the job was created for.
    created_by: String,
    /// The job's state in the older words of the document.
    #[schema(value_type = RuleJobStatus)]
    status: &'static str,
    /// The version of the representation.
    version: u8,
    /// The job's state.
    #[schema(value_type = RuleJobState)]
    state: &'static str,
    /// Links to the job and to its state.
    links: [Link; 2],
    /// The actions, in the order of submission.
    actions: Vec<ActionModel>,
}

/// The values of `state`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "describes the words of `state`")]
enum RuleJobState {
    Pending,
    Running,
    Completed,
    Failed,
    Canceled,
}

/// The values of `status`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "describes the words of `status`")]
enum RuleJobStatus {
    NotStarted,
    Running,
    Completed,
    Failed,
    Canceled,
}

/// A link to a resource.
#[derive(Debug, Serialize, ToSchema)]
struct Link {
    method: &'static str,
    rel: &'static str,
    href: String,
    uri: String,
    #[serde(rename = "type")]
    media_type: &'static str,
}

/// An action of a rule job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleJobAction)]
struct ActionModel {
    /// The action's id.
    id: String,
    /// The rule, verbatim.
    #[schema(value_type = Object)]
    rule: Box<RawValue>,
    /// The operation on the rule.
    #[serde(rename = "type")]
    #[schema(value_type = RuleActionType)]
    action: &'static str,
    /// The action's state.
    #[schema(value_type = crate::model::ItemStatusName)]
    status: &'static str,
    /// The same value as `status`.
    #[schema(value_type = crate::model::ItemStatusName)]
    state: &'static str,
    /// The producer's priority; null without one.
    priority: Option<i64>,
}

/// An operation on a rule.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "describes the words of an action's `type`")]
pub(super) enum RuleActionType {
    Create,
    Update,
    Delete,
}

impl RuleJob {
    /// The model of a rule job.
    pub(in crate::kinds) fn of(job: &Job) -> RuleJob {
        let actions = match &job.spec {
            Spec::Rule(spec) => spec.actions.iter().map(|action| ActionModel::of(action, &job.items)).collect(),
            // `View::kind` admits rule jobs only.
            Spec::DbRole(_) | Spec::Task(_) | Spec::Generic(_) => Vec::new(),
        };
        RuleJob::new(&job.key.id, &job.created_by, job.state.status(), actions)
    }

    /// The model of a rule job that was created just now.
    pub(super) fn pending(id: &JobId, created_by: &str, spec: &RuleSpec) -> RuleJob {
        let actions = spec.actions.iter().map(|action| ActionModel::of(action, &Items::default())).collect();
        RuleJob::new(id, created_by, Status::Pending, actions)
    }

    fn new(id: &JobId, created_by: &str, status: Status, actions: Vec<ActionModel>) -> RuleJob {
        let path = format!("/authorization/rules/jobs/{id}");
        RuleJob {
            id: id.to_string(),
            created_by: created_by.to_owned(),
            status: status_word(status),
            version: VERSION,
            state: state_word(status),
            links: [
                Link::get("self", path.clone(), "application/vnd.sas.authorization.rule.job"),
                Link::get("ruleJobState", format!("{path}/state"), "text/plain"),
            ],
            actions,
        }
    }
}

impl Link {
    fn get(rel: &'static str, path: String, media_type: &'static str) -> Link {
        Link { method: "GET", rel, href: path.clone(), uri: path, media_type }
    }
}

impl ActionModel {
    fn of(action: &Action, items: &Items) -> ActionModel {
        let state = items.get(&action.id).map_or("pending", |item| item.status.as_str());
        ActionModel {
            id: action.id.to_string(),
            rule: raw(&action.rule),
            action: action.action.as_str(),
            status: state,
            state,
            priority: action.priority,
        }
    }
}

/// The value of `state`.
pub(super) fn state_word(status: Status) -> &'static str {
    match status {
        Status::Pending => "pending",
        Status::Running => "running",
        Status::Completed => "completed",
        Status::Failed => "failed",
        Status::Cancelled => "canceled",
    }
}

/// The value of `status`, which has another word than `state` for a pending job.
fn status_word(status: Status) -> &'static str {
    match status {
        Status::Pending => "notStarted",
        other => state_word(other),
    }
}
