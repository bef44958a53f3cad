//! How long to wait before the next try: doubled each time up to a cap, and never the same for two.

use std::time::Duration;

/// Waits that grow.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    first: Duration,
    cap: Duration,
    next: Duration,
}

impl Backoff {
    /// Begins with `first`, and never waits for longer than `cap`.
    pub(super) fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, next: first }
    }

    /// The next wait: between half and all of what is due, by `chance` from 0 to 1, so that many
    /// who lost the same gateway do not come back together.
    pub(super) fn wait(&mut self, chance: f64) -> Duration {
        let due = self.next;
        self.next = (self.next * 2).min(self.cap);
        due.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
    }

    /// It went well: the next wait is a first one.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// A number from 0 to 1 that nobody can guess.
pub(super) fn chance() -> f64 {
    f64::from(u16::from_be_bytes([random(0), random(1)])) / f64::from(u16::MAX)
}

fn random(byte: usize) -> u8 {
    uuid::Uuid::new_v4().as_bytes()[byte]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_begin_anew_after_a_success() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, 5 * second);
        let waits: Vec<_> = (0..5).map(|_| backoff.wait(1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
        assert_eq!(backoff.wait(0.0), Duration::from_millis(2_500));
        backoff.reset();
        assert_eq!(backoff.wait(1.0), second);
    }

    #[test]
    fn chances_differ() {
        let some: std::collections::BTreeSet<_> = (0..20).map(|_| chance().to_bits()).collect();
        assert!(some.len() > 15);
    }
}
