//! Frames: server-sent events as text (WHATWG HTML, section 9.2).

use bytes::{Bytes, BytesMut};

use crate::job::{EventType, Position, Time};
use crate::log::{Columns, Filter, Row, Types};
use crate::wire::{self, Leaf};

/// The first frame of a stream whose watcher named its cursor: reconnect after one second.
pub const RETRY: Bytes = Bytes::from_static(b"retry: 1000\n\n");

/// A rendered event of the log, with the columns that filters compare.
#[derive(Debug)]
pub(super) struct Frame {
    pub position: Position,
    pub columns: Columns,
    /// Whether the event ends its job.
    ends_job: bool,
    /// The text that is sent, `id`, `event` and `data`.
    pub bytes: Bytes,
}

impl Frame {
    /// Renders a stored event once for all watchers.
    ///
    /// # Errors
    /// The leaf is not a leaf of this format.
    pub fn new(row: Row<'_>) -> Result<Frame, wire::BadLeaf> {
        let leaf = Leaf::parse(row.leaf)?;
        let event = wire::cloudevent(row.leaf, row.data);
        let columns = Columns {
            org: leaf.org()?,
            job: leaf.subject.as_deref().and_then(|subject| subject.parse().ok()),
            kind: leaf.kind()?,
            types: Types::spelled(&leaf.event_type),
        };
        let ends_job = EventType::named(&leaf.event_type).is_some_and(EventType::ends_job);
        let bytes = event_frame(Some(row.position), &leaf.event_type, &event);
        Ok(Frame { position: row.position, columns, ends_job, bytes })
    }

    /// Whether the event ends the one job that `filter` names. The filter need not show the event.
    fn ends(&self, filter: &Filter) -> bool {
        let Columns { org, job, .. } = &self.columns;
        self.ends_job && org.is_some() && filter.org == *org && job.is_some() && filter.job == *job
    }

    /// A frame of a background job without data.
    #[cfg(test)]
    pub fn bare(position: Position, org: crate::job::OrgId, job: &str, event_type: EventType) -> Frame {
        let (job, kind) = (Some(job.parse().unwrap()), Some(crate::job::Kind::Task));
        let columns = Columns { org: Some(org), job, kind, types: Types::spelled(event_type.as_str()) };
        Frame { position, columns, ends_job: event_type.ends_job(), bytes: Bytes::from_static(b"\n\n") }
    }
}

/// The frames of one watcher between two positions.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// The frames that pass the watcher's filter, joined; may be empty.
    pub bytes: Bytes,
    /// The last position that the stretch covers.
    pub cursor: Position,
    /// The position where the watched job ended, if the stretch covers it.
    pub ended: Option<Position>,
    /// Whether events after `cursor` can be read at once.
    pub more: bool,
}

impl Stretch {
    /// Joins those of `frames` that pass `filter`, until they have `limit` bytes. `frames` end at `end`.
    pub(super) fn of<'f>(
        frames: impl Iterator<Item = &'f Frame>,
        filter: &Filter,
        end: Position,
        limit: usize,
    ) -> Stretch {
        let (mut passing, mut size) = (Vec::new(), 0);
        let (mut cursor, mut ended) = (end, None);
        for frame in frames {
            if frame.ends(filter) {
                ended = Some(frame.position);
            }
            if filter.shows(&frame.columns) {
                passing.push(&frame.bytes);
                size += frame.bytes.len();
                if size >= limit {
                    cursor = frame.position;
                    break;
                }
            }
        }
        Stretch { bytes: joined(&passing, size), cursor, ended, more: cursor < end }
    }
}

/// Shares the buffer of a single frame. Joins several frames, because each separate buffer costs a write.
fn joined(frames: &[&Bytes], size: usize) -> Bytes {
    match frames {
        [] => Bytes::new(),
        [one] => (*one).clone(),
        many => {
            let mut bytes = BytesMut::with_capacity(size);
            many.iter().for_each(|frame| bytes.extend_from_slice(frame));
            bytes.freeze()
        }
    }
}

/// A frame with `data`, which is one line.
pub fn event_frame(id: Option<Position>, event: &str, data: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(data.len() + event.len() + 48);
    if let Some(id) = id {
        frame.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    frame.extend_from_slice(b"event: ");
    frame.extend_from_slice(event.as_bytes());
    frame.extend_from_slice(b"\ndata: ");
    frame.extend_from_slice(data);
    frame.extend_from_slice(b"\n\n");
    frame.freeze()
}

/// A frame that says after how many milliseconds the client connects again.
pub fn retry(milliseconds: u32) -> Bytes {
    Bytes::from(format!("retry: {milliseconds}\n\n"))
}

/// A `closed` or `reset` frame. It carries `data`, because browsers drop frames without data.
pub fn position_frame(event: &str, position: Position) -> Bytes {
    event_frame(Some(position), event, format!("{{\"position\":{position}}}").as_bytes())
}

/// The first frame of a tail that starts at the head. It carries the cursor: a watcher that loses the connection before the
/// first event resumes where it began, and not at a later head.
pub fn start(cursor: Position) -> Bytes {
    Bytes::from(format!("retry: 1000\nid: {cursor}\n\n"))
}

/// A heartbeat: an `id` alone moves a browser's cursor and fires no event.
pub fn heartbeat(cursor: Position) -> Bytes {
    Bytes::from(format!("id: {cursor}\n\n"))
}

/// A heartbeat for a client that asked for it, at the time `at`.
pub fn heartbeat_event(cursor: Position, at: Time) -> Bytes {
    event_frame(Some(cursor), "heartbeat", format!("{{\"position\":{cursor},\"at\":\"{at}\"}}").as_bytes())
}
