//! How webhooks are delivered.

use std::time::Duration;

/// How webhooks are delivered.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether a receiver may have a loopback or private address, and be reached without TLS.
    pub allow_private: bool,
    /// How long one delivery may take, from the look-up of the name to the end of the answer.
    pub timeout: Duration,
    /// The pauses after failures.
    pub pauses: Pauses,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { allow_private: false, timeout: Duration::from_secs(15), pauses: Pauses::default() }
    }
}

/// The pauses after the failures of one event. Each is twice as long as the one before, up to a longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// The first pause. More than 0.
    pub first: Duration,
    /// The longest pause: a receiver that works again waits no longer than this.
    pub longest: Duration,
    /// How long all pauses of one event are together. After the try that follows them the webhook is parked.
    pub in_all: Duration,
}

impl Default for Pauses {
    fn default() -> Pauses {
        let hour = Duration::from_secs(3600);
        Pauses { first: Duration::from_secs(5), longest: hour, in_all: 24 * hour }
    }
}

impl Pauses {
    /// The pause after so many failures in a row; `None` if the pauses before were [`Pauses::in_all`] together.
    ///
    /// The time in which no server runs does not count: only the number of failures does.
    pub fn after(&self, failures: u32) -> Option<Duration> {
        let (mut pause, mut left) = (self.first.min(self.longest), self.in_all);
        for _ in 1..failures.max(1) {
            left = left.saturating_sub(pause);
            if left.is_zero() {
                break;
            }
            pause = (pause * 2).min(self.longest);
        }
        Some(pause.min(left)).filter(|pause| !pause.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_five_seconds_to_an_hour_and_last_a_day() {
        let pauses: Vec<u64> =
            (1..).map_while(|failures| Pauses::default().after(failures)).map(|pause| pause.as_secs()).collect();
        assert_eq!(pauses[..11], [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]);
        assert_eq!(pauses.iter().sum::<u64>(), 24 * 3600);
        assert!(pauses.iter().all(|pause| *pause <= 3600), "{pauses:?}");
        assert_eq!(Pauses::default().after(u32::MAX), None);
        assert_eq!(Pauses::default().after(pauses.len() as u32 + 1), None);
    }
}
