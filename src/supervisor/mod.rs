//! What should happen: who may run, what a request means for an agent, and how it ends.

use std::sync::Arc;

use crate::model::{Actor, Agent, AgentId, Delivery, MessageId, Seq, Signal};
use crate::store::{Store, StoreError};

/// The handle that everyone holds. Cheap to clone.
#[derive(Clone)]
pub struct Supervisor {
    inner: Arc<Inner>,
}

struct Inner {}

/// A validated wish to spawn; see [`crate::api::SpawnBody`] for the fields' meaning.
pub type SpawnRequest = crate::api::SpawnBody;

/// What became of a message by the time of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub agent: AgentId,
    pub message: MessageId,
    pub state: Delivery,
    pub seq: Seq,
}

/// How to kill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kill {
    /// Milliseconds between the signal and SIGKILL; the configuration's when absent.
    pub grace_ms: Option<u64>,
    /// SIGTERM when absent.
    pub signal: Option<Signal>,
}

/// Which agents a caller means, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    Agents(Vec<AgentId>),
    Group(String),
    Session(String),
    All,
}

/// Why a request cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The request makes no sense as it stands.
    #[error("{message}")]
    Invalid { message: String, hint: Option<String> },
    /// The program does not exist or may not be executed.
    #[error("{message}")]
    Command { message: String, hint: Option<String> },
    /// The working directory does not exist, is none, or may not be entered.
    #[error("{message}")]
    Cwd { message: String },
    /// No such profile, or it cannot run here.
    #[error("{message}")]
    Profile { message: String, hint: Option<String> },
    #[error("no agent is called {selector:?}")]
    NotFound { selector: String, similar: Vec<String> },
    /// The selector names several agents, and one is needed. Each with its label.
    #[error("{selector:?} could be {} agents", matches.len())]
    Ambiguous { selector: String, matches: Vec<(AgentId, Option<String>)> },
    /// The agent does not take this now, or not at all.
    #[error("{reason}")]
    Refused { agent: AgentId, reason: String },
    #[error("this idempotency key came with another request before")]
    KeyReused,
    #[error("{queued} agents are queued already, which is the limit")]
    QueueFull { queued: usize },
    #[error("the daemon is shutting down")]
    ShuttingDown,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[allow(unused_variables)]
impl Supervisor {
    /// The log, for readers.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        todo!()
    }

    /// Records the wish, durably, and answers with the agents; they start as places are free.
    /// The same `key` with the same request answers with the same agents and starts nothing.
    ///
    /// # Errors
    /// See [`SupervisorError`].
    pub async fn spawn(
        &self,
        request: SpawnRequest,
        by: Actor,
        key: Option<String>,
    ) -> Result<Vec<Arc<Agent>>, SupervisorError> {
        todo!()
    }

    /// Sends a message. Answers when it is delivered, or after a moment when it stays queued.
    ///
    /// # Errors
    /// [`SupervisorError::Refused`] when the agent will not take it; that is recorded too.
    pub async fn send(
        &self,
        id: AgentId,
        text: String,
        by: Actor,
        key: Option<String>,
    ) -> Result<Sent, SupervisorError> {
        todo!()
    }

    /// Kills and answers with the agents, in the order of their spawning, when all have ended.
    /// Agents that had ended already are among them, as they were.
    ///
    /// # Errors
    /// See [`SupervisorError`].
    pub async fn kill(
        &self,
        which: Which,
        how: Kill,
        by: Actor,
    ) -> Result<Vec<Arc<Agent>>, SupervisorError> {
        todo!()
    }

    /// The one agent that a selector names: an id, an unambiguous prefix of one, or an exact label.
    ///
    /// # Errors
    /// [`SupervisorError::NotFound`] and [`SupervisorError::Ambiguous`].
    pub async fn resolve(&self, selector: &str) -> Result<Arc<Agent>, SupervisorError> {
        todo!()
    }

    /// The agents that selectors name; a label may name several.
    ///
    /// # Errors
    /// [`SupervisorError::NotFound`], and [`SupervisorError::Ambiguous`] for a prefix.
    pub async fn select(&self, selectors: &[String]) -> Result<Vec<AgentId>, SupervisorError> {
        todo!()
    }

    /// Takes no more work. With `kill`, ends every agent first, and otherwise leaves them alone.
    ///
    /// # Errors
    /// See [`SupervisorError`].
    pub async fn shut_down(
        &self,
        kill: Option<Kill>,
        by: Actor,
    ) -> Result<Vec<Arc<Agent>>, SupervisorError> {
        todo!()
    }

    /// Whether new work is refused.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        todo!()
    }
}
