//! Why a request cannot be carried out.

use crate::model::AgentId;
use crate::store::StoreError;

/// Why a request cannot be carried out. Each is worded for whoever asked.
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
    /// An agent asks for what it may not.
    #[error("{message}")]
    Denied { message: String, hint: String },
    #[error("{living} agents are alive below agent {agent}, which may have {most} at once")]
    TooManyChildren { agent: AgentId, living: usize, most: u32 },
    #[error("{spawned} agents were spawned below agent {agent}, which may have {most} in all")]
    ChildrenUsedUp { agent: AgentId, spawned: u64, most: u32 },
    #[error("agent {agent} may have {depth} generations below it, and this would be one more")]
    TooDeep { agent: AgentId, depth: u32 },
    /// A group or session has used up what its agents may use together.
    #[error("{message}")]
    LimitReached {
        message: String,
        /// As the configuration calls it, such as `sessions.max_tokens`.
        limit: String,
    },
    /// Neither the daemon nor the keeper may open one more file.
    #[error("there are as many open files as there may be (fd limit)")]
    NoDescriptors,
    #[error("the daemon is shutting down")]
    ShuttingDown,
    #[error(transparent)]
    Store(#[from] StoreError),
}
