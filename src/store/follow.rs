//! Backlog, then tail: no gap, no repeat.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};

use super::{Head, Scope, Store, StoreError};
use crate::model::{Event, EventFilter, EventQuery, Seq};

/// Events that are read ahead of whoever polls. Few: each of a thousand slow readers holds so many.
const PAGE: usize = 128;
/// Bytes of them.
const PAGE_BYTES: usize = 32 * 1024;

/// What a follower gets.
#[derive(Debug, Clone)]
pub enum Followed {
    Event(Arc<Event>),
    /// The cursor was before the oldest event that is kept, after the newest, or where events were
    /// lost: the stream goes on from `oldest`.
    Reset {
        oldest: Seq,
        since: Seq,
    },
}

/// Every event after `since` that matches, then every new one, for as long as it is polled.
///
/// The stream ends only after an error. Nothing is read for a follower that does not poll.
#[must_use]
pub fn follow(
    store: Arc<dyn Store>,
    since: Seq,
    filter: EventFilter,
) -> BoxStream<'static, Result<Followed, StoreError>> {
    let scope = filter.agents.clone().map_or(Scope::All, Scope::Agents);
    // Before the first read: what is recorded after that read raises this head.
    let head = store.head(&scope);
    let follower = Follower { store, head, cursor: since, filter, page: VecDeque::new() };
    let start = State::Start(follower);
    stream::unfold(start, |state| async move {
        let (mut follower, first) = match state {
            State::Start(follower) => (follower, true),
            State::Reading(follower) => (follower, false),
            State::Failed => return None,
        };
        Some(match follower.next(first).await {
            Ok(next) => (Ok(next), State::Reading(follower)),
            Err(error) => (Err(error), State::Failed),
        })
    })
    .boxed()
}

enum State {
    Start(Follower),
    Reading(Follower),
    Failed,
}

struct Follower {
    store: Arc<dyn Store>,
    head: Head,
    /// Everything up to here has been read.
    cursor: Seq,
    filter: EventFilter,
    /// Read, but not taken yet.
    page: VecDeque<Arc<Event>>,
}

impl Follower {
    async fn next(&mut self, first: bool) -> Result<Followed, StoreError> {
        if first {
            let (oldest, newest) = self.store.bounds();
            if self.cursor > newest {
                return Ok(self.reset(oldest));
            }
        }
        loop {
            if let Some(event) = self.page.pop_front() {
                return Ok(Followed::Event(event));
            }
            let query = EventQuery {
                since: self.cursor,
                filter: self.filter.clone(),
                limit: PAGE,
                bytes: Some(PAGE_BYTES),
            };
            let page = self.store.read(query).await?;
            // After the read: events that went before it, or while it went on, are missing from it.
            let (oldest, _) = self.store.bounds();
            if self.cursor.next() < oldest {
                return Ok(self.reset(oldest));
            }
            let lost = self.store.lost(self.cursor, page.read_to);
            if let Some((_, last)) = lost.filter(|(first, _)| *first == self.cursor.next()) {
                return Ok(self.reset(last.next()));
            }
            // What comes after a gap is read again behind it.
            let end = lost.map_or(page.read_to, |(first, _)| Seq(first.0 - 1));
            self.cursor = end;
            self.page = page.events.into_iter().filter(|event| event.seq <= end).collect();
            if self.page.is_empty() && lost.is_none() {
                let cursor = self.cursor;
                let more = self.head.wait_for(|newest| *newest > cursor).await;
                more.map_err(|_| StoreError::Closed)?;
            }
        }
    }

    fn reset(&mut self, oldest: Seq) -> Followed {
        let since = self.cursor;
        self.cursor = Seq(oldest.0.saturating_sub(1));
        Followed::Reset { oldest, since }
    }
}

#[cfg(test)]
#[path = "follow_test.rs"]
mod tests;
