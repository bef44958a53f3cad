//! The bridge to OpenClaw's gateway: how it is, and what the gateway knows of a session.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{AgentId, Seq};

/// Whether agents' events reach OpenClaw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BridgeState {
    /// Nobody asked for it: `enabled = true` under `[openclaw]` switches it on.
    #[default]
    Off,
    /// It is on, and the gateway is not reached; `last_error` says why.
    Connecting,
    Connected,
    /// A state that this client does not know.
    #[serde(other)]
    Unknown,
}

/// GET [`super::OPENCLAW`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BridgeBody {
    pub state: BridgeState,
    /// The gateway's address.
    #[serde(default)]
    pub url: Option<String>,
    /// The gateway's version, while it is connected.
    #[serde(default)]
    pub gateway: Option<String>,
    /// Since when the state is what it is.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Why the last attempt to connect failed, or the connection was lost.
    #[serde(default)]
    pub last_error: Option<String>,
    /// The next step about it.
    #[serde(default)]
    pub hint: Option<String>,
    /// Whether the gateway refuses the token: it is tried rarely then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// Ends that some session is still to be told.
    #[serde(default)]
    pub owed: u64,
    /// Ends that sessions were told since the daemon started.
    #[serde(default)]
    pub told: u64,
    /// Ends that could be told to nobody, ever.
    #[serde(default)]
    pub dead: u64,
    /// The newest of those, of the last seven days.
    #[serde(default)]
    pub dead_letters: Vec<DeadLetterBody>,
}

/// An end that no session could be told, and will not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterBody {
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    #[schema(value_type = String)]
    pub agent_id: AgentId,
    pub session: String,
    /// The event that is not told.
    #[schema(value_type = u64)]
    pub seq: Seq,
    pub reason: String,
}

/// GET [`super::OPENCLAW_SESSION`]: a session as OpenClaw's gateway knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionBody {
    pub key: String,
    /// What it was called when it was spawned.
    #[serde(default)]
    pub label: Option<String>,
    /// What OpenClaw shows it as.
    #[serde(default)]
    pub display_name: Option<String>,
    /// The key of the session it belongs under.
    #[serde(default)]
    pub parent_session: Option<String>,
    /// The key of the session that spawned it.
    #[serde(default)]
    pub requester: Option<String>,
    /// OpenClaw's id of the agent that it is a session of.
    #[serde(default)]
    pub agent: Option<String>,
    /// In OpenClaw's own words.
    #[serde(default)]
    pub status: Option<String>,
}
