//! The four roles and what each may do.

use crate::job::words;

words! {
    /// What a token may do, inside its organisation.
    Role, "role" {
        /// May do everything in its organisation. The only role for `/api/v1/jobs`.
        Admin = "admin",
        /// May append, and read the jobs and events of its organisation.
        Worker = "worker",
        /// May read.
        Viewer = "viewer",
        /// May read the whole log, of all organisations.
        Auditor = "auditor",
    }
}

/// A permission that a route requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Capability {
    /// Append events.
    Append,
    /// Redact the data of events.
    Redact,
    /// Read the ledger's own API.
    ReadLedger,
    /// Read database-role and rule jobs.
    ReadJobs,
    /// Read and cancel background jobs (the document of `/api/v1/jobs`: "This endpoint requires Administrator role").
    Tasks,
    /// Create database-role jobs through their documented API.
    CreateRoleJobs,
    /// Add, list, remove and replay webhooks.
    Webhooks,
    /// Make the views again.
    Rebuild,
    /// Read the metrics, which count all organisations.
    Metrics,
    /// Read the events of other organisations, and the ledger's own.
    AllOrganisations,
}

impl Role {
    /// Whether the role has the capability.
    pub fn may(self, capability: Capability) -> bool {
        match capability {
            Capability::Append => matches!(self, Role::Admin | Role::Worker),
            Capability::ReadLedger | Capability::ReadJobs => true,
            Capability::Redact | Capability::Tasks | Capability::CreateRoleJobs => self == Role::Admin,
            Capability::Webhooks | Capability::Rebuild => self == Role::Admin,
            Capability::Metrics => matches!(self, Role::Admin | Role::Auditor),
            Capability::AllOrganisations => self == Role::Auditor,
        }
    }
}
