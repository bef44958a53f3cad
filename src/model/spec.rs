//! What was asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::openclaw;
use super::{AgentId, Conversation};

/// How an agent is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// Any program: its output is the agent's, its exit is the end.
    Command,
    /// A harness that speaks the Agent Client Protocol, version 1, on its standard input and output.
    Acp,
    /// Says what a script says, inside the daemon: for tests, demonstrations and load runs.
    Scripted,
}

impl Runtime {
    /// Whether its agents take turns: a command has none.
    #[must_use]
    pub const fn takes_turns(self) -> bool {
        !matches!(self, Self::Command)
    }

    /// Its name in JSON and in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Acp => "acp",
            Self::Scripted => "scripted",
        }
    }
}

/// What an agent may spawn itself. Everything below it counts: its children, and their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Children {
    /// Agents that may be alive below it at once.
    pub at_once: u32,
    /// Agents that may ever be spawned below it.
    pub in_all: u32,
    /// Generations below it: with 1, its children have none.
    pub depth: u32,
}

/// What was asked for when an agent was spawned. It never changes, and holds no secret: of the
/// environment only the names are here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub runtime: Runtime,
    /// The profile it was made from, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Kept byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Kept byte for byte.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The OpenClaw session key that owns the agent, kept as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Program and arguments, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// The absolute path that the program was found at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Absolute, with links resolved.
    pub cwd: String,
    /// Names of the variables it is started with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Milliseconds from its start until it is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Mebibytes that it is expected to take, with all its processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<u32>,
    /// Whether messages reach its standard input.
    #[serde(default)]
    pub stdin: bool,
    /// Of an agent that takes turns.
    #[serde(default, skip_serializing_if = "Conversation::is_default")]
    pub conversation: Conversation,
    /// The agents that it descends from, the first of them first; the last one spawned it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<AgentId>,
    /// What it may spawn itself; nothing when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children: Option<Children>,
}

impl Spec {
    /// The agent that spawned it, if one did.
    #[must_use]
    pub fn parent(&self) -> Option<AgentId> {
        self.ancestors.last().copied()
    }

    /// The session that OpenClaw made for this agent, if it did.
    #[must_use]
    pub fn own_session(&self) -> Option<&str> {
        self.metadata.get(openclaw::SESSION).map(String::as_str)
    }

    /// Whether this is the key of the session that owns the agent, or of the one that OpenClaw made
    /// for it.
    #[must_use]
    pub fn belongs_to(&self, session: &str) -> bool {
        self.session.as_deref() == Some(session) || self.own_session() == Some(session)
    }
}
