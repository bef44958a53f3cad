//! Backlog, then tail: no gap, no repeat.

use std::sync::Arc;

use futures::stream::BoxStream;

use super::{Store, StoreError};
use crate::model::{Event, EventFilter, Seq};

/// What a follower gets.
#[derive(Debug, Clone)]
pub enum Followed {
    Event(Arc<Event>),
    /// The cursor was before the oldest event that is kept, or after the newest: the stream goes on
    /// from `oldest`.
    Reset {
        oldest: Seq,
        since: Seq,
    },
}

/// Every event after `since` that matches, then every new one, for as long as it is polled.
#[must_use]
pub fn follow(
    store: Arc<dyn Store>,
    since: Seq,
    filter: EventFilter,
) -> BoxStream<'static, Result<Followed, StoreError>> {
    let _ = (store, since, filter);
    todo!()
}
