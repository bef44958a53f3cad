//! The only user of our own HTTP API.

use std::path::PathBuf;

use futures::stream::BoxStream;

use crate::api::{
    AgentBody, AgentsPage, AgentsQuery, AuditPage, AuditQuery, EventsPage, EventsQuery, Health,
    KillBody, KillManyBody, MessageAnswer, MessageBody, Problem, ProfileBody, ResetBody,
    ShutdownBody, SpawnBody,
};
use crate::model::Seq;

/// Where a daemon listens, and how to get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A Unix socket: the same user gets in without a key.
    Unix(PathBuf),
    /// `http://…` or `https://…`; always needs the key.
    Url { url: String, key: Option<String>, ca: Option<PathBuf> },
}

/// A connection pool to one daemon. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {}

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The daemon answered with a failure.
    #[error("{}", .0.message)]
    Problem(Problem),
    /// There is no daemon: nobody listens, or it went away before answering.
    #[error("no daemon answers at {target}: {message}")]
    Unreachable { target: String, message: String },
    /// Whoever answered does not speak Dash's API.
    #[error("{0}")]
    Protocol(String),
    /// The target makes no sense.
    #[error("{0}")]
    Target(String),
}

/// What an event stream yields.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// One event, as the JSON the daemon sent: one line.
    Event { seq: Seq, json: String },
    /// The cursor was too old; the stream goes on from the oldest that is kept.
    Reset(ResetBody),
    /// The daemon went away; the stream goes on by itself as soon as it is back. Said once for each loss.
    Lost,
    /// It is back.
    Back,
}

#[allow(unused_variables, clippy::unused_async)]
impl Client {
    /// A client of this daemon. Connects with the first call.
    ///
    /// # Errors
    /// [`ClientError::Target`].
    pub fn new(target: &Target) -> Result<Self, ClientError> {
        todo!()
    }

    /// Spawns; safe to repeat with the same key, which it does by itself when the answer is lost.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn spawn(&self, body: &SpawnBody, key: &str) -> Result<Vec<AgentBody>, ClientError> {
        todo!()
    }

    /// One page of agents.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn agents(&self, query: &AgentsQuery) -> Result<AgentsPage, ClientError> {
        todo!()
    }

    /// Every page of agents.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn all_agents(&self, query: &AgentsQuery) -> Result<Vec<AgentBody>, ClientError> {
        todo!()
    }

    /// The one agent that a selector names.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn agent(&self, selector: &str) -> Result<AgentBody, ClientError> {
        todo!()
    }

    /// Sends a message; safe to repeat with the same key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn send(
        &self,
        selector: &str,
        body: &MessageBody,
        key: &str,
    ) -> Result<MessageAnswer, ClientError> {
        todo!()
    }

    /// Kills one agent; answers when it has ended.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn kill(&self, selector: &str, body: &KillBody) -> Result<AgentBody, ClientError> {
        todo!()
    }

    /// Kills many agents; answers when all have ended.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn kill_many(&self, body: &KillManyBody) -> Result<Vec<AgentBody>, ClientError> {
        todo!()
    }

    /// A page of events.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn events_page(&self, query: &EventsQuery) -> Result<EventsPage, ClientError> {
        todo!()
    }

    /// Events as they come, over any number of daemon restarts, without a gap or a repeat. Ends with
    /// an error only when going on makes no sense (the daemon refuses the request).
    #[must_use]
    pub fn events(&self, query: EventsQuery) -> BoxStream<'static, Result<Frame, ClientError>> {
        todo!()
    }

    /// A page of the audit trail.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn audit(&self, query: &AuditQuery) -> Result<AuditPage, ClientError> {
        todo!()
    }

    /// The profiles that agents can be spawned from.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn profiles(&self) -> Result<Vec<ProfileBody>, ClientError> {
        todo!()
    }

    /// Whether the daemon lives.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn health(&self) -> Result<Health, ClientError> {
        todo!()
    }

    /// Stops the daemon; answers with the agents that were killed, if that was asked for.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn shut_down(&self, body: &ShutdownBody) -> Result<Vec<AgentBody>, ClientError> {
        todo!()
    }
}
