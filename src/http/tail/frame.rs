//! Server-sent events as text (WHATWG HTML, section 9.2).

use bytes::{Bytes, BytesMut};

use crate::job::{Event, JobId, Kind, OrgId, Position};
use crate::log::{Filter, Row};
use crate::wire::{self, Leaf};

/// The first frame of a stream whose watcher knows where it starts: reconnect after a second.
pub(super) const RETRY: Bytes = Bytes::from_static(b"retry: 1000\n\n");

/// An event of the log as it is sent to whoever may see it.
#[derive(Debug)]
pub(super) struct Frame {
    pub position: Position,
    pub org: Option<OrgId>,
    pub job: Option<JobId>,
    pub kind: Option<Kind>,
    pub event_type: Box<str>,
    /// Ready to be written.
    pub bytes: Bytes,
}

impl Frame {
    /// Renders a stored event, once for everybody.
    pub(super) fn new(row: Row<'_>) -> Result<Frame, wire::BadLeaf> {
        let leaf = Leaf::parse(row.leaf)?;
        let event = wire::cloudevent(row.leaf, row.data);
        Ok(Frame {
            position: row.position,
            org: leaf.org()?,
            job: leaf.subject.as_deref().and_then(|subject| subject.parse().ok()),
            kind: leaf.kind()?,
            bytes: sent(Some(row.position), &leaf.event_type, &event),
            event_type: leaf.event_type.into(),
        })
    }

    /// Whether `filter` lets the frame through.
    pub(super) fn passes(&self, filter: &Filter) -> bool {
        self.is_of(filter) && (filter.types.is_empty() || filter.types.iter().any(|name| **name == *self.event_type))
    }

    /// Whether the frame ends the one job that `filter` is about, shown or not.
    pub(super) fn ends(&self, filter: &Filter) -> bool {
        let ended = Event::FINAL.contains(&&*self.event_type);
        ended && filter.org.is_some() && filter.org == self.org && filter.job.is_some() && filter.job == self.job
    }

    /// A frame of a background job with nothing in it.
    #[cfg(test)]
    pub(super) fn bare(position: Position, org: OrgId, job: &str, event_type: &str) -> Frame {
        let (org, job, kind) = (Some(org), Some(job.parse().unwrap()), Some(Kind::Task));
        Frame { position, org, job, kind, event_type: event_type.into(), bytes: Bytes::from_static(b"\n\n") }
    }

    fn is_of(&self, filter: &Filter) -> bool {
        filter.org.is_none_or(|org| self.org == Some(org))
            && (filter.job.is_none() || filter.job == self.job)
            && (filter.kind.is_none() || filter.kind == self.kind)
    }
}

/// A stretch of frames as one watcher takes it.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    /// What passes the filter, perhaps nothing.
    pub bytes: Bytes,
    /// Everything up to here was looked at.
    pub cursor: Position,
    /// Where the watched job ended, if that is in it.
    pub ended: Option<Position>,
    /// Whether there is more behind it already.
    pub more: bool,
}

impl Taken {
    /// Takes of `frames`, about `limit` bytes at the most, what passes `filter`. `end` is where the stretch ends.
    pub(super) fn from<'f>(
        frames: impl Iterator<Item = &'f Frame>,
        filter: &Filter,
        end: Position,
        limit: usize,
    ) -> Taken {
        let (mut passing, mut size) = (Vec::new(), 0);
        let (mut cursor, mut ended) = (end, None);
        for frame in frames {
            if frame.ends(filter) {
                ended = Some(frame.position);
            }
            if frame.passes(filter) {
                passing.push(&frame.bytes);
                size += frame.bytes.len();
                if size >= limit {
                    cursor = frame.position;
                    break;
                }
            }
        }
        Taken { bytes: joined(&passing, size), cursor, ended, more: cursor < end }
    }
}

/// One frame is shared as it is; several are joined, because each piece that is sent costs a write.
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

/// A frame with an event; `data` is one line.
pub(super) fn sent(id: Option<Position>, event: &str, data: &[u8]) -> Bytes {
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

/// `closed` and `reset`. They carry data, because a browser drops frames without.
pub(super) fn at(event: &str, position: Position) -> Bytes {
    sent(Some(position), event, format!("{{\"position\":{position}}}").as_bytes())
}

/// The first frame of a tail that starts at the head. It carries the cursor, so that a watcher that loses the connection
/// before anything came goes on where it began, not at the head of then.
pub(super) fn start(cursor: Position) -> Bytes {
    Bytes::from(format!("retry: 1000\nid: {cursor}\n\n"))
}

/// A heartbeat: moves a browser's cursor and fires no event.
pub(super) fn heartbeat(cursor: Position) -> Bytes {
    Bytes::from(format!("id: {cursor}\n\n"))
}
