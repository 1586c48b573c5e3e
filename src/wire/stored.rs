//! The data of a job's events: how it is read from a producer and from the log. One `match` lists the stored shapes.

use std::sync::Arc;

use super::reject::Reject;
use super::shape::{DATA, Shape, read_object};
use super::v1::{
    Cancelled1, Completed1, Created1, Failed1, HookOutput1, ItemResult1, Noted1, Progress1, Redacted1,
    RedactedWithResidue1, Retried1, Spec1, Started1,
};
use super::v2::{Created2, Started2};
use crate::job::{Detail, Event, EventType, ItemId, Kind, Spec, listed};
use crate::json;
use crate::mask::Mask;

/// A producer's data, read, checked and masked.
#[derive(Debug, Clone)]
pub struct EventData {
    /// The type and data.
    pub event: Event,
    /// The data to store: compact JSON in the stored shape of `version`, secrets masked. Equal content gives equal
    /// bytes.
    pub data: Vec<u8>,
    /// The version of the stored shape: the oldest that has a place for every member of the data.
    pub version: u32,
    /// The name of a rule for each secret that was masked.
    pub masked: Vec<Arc<str>>,
}

/// Stored data that this program cannot read.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// The program does not know this type or this version of it: a newer program wrote the log.
    #[error("unknown event `{event_type}` version {version}; a newer jobledger wrote the log; use that version")]
    Unknown {
        /// The CloudEvents type.
        event_type: String,
        /// The version of its data.
        version: u32,
    },
    /// The data does not have the stored shape of its type and version: the log is damaged.
    #[error("data of `{event_type}` does not have its stored shape: {detail}")]
    Damaged {
        /// The CloudEvents type.
        event_type: String,
        /// The message, with the expected and the found value.
        detail: String,
    },
}

/// Reads a producer's data for an event of type `event_type` and masks the secrets in it. `action_id` gives the id for
/// the rule action with that index, if it has none.
///
/// # Errors
/// A [`Reject`] if producers cannot send the type, if the data does not have its shape, or if a member is named like a
/// secret.
pub fn parse(
    event_type: &str,
    data: &str,
    action_id: &dyn Fn(usize) -> ItemId,
    mask: &Mask,
) -> Result<EventData, Reject> {
    let Some(known) = EventType::sent_by_producers().find(|known| known.as_str() == event_type) else {
        let (known, found) = (listed(EventType::sent_by_producers()), json::beginning(event_type));
        return Err(Reject::invalid("/type", format!("expected one of {known}, found `{found}`")));
    };
    let parsed = match with_shape(known, known.version(), Origin::Producer { action_id }, data, Accept(Some(mask))) {
        Ok(accepted) if !has_free_names(&accepted.event) => return Ok(accepted),
        Err(ReadFailure::UnknownVersion) => unreachable!("the newest version of a type has a shape"),
        Err(ReadFailure::Rejected(reject)) => Err(reject),
        Ok(accepted) => Ok(accepted),
    };
    // Shapes refuse unknown names, but for `job.created` and the detail of a generic job's item, where the producer
    // chooses names. Refused data is searched too: its refusal must not quote the value of a member that is named like
    // a secret.
    match mask.secret_member(data) {
        Some(pointer) => Err(Reject::Secret { pointer }),
        None => parsed,
    }
}

/// Makes the data of an event that the ledger itself appends. `data` has the shape of the newest version of the type, and its secrets
/// are masked already.
///
/// # Errors
/// A [`Reject`] if `data` does not have its shape.
pub fn own(event_type: EventType, data: &str) -> Result<EventData, Reject> {
    match with_shape(event_type, event_type.version(), Origin::Log, data, Accept(None)) {
        Ok(accepted) => Ok(accepted),
        Err(ReadFailure::UnknownVersion) => unreachable!("the newest version of a type has a shape"),
        Err(ReadFailure::Rejected(reject)) => Err(reject),
    }
}

/// Whether the producer chose the names of some members.
fn has_free_names(event: &Event) -> bool {
    match event {
        Event::Created(_) => true,
        Event::ItemResult(result) => matches!(result.detail, Some(Detail::Json(_))),
        _ => false,
    }
}

/// Reads stored data of any version as today's event.
///
/// # Errors
/// [`Undecodable`] if the type or version is unknown, or the data does not have its stored shape.
pub fn decode(event_type: &str, version: u32, data: &[u8]) -> Result<Event, Undecodable> {
    read_stored(event_type, version, data, AsEvent)
}

/// Reads the stored text of a spec, which the views keep by itself.
///
/// # Errors
/// [`Undecodable::Damaged`] if `spec` is not a stored spec of this kind.
pub fn read_spec(kind: Kind, spec: &str) -> Result<Spec, Undecodable> {
    Spec1::read_stored(kind, spec).map(Spec1::into_spec).map_err(|reject| Undecodable::Damaged {
        event_type: EventType::Created.to_string(),
        detail: reject.to_string(),
    })
}

/// Receives data in its shape. Each shape is a type of its own, so this is a trait and not a closure.
pub(super) trait ShapeVisitor {
    type Output;

    fn visit<S: Shape>(self, shape: S) -> Result<Self::Output, Reject>;
}

/// Makes today's event.
struct AsEvent;

impl ShapeVisitor for AsEvent {
    type Output = Event;

    fn visit<S: Shape>(self, shape: S) -> Result<Event, Reject> {
        Ok(shape.into_event())
    }
}

/// Checks data, and masks it unless its secrets are masked already.
struct Accept<'m>(Option<&'m Mask>);

impl ShapeVisitor for Accept<'_> {
    type Output = EventData;

    fn visit<S: Shape>(self, mut shape: S) -> Result<EventData, Reject> {
        shape.check()?;
        let mut masked = Vec::new();
        self.0.into_iter().for_each(|mask| shape.mask(mask, &mut masked));
        let (data, version) = (shape.to_bytes(), shape.version());
        Ok(EventData { event: shape.into_event(), data, version, masked })
    }
}

/// Reads stored data and hands its shape to `visitor`.
pub(super) fn read_stored<V: ShapeVisitor>(
    event_type: &str,
    version: u32,
    data: &[u8],
    visitor: V,
) -> Result<V::Output, Undecodable> {
    let damaged = |detail: String| Undecodable::Damaged { event_type: event_type.to_owned(), detail };
    let unknown = || Undecodable::Unknown { event_type: event_type.to_owned(), version };
    let text = std::str::from_utf8(data).map_err(|error| damaged(error.to_string()))?;
    let known = EventType::named(event_type).ok_or_else(unknown)?;
    with_shape(known, version, Origin::Log, text, visitor).map_err(|failure| match failure {
        ReadFailure::UnknownVersion => unknown(),
        ReadFailure::Rejected(reject) => damaged(reject.to_string()),
    })
}

/// Where data comes from. Two shapes differ by it: the ledger completes them before it stores them.
pub(super) enum Origin<'m> {
    /// A producer sent the data. `action_id` gives the id for the rule action with that index.
    Producer { action_id: &'m dyn Fn(usize) -> ItemId },
    /// The log, or an export of it, has the data.
    Log,
}

/// Why data was not read.
enum ReadFailure {
    /// The type has no shape of this version.
    UnknownVersion,
    /// The data does not have the shape, or the visitor rejected it.
    Rejected(Reject),
}

impl From<Reject> for ReadFailure {
    fn from(reject: Reject) -> ReadFailure {
        ReadFailure::Rejected(reject)
    }
}

/// Reads `data` in the shape of (type, version) and hands it to `visitor`. The one list of stored shapes: an older
/// version gets an arm of its own and becomes today's event in [`Shape::into_event`].
fn with_shape<V: ShapeVisitor>(
    event_type: EventType,
    version: u32,
    origin: Origin<'_>,
    data: &str,
    visitor: V,
) -> Result<V::Output, ReadFailure> {
    use EventType as T;
    Ok(match (event_type, version) {
        (T::Created, 1) => visitor.visit(Created1::read(data, origin)?)?,
        (T::Created, 2) => visitor.visit(Created2::read(data, origin)?)?,
        (T::Started, 1) => visitor.visit(read_object::<Started1>(DATA, data)?)?,
        (T::Started, 2) => visitor.visit(read_object::<Started2>(DATA, data)?)?,
        (T::Progress, 1) => visitor.visit(read_object::<Progress1>(DATA, data)?)?,
        (T::ItemResult, 1) => visitor.visit(ItemResult1::read(data)?)?,
        (T::HookOutput, 1) => visitor.visit(read_object::<HookOutput1>(DATA, data)?)?,
        (T::Completed, 1) => visitor.visit(read_object::<Completed1>(DATA, data)?)?,
        (T::Failed, 1) => visitor.visit(read_object::<Failed1>(DATA, data)?)?,
        (T::Cancelled, 1) => visitor.visit(read_object::<Cancelled1>(DATA, data)?)?,
        (T::Noted, 1) => visitor.visit(read_object::<Noted1>(DATA, data)?)?,
        (T::Redacted, 1) => visitor.visit(match origin {
            Origin::Producer { .. } => read_object::<Redacted1>(DATA, data)?,
            Origin::Log => read_object::<RedactedWithResidue1>(DATA, data)?.without_residue(),
        })?,
        (T::Retried, 1) => visitor.visit(read_object::<Retried1>(DATA, data)?)?,
        _ => return Err(ReadFailure::UnknownVersion),
    })
}
