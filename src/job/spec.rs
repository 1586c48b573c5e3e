//! What each kind of job is told to do. Frozen at `job.created`; the rest of the job is what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::id::{ItemId, JobType};

/// What sort of job it is: which documented API shows it, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Database-role jobs, `/dbroles/jobs`.
    DbRole,
    /// Background jobs, `/api/v1/jobs`.
    Task,
    /// Authorization-rule jobs, `/authorization/rules/jobs`.
    Rule,
    /// Any other job; only the ledger's own API shows it.
    Generic,
}

/// What a job is told to do, by kind.
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
    /// The kind that the spec belongs to.
    pub fn kind(&self) -> Kind {
        match self {
            Spec::DbRole(_) => Kind::DbRole,
            Spec::Task(_) => Kind::Task,
            Spec::Rule(_) => Kind::Rule,
            Spec::Generic(_) => Kind::Generic,
        }
    }
}

/// Database roles to provision (seed document 000, `AWSDBRoleJobSpec`). Absent text is empty text there.
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
    /// Instance tags, in the order given.
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

/// A background job (seed document 003).
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSpec {
    /// One of the ten documented types.
    pub job_type: TaskType,
    /// How many records there are to process, where it is known beforehand.
    pub total_records: Option<u64>,
}

/// Authorization rules to apply (seed document 004).
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSpec {
    /// 1 to 10,000 actions, in the order of submission; their ids are the job's items.
    pub actions: Vec<Action>,
}

impl RuleSpec {
    /// Most actions in one job.
    pub const MAX_ACTIONS: usize = 10_000;
}

/// One change to one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// The producer's id or one that the ledger gave.
    pub id: ItemId,
    /// What to do with the rule.
    pub action: ActionType,
    /// The producer's priority.
    pub priority: Option<i64>,
    /// The rule exactly as it was given, unknown keys too.
    pub rule: RawJson,
}

/// Any other job: only its team knows what it does.
#[derive(Debug, Clone, PartialEq)]
pub struct GenericSpec {
    /// What the job is about.
    pub job_type: JobType,
    /// A JSON object, as it was given but for masked secrets.
    pub parameters: Option<RawJson>,
    /// How many records there are to process, where it is known beforehand.
    pub total_records: Option<u64>,
}

/// A JSON value kept as its own compact text, so that no number and no key order can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawJson(pub Arc<str>);

/// Labels for finding jobs.
pub type Labels = BTreeMap<String, String>;

/// An enum of words, spelled the same in JSON, SQL and Rust.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }
        $crate::job::words!(impl $name, $what { $($variant = $word),+ });
    };
    (impl $name:ident, $what:literal { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $name {
            /// Every value, in documented order.
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
    /// The ten job types of seed document 003.
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
    /// What a rule action does.
    ActionType, "rule action type" {
        /// Make the rule.
        Create = "create",
        /// Change the rule that `rule.id` names.
        Update = "update",
        /// Remove the rule that `rule.id` names.
        Delete = "delete",
    }
}

impl From<TaskType> for JobType {
    fn from(task_type: TaskType) -> JobType {
        task_type.as_str().parse().expect("every documented type is one")
    }
}
