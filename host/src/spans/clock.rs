//! Turns nanoseconds since boot into wall time. The offset between the two is not a constant: the wall clock is set and slewed,
//! so it is measured again and again.

use rustix::time::{ClockId, clock_gettime};

/// How often the offset is measured, in nanoseconds.
const INTERVAL: u64 = 1_000_000_000;
/// Readings of which the tightest counts: a preemption between two of them would otherwise shift everything.
const READINGS: usize = 8;

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    offset: Offset,
    /// When the offset was measured, in nanoseconds since boot. None: it is fixed.
    measured: Option<u64>,
}

/// What to add to nanoseconds since boot to get nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offset {
    pub nanoseconds: i64,
    /// How far off it may be.
    pub uncertainty: u64,
}

impl Clock {
    pub fn measured() -> Self {
        Self { offset: measure(), measured: Some(boot_now()) }
    }

    /// With a fixed offset: for recorded events.
    pub fn fixed(nanoseconds: i64) -> Self {
        Self { offset: Offset { nanoseconds, uncertainty: 0 }, measured: None }
    }

    /// Nanoseconds since 1970 for nanoseconds since boot.
    pub fn wall(&self, boot: u64) -> u64 {
        boot.saturating_add_signed(self.offset.nanoseconds)
    }

    /// Measures anew if that was not done in the last second. `now` is in nanoseconds since boot.
    pub fn refresh(&mut self, now: u64) {
        if self.measured.is_some_and(|measured| now.saturating_sub(measured) >= INTERVAL) {
            self.measured = Some(now);
            self.offset = self.offset.corrected(measure());
        }
    }
}

impl Offset {
    /// The new measurement, if it tells another time. Otherwise the old one stays, because a parent and its child that are
    /// finished before and after a measurement should not move against each other by its noise.
    fn corrected(self, new: Self) -> Self {
        let noise = self.uncertainty.saturating_add(new.uncertainty);
        if self.nanoseconds.abs_diff(new.nanoseconds) > noise { new } else { self }
    }
}

/// Nanoseconds since boot, time asleep included, as `bpf_ktime_get_boot_ns` gives them.
pub fn boot_now() -> u64 {
    read(ClockId::Boottime)
}

fn measure() -> Offset {
    let reading = |_| {
        let before = boot_now();
        let wall = read(ClockId::Realtime);
        let between = boot_now().saturating_sub(before);
        let boot = before.saturating_add(between / 2);
        Offset { nanoseconds: wall.wrapping_sub(boot).cast_signed(), uncertainty: between.div_ceil(2) }
    };
    (0..READINGS).map(reading).min_by_key(|offset| offset.uncertainty).expect("READINGS is not 0")
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn tells_the_wall_time() {
        let wall = Clock::measured().wall(boot_now());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(now.abs_diff(Duration::from_nanos(wall)) < Duration::from_millis(100), "{now:?} {wall}");
    }

    #[test]
    fn measures_at_most_once_a_second_and_only_if_not_fixed() {
        let start = boot_now();
        let mut clock = Clock { offset: Offset { nanoseconds: 7, uncertainty: 1 }, measured: Some(start) };
        clock.refresh(start + INTERVAL - 1);
        assert_eq!(clock.wall(1), 8);
        clock.refresh(start + INTERVAL);
        assert_ne!(clock.wall(1), 8);

        let mut clock = Clock::fixed(7);
        clock.refresh(u64::MAX);
        assert_eq!(clock.wall(1), 8);
    }

    #[test]
    fn moves_only_by_more_than_the_noise() {
        let offset = |nanoseconds| Offset { nanoseconds, uncertainty: 50 };
        for (old, new, expected) in [(1_000, 1_100, 1_000), (1_000, 1_101, 1_101), (1_000, -5, -5), (-40, 40, -40)] {
            assert_eq!(offset(old).corrected(offset(new)), offset(expected));
        }
    }
}
