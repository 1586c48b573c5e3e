//! Values kept in memory: what decides and what projects would otherwise load a job for every event, and what reads would
//! make the same answer again and again.

use std::hash::Hash;

use lru::LruCache;

use crate::job::{Job, JobKey};
use crate::memory::Budget;

/// Values by name, the longest unused dropped first, bounded by about how many bytes they take.
#[derive(Debug)]
pub struct Cache<K: Hash + Eq, V> {
    values: LruCache<K, (V, usize)>,
    weight: usize,
    budget: Budget,
}

/// Jobs by name.
pub type JobCache = Cache<JobKey, Job>;

impl<K: Hash + Eq, V> Cache<K, V> {
    /// An empty cache. It holds at most about the bytes of its budget, or one larger value.
    pub fn new(budget: Budget) -> Cache<K, V> {
        budget.hold(0);
        Cache { values: LruCache::unbounded(), weight: 0, budget }
    }

    /// Takes a value out.
    pub fn take(&mut self, key: &K) -> Option<V> {
        let (value, weight) = self.values.pop(key)?;
        self.weight -= weight;
        self.budget.hold(self.weight);
        Some(value)
    }

    /// The value, counted as used.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        self.values.get(key).map(|(value, _)| value)
    }

    /// Changes a value in place, by which it grows about `grown` bytes; `None` where it is not here.
    pub fn update<T>(&mut self, key: &K, grown: usize, change: impl FnOnce(&mut V) -> T) -> Option<T> {
        let (value, weight) = self.values.get_mut(key)?;
        *weight += grown;
        self.weight += grown;
        let changed = change(value);
        self.shrink();
        Some(changed)
    }

    /// Keeps a value of about `weight` bytes.
    pub fn insert(&mut self, key: K, value: V, weight: usize) {
        self.weight += weight;
        if let Some((_, (_, old))) = self.values.push(key, (value, weight)) {
            self.weight -= old;
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.weight > self.budget.limit() && self.values.len() > 1 {
            let Some((_, (_, weight))) = self.values.pop_lru() else { break };
            self.weight -= weight;
        }
        self.budget.hold(self.weight);
    }

    /// Forgets every value.
    pub fn clear(&mut self) {
        self.values.clear();
        self.weight = 0;
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
        let weight = job_weight(&job);
        self.insert(job.key.clone(), job, weight);
    }
}

/// Approximate size of a job in memory, in bytes; at least the length of its texts. The cost does not grow with the job.
pub fn job_weight(job: &Job) -> usize {
    let parts = 500 * job.items.len() + 100 * (job.notes.len() + job.redactions.len());
    // The job holds its spec as text and as a value; a value with many small parts takes more memory than its text.
    2048 + job.text_len() + parts + job.bytes as usize + 2 * job.spec_json.0.len()
}
