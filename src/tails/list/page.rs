//! The page that the client of a live list shows, as positions: each job by the position of its `job.created`.

use crate::job::Position;

/// The page of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListPage {
    /// Most rows that the client keeps.
    first: usize,
    /// The rows, newest first.
    rows: Vec<Position>,
    /// Whether the list may have older jobs than these.
    more: bool,
}

/// What a change of a job does to the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// The job stands on the page.
    Shown,
    /// The job stood on the page, and the filters no longer show it.
    Gone,
    /// The job neither stands nor stood on the page.
    Outside,
}

/// The rows that a page lacks: the newest `count` of the list that were created before `before`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing {
    pub before: Position,
    pub count: usize,
}

impl ListPage {
    /// The page with these rows, newest first. `more`: the list has older ones.
    pub fn new(first: usize, rows: Vec<Position>, more: bool) -> ListPage {
        // A page with less rows than it may have ended early because its rows are long.
        let first = if more { rows.len().max(1) } else { first };
        ListPage { first, rows, more }
    }

    /// Most rows that the client keeps.
    pub fn first(&self) -> usize {
        self.first
    }

    /// The oldest row, if the list may have older jobs.
    pub fn end(&self) -> Option<Position> {
        self.rows.last().copied().filter(|_| self.more)
    }

    /// Takes a job in or out that was created at `created`. `shown`: the filters show the job now.
    pub fn take(&mut self, created: Position, shown: bool) -> Effect {
        match (self.rows.binary_search_by(|row| created.cmp(row)), shown) {
            (Ok(_), true) => Effect::Shown,
            (Ok(at), false) => {
                self.rows.remove(at);
                Effect::Gone
            }
            (Err(at), true) if at < self.rows.len() || !self.more => {
                self.rows.insert(at, created);
                Effect::Shown
            }
            (Err(_), _) => Effect::Outside,
        }
    }

    /// Drops the oldest rows beyond [`ListPage::first`], as the client does.
    pub fn settle(&mut self) {
        if self.rows.len() > self.first {
            self.rows.truncate(self.first);
            self.more = true;
        }
    }

    /// Whether the job that was created at `created` stands on the page.
    pub fn has(&self, created: Position) -> bool {
        self.rows.binary_search_by(|row| created.cmp(row)).is_ok()
    }

    /// The rows that left, and that older jobs of the list can replace.
    pub fn missing(&self) -> Option<Missing> {
        let count = self.first.saturating_sub(self.rows.len());
        // An empty page has forgotten where it ended, so the page begins anew.
        let before = self.rows.last().copied().unwrap_or(Position::MAX);
        (self.more && count > 0).then_some(Missing { before, count })
    }

    /// Adds older rows, newest first. `more`: the list has older ones than these.
    pub fn fill(&mut self, older: impl Iterator<Item = Position>, more: bool) {
        self.rows.extend(older);
        self.more = more;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn positions(numbers: &[u64]) -> Vec<Position> {
        numbers.iter().copied().map(Position::new).collect()
    }

    /// The first page of a list that has these jobs, newest first, and whether others follow.
    fn page_of(jobs: &[u64], first: usize) -> (Vec<Position>, bool) {
        (positions(&jobs[..jobs.len().min(first)]), jobs.len() > first)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        /// Jobs enter and leave the list in batches. After each batch the page is the first page of the list.
        #[test]
        fn the_page_is_the_first_page_of_the_list(
            first in 1..5_usize,
            batches in prop::collection::vec(prop::collection::btree_map(1..12_u64, any::<bool>(), 0..6), 0..12),
        ) {
            let mut list: std::collections::BTreeSet<u64> = [3, 4, 5, 9].into();
            let newest_first = |list: &std::collections::BTreeSet<u64>| list.iter().rev().copied().collect::<Vec<_>>();
            let (rows, more) = page_of(&newest_first(&list), first);
            let mut page = ListPage::new(first, rows, more);
            for batch in batches {
                for (job, shown) in &batch {
                    let _ = if *shown { list.insert(*job) } else { list.remove(job) };
                    page.take(Position::new(*job), *shown);
                }
                page.settle();
                let jobs = newest_first(&list);
                if let Some(Missing { before, count }) = page.missing() {
                    let older: Vec<u64> = jobs.iter().copied().filter(|job| Position::new(*job) < before).collect();
                    let (rows, more) = page_of(&older, count);
                    page.fill(rows.into_iter(), more);
                }
                let (rows, more) = page_of(&jobs, first);
                prop_assert_eq!(&page.rows, &rows);
                prop_assert!(page.more || !more, "the page may promise an older job that has left, and hides none");
            }
        }
    }

    #[test]
    fn a_page_that_ended_early_keeps_its_length() {
        let mut page = ListPage::new(50, positions(&[9, 7]), true);
        assert_eq!((page.first(), page.missing()), (2, None));
        assert_eq!(page.take(Position::new(12), true), Effect::Shown);
        page.settle();
        assert_eq!((page.rows.clone(), page.end()), (positions(&[12, 9]), Some(Position::new(9))));
        assert_eq!(page.take(Position::new(3), true), Effect::Outside);
        assert_eq!(page.take(Position::new(9), false), Effect::Gone);
        assert_eq!(page.missing(), Some(Missing { before: Position::new(12), count: 1 }));
    }
}
