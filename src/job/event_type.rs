//! The table of event types. Every room that names, lists or classifies the types of the log's events reads it here.

use std::fmt;

/// Where in the life of a job an event of a type may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It creates the job, or the job has not ended.
    Open,
    /// It ends the job.
    End,
    /// It may also follow the end.
    AfterEnd,
    /// It follows the end. Only the ledger itself appends it.
    FollowUp,
    /// It belongs to the ledger and to no job. Only the ledger itself appends it.
    Ledger,
}

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, version $version:literal, $phase:ident;)+) => {
        /// The CloudEvents `type` of an event in the log.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventType { $($(#[$doc])* $variant),+ }

        impl EventType {
            /// Every type, in documented order.
            pub const ALL: &'static [EventType] = &[$(EventType::$variant),+];

            /// The CloudEvents spelling, such as `job.created`.
            pub const fn as_str(self) -> &'static str {
                match self { $(EventType::$variant => $word),+ }
            }

            /// The newest version of the stored data. An append stores the oldest version that has a place for all members.
            pub const fn version(self) -> u32 {
                match self { $(EventType::$variant => $version),+ }
            }

            const fn phase(self) -> Phase {
                match self { $(EventType::$variant => Phase::$phase),+ }
            }
        }
    };
}

event_types! {
    /// The job exists.
    Created = "job.created", version 2, Open;
    /// A worker started the job.
    Started = "job.started", version 2, Open;
    /// A worker reports how far the job is.
    Progress = "job.progress", version 1, Open;
    /// An item has a result.
    ItemResult = "job.item_result", version 1, Open;
    /// The hook wrote output or ended.
    HookOutput = "job.hook_output", version 1, Open;
    /// The job succeeded.
    Completed = "job.completed", version 1, End;
    /// The job failed.
    Failed = "job.failed", version 1, End;
    /// The job was cancelled.
    Cancelled = "job.cancelled", version 1, End;
    /// A remark; moves nothing.
    Noted = "job.noted", version 1, AfterEnd;
    /// The data of one event was redacted; moves nothing.
    Redacted = "job.redacted", version 1, AfterEnd;
    /// The ledger created a job that repeats this one; moves nothing.
    Retried = "job.retried", version 1, FollowUp;
    /// The genesis event, at position 0.
    LedgerCreated = "ledger.created", version 1, Ledger;
    /// A copy of the log continues under a new origin and key.
    LedgerContinued = "ledger.continued", version 1, Ledger;
    /// One more key signs for the log.
    LedgerKeyAdded = "ledger.key_added", version 1, Ledger;
}

impl EventType {
    /// The type that `word` spells; `None` for a word that this program does not know.
    pub fn named(word: &str) -> Option<EventType> {
        EventType::ALL.iter().copied().find(|event_type| event_type.as_str() == word)
    }

    /// The types that a producer may send, in documented order.
    pub fn sent_by_producers() -> impl Iterator<Item = EventType> + Clone {
        EventType::of_jobs().filter(|event_type| event_type.phase() != Phase::FollowUp)
    }

    /// The types of a job's events, in documented order.
    pub fn of_jobs() -> impl Iterator<Item = EventType> + Clone {
        EventType::ALL.iter().copied().filter(|event_type| event_type.phase() != Phase::Ledger)
    }

    /// The types of all events but the genesis event, which no page and no tail shows.
    pub fn shown() -> impl Iterator<Item = EventType> + Clone {
        EventType::ALL.iter().copied().filter(|event_type| *event_type != EventType::LedgerCreated)
    }

    /// The types that may follow a job's end.
    pub fn after_end() -> impl Iterator<Item = EventType> + Clone {
        EventType::ALL.iter().copied().filter(|event_type| event_type.may_follow_end())
    }

    /// Whether an event of this type ends its job.
    pub fn ends_job(self) -> bool {
        self.phase() == Phase::End
    }

    /// Whether an event of this type may follow the end of its job.
    pub fn may_follow_end(self) -> bool {
        matches!(self.phase(), Phase::AfterEnd | Phase::FollowUp)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The spellings of `types` as a list for a message: `job.created, job.started`.
pub fn listed(types: impl Iterator<Item = EventType>) -> String {
    types.map(EventType::as_str).collect::<Vec<_>>().join(", ")
}
