//! The embedded store: one `SQLite` file, one writer.
//!
//! There is one connection that writes, and one at a time writes with it: a thread, which commits everything that
//! waits for it together, or whoever brings something short. What is committed is then published: the agents,
//! the newest events, and how far there is something to read. Readers are answered from memory where that is
//! enough, and otherwise by a few connections that only read.

mod agents;
mod backfill;
mod bounds;
mod columns;
mod desk;
mod events;
mod failure;
mod file;
mod group;
mod heads;
mod holes;
mod insert;
mod keys;
mod log;
mod mend;
mod migrate;
mod published;
mod readers;
mod recent;
mod records;
mod recover;
mod salvage;
mod specs;
mod tail;
mod trim;
mod verify;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use self::desk::{Desk, QUEUE, Request};
use self::published::Published;
use self::readers::Readers;
use self::recent::Recent;
use self::specs::Specs;
pub(super) use self::verify::verify_file;
use self::writer::Writer;
use super::checkpoints::{self, Notary};
use super::{
    AgentPage, Answer, AuditRecord, Batch, Checkpoint, EventPage, Head, Health, Operation, Scope,
    Store, StoreError, Verified, chain,
};
use crate::model::{Actor, Agent, AgentFilter, AgentId, Event, EventQuery, Process, Seq, Status};

/// Events and records of a page, at most.
const PAGE_MAX: usize = 10_000;

/// How much of the log is kept. The oldest events beyond any of these go; the audit trail stays.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Events.
    pub events_kept: u64,
    /// Days.
    pub days_kept: Option<u32>,
    /// Bytes that the file may use, about.
    pub bytes_max: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { events_kept: u64::MAX, days_kept: None, bytes_max: None }
    }
}

/// The embedded store. One process at a time may have a file open for writing; dropping the store
/// writes everything down and waits for that.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    published: Arc<Published>,
    readers: Arc<Readers>,
    specs: Arc<Specs>,
    recent: Arc<Recent>,
    /// Gone when the store closes, which ends the writer.
    requests: Option<mpsc::Sender<Request>>,
    desk: Arc<Desk>,
    writer: Option<JoinHandle<()>>,
}

impl Sqlite {
    /// Opens the file, and makes it when it is not there.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when a newer Dash wrote it, which leaves it untouched;
    /// [`StoreError::Full`] when there is no space to make it; [`StoreError::Io`] when it cannot be
    /// read or is no log of Dash; [`StoreError::Damaged`] when nothing can be read of it. Of a file
    /// that is damaged in parts the rest is saved, and it is kept. Nothing is ever deleted or made
    /// anew.
    pub fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        let (connection, mut log) = open_or_mend(path)?;
        let quarantined = quarantined(&connection, &log);
        let tampered = verify::tampered(&connection, path, &mut log);
        let published = Arc::new(Published::new(&log));
        let (requests, queue) = mpsc::channel(QUEUE);
        let thread = |error| StoreError::Io {
            path: path.to_owned(),
            message: format!("its thread did not start: {error}"),
        };
        begin_checkpoints(path, &log);
        let notary = Notary::begin(checkpoints::beside(path)).map_err(thread)?;
        let shared = Arc::clone(&published);
        let mut writer =
            Writer::new(connection, path.to_owned(), log, shared, options, Some(notary));
        writer.begin_backfill().map_err(thread)?;
        writer.record(tampered.into_iter().chain(quarantined));
        let desk = Arc::new(Desk::new(writer));
        let writer = std::thread::Builder::new().name("store".to_owned());
        let own = Arc::clone(&desk);
        let writer = writer.spawn(move || own.serve(queue)).map_err(thread)?;
        Ok(Self {
            published,
            path: path.to_owned(),
            readers: Arc::new(Readers::new(path.to_owned())),
            specs: Arc::default(),
            recent: Arc::default(),
            requests: Some(requests),
            desk,
            writer: Some(writer),
        })
    }

    #[cfg(test)]
    pub(super) fn watched_agents(&self) -> usize {
        self.published.watched_agents()
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Request,
    ) -> Result<T, StoreError> {
        let requests = self.requests.as_ref().ok_or(StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        requests.send(request(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Reads on until there is something, or nothing more: a page is only empty at the end.
    async fn page(&self, mut query: EventQuery) -> Result<EventPage, StoreError> {
        if query.limit == 0 {
            return Ok(EventPage { events: Vec::new(), read_to: query.since });
        }
        query.limit = query.limit.min(PAGE_MAX);
        let (_, end) = self.published.bounds();
        loop {
            let page = match self.published.read(&query) {
                Some(page) => page,
                None => self.page_from_file(&query).await?,
            };
            if !page.events.is_empty() || page.read_to >= end || page.read_to <= query.since {
                return Ok(page);
            }
            query.since = page.read_to;
        }
    }

    async fn page_from_file(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        let (oldest, newest) = self.published.bounds();
        let mut query = query.clone();
        query.since = query.since.max(Seq(oldest.0 - 1));
        if let Some(page) = self.recent.get(&query) {
            return Ok(page);
        }
        // Those who follow leave a connection to those who ask.
        let follows = query.bytes.is_some();
        let _turn = if follows { Some(self.readers.turn().await?) } else { None };
        if let Some(page) = self.recent.get(&query) {
            return Ok(page);
        }
        let (specs, recent) = (Arc::clone(&self.specs), Arc::clone(&self.recent));
        let read = self.readers.read(move |file| {
            let page = events::page(file, &specs, &query, newest)?;
            recent.put(&query, &page);
            Ok(page)
        });
        read.await
    }

    async fn matching(
        &self,
        filter: AgentFilter,
        after: u64,
        limit: usize,
        now: Timestamp,
    ) -> Result<AgentPage, StoreError> {
        let limit = limit.min(PAGE_MAX);
        let mut found: BTreeMap<u64, Arc<Agent>> =
            self.published.matching(&filter, after, limit + 1).into_iter().collect();
        let mut cut = None;
        if limit > 0 && agents::wants_ended(&filter) {
            let since = filter.ended_within_ms.map(|ms| ended_since(now, ms));
            // After the living: an agent that ends in between is found twice, but never missed.
            let ended = self
                .readers
                .read(move |file| agents::ended(file, &filter, after, limit + 1, since));
            let ended = ended.await?;
            found.extend(ended.agents);
            cut = ended.cut;
        }
        let mut page = AgentPage::default();
        for (n, agent) in found {
            if page.agents.len() == limit || cut.is_some_and(|cut| n > cut) {
                return Ok(page);
            }
            page.agents.push(agent);
            page.next = Some(n);
        }
        page.next = cut;
        Ok(page)
    }

    /// A chunk at a time. The checkpoints first: what they vouch for is in the file already.
    async fn verified(&self) -> Result<Verified, StoreError> {
        let path = self.path.clone();
        let begun = tokio::task::spawn_blocking(move || verify::begin(&path)).await;
        let mut verifier = begun.map_err(|_| StoreError::Closed)?;
        loop {
            let read = self.readers.read(move |file| {
                let more = verify::chunk(file, &mut verifier)?;
                Ok((more, verifier))
            });
            let (more, so_far) = read.await?;
            if !more {
                return Ok(so_far.finish());
            }
            verifier = so_far;
        }
    }

    async fn counted(&self) -> Result<Vec<(Status, u64)>, StoreError> {
        let alive = self.published.alive();
        let ended = self.readers.read(|file| agents::counts(file)).await?;
        let count = |status: Status| {
            if status.is_end() {
                ended.iter().find(|(other, _)| *other == status).map_or(0, |(_, count)| *count)
            } else {
                columns::count(alive.iter().filter(|agent| agent.status == status).count())
            }
        };
        Ok(Status::ALL.into_iter().map(|status| (status, count(status))).collect())
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's thread has panicked");
        }
    }
}

impl Store for Sqlite {
    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Vec<Arc<Event>>, StoreError>> {
        let append = async move {
            // Those who wait already are about to be committed together: one more costs nothing.
            let idle = self.requests.as_ref().is_some_and(|queue| queue.capacity() == QUEUE);
            if idle && let Some(mut writer) = self.desk.free_for(&batch) {
                return writer.append_short(batch);
            }
            self.ask(|reply| Request::Append(batch, reply)).await
        };
        append.boxed()
    }

    fn read(&self, query: EventQuery) -> BoxFuture<'_, Result<EventPage, StoreError>> {
        self.page(query).boxed()
    }

    fn bounds(&self) -> (Seq, Seq) {
        self.published.bounds()
    }

    fn lost(&self, since: Seq, to: Seq) -> Option<(Seq, Seq)> {
        self.published.lost(since, to)
    }

    fn head(&self, scope: &Scope) -> Head {
        self.published.head(scope)
    }

    fn agent(&self, id: AgentId) -> BoxFuture<'_, Result<Option<Arc<Agent>>, StoreError>> {
        let find = async move {
            if let Some(agent) = self.published.agent(id) {
                return Ok(Some(agent));
            }
            let found = self.readers.read(move |file| agents::find(file, id)).await?;
            // All others are in memory, unless they could not be read when the file was opened.
            Ok(found.filter(|agent| agent.status.is_end()).map(Arc::new))
        };
        find.boxed()
    }

    fn alive(&self) -> Vec<Arc<Agent>> {
        self.published.alive()
    }

    fn led_by(&self, process: Process) -> Option<AgentId> {
        self.published.led_by(process)
    }

    fn agents(
        &self,
        filter: AgentFilter,
        after: Option<u64>,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<AgentPage, StoreError>> {
        self.matching(filter, after.unwrap_or(0), limit, now).boxed()
    }

    fn by_prefix(
        &self,
        prefix: String,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<AgentId>, StoreError>> {
        self.readers.read(move |file| agents::by_prefix(file, &prefix, limit)).boxed()
    }

    fn counts(&self) -> BoxFuture<'_, Result<Vec<(Status, u64)>, StoreError>> {
        self.counted().boxed()
    }

    fn audit(
        &self,
        since: u64,
        agent: Option<AgentId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<AuditRecord>, StoreError>> {
        let limit = limit.min(PAGE_MAX);
        self.readers.read(move |file| records::audit(file, since, agent, limit)).boxed()
    }

    fn answer(&self, key: String) -> BoxFuture<'_, Result<Option<Answer>, StoreError>> {
        if self.published.keys().is_new(&key) {
            return std::future::ready(Ok(None)).boxed();
        }
        let published = Arc::clone(&self.published);
        let answer = self.readers.read(move |file| {
            published.keys().read(file)?;
            records::answer(file, key)
        });
        answer.boxed()
    }

    fn verify(&self) -> BoxFuture<'_, Result<Verified, StoreError>> {
        self.verified().boxed()
    }

    fn health(&self) -> BoxFuture<'_, Health> {
        let health = async move {
            if let Health::Degraded(_) = self.published.health() {
                // What comes of it is published.
                let _ = self.ask(Request::Probe).await;
            }
            match self.published.health() {
                Health::Good if mend::is_marked(&self.path) => Health::Degraded(format!(
                    "a part of {} cannot be read; starting the daemon again saves the rest: \
                     `dash shutdown`, then any command",
                    self.path.display()
                )),
                Health::Good => file::room(&self.path),
                other => other,
            }
        };
        health.boxed()
    }

    fn trim(&self, last: Seq) -> BoxFuture<'_, Result<(), StoreError>> {
        self.ask(move |reply| Request::Trim(last, reply)).boxed()
    }
}

/// Opens the file. What can be read of one that is damaged is saved first.
fn open_or_mend(path: &Path) -> Result<(rusqlite::Connection, log::Log), StoreError> {
    let cannot = |error: std::io::Error| StoreError::Io {
        path: path.to_owned(),
        message: error.to_string(),
    };
    mend::finish(path).map_err(cannot)?;
    mend::look_again(path)?;
    let open = || {
        let connection = file::open_writer(path)?;
        let log = recover::log(&connection).map_err(|error| failure::explain(path, &error))?;
        Ok((connection, log))
    };
    match open() {
        Err(StoreError::Damaged { message, .. }) => {
            mend::mend(path, &message)?;
            open()
        }
        other => other,
    }
}

/// What the audit trail is told of agents that cannot be read, once for each.
fn quarantined(connection: &rusqlite::Connection, log: &log::Log) -> Vec<Operation> {
    let known = |id: &str| {
        let sql = "SELECT count(*) FROM audit WHERE action = 'store.quarantine' \
                   AND detail LIKE '%' || ?1 || '%'";
        connection.query_row(sql, [id], |row| row.get::<_, i64>(0)).unwrap_or_default() > 0
    };
    let new = log.unreadable.iter().filter(|(id, _)| !known(id));
    let operation = |(id, reason): &(String, String)| Operation {
        actor: Actor::daemon(),
        action: "store.quarantine".to_owned(),
        outcome: "failed".to_owned(),
        detail: serde_json::json!({"agent_id": id, "reason": reason}),
    };
    new.map(operation).collect()
}

/// The first line of the checkpoints' file: from now on there has been one.
fn begin_checkpoints(database: &Path, log: &log::Log) {
    let path = checkpoints::beside(database);
    if path.exists() {
        return;
    }
    let (position, hash) = (log.last_audit, chain::hex(&log.last_hash));
    let first = Checkpoint { position, hash, time: Timestamp::now() };
    if let Err(error) = checkpoints::append(&path, &first) {
        tracing::error!(path = %path.display(), %error, "no checkpoint of the audit trail");
    }
}

/// The earliest end, in microseconds, that is within so many milliseconds before now.
fn ended_since(now: Timestamp, within_ms: u64) -> i64 {
    let within = i64::try_from(within_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
    columns::micros(now).saturating_sub(within)
}

#[cfg(test)]
#[path = "sqlite_test.rs"]
mod tests;
