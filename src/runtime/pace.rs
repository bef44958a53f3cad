//! How often the output of an agent that never pauses is read.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

/// How far reads are apart of an agent that writes without a pause: what comes after a pause is read at once. Two
/// reads are so far apart that an agent at its fastest fills one, and so near that nobody sees it.
const PACE: Duration = Duration::from_millis(2);

/// Bytes read at once from which on there is surely more to come.
pub(super) const FLOOD: u64 = 32 * 1024;

/// When something was last read, and whether the next read waits. A wait costs one timer, where hearing of each of
/// the agent's writes would cost both the agent and the daemon.
#[derive(Default)]
pub(super) struct Pace {
    read_at: Option<Instant>,
    pause: Option<BoxFuture<'static, ()>>,
}

impl Pace {
    /// Something was read, from this moment on.
    pub(super) fn read(&mut self, begun: Instant) {
        self.read_at = Some(begun);
    }

    /// Whether anything has been read so far.
    pub(super) fn was_read(&self) -> bool {
        self.read_at.is_some()
    }

    /// Whether something was read just now.
    pub(super) fn is_fast(&self) -> bool {
        self.read_at.is_some_and(|at| at.elapsed() < PACE)
    }

    /// Has the next read wait, if the last one was just now.
    pub(super) fn slow_down(&mut self) {
        let next = self.read_at.map(|at| at + PACE).filter(|next| *next > Instant::now());
        self.pause = next.map(|next| sleep_until(next).boxed());
    }

    /// Whether the next read is to wait.
    pub(super) fn waits(&self) -> bool {
        self.pause.is_some()
    }

    /// Resolves when it need not wait any more, once. Safe to drop and call again.
    pub(super) async fn over(&mut self) {
        super::attempt::done(&mut self.pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_follows_another_read_at_once_waits() {
        let mut pace = Pace::default();
        pace.slow_down();
        assert!(!pace.is_fast() && !pace.waits(), "the first read waits for nothing");

        let begun = Instant::now();
        pace.read(begun);
        assert!(pace.is_fast());
        pace.slow_down();
        assert!(pace.waits());
        pace.over().await;
        assert!(!pace.waits());
        assert_eq!(begun.elapsed(), PACE);

        assert!(!pace.is_fast(), "after a pause");
        pace.slow_down();
        assert!(!pace.waits());
    }
}
