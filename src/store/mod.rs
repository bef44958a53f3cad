//! Facts at rest. A fact that [`Store::append`] has answered for is durable; nobody hears of it before.
//!
//! The embedded store is [`sqlite`]; a cluster is a second implementation of the same trait. Readers
//! that go on past the end use [`follow()`], which reads the log from its own cursor and is only ever
//! told that there is more: a slow reader costs nobody else anything, and can lose nothing.

mod audit;
mod chain;
mod checkpoints;
mod follow;
mod sqlite;
#[cfg(test)]
mod testing;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

pub use follow::{Followed, follow};
pub use sqlite::{Options, Sqlite};

use crate::model::{
    Actor, Agent, AgentFilter, AgentId, Event, EventQuery, Fact, Process, Refused, Seq,
};

/// What is appended together: all of it, or nothing.
#[derive(Debug, Default)]
pub struct Batch {
    /// In this order. A fact that its agent does not admit refuses the whole batch.
    pub facts: Vec<(AgentId, Fact)>,
    /// Operations that are no fact of one agent.
    pub audit: Vec<Operation>,
    /// What the same request is to be answered with when it comes again.
    pub answer: Option<Answer>,
    /// When it happened. The store makes times rise with `seq`: never before the event before.
    pub time: Timestamp,
}

/// An operation for the audit trail that no agent's fact stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    pub actor: Actor,
    /// Such as `daemon.start`.
    pub action: String,
    pub outcome: String,
    pub detail: Value,
}

/// The answer to a request that carried an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The key, together with what kind of request it belongs to.
    pub key: String,
    /// SHA-256 of what was asked, so that one key cannot stand for two requests.
    pub fingerprint: [u8; 32],
    /// The agents, or the agent and the message.
    pub body: String,
}

/// One record of the audit trail.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRecord {
    pub position: u64,
    pub seq: Option<Seq>,
    pub time: Timestamp,
    pub actor: String,
    pub action: String,
    pub agent: Option<AgentId>,
    pub label: Option<String>,
    pub outcome: String,
    pub detail: Value,
}

/// What the newest record of the audit trail was at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    pub position: u64,
    /// In lower-case hexadecimal.
    pub hash: String,
    pub time: Timestamp,
}

/// What came of verifying the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many records there are, up to the first bad one.
    pub records: u64,
    /// The hash of the last of them, in lower-case hexadecimal.
    pub head: String,
    /// How many checkpoints they were compared with.
    pub checkpoints: usize,
    /// The newest position that a checkpoint vouches for.
    pub anchored: u64,
    /// The first thing that is wrong.
    pub bad: Option<Bad>,
}

/// What is wrong with the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// The record, when it is one.
    pub position: Option<u64>,
    pub reason: String,
}

/// Whether the store takes more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Health {
    #[default]
    Good,
    /// What is running goes on, and nothing new is taken until this is mended; the store notices.
    Degraded(String),
    /// Nothing more is recorded: the daemon has to be started again.
    Failed(String),
}

/// A page of events.
#[derive(Debug, Clone, Default)]
pub struct EventPage {
    pub events: Vec<Arc<Event>>,
    /// How far the log was read for them: the `since` of the next page. It passes over events that
    /// do not match, so that a reader of a rare event does not read the same ones again.
    pub read_to: Seq,
}

/// A page of agents, in the order of their spawning.
#[derive(Debug, Default)]
pub struct AgentPage {
    pub agents: Vec<Arc<Agent>>,
    /// Where the next page starts, when there is one.
    pub next: Option<u64>,
}

/// Whose new events a reader wants to be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    All,
    /// Only these agents': a reader of one quiet agent sleeps while others are busy.
    Agents(Vec<AgentId>),
}

/// A level, not an edge: its value is the position of the newest event in its scope that can be
/// read. It may rise for others' events too.
pub type Head = watch::Receiver<Seq>;

/// Why the store cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("agent {0} is not in the log")]
    UnknownAgent(AgentId),
    #[error("no space is left for {}", path.display())]
    Full { path: PathBuf },
    #[error("cannot use {}: {message}", path.display())]
    Io { path: PathBuf, message: String },
    /// A part of the file makes no sense. What can be read is saved when it is opened.
    #[error("{} is damaged: {message}", path.display())]
    Damaged { path: PathBuf, message: String },
    #[error("{} was written by a newer Dash (format {found}, this one reads {known})", path.display())]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error("the store is closed")]
    Closed,
}

/// Facts at rest.
pub trait Store: Send + Sync + 'static {
    /// All or nothing; gives each fact its `seq`; resolves once all of it is durable and can be
    /// read. The events come back in the order of the facts.
    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Vec<Arc<Event>>, StoreError>>;

    /// Events after `query.since` that match, oldest first.
    fn read(&self, query: EventQuery) -> BoxFuture<'_, Result<EventPage, StoreError>>;

    /// The oldest position that is kept (one past the newest when there is none), and the newest.
    fn bounds(&self) -> (Seq, Seq);

    /// The first run of positions after `since` and up to `to` whose events are lost, though they were
    /// not too old to be kept: what held them was damaged.
    fn lost(&self, since: Seq, to: Seq) -> Option<(Seq, Seq)> {
        let _ = (since, to);
        None
    }

    /// Told of new events; see [`Head`].
    fn head(&self, scope: &Scope) -> Head;

    /// The agent as of its newest durable event.
    fn agent(&self, id: AgentId) -> BoxFuture<'_, Result<Option<Arc<Agent>>, StoreError>>;

    /// Every agent that has not ended, in the order of their spawning. Answered from memory.
    fn alive(&self) -> Vec<Arc<Agent>>;

    /// The one of those whose first process this is. Answered from memory, however many there are.
    fn led_by(&self, process: Process) -> Option<AgentId> {
        self.alive().iter().find(|agent| agent.process == Some(process)).map(|agent| agent.id)
    }

    /// Agents that match, in the order of their spawning, after position `after` of that order, at
    /// most `limit`. `now` is what [`AgentFilter::ended_within_ms`] counts back from.
    fn agents(
        &self,
        filter: AgentFilter,
        after: Option<u64>,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<AgentPage, StoreError>>;

    /// Agents whose id starts with these letters, at most `limit`.
    fn by_prefix(
        &self,
        prefix: String,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<AgentId>, StoreError>>;

    /// How many agents there are of each status, over all that are kept.
    fn counts(&self) -> BoxFuture<'_, Result<Vec<(crate::model::Status, u64)>, StoreError>>;

    /// Audit records after `since`, of one agent or of all, oldest first.
    fn audit(
        &self,
        since: u64,
        agent: Option<AgentId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<AuditRecord>, StoreError>>;

    /// The answer that was stored with this key.
    fn answer(&self, key: String) -> BoxFuture<'_, Result<Option<Answer>, StoreError>>;

    /// Goes through the whole audit trail, from its first record.
    fn verify(&self) -> BoxFuture<'_, Result<Verified, StoreError>> {
        Box::pin(std::future::ready(Err(StoreError::Closed)))
    }

    /// Whether more can be recorded. Tries when it could not be done last time.
    fn health(&self) -> BoxFuture<'_, Health> {
        Box::pin(std::future::ready(Health::Good))
    }

    /// Drops events up to and including `last`; the state of living agents is kept.
    fn trim(&self, last: Seq) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// Verifies the audit trail of a file that no daemon need have open. Changes nothing.
///
/// # Errors
/// When the file cannot be opened, or is of a format without a chain.
pub fn verify_file(database: &Path) -> Result<Verified, StoreError> {
    sqlite::verify_file(database)
}
