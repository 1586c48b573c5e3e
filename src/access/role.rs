//! The four roles and what each may do.

use crate::job::words;

words! {
    /// What a token may do, inside its organisation.
    Role, "role" {
        /// Everything; the only role for `/api/v1/jobs`.
        Admin = "admin",
        /// Appends, and reads what it needs.
        Worker = "worker",
        /// Reads.
        Viewer = "viewer",
        /// Reads, the whole log of all organisations.
        Auditor = "auditor",
    }
}

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Capability {
    /// Append events.
    Append,
    /// Erase the data of events.
    Erase,
    /// Read the ledger's own API.
    ReadLedger,
    /// Read database-role and rule jobs.
    ReadJobs,
    /// Read and cancel background jobs: "This endpoint requires Administrator role" (seed document 003).
    Tasks,
    /// Make the views again.
    Rebuild,
    /// Read the metrics, which are of all organisations.
    Metrics,
    /// See what belongs to other organisations, and the ledger's own events.
    AllOrganisations,
}

impl Role {
    /// Whether the role has the capability.
    pub fn may(self, capability: Capability) -> bool {
        match capability {
            Capability::Append => matches!(self, Role::Admin | Role::Worker),
            Capability::ReadLedger | Capability::ReadJobs => true,
            Capability::Erase | Capability::Tasks | Capability::Rebuild => self == Role::Admin,
            Capability::Metrics => matches!(self, Role::Admin | Role::Auditor),
            Capability::AllOrganisations => self == Role::Auditor,
        }
    }
}
