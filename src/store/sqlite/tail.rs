//! The newest events, in memory: a reader that keeps up never touches the file.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::{Event, EventQuery, Seq};
use crate::store::EventPage;

/// Events that are kept here at most.
pub(super) const EVENTS_MAX: usize = 4_096;
/// Bytes of data that are kept here, about.
const BYTES_MAX: usize = 2 * 1024 * 1024;
/// Events that are looked at for one page, so that the writer is not kept waiting.
const LOOK_MAX: usize = 1_024;
/// Bytes of data after which a page ends.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// A run of events without holes up to the newest.
#[derive(Debug)]
pub(super) struct Tail {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// The position before the first event here.
    before: Seq,
}

impl Tail {
    /// No events yet, after this one.
    pub(super) fn after(newest: Seq) -> Self {
        Self { events: VecDeque::new(), bytes: 0, before: newest }
    }

    pub(super) fn push(&mut self, event: Arc<Event>) {
        self.bytes += size(&event);
        self.events.push_back(event);
        while self.events.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            self.drop_first();
        }
    }

    /// Drops events up to and including `last`.
    pub(super) fn trim(&mut self, last: Seq) {
        while self.events.front().is_some_and(|event| event.seq <= last) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(event) = self.events.pop_front() {
            self.bytes -= size(&event);
            self.before = event.seq;
        }
    }

    /// The page, when everything after the cursor is here.
    pub(super) fn read(&self, query: &EventQuery) -> Option<EventPage> {
        if query.since < self.before {
            return None;
        }
        let mut page = EventPage { events: Vec::new(), read_to: query.since };
        let mut bytes = 0;
        let first = self.events.partition_point(|event| event.seq <= query.since);
        for event in self.events.range(first..).take(LOOK_MAX) {
            page.read_to = event.seq;
            if query.filter.matches(event) {
                bytes += size(event);
                page.events.push(Arc::clone(event));
                if page.events.len() >= query.limit || bytes >= bytes_max(query) {
                    break;
                }
            }
        }
        Some(page)
    }
}

/// Bytes of data after which this page ends.
pub(super) fn bytes_max(query: &EventQuery) -> usize {
    query.bytes.unwrap_or(PAGE_BYTES_MAX).min(PAGE_BYTES_MAX)
}

fn size(event: &Event) -> usize {
    event.data.get().len()
}
