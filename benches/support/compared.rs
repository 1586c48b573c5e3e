//! Appends with and without watchers, and what the watchers got.

use super::figures::{median, percent};
use super::load::Series;

/// Rounds of appends without and with watchers.
#[derive(Default)]
pub struct Compared {
    pub with: Series,
    pub without: Series,
    /// Events delivered a second, to all watchers together.
    pub delivered: Vec<f64>,
    /// Seconds from the last answer to an append until the last watcher had its event.
    pub behind: Vec<f64>,
}

impl Compared {
    /// The part by which watchers make appends slower, the median of the rounds.
    pub fn slower(&self) -> String {
        let pairs = self.with.rates.iter().zip(&self.without.rates);
        let slower: Vec<f64> = pairs.map(|(with, without)| 1.0 - with / without).collect();
        percent(median(&slower), 1.0)
    }
}
