//! What went wrong, for people and for programs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The kinds of failure; the text of each is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request makes no sense as it stands.
    InvalidRequest,
    /// The program does not exist or may not be executed.
    InvalidCommand,
    /// The working directory does not exist, is none, or may not be entered.
    InvalidCwd,
    /// No such agent, or no such path.
    NotFound,
    /// The selector names several agents, and one is needed.
    Ambiguous,
    /// No such profile, or it cannot run here.
    InvalidProfile,
    /// The agent does not take this now, or not at all.
    Refused,
    /// The same idempotency key came with another request.
    KeyReused,
    /// No key, or a wrong one.
    Unauthenticated,
    /// The key's scope, the Host or the Origin does not allow it; or it is an agent that asks.
    Forbidden,
    /// The body is larger than is taken.
    TooLarge,
    /// The queue is full.
    QueueFull,
    /// An agent has as many agents below it as it may have at once.
    TooManyChildren,
    /// As many agents were spawned below an agent as ever may be.
    ChildrenUsedUp,
    /// No more generations may be below an agent.
    TooDeep,
    /// As many connections are open as the daemon can have.
    Busy,
    /// The agents of a group or a session have used what they may use together.
    LimitReached,
    /// The daemon is stopping.
    ShuttingDown,
    /// What is asked for is somewhere else, and does not answer.
    Unavailable,
    /// The state directory takes no more.
    StorageFull,
    /// The state cannot be read or written.
    Storage,
    /// An agent's process could not be handled.
    Runtime,
    /// A defect of Dash.
    Internal,
    /// A code that this client does not know.
    #[serde(other)]
    Unknown,
}

/// A failure: what happened, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    pub code: Code,
    /// What happened, as a sentence without a full stop.
    pub message: String,
    /// The next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Names the request in the daemon's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, request_id: None }
    }

    /// The same, with the next step.
    #[must_use]
    pub fn hinted(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// The body of every answer that is a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    pub error: Problem,
}
