//! The filter of a page or a tail: which events it shows. Pages compare events in SQL; tails and bells compare [`Columns`].

use crate::job::{EventType, JobId, JobKey, Kind, OrgId, Position};

/// A set of event types, one bit each.
///
/// Types that this program does not know share one bit. Only [`Types::ALL`] has that bit, because a filter cannot name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Types(u32);

impl Types {
    /// All types, the unknown ones too.
    pub const ALL: Types = Types(u32::MAX);
    /// The empty set.
    pub const NONE: Types = Types(0);
    const UNKNOWN: Types = Types(1 << 31);

    /// The set with the one type that is spelled `word`; a type that this program does not know gives the shared bit.
    pub fn spelled(word: &str) -> Types {
        EventType::named(word).map_or(Types::UNKNOWN, Types::one)
    }

    /// Whether the sets have a type in common.
    pub fn meets(self, other: Types) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the set has this type.
    pub fn contains(self, event_type: EventType) -> bool {
        self.meets(Types::one(event_type))
    }

    /// The union of both sets.
    #[must_use]
    pub fn with(self, other: Types) -> Types {
        Types(self.0 | other.0)
    }

    /// The known types of the set.
    pub fn each(self) -> impl Iterator<Item = EventType> {
        EventType::ALL.iter().copied().filter(move |one| self.contains(*one))
    }

    /// The types as a parameter of a statement, a JSON array; `None` for [`Types::ALL`].
    pub(super) fn parameter(self) -> Option<String> {
        let quoted: Vec<String> = self.each().map(|one| format!("\"{}\"", one.as_str())).collect();
        (self != Types::ALL).then(|| format!("[{}]", quoted.join(",")))
    }

    /// The set with this one type.
    pub fn one(event_type: EventType) -> Types {
        Types(1 << event_type as u32)
    }
}

impl FromIterator<EventType> for Types {
    fn from_iter<I: IntoIterator<Item = EventType>>(types: I) -> Types {
        types.into_iter().map(Types::one).fold(Types::NONE, Types::with)
    }
}

/// The events that a page or a tail shows. The default filter shows all events.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Shows only events of this organisation.
    pub org: Option<OrgId>,
    /// Shows only events of jobs with this id, in each organisation that `org` admits.
    pub job: Option<JobId>,
    /// Shows only events of jobs of this kind.
    pub kind: Option<Kind>,
    /// Shows only events of these types.
    pub types: Types,
    /// Shows only events up to this position.
    pub upto: Option<Position>,
}

impl Default for Filter {
    fn default() -> Filter {
        Filter { org: None, job: None, kind: None, types: Types::ALL, upto: None }
    }
}

/// The columns of an event that filters compare.
#[derive(Debug, Clone)]
pub struct Columns {
    /// The organisation; `None` for an event of the ledger itself.
    pub org: Option<OrgId>,
    /// The job's id; `None` for an event of the ledger itself.
    pub job: Option<JobId>,
    /// The job's kind; `None` for an event of the ledger itself.
    pub kind: Option<Kind>,
    /// The set with the one type of the event.
    pub types: Types,
}

impl Filter {
    /// The filter that shows all events of one job.
    pub fn of_job(key: &JobKey) -> Filter {
        Filter { org: Some(key.org), job: Some(key.id.clone()), ..Filter::default() }
    }

    /// The one job whose events the filter shows; `None` if it may show events of several jobs.
    pub fn one_job(&self) -> Option<JobKey> {
        self.org.zip(self.job.clone()).map(|(org, id)| JobKey { org, id })
    }

    /// The filter by which a tail reads. If `self` names a job, the result shows the job's events of all types: the tail ends with
    /// the job, even if `self` hides the event that ends it.
    #[must_use]
    pub fn with_ends(&self) -> Filter {
        match self.job {
            Some(_) => Filter { types: Types::ALL, kind: None, ..self.clone() },
            None => self.clone(),
        }
    }

    /// The newest position that the filter shows in a log with this head.
    pub fn end(&self, head: Position) -> Position {
        self.upto.map_or(head, |upto| upto.min(head))
    }

    /// Whether the filter shows an event with these columns. Ignores `upto`, which needs the position.
    pub fn shows(&self, event: &Columns) -> bool {
        self.org.is_none_or(|org| event.org == Some(org))
            && (self.job.is_none() || self.job == event.job)
            && (self.kind.is_none() || self.kind == event.kind)
            && self.types.meets(event.types)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_known_type_has_a_bit_of_its_own_below_that_of_the_unknown_types() {
        for (at, one) in EventType::ALL.iter().enumerate() {
            let set = Types::one(*one);
            assert!(!set.meets(Types::UNKNOWN), "{one}");
            assert!(EventType::ALL[at + 1..].iter().all(|other| !set.meets(Types::one(*other))), "{one}");
            assert_eq!(Types::spelled(one.as_str()), set);
        }
        assert_eq!(Types::spelled("job.unheard_of"), Types::UNKNOWN);
        assert!(Types::ALL.meets(Types::UNKNOWN));
    }

    #[test]
    fn the_parameter_spells_the_types_and_is_absent_for_all() {
        let types: Types = [EventType::Started, EventType::Failed].into_iter().collect();
        assert_eq!(types.parameter().as_deref(), Some(r#"["job.started","job.failed"]"#));
        assert_eq!(Types::ALL.parameter(), None);
    }
}
