//! How long a failing plugin rests.

use std::time::{Duration, Instant};

/// Failures in a row that are forgiven.
const FORGIVEN: u32 = 2;
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
pub struct Quarantine {
    /// In a row.
    failures: u32,
    until: Option<Instant>,
}

impl Quarantine {
    /// How much longer it rests; none if it does not.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        self.until?.checked_duration_since(now).filter(|rest| !rest.is_zero())
    }

    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The rest doubles with every failure.
    pub fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let Some(doublings) = self.failures.checked_sub(FORGIVEN + 1) else { return };
        let rest = FIRST_REST.saturating_mul(1 << doublings.min(16)).min(LONGEST_REST);
        self.until = now.checked_add(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_longer_with_every_failure_and_forgets_with_a_success() {
        let now = Instant::now();
        let mut quarantine = Quarantine::default();
        let mut rests = Vec::new();
        for _ in 0..13 {
            quarantine.failed(now);
            rests.push(quarantine.rest(now).map_or(0, |rest| rest.as_secs()));
        }
        assert_eq!(rests, [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(quarantine.rest(now + LONGEST_REST), None);
        quarantine.succeeded();
        quarantine.failed(now);
        assert_eq!(quarantine.rest(now), None);
    }
}
