//! Bells: they wake tails. Watchers with the same filter share a bell, and the bell rings only for events that their filter may
//! show. So a watcher of rare events sleeps while other jobs are busy.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::frame::Frame;
use crate::job::{JobId, Kind, OrgId, Position};
use crate::log::{Columns, Filter, Types};

/// All bells that have a watcher.
#[derive(Debug, Default)]
pub(super) struct Bells {
    by_topic: Mutex<ByTopic>,
    reached: AtomicU64,
}

type ByTopic = HashMap<Topic, HashMap<Types, watch::Sender<Rings>>>;

/// The part of a filter without event types. An event belongs to six topics, so the publisher finds its bells with six look-ups,
/// for any number of bells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Topic {
    org: Option<OrgId>,
    job: Option<JobId>,
    /// `None` if `job` is set: a job has one kind.
    kind: Option<Kind>,
}

impl Topic {
    /// The topics of an event.
    fn of(event: &Columns) -> [Topic; 6] {
        let about = |org, job: &Option<JobId>, kind| Topic { org, job: job.clone(), kind };
        [
            about(None, &None, None),
            about(None, &None, event.kind),
            about(None, &event.job, None),
            about(event.org, &None, None),
            about(event.org, &None, event.kind),
            about(event.org, &event.job, None),
        ]
    }
}

/// The two newest rings of a bell. No event of the bell is in (last, quiet] or after `newest`; at least one is in
/// (quiet, newest].
#[derive(Debug, Clone, Copy)]
struct Rings {
    last: Position,
    quiet: Position,
    newest: Position,
}

impl Bells {
    /// The bell of `filter`. Events that are published from now on ring it.
    pub(super) fn subscribe(self: &Arc<Bells>, filter: &Filter) -> Bell {
        // The event that ends a job concerns the job's watchers even if their filter hides it, and a job has few events.
        let Filter { org, job, kind, types, upto: _ } = filter.with_ends();
        let topic = Topic { org, job, kind };
        let mut by_topic = self.by_topic.lock();
        let reached = self.reached();
        let new = || watch::Sender::new(Rings { last: reached, quiet: reached, newest: reached });
        let rings = by_topic.entry(topic.clone()).or_default().entry(types).or_insert_with(new).subscribe();
        Bell { rings, topic, types, bells: self.clone() }
    }

    /// Every bell has rung for its events up to this position.
    fn reached(&self) -> Position {
        Position::new(self.reached.load(Ordering::SeqCst))
    }

    /// Rings the bells of `frames`, which are all events up to `end`. The ring has the frames already, so a watcher that
    /// subscribes from now on finds them there.
    pub(super) fn ring(&self, frames: &[Arc<Frame>], end: Position) {
        let by_topic = self.by_topic.lock();
        let mut published: HashMap<Topic, Types> = HashMap::new();
        for frame in frames {
            for topic in Topic::of(&frame.columns).into_iter().filter(|topic| by_topic.contains_key(topic)) {
                let types = published.entry(topic).or_insert(Types::NONE);
                *types = types.with(frame.columns.types);
            }
        }
        let quiet = self.reached();
        for (topic, published) in &published {
            for (_, bell) in by_topic[topic].iter().filter(|(types, _)| types.meets(*published)) {
                ring(bell, quiet, end);
            }
        }
        self.reached.store(end.get(), Ordering::SeqCst);
    }

    /// Rings all bells.
    pub(super) fn ring_all(&self, end: Position) {
        let by_topic = self.by_topic.lock();
        for bell in by_topic.values().flat_map(HashMap::values) {
            ring(bell, self.reached(), end);
        }
        self.reached.store(end.get(), Ordering::SeqCst);
    }
}

fn ring(bell: &watch::Sender<Rings>, quiet: Position, newest: Position) {
    bell.send_modify(|rings| *rings = Rings { last: rings.newest, quiet, newest });
}

/// A watcher's subscription to a bell; ends when it is dropped.
pub struct Bell {
    rings: watch::Receiver<Rings>,
    topic: Topic,
    types: Types,
    bells: Arc<Bells>,
}

impl Bell {
    /// Waits until the bell rings for an event after `cursor`. `false` if the server has dropped the bells.
    pub async fn rings_after(&mut self, cursor: Position) -> bool {
        self.rings.wait_for(|rings| rings.newest > cursor).await.is_ok()
    }

    /// Moves `cursor`, up to which the watcher has read, over the events for which the bell did not ring.
    pub fn skip_quiet(&self, cursor: Position) -> Position {
        // Read before the rings: an event that rings the bell in between is not skipped.
        let reached = self.bells.reached();
        let rings = *self.rings.borrow();
        if rings.newest <= cursor {
            cursor.max(reached)
        } else if rings.last <= cursor {
            cursor.max(rings.quiet)
        } else {
            cursor
        }
    }
}

#[cfg(test)]
impl Bell {
    /// Whether the bell has rung for an event after `cursor`.
    pub(super) fn has_rung_after(&mut self, cursor: Position) -> bool {
        use std::task::{Context, Waker};
        std::pin::pin!(self.rings_after(cursor)).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let mut by_topic = self.bells.by_topic.lock();
        let Some(bells) = by_topic.get_mut(&self.topic) else { return };
        // This subscription is still counted.
        if bells.get(&self.types).is_some_and(|bell| bell.receiver_count() <= 1) {
            bells.remove(&self.types);
        }
        if bells.is_empty() {
            by_topic.remove(&self.topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::EventType::{self, Failed, LedgerContinued, Noted, Started};

    /// Filters with each combination of parts.
    fn filters(orgs: &[OrgId]) -> Vec<Filter> {
        let mut filters = vec![Filter::default()];
        let vary = |filters: Vec<Filter>, change: &dyn Fn(&Filter) -> Vec<Filter>| {
            filters.iter().flat_map(|filter| [vec![filter.clone()], change(filter)].concat()).collect()
        };
        filters = vary(filters, &|f| orgs.iter().map(|org| Filter { org: Some(*org), ..f.clone() }).collect());
        filters = vary(filters, &|f| ["a", "b"].map(|job| Filter { job: job.parse().ok(), ..f.clone() }).into());
        filters =
            vary(filters, &|f| [Kind::Task, Kind::Rule].map(|kind| Filter { kind: Some(kind), ..f.clone() }).into());
        let types = [set(&[Noted]), set(&[Noted, Failed]), set(&[LedgerContinued])];
        vary(filters, &|f| types.map(|types| Filter { types, ..f.clone() }).into())
    }

    fn set(types: &[EventType]) -> Types {
        types.iter().copied().collect()
    }

    #[test]
    fn a_bell_rings_for_the_events_that_its_filter_shows_and_for_all_events_of_a_job() {
        let orgs = [OrgId::default(), OrgId(uuid::Uuid::from_u128(1))];
        let bells = Arc::new(Bells::default());
        for filter in filters(&orgs) {
            let audible = filter.with_ends();
            for (org, event_type) in [(orgs[0], Noted), (orgs[1], Failed), (orgs[0], Started)] {
                let (before, now) = (bells.reached(), bells.reached().next());
                let frame = Frame::bare(now, org, "a", event_type);
                let expected = audible.shows(&frame.columns);
                let mut bell = bells.subscribe(&filter);
                bells.ring(&[Arc::new(frame)], now);
                assert_eq!(bell.has_rung_after(before), expected, "{filter:?}, {event_type} of {org}");
                assert_eq!(bell.skip_quiet(before), if expected { before } else { now });
            }
        }
        assert!(bells.by_topic.lock().is_empty(), "no watcher is left");
    }

    #[test]
    fn watchers_with_the_same_filter_share_a_bell_until_the_last_leaves() {
        let bells = Arc::new(Bells::default());
        let of = |types: &[EventType]| bells.subscribe(&Filter { types: set(types), ..Filter::default() });
        let count = || bells.by_topic.lock().values().map(HashMap::len).sum::<usize>();
        let (one, same, other) = (of(&[Noted, Failed]), of(&[Failed, Noted]), of(&[Noted]));
        assert_eq!(count(), 2);
        drop((one, other));
        assert_eq!(count(), 1);
        drop(same);
        assert_eq!(count(), 0);
    }
}
