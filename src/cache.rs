//! Caches in memory with a limit in bytes. A full cache evicts the value that was unused for the longest time.
//!
//! `lru` orders the values, and this file counts their bytes. The value that was used last always stays, even if it is larger than
//! the limit: the writer thread decides on a job that it has just cached. quick_cache and moka refuse a value larger than their
//! limit, and may evict a new one at once.
//!
//! Not here: the decision that a value is out of date. The user of a cache makes it, with one exception: [`RedactableCache`] evicts
//! values that are older than a redaction.

use std::hash::Hash;

use lru::LruCache;
use parking_lot::Mutex;

use crate::job::{Job, JobKey, Position};
use crate::memory::Budget;

/// Values by key, which together take at most about the bytes of a budget.
#[derive(Debug)]
pub struct Cache<K: Hash + Eq, V> {
    /// Each value with its bytes.
    values: LruCache<K, (V, usize)>,
    bytes: usize,
    budget: Budget,
}

/// Jobs by their key.
pub type JobCache = Cache<JobKey, Job>;

impl<K: Hash + Eq, V> Cache<K, V> {
    /// An empty cache that holds at most about the bytes of its budget, or one value that is larger.
    pub fn new(budget: Budget) -> Cache<K, V> {
        budget.hold(0);
        Cache { values: LruCache::unbounded(), bytes: 0, budget }
    }

    /// Takes a value out.
    pub fn take(&mut self, key: &K) -> Option<V> {
        let (value, bytes) = self.values.pop(key)?;
        self.bytes -= bytes;
        self.budget.hold(self.bytes);
        Some(value)
    }

    /// The value of `key`. It counts as used now, so the cache evicts it last.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        self.values.get(key).map(|(value, _)| value)
    }

    /// Changes the value of `key` in place; the change makes it about `grown` bytes larger. `None` if the cache lacks the key.
    pub fn update<T>(&mut self, key: &K, grown: usize, change: impl FnOnce(&mut V) -> T) -> Option<T> {
        let (value, bytes) = self.values.get_mut(key)?;
        *bytes += grown;
        self.bytes += grown;
        let changed = change(value);
        self.evict();
        Some(changed)
    }

    /// Keeps a value of about `bytes` bytes.
    pub fn insert(&mut self, key: K, value: V, bytes: usize) {
        self.bytes += bytes;
        if let Some((_, (_, replaced))) = self.values.push(key, (value, bytes)) {
            self.bytes -= replaced;
        }
        self.evict();
    }

    fn evict(&mut self) {
        while self.bytes > self.budget.limit() && self.values.len() > 1 {
            let Some((_, (_, bytes))) = self.values.pop_lru() else { break };
            self.bytes -= bytes;
        }
        self.budget.hold(self.bytes);
    }

    /// Evicts every value.
    pub fn clear(&mut self) {
        self.values.clear();
        self.bytes = 0;
        self.budget.hold(0);
    }
}

impl<K: Hash + Eq, V> Drop for Cache<K, V> {
    fn drop(&mut self) {
        self.budget.hold(0);
    }
}

impl JobCache {
    /// Keeps a job.
    pub fn put(&mut self, job: Job) {
        let bytes = job_weight(&job);
        self.insert(job.key.clone(), job, bytes);
    }
}

/// About how many bytes a job takes in memory: at least the bytes of its texts. Costs the same for every job.
pub fn job_weight(job: &Job) -> usize {
    let parts = 500 * job.items.len() + 100 * (job.notes.len() + job.redactions.len());
    // A job holds its spec as a text and as a value, and a value of many small parts takes more memory than its text.
    2048 + job.text_len() + parts + job.bytes as usize + 2 * job.spec_json.0.len()
}

/// A cache for several threads, of values that show data of events. Data may be redacted later, so a newer redaction evicts
/// every value.
///
/// Callers pass the position of the newest redaction ([`crate::ledger::Ledger::newest_redaction`]). They read that position before
/// they read the log.
#[derive(Debug)]
pub struct RedactableCache<K: Hash + Eq, V>(Mutex<Redactable<K, V>>);

/// The values of a [`RedactableCache`], all read after one redaction.
#[derive(Debug)]
struct Redactable<K: Hash + Eq, V> {
    /// The newest redaction that a caller gave as an argument. Every value was read from the log after this redaction.
    redaction: Position,
    values: Cache<K, V>,
}

impl<K: Hash + Eq, V: Clone> RedactableCache<K, V> {
    /// An empty cache that holds at most about the bytes of its budget, or one value that is larger.
    pub fn new(budget: Budget) -> RedactableCache<K, V> {
        RedactableCache(Mutex::new(Redactable { redaction: Position::GENESIS, values: Cache::new(budget) }))
    }

    /// Runs `change` on the values. If `redaction` is newer than every redaction before, evicts all values first.
    ///
    /// Returns `None` and does not run `change` if the cache knows a redaction newer than `redaction`: a value that the caller has
    /// read may show redacted data.
    pub fn with<T>(&self, redaction: Position, change: impl FnOnce(&mut Cache<K, V>) -> T) -> Option<T> {
        let mut cache = self.0.lock();
        if cache.redaction < redaction {
            cache.redaction = redaction;
            cache.values.clear();
        }
        (cache.redaction == redaction).then(|| change(&mut cache.values))
    }

    /// The value of `key`.
    pub fn get(&self, redaction: Position, key: &K) -> Option<V> {
        self.with(redaction, |values| values.get(key).cloned()).flatten()
    }

    /// Keeps a value of about `bytes` bytes, unless a redaction newer than `redaction` is known.
    pub fn insert(&self, redaction: Position, key: K, value: V, bytes: usize) {
        self.with(redaction, |values| values.insert(key, value, bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_value_is_evicted_and_one_that_is_too_large_stays_alone() {
        let mut cache = Cache::new(Budget::new(10));
        cache.insert("a", 1, 4);
        cache.insert("b", 2, 4);
        cache.get(&"a");
        cache.insert("c", 3, 4);
        assert_eq!(["a", "b", "c"].map(|key| cache.get(&key).copied()), [Some(1), None, Some(3)]);
        cache.insert("c", 4, 1);
        cache.insert("d", 5, 5);
        assert_eq!(["a", "c", "d"].map(|key| cache.get(&key).copied()), [Some(1), Some(4), Some(5)]);
        cache.update(&"d", 20, |value| *value += 1);
        assert_eq!(["a", "c", "d"].map(|key| cache.get(&key).copied()), [None, None, Some(6)]);
        assert_eq!((cache.take(&"d"), cache.bytes), (Some(6), 0));
    }

    #[test]
    fn a_newer_redaction_evicts_every_value_and_keeps_out_older_ones() {
        let cache = RedactableCache::new(Budget::new(100));
        let (none, first) = (Position::GENESIS, Position::new(20));
        cache.insert(none, "a", 1, 1);
        assert_eq!(cache.get(none, &"a"), Some(1));
        assert_eq!(cache.get(first, &"a"), None);
        cache.insert(none, "a", 1, 1);
        assert_eq!(cache.get(first, &"a"), None, "read before the redaction");
        cache.insert(first, "a", 2, 1);
        assert_eq!(cache.get(first, &"a"), Some(2));
        assert_eq!(cache.get(none, &"a"), None, "asked for before the redaction");
    }
}
