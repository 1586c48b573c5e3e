//! Values that reads loaded from the views, kept in memory until a commit of the projector changes them.
//!
//! From the beginning of a commit until every reader of the file sees it, the cache returns no value and keeps none. So a value
//! from memory is never older than a value that another reader has already read from the file.

use std::hash::Hash;

use parking_lot::Mutex;

use crate::cache::Cache;
use crate::job::Position;
use crate::memory::Budget;

/// Values by key, all as of one position of the views.
#[derive(Debug)]
pub struct ViewsCache<K: Hash + Eq, V>(Mutex<State<K, V>>);

#[derive(Debug)]
struct State<K: Hash + Eq, V> {
    /// The position of the views; `None` during a commit, and while there are no views.
    position: Option<Position>,
    values: Cache<K, V>,
}

impl<K: Hash + Eq + Clone, V: Clone> ViewsCache<K, V> {
    /// An empty cache that holds at most about the bytes of its budget.
    pub fn new(budget: Budget) -> ViewsCache<K, V> {
        ViewsCache(Mutex::new(State { position: None, values: Cache::new(budget) }))
    }

    /// Begins a commit of the views. `evict` takes out the values that the commit changes.
    pub fn begin_commit(&self, evict: impl FnOnce(&mut Cache<K, V>)) {
        let mut state = self.0.lock();
        state.position = None;
        evict(&mut state.values);
    }

    /// Ends a commit: the views are at `position`, and every reader of the file sees the commit.
    pub fn end_commit(&self, position: Position) {
        self.0.lock().position = Some(position);
    }

    /// Evicts every value, because other views take the place of these.
    pub fn clear(&self) {
        self.begin_commit(Cache::clear);
    }

    /// The value of `key` and the position of the views. `None` if that position is before `wanted`, during a commit, and for an
    /// unknown key.
    pub fn get(&self, key: &K, wanted: Position) -> Option<(V, Position)> {
        let mut state = self.0.lock();
        let position = state.position.filter(|position| *position >= wanted)?;
        state.values.get(key).map(|value| (value.clone(), position))
    }

    /// Keeps a value of about `bytes` bytes, which the caller read when the views were at `position`. Drops it if the views have
    /// moved on since.
    pub fn keep(&self, key: &K, value: &V, bytes: usize, position: Position) {
        let mut state = self.0.lock();
        if state.position == Some(position) {
            state.values.insert(key.clone(), value.clone(), bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENESIS: Position = Position::GENESIS;

    /// Views at position 5, and values of `a` and `b` that were read there.
    fn cache() -> ViewsCache<&'static str, u8> {
        let cache = ViewsCache::new(Budget::new(1000));
        cache.end_commit(Position::new(5));
        cache.keep(&"a", &1, 1, Position::new(5));
        cache.keep(&"b", &2, 1, Position::new(5));
        cache
    }

    #[test]
    fn a_value_that_no_commit_changes_holds() {
        let cache = cache();
        assert_eq!(cache.get(&"a", Position::new(5)), Some((1, Position::new(5))));
        assert_eq!(cache.get(&"a", Position::new(6)), None, "not yet");
        cache.begin_commit(|values| assert_eq!(values.take(&"a"), Some(1)));
        assert_eq!(cache.get(&"b", GENESIS), None, "a reader of the file may see the commit already");
        cache.end_commit(Position::new(7));
        assert_eq!(cache.get(&"b", Position::new(7)), Some((2, Position::new(7))));
        assert_eq!(cache.get(&"a", GENESIS), None);
    }

    #[test]
    fn a_value_from_before_a_commit_is_not_kept_after_it() {
        let cache = cache();
        cache.begin_commit(|values| assert_eq!(values.take(&"a"), Some(1)));
        cache.keep(&"a", &1, 1, Position::new(5));
        cache.end_commit(Position::new(6));
        cache.keep(&"a", &1, 1, Position::new(5));
        assert_eq!(cache.get(&"a", GENESIS), None);
        cache.keep(&"a", &3, 1, Position::new(6));
        assert_eq!(cache.get(&"a", GENESIS), Some((3, Position::new(6))));
    }
}
