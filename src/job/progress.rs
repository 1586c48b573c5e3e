//! Progress: the counts reported so far, and the percentage that the producer reports or that the counts give.

use super::event::{Counts, Event};

/// The counts and the percentage of a job after some events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// The newest value of each count.
    pub counts: Counts,
    /// 0 to 100, from the newest event that carried a percentage, `records_processed` or `total_records`.
    pub percent: u8,
}

impl Tally {
    /// The tally of a new job whose spec gives `total` records.
    pub fn of_total(total: Option<u64>) -> Tally {
        Tally { counts: Counts { total, ..Counts::default() }, percent: 0 }
    }

    /// The tally after `event`. The latest event that carries a percentage or counts sets the percentage; if one event
    /// carries both, its percentage wins.
    pub fn after(self, event: &Event) -> Tally {
        let new = event.counts();
        let counts = Counts {
            processed: new.processed.or(self.counts.processed),
            total: new.total.or(self.counts.total),
            created: new.created.or(self.counts.created),
            updated: new.updated.or(self.counts.updated),
            deleted: new.deleted.or(self.counts.deleted),
        };
        let stated = match event {
            Event::Progress(progress) => progress.percent,
            _ => None,
        };
        let counted = new.processed.is_some() || new.total.is_some();
        let percent = match stated {
            Some(percent) => percent,
            None if counted => percentage(counts),
            None => self.percent,
        };
        Tally { counts, percent }
    }

    /// Whether `records_processed` ≤ `total_records`, as far as both are known.
    pub fn consistent(self) -> bool {
        match (self.counts.processed, self.counts.total) {
            (Some(processed), Some(total)) => processed <= total,
            _ => true,
        }
    }
}

/// floor(100 × processed / total); 0 if the total is 0 or unknown.
fn percentage(counts: Counts) -> u8 {
    let (processed, total) = (counts.processed.unwrap_or(0), counts.total.unwrap_or(0));
    let percent = (u128::from(processed) * 100).checked_div(u128::from(total)).unwrap_or(0);
    u8::try_from(percent.min(100)).expect("at most 100")
}

#[cfg(test)]
mod tests {
    use super::super::event::Progress;
    use super::*;

    fn progress(percent: Option<u8>, processed: Option<u64>, total: Option<u64>) -> Event {
        let counts = Counts { processed, total, ..Counts::default() };
        Event::Progress(Progress { percent, counts, ..Progress::default() })
    }

    #[test]
    fn the_latest_of_percentage_and_counts_wins() {
        let tally = Tally::default().after(&progress(None, Some(650), Some(1000)));
        assert_eq!(tally.percent, 65);
        let tally = tally.after(&progress(Some(10), None, None));
        assert_eq!(tally.percent, 10);
        let tally = tally.after(&progress(None, Some(999), None));
        assert_eq!(tally.percent, 99, "floor, against the total of an earlier event");
        assert_eq!(tally.after(&progress(Some(7), Some(1000), None)).percent, 7);
    }

    #[test]
    fn a_total_of_0_or_none_gives_0_and_huge_counts_do_not_overflow() {
        assert_eq!(Tally::default().after(&progress(None, Some(0), Some(0))).percent, 0);
        assert_eq!(Tally::default().after(&progress(None, Some(5), None)).percent, 0);
        let max = Some(1 << 53);
        assert_eq!(Tally::default().after(&progress(None, max, max)).percent, 100);
    }
}
