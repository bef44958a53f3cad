//! What a session is owed: that something about an agent is told to it, once.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{AgentId, Seq};

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// The agent has ended.
    Ended,
    /// Its turn is over: it takes messages.
    Waits,
    /// It asks whether it may do something.
    Asks,
}

/// One thing that is owed to a session. The event's position makes it one of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Notice {
    pub(super) seq: Seq,
    pub(super) agent: AgentId,
    pub(super) kind: Kind,
    /// Whether the session's model is to have a turn about it.
    pub(super) react: bool,
    /// Its words. They are not kept over a restart of the daemon: the agent is looked up again.
    #[serde(skip)]
    pub(super) words: Option<Words>,
}

/// What is told of an agent. All of it is clean, and of one line each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// What the agent is called.
    pub(super) name: String,
    /// `completed, exit code 0`.
    pub(super) what: String,
    /// What it said last, when the session may not have seen that.
    pub(super) result: Vec<String>,
}

/// How a message gets into a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// Shown to people.
    Show,
    /// Said to the model, which has a turn.
    Turn,
}

/// A message that was given to the gateway, or was about to be: its answer has not been seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sent {
    pub(super) way: Way,
    pub(super) marker: String,
    /// The notices in it.
    pub(super) seqs: Vec<Seq>,
    /// When it was given to the gateway for the first time.
    pub(super) at: Timestamp,
}
