//! The bells that wake tails. Watchers who ask for the same share one, and it rings only when something that they may want
//! to see is there: whoever asks for something rare sleeps while others are busy.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use super::frame::Frame;
use crate::job::{Event, JobId, Kind, OrgId, Position};
use crate::log::Filter;

/// Every bell that somebody listens to.
#[derive(Debug, Default)]
pub(super) struct Bells {
    listened: Mutex<HashMap<Topic, HashMap<Types, watch::Sender<Rung>>>>,
    reached: AtomicU64,
}

/// What a bell rings for, types aside. A frame has six topics at the most, so finding its bells takes as many looks, whatever
/// the number of bells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Topic {
    org: Option<OrgId>,
    job: Option<JobId>,
    /// Only where no job is named: a job has one kind.
    kind: Option<Kind>,
}

impl Topic {
    fn of(frame: &Frame) -> [Topic; 6] {
        let about = |org, job: &Option<JobId>, kind| Topic { org, job: job.clone(), kind };
        [
            about(None, &None, None),
            about(None, &None, frame.kind),
            about(None, &frame.job, None),
            about(frame.org, &None, None),
            about(frame.org, &None, frame.kind),
            about(frame.org, &frame.job, None),
        ]
    }
}

/// A set of event types, a bit each. Those that are not of a job share one: they are rare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Types(u32);

impl Types {
    const ALL: Types = Types(u32::MAX);

    fn one(name: &str) -> Types {
        let place = Event::TYPES.iter().position(|known| *known == name);
        Types(1 << place.unwrap_or(Event::TYPES.len()))
    }

    fn add(&mut self, other: Types) {
        self.0 |= other.0;
    }

    fn meet(self, other: Types) -> bool {
        self.0 & other.0 != 0
    }
}

/// When a bell rang last. There was nothing for it after `last` up to `quiet`, and nothing after `newest` so far.
#[derive(Debug, Clone, Copy)]
struct Rung {
    last: Position,
    quiet: Position,
    newest: Position,
}

impl Bells {
    /// The bell of `filter`. What is published from here on rings it.
    pub(super) fn of(self: &Arc<Bells>, filter: &Filter) -> Bell {
        let (kind, types) = match &filter.job {
            // Whatever ends a job concerns its watchers, shown or not; and a job has few events.
            Some(_) => (None, Types::ALL),
            None => (filter.kind, types(filter)),
        };
        let topic = Topic { org: filter.org, job: filter.job.clone(), kind };
        let mut listened = self.listened();
        let reached = self.reached();
        let new = || watch::Sender::new(Rung { last: reached, quiet: reached, newest: reached });
        let rung = listened.entry(topic.clone()).or_default().entry(types).or_insert_with(new).subscribe();
        Bell { rung, topic, types, bells: self.clone() }
    }

    fn listened(&self) -> MutexGuard<'_, HashMap<Topic, HashMap<Types, watch::Sender<Rung>>>> {
        self.listened.lock()
    }

    /// Every bell that has to ring for something up to here has rung.
    fn reached(&self) -> Position {
        Position::new(self.reached.load(Ordering::SeqCst))
    }

    /// Rings the bells that `frames`, everything up to `end`, are something for. The frames can be read already: whoever
    /// listens from now on finds them.
    pub(super) fn ring(&self, frames: &[Arc<Frame>], end: Position) {
        let listened = self.listened();
        let mut new: HashMap<Topic, Types> = HashMap::new();
        for frame in frames {
            for topic in Topic::of(frame).into_iter().filter(|topic| listened.contains_key(topic)) {
                new.entry(topic).or_default().add(Types::one(&frame.event_type));
            }
        }
        let quiet = self.reached();
        for (topic, new) in &new {
            for (_, bell) in listened[topic].iter().filter(|(types, _)| types.meet(*new)) {
                ring(bell, quiet, end);
            }
        }
        self.reached.store(end.get(), Ordering::SeqCst);
    }

    /// Rings every bell.
    pub(super) fn ring_all(&self, end: Position) {
        let listened = self.listened();
        for bell in listened.values().flat_map(HashMap::values) {
            ring(bell, self.reached(), end);
        }
        self.reached.store(end.get(), Ordering::SeqCst);
    }
}

fn ring(bell: &watch::Sender<Rung>, quiet: Position, newest: Position) {
    bell.send_modify(|rung| *rung = Rung { last: rung.newest, quiet, newest });
}

fn types(filter: &Filter) -> Types {
    if filter.types.is_empty() {
        return Types::ALL;
    }
    let mut types = Types::default();
    filter.types.iter().for_each(|name| types.add(Types::one(name)));
    types
}

/// A bell, while somebody listens.
pub(super) struct Bell {
    rung: watch::Receiver<Rung>,
    topic: Topic,
    types: Types,
    bells: Arc<Bells>,
}

impl Bell {
    /// Waits until it has rung for something after `cursor`; false where it never will again.
    pub(super) async fn rings_after(&mut self, cursor: Position) -> bool {
        self.rung.wait_for(|rung| rung.newest > cursor).await.is_ok()
    }

    /// Where somebody who has seen everything up to `cursor` goes on: what the bell was silent about was not for them.
    pub(super) fn pass_silence(&self, cursor: Position) -> Position {
        // Asked first: what rings in between is not passed.
        let reached = self.bells.reached();
        let rung = *self.rung.borrow();
        if rung.newest <= cursor {
            cursor.max(reached)
        } else if rung.last <= cursor {
            cursor.max(rung.quiet)
        } else {
            cursor
        }
    }
}

#[cfg(test)]
impl Bell {
    /// Whether it has rung for something after `cursor`.
    pub(super) fn has_rung_after(&mut self, cursor: Position) -> bool {
        use std::task::{Context, Waker};
        std::pin::pin!(self.rings_after(cursor)).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let mut listened = self.bells.listened();
        let Some(bells) = listened.get_mut(&self.topic) else { return };
        // Its own receiver is still counted.
        if bells.get(&self.types).is_some_and(|bell| bell.receiver_count() <= 1) {
            bells.remove(&self.types);
        }
        if bells.is_empty() {
            listened.remove(&self.topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Filters with and without each part.
    fn filters(orgs: &[OrgId]) -> Vec<Filter> {
        let mut filters = vec![Filter::default()];
        let vary = |filters: Vec<Filter>, change: &dyn Fn(&Filter) -> Vec<Filter>| {
            filters.iter().flat_map(|filter| [vec![filter.clone()], change(filter)].concat()).collect()
        };
        filters = vary(filters, &|f| orgs.iter().map(|org| Filter { org: Some(*org), ..f.clone() }).collect());
        filters = vary(filters, &|f| ["a", "b"].map(|job| Filter { job: job.parse().ok(), ..f.clone() }).into());
        filters =
            vary(filters, &|f| [Kind::Task, Kind::Rule].map(|kind| Filter { kind: Some(kind), ..f.clone() }).into());
        let types: [&[&str]; 3] = [&["job.noted"], &["job.noted", "job.failed"], &["ledger.continued"]];
        vary(filters, &|f| types.map(|types| Filter { types: owned(types), ..f.clone() }).into())
    }

    fn owned(types: &[&str]) -> Vec<String> {
        types.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_bell_rings_for_what_its_filter_lets_through_and_of_a_job_for_everything() {
        let orgs = [OrgId::default(), OrgId(uuid::Uuid::from_u128(1))];
        let bells = Arc::new(Bells::default());
        for filter in filters(&orgs) {
            let heard = match filter.job {
                Some(_) => Filter { kind: None, types: Vec::new(), ..filter.clone() },
                None => filter.clone(),
            };
            for (org, event_type) in [(orgs[0], "job.noted"), (orgs[1], "job.failed"), (orgs[0], "job.started")] {
                let (before, now) = (bells.reached(), bells.reached().next());
                let frame = Frame::bare(now, org, "a", event_type);
                let expected = frame.passes(&heard);
                let mut bell = bells.of(&filter);
                bells.ring(&[Arc::new(frame)], now);
                assert_eq!(bell.has_rung_after(before), expected, "{filter:?}, {event_type} of {org}");
                assert_eq!(bell.pass_silence(before), if expected { before } else { now });
            }
        }
        assert!(bells.listened().is_empty(), "nobody listens any more");
    }

    #[test]
    fn listeners_of_the_same_share_a_bell_until_the_last_has_left() {
        let bells = Arc::new(Bells::default());
        let of = |types: &[&str]| bells.of(&Filter { types: owned(types), ..Filter::default() });
        let count = || bells.listened().values().map(HashMap::len).sum::<usize>();
        let (one, same, other) =
            (of(&["job.noted", "job.failed"]), of(&["job.failed", "job.noted"]), of(&["job.noted"]));
        assert_eq!(count(), 2);
        drop((one, other));
        assert_eq!(count(), 1);
        drop(same);
        assert_eq!(count(), 0);
    }
}
