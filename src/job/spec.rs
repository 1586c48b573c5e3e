//! Specs: what a job of each kind has to do. `job.created` fixes the spec, and no later event changes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::id::{ItemId, JobType};

/// The kind of a job: which documented API shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Database-role jobs, `/dbroles/jobs`.
    DbRole,
    /// Background jobs, `/api/v1/jobs`.
    Task,
    /// Authorization-rule jobs, `/authorization/rules/jobs`.
    Rule,
    /// Any other job. Only the ledger's own API shows it.
    Generic,
}

/// The spec of a job, by kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Spec {
    /// A database-role job.
    DbRole(DbRoleSpec),
    /// A background job.
    Task(TaskSpec),
    /// A rule job.
    Rule(RuleSpec),
    /// Any other job.
    Generic(GenericSpec),
}

impl Spec {
    /// The kind of the job.
    pub fn kind(&self) -> Kind {
        match self {
            Spec::DbRole(_) => Kind::DbRole,
            Spec::Task(_) => Kind::Task,
            Spec::Rule(_) => Kind::Rule,
            Spec::Generic(_) => Kind::Generic,
        }
    }
}

/// Database roles to provision: `AWSDBRoleJobSpec` in the document of `/dbroles/jobs`. That API shows an absent text as `""`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DbRoleSpec {
    /// IAM ARN of the account that creates the roles.
    pub account_arn: Option<String>,
    /// ARN of the database instance.
    pub db_arn: String,
    /// Engine type, such as `postgres`.
    pub db_engine: String,
    /// Logical database name.
    pub db_name: Option<String>,
    /// Instance tags, in the producer's order.
    pub db_tags: Option<Vec<Tag>>,
}

/// One instance tag.
#[derive(Debug, Clone, PartialEq)]
pub struct Tag {
    /// The tag's name.
    pub key: String,
    /// The tag's value.
    pub value: String,
}

/// The spec of a background job, which `/api/v1/jobs` shows.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSpec {
    /// One of the ten documented types.
    pub job_type: TaskType,
    /// Number of records to process, 0 to 2^53, if the producer knows it.
    pub total_records: Option<u64>,
}

/// Authorization rules to apply, which `/authorization/rules/jobs` shows.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSpec {
    /// 1 to 10,000 actions, in the producer's order. Each is an item of the job under the action's id.
    pub actions: Vec<Action>,
}

impl RuleSpec {
    /// Maximum number of actions in one job.
    pub const MAX_ACTIONS: usize = 10_000;
}

/// One change to one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// The producer's id, or an id that the ledger derived from the event's id.
    pub id: ItemId,
    /// Whether to create, update or delete the rule.
    pub action: ActionType,
    /// The producer's priority.
    pub priority: Option<i64>,
    /// The rule as the producer wrote it, unknown members included.
    pub rule: RawJson,
}

/// The spec of a generic job. Only the team that runs the job knows the meaning of its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct GenericSpec {
    /// The job's type, a word that the team chose.
    pub job_type: JobType,
    /// A JSON object of at most 64 KiB: the producer's text with secrets masked.
    pub parameters: Option<RawJson>,
    /// Number of records to process, 0 to 2^53, if the producer knows it.
    pub total_records: Option<u64>,
}

/// The compact text of a JSON value. Keeping the text keeps the spelling of numbers and the order of members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawJson(pub Arc<str>);

/// Up to 16 labels: names of 1 to 64 bytes, values of at most 256 bytes.
pub type Labels = BTreeMap<String, String>;

/// Declares an enum whose variants have one spelling each, the same in JSON, SQL and URLs. `$what` names the enum in
/// messages.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }
        $crate::job::words!(impl $name, $what { $($variant = $word),+ });
    };
    (impl $name:ident, $what:literal { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $name {
            /// Every variant, in documented order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The documented spelling.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl std::str::FromStr for $name {
            type Err = crate::job::BadId;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $name::ALL.iter().copied().find(|v| v.as_str() == text).ok_or_else(|| {
                    let all: Vec<_> = $name::ALL.iter().map(|v| v.as_str()).collect();
                    let found: String = text.chars().take(64).collect();
                    crate::job::BadId(format!(concat!("expected a ", $what, ", one of {}, found `{}`"), all.join(", "), found))
                })
            }
        }
    };
}
pub(crate) use words;

words!(impl Kind, "kind" { DbRole = "dbrole", Task = "task", Rule = "rule", Generic = "generic" });

words! {
    /// The ten job types that the document of `/api/v1/jobs` lists.
    TaskType, "job type" {
        /// Complete synchronisation of all entity types.
        FullSync = "full_sync",
        /// Only changes since the last synchronisation.
        IncrementalSync = "incremental_sync",
        /// Accounts only.
        AccountSync = "account_sync",
        /// Owners only.
        OwnerSync = "owner_sync",
        /// Groups only.
        GroupSync = "group_sync",
        /// Applications only.
        ApplicationSync = "application_sync",
        /// Roles from owner attributes.
        RoleGeneration = "role_generation",
        /// Roles against policies.
        PolicyAnalysis = "policy_analysis",
        /// Manager hierarchies.
        ManagerResolution = "manager_resolution",
        /// Data enrichment.
        Enrichment = "enrichment",
    }
}

words! {
    /// What a rule action does to its rule.
    ActionType, "rule action type" {
        /// Create the rule.
        Create = "create",
        /// Change the rule that `rule.id` names.
        Update = "update",
        /// Delete the rule that `rule.id` names.
        Delete = "delete",
    }
}

impl From<TaskType> for JobType {
    fn from(task_type: TaskType) -> JobType {
        task_type.as_str().parse().expect("every documented type is a valid job type")
    }
}
