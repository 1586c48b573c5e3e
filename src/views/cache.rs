//! Jobs kept in memory: what decides and what projects would otherwise load a job for every event.

use lru::LruCache;

use crate::job::{Job, JobKey};

/// Jobs by name, the longest unused dropped first, bounded by about how many bytes they take.
#[derive(Debug)]
pub struct JobCache {
    jobs: LruCache<JobKey, (Job, usize)>,
    weight: usize,
    limit: usize,
}

impl JobCache {
    /// A cache of about `limit` bytes.
    pub fn new(limit: usize) -> JobCache {
        JobCache { jobs: LruCache::unbounded(), weight: 0, limit }
    }

    /// Takes a job out, to be put back when it was changed.
    pub fn take(&mut self, key: &JobKey) -> Option<Job> {
        let (job, weight) = self.jobs.pop(key)?;
        self.weight -= weight;
        Some(job)
    }

    /// The job, counted as used.
    pub fn get(&mut self, key: &JobKey) -> Option<&Job> {
        self.jobs.get(key).map(|(job, _)| job)
    }

    /// Changes a job in place, by which it grows about `grown` bytes; `None` where it is not here.
    pub fn update<T>(&mut self, key: &JobKey, grown: usize, change: impl FnOnce(&mut Job) -> T) -> Option<T> {
        let (job, weight) = self.jobs.get_mut(key)?;
        *weight += grown;
        self.weight += grown;
        let changed = change(job);
        self.shrink();
        Some(changed)
    }

    /// Keeps a job.
    pub fn put(&mut self, job: Job) {
        let weight = job.weight();
        self.weight += weight;
        if let Some((_, (_, old))) = self.jobs.push(job.key.clone(), (job, weight)) {
            self.weight -= old;
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.weight > self.limit && self.jobs.len() > 1 {
            let Some((_, (_, weight))) = self.jobs.pop_lru() else { break };
            self.weight -= weight;
        }
    }

    /// Forgets every job.
    pub fn clear(&mut self) {
        self.jobs.clear();
        self.weight = 0;
    }
}
