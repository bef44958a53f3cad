//! Pages that were read from the file a moment ago. Followers that come back together, after the daemon
//! was away, ask for the same ones.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::EventQuery;
use crate::store::EventPage;

/// Pages that are kept. A follower's page is some tens of kilobytes.
const PAGES: usize = 32;

/// The last few followers' pages. What is in the log does not change, so that they stay right; a page
/// that was the last one then only says less than there is.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<(EventQuery, EventPage)>>);

impl Recent {
    pub(super) fn get(&self, query: &EventQuery) -> Option<EventPage> {
        let pages = self.pages();
        let found = pages.iter().rev().find(|(other, _)| other == query);
        found.map(|(_, page)| page.clone())
    }

    /// Keeps a page that has events. Only pages of followers, which are small.
    pub(super) fn put(&self, query: &EventQuery, page: &EventPage) {
        if query.bytes.is_none() || page.events.is_empty() {
            return;
        }
        let mut pages = self.pages();
        if pages.len() >= PAGES {
            pages.pop_front();
        }
        pages.push_back((query.clone(), page.clone()));
    }

    fn pages(&self) -> MutexGuard<'_, VecDeque<(EventQuery, EventPage)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
