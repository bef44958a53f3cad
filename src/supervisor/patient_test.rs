//! A store during whose work paused time stands still: tokio would otherwise pass the time on while
//! the writer's thread is at work, and every timer would seem to run out during a commit.

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::model::{Agent, AgentFilter, AgentId, Event, EventQuery, Seq, Status};
use crate::store::{
    AgentPage, Answer, AuditRecord, Batch, EventPage, Head, Scope, Sqlite, Store, StoreError,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) struct Patient {
    pub(super) store: Sqlite,
    /// Takes nothing, as on a full disk.
    pub(super) full: Arc<AtomicBool>,
}

/// Time does not pass on by itself while a blocking task is under way.
fn still<'a, T: Send + 'a>(work: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
    async move {
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let held = tokio::task::spawn_blocking(move || wait.recv().is_ok());
        let outcome = work.await;
        drop(done);
        let _ = held.await;
        outcome
    }
    .boxed()
}

type Reply<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

impl Store for Patient {
    fn append(&self, batch: Batch) -> Reply<'_, Vec<Arc<Event>>> {
        if self.full.load(Ordering::SeqCst) {
            let path = "/full".into();
            return still(async { Err(StoreError::Full { path }) }.boxed());
        }
        still(self.store.append(batch))
    }

    fn read(&self, query: EventQuery) -> Reply<'_, EventPage> {
        still(self.store.read(query))
    }

    fn bounds(&self) -> (Seq, Seq) {
        self.store.bounds()
    }

    fn head(&self, scope: &Scope) -> Head {
        self.store.head(scope)
    }

    fn agent(&self, id: AgentId) -> Reply<'_, Option<Arc<Agent>>> {
        still(self.store.agent(id))
    }

    fn alive(&self) -> Vec<Arc<Agent>> {
        self.store.alive()
    }

    fn agents(
        &self,
        filter: AgentFilter,
        after: Option<u64>,
        limit: usize,
        now: Timestamp,
    ) -> Reply<'_, AgentPage> {
        still(self.store.agents(filter, after, limit, now))
    }

    fn by_prefix(&self, prefix: String, limit: usize) -> Reply<'_, Vec<AgentId>> {
        still(self.store.by_prefix(prefix, limit))
    }

    fn counts(&self) -> Reply<'_, Vec<(Status, u64)>> {
        still(self.store.counts())
    }

    fn audit(
        &self,
        since: u64,
        agent: Option<AgentId>,
        limit: usize,
    ) -> Reply<'_, Vec<AuditRecord>> {
        still(self.store.audit(since, agent, limit))
    }

    fn answer(&self, key: String) -> Reply<'_, Option<Answer>> {
        still(self.store.answer(key))
    }

    fn trim(&self, last: Seq) -> Reply<'_, ()> {
        still(self.store.trim(last))
    }
}
