//! The names that a ledger has in NATS.

/// The names of one generation of a ledger's stream. A lost stream continues under the names of the next generation, so no node
/// takes the new stream for the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    ledger: String,
    generation: u32,
}

impl Names {
    /// The names for the ledger `origin`, which is `jobledger/` and a UUID.
    pub fn new(origin: &str, generation: u32) -> Names {
        let ledger = origin.rsplit('/').next().unwrap_or_default().to_owned();
        Names { ledger, generation }
    }

    /// The names of another generation.
    pub fn of(&self, generation: u32) -> Names {
        Names { generation, ..self.clone() }
    }

    /// The generation of a stream of this ledger with that name.
    pub fn generation_of(&self, stream: &str) -> Option<u32> {
        stream.strip_prefix("jobledger_")?.strip_prefix(&self.ledger)?.strip_prefix('_')?.parse().ok()
    }

    /// The stream.
    pub fn stream(&self) -> String {
        format!("jobledger_{}_{}", self.ledger, self.generation)
    }

    /// The subject of the messages.
    pub fn commits(&self) -> String {
        self.subject("commits")
    }

    /// The subject on which `leader` hears up to where the other nodes are durable.
    pub fn confirmations(&self, leader: &str) -> String {
        self.subject(&format!("confirmations.{leader}"))
    }

    /// The subject on which `node` hears the questions of other nodes.
    pub fn questions(&self, node: &str) -> String {
        self.subject(&format!("questions.{node}"))
    }

    /// The subject on which every node hears which tokens the requests of the others have used.
    pub fn used(&self) -> String {
        self.subject("used")
    }

    /// The generation.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The bucket of the lease.
    pub fn leases(&self) -> String {
        format!("{}_leases", self.stream())
    }

    /// The bucket of the members.
    pub fn members(&self) -> String {
        format!("{}_members", self.stream())
    }

    fn subject(&self, last: &str) -> String {
        format!("jobledger.{}.{}.{last}", self.ledger, self.generation)
    }
}
