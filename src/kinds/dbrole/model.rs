//! The read model of a database-role job: `openapi.DBRoleJob` in the API's document. Every key is always present, in the document's
//! order.

use serde::Serialize;
use utoipa::ToSchema;

use crate::job::{Credentials, DbRoleSpec, Hook, Item, ItemStatus, Job, Provider, Spec, State, Status};
use crate::model::ProviderName;

/// A database-role job.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::kinds) struct DbRoleJob {
    /// Unique identifier of the organization that owns this job.
    #[schema(example = "37eebc20-d8df-416b-8ac2-01b6eb456318")]
    org_id: String,
    /// Unique identifier for this database role job.
    #[schema(example = "67d7d053-3caf-430e-97ba-6d4933d3fd5b")]
    id: String,
    /// Timestamp when this job was initially created.
    #[schema(example = "2025-02-28T12:34:56Z")]
    created_at: String,
    /// Timestamp when this job finished execution (null if still in progress).
    #[schema(example = "2025-02-28T13:45:12Z")]
    completed_at: Option<String>,
    /// AWS-specific configuration details for the database role provisioning.
    spec: SpecModel,
    /// Current status and results of the job execution (null if not started).
    status: Option<StatusModel>,
    /// The Runbook execution status; null until it has ended.
    hook_status: Option<HookModel>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DbRoleJobSpec)]
struct SpecModel {
    /// AWS IAM ARN with permissions to execute this role creation job.
    account_arn: String,
    /// ARN of the target RDS database instance where roles will be created.
    db_arn: String,
    /// Logical database name within the RDS instance where roles will be applied.
    db_name: String,
    /// Database engine type (e.g., "postgres", "mysql") of the RDS instance.
    db_engine: String,
    /// Database Instance tags.
    db_tags: Vec<TagModel>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DbRoleTag)]
struct TagModel {
    key: String,
    value: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DbRoleJobStatus)]
struct StatusModel {
    /// Current execution phase of the job.
    #[schema(value_type = Phase)]
    phase: &'static str,
    /// Human-readable description of the overall job status or error details.
    message: String,
    /// Detailed results for each individual role that was provisioned.
    result: Vec<ResultModel>,
}

/// The phases of the document, which has no cancelled phase.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DbRolePhase)]
#[allow(dead_code, reason = "describes the words of `phase` and `status`")]
enum Phase {
    Running,
    Failed,
    Completed,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DbRoleJobStatusResult)]
struct ResultModel {
    /// Name of the specific database role that was provisioned.
    user_role: String,
    /// Status of this specific role's provisioning.
    #[schema(value_type = Phase)]
    status: &'static str,
    /// Human-readable description of this role's provisioning status or error details.
    message: String,
    /// Credentials information about the stored secrets; null until reported.
    credentials_info: Option<CredentialsModel>,
    /// Timestamp when this specific role's provisioning completed; null while it runs.
    completed_at: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DbRoleJobCredentials)]
struct CredentialsModel {
    /// The secrets manager provider that was used to store the credentials.
    #[schema(value_type = ProviderName)]
    secrets_manager_provider: &'static str,
    /// The secret identifier; always empty for the database type.
    secret_id: String,
    /// The keys that were saved in the secrets manager; always empty for the database type.
    secret_keys: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DbRoleJobHookStatus)]
struct HookModel {
    /// The Unix exit code of the runbook execution (0=success).
    exit_code: i32,
    /// The stdout and stderr streams captured during execution, cut at 4096 bytes.
    output: String,
    /// The time it took to execute the runbook, in seconds.
    #[schema(minimum = 0)]
    execution_time_sec: u64,
}

impl DbRoleJob {
    /// The model of a database-role job.
    pub(in crate::kinds) fn of(job: &Job) -> DbRoleJob {
        let none = DbRoleSpec::default();
        let spec = match &job.spec {
            Spec::DbRole(spec) => spec,
            // `View::kind` admits database-role jobs only. An empty spec avoids a panic here.
            Spec::Task(_) | Spec::Rule(_) | Spec::Generic(_) => &none,
        };
        DbRoleJob {
            org_id: job.key.org.to_string(),
            id: job.key.id.to_string(),
            created_at: job.created_at.to_string(),
            completed_at: job.state.ended_at().map(|time| time.to_string()),
            spec: SpecModel::of(spec),
            status: StatusModel::of(job),
            hook_status: job.hook.as_ref().and_then(HookModel::of),
        }
    }
}

impl SpecModel {
    fn of(spec: &DbRoleSpec) -> SpecModel {
        let tags = spec.db_tags.iter().flatten();
        SpecModel {
            account_arn: spec.account_arn.clone().unwrap_or_default(),
            db_arn: spec.db_arn.clone(),
            db_name: spec.db_name.clone().unwrap_or_default(),
            db_engine: spec.db_engine.clone(),
            db_tags: tags.map(|tag| TagModel { key: tag.key.clone(), value: tag.value.clone() }).collect(),
        }
    }
}

impl StatusModel {
    /// `None` while the job has neither started nor ended.
    fn of(job: &Job) -> Option<StatusModel> {
        let phase = match job.state.status() {
            Status::Pending => return None,
            Status::Running => "running",
            Status::Completed => "completed",
            // The document has no cancelled phase. The message names the actor and the reason of the cancellation.
            Status::Failed | Status::Cancelled => "failed",
        };
        let message = match &job.state {
            State::Cancelled { by, reason: Some(reason), .. } => format!("cancelled by {by}: {reason}"),
            State::Cancelled { by, reason: None, .. } => format!("cancelled by {by}"),
            _ => job.message.clone().unwrap_or_default(),
        };
        let result = job.items.as_slice().iter().map(ResultModel::of).collect();
        Some(StatusModel { phase, message, result })
    }
}

impl ResultModel {
    fn of(item: &Item) -> ResultModel {
        let status = match item.status {
            ItemStatus::Completed => "completed",
            ItemStatus::Failed => "failed",
            ItemStatus::Running | ItemStatus::Pending => "running",
        };
        ResultModel {
            user_role: item.id.to_string(),
            status,
            message: item.message.clone().unwrap_or_default(),
            credentials_info: item.credentials().map(CredentialsModel::of),
            completed_at: item.at.filter(|_| item.ended()).map(|time| time.to_string()),
        }
    }
}

impl CredentialsModel {
    fn of(credentials: &Credentials) -> CredentialsModel {
        let (secret_id, secret_keys) = match credentials.provider {
            Provider::Database => (String::new(), Vec::new()),
            Provider::Vault => (credentials.secret_id.clone(), credentials.secret_keys.clone()),
        };
        CredentialsModel { secrets_manager_provider: credentials.provider.as_str(), secret_id, secret_keys }
    }
}

impl HookModel {
    /// `None` until the hook has ended.
    fn of(hook: &Hook) -> Option<HookModel> {
        let exit = hook.exit?;
        let cut = hook.len - hook.head.len() as u64;
        let output = if cut == 0 { hook.head.clone() } else { format!("{} [truncated {cut} byte(s)]", hook.head) };
        Some(HookModel { exit_code: exit.code, output, execution_time_sec: exit.seconds })
    }
}
