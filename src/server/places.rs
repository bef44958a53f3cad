//! How many connections there can be. Each takes a descriptor, and some are kept for everything else
//! that needs one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Descriptors that are kept for the log, the agents' files and the keeper.
const KEPT: u64 = 96;
/// Connections beyond all others, each for one request: control works when the others are taken.
const SPARE: usize = 16;
/// Connections that there can be, however few descriptors there are.
const LEAST: usize = 8;
/// How long it is remembered that there were too few.
const REMEMBERED: Duration = Duration::from_secs(3);

/// The places that connections take.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    all: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    /// When there was none left.
    scarce: Mutex<Option<Instant>>,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    /// It is for one request, and for no stream.
    pub(super) is_spare: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

/// The mark of a request that came over a spare place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spare;

impl Places {
    /// As many as this process may have descriptors for.
    pub(super) fn here() -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let kept = KEPT.max(limit / 8);
        let most = usize::try_from(limit.saturating_sub(kept)).unwrap_or(usize::MAX);
        Self::of(most.saturating_sub(SPARE).clamp(LEAST, Semaphore::MAX_PERMITS), SPARE)
    }

    pub(super) fn of(most: usize, spare: usize) -> Self {
        let (all, spare) = (Arc::new(Semaphore::new(most)), Arc::new(Semaphore::new(spare)));
        Self { most, all, spare, scarce: Mutex::default() }
    }

    /// A place; resolves when there is one. The spare ones are soon free again.
    pub(super) async fn take(&self) -> Place {
        if let Ok(permit) = Arc::clone(&self.all).try_acquire_owned() {
            return Place { is_spare: false, _permit: Some(permit) };
        }
        self.note();
        // It is never closed.
        let permit = Arc::clone(&self.spare).acquire_owned().await.ok();
        Place { is_spare: true, _permit: permit }
    }

    /// Notes that there are too few descriptors.
    pub(super) fn note(&self) {
        *self.scarce.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// What is to be said while there are too few, and for a moment after that.
    pub(super) fn scarcity(&self) -> Option<String> {
        let noted = *self.scarce.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = noted.is_some_and(|noted| noted.elapsed() < REMEMBERED);
        (recent || self.all.available_permits() == 0).then(|| self.explanation())
    }

    pub(super) fn explanation(&self) -> String {
        format!("{} connections are open, as many as the daemon has descriptors for", self.most)
    }
}

/// What to do about it.
pub(super) const HINT: &str =
    "close event streams that nobody reads, or allow more: LimitNOFILE= of the unit, `ulimit -Hn`";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_ones_are_spare_and_scarcity_passes() {
        let places = Places::of(2, 1);
        let (first, second) = (places.take().await, places.take().await);
        assert!(!first.is_spare && !second.is_spare);
        assert!(places.scarcity().is_some(), "none is left");
        let spare = places.take().await;
        assert!(spare.is_spare);
        let waiting = tokio::time::timeout(Duration::from_secs(1), places.take()).await;
        assert!(waiting.is_err(), "nobody gets a place that is not there");
        drop((first, spare));
        assert!(!places.take().await.is_spare);
        assert!(places.scarcity().unwrap().contains("2 connections"));
        drop(second);
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(places.scarcity(), None);
    }
}
