//! How many fetches strangers can cause: 2 at once, then one per 10 s, counted by attempts.
//! It must never be asked for scheduled fetches, and never give an attempt back.

use std::time::Duration;

/// So many attempts at once.
pub(super) const BURST: u32 = 2;
/// One more attempt after so long: the cooldown of keys under a flood.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    /// The time up to which refills have been counted.
    counted_to: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            left: BURST,
            counted_to: Duration::ZERO,
        }
    }
}

impl Budget {
    /// Spends one attempt, if there is one.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        self.refill(now);
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        true
    }

    /// When the next attempt can be had; zero if at once, because a request may have looked at the clock before whoever
    /// asks here.
    pub(super) fn opens_at(&self) -> Duration {
        if self.left > 0 {
            return Duration::ZERO;
        }
        self.counted_to.saturating_add(INTERVAL)
    }

    fn refill(&mut self, now: Duration) {
        while self.left < BURST && now.saturating_sub(self.counted_to) >= INTERVAL {
            self.left += 1;
            self.counted_to += INTERVAL;
        }
        if self.left == BURST {
            self.counted_to = self.counted_to.max(now);
        }
    }
}
