//! An agent as readers see it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Agent, AgentId, Children, Limits, Permissions, Seq, Signal, Status, Usage};

/// One agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentBody {
    /// Sixteen letters from `k` to `z`.
    #[schema(value_type = String)]
    pub id: AgentId,
    /// As given, byte for byte.
    pub label: Option<String>,
    /// As given, byte for byte.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    pub group: Option<String>,
    /// The OpenClaw session key that owns it.
    pub session: Option<String>,
    /// `command`, `acp` or `scripted`.
    pub runtime: String,
    pub profile: Option<String>,
    /// `queued`, `starting`, `running`, `waiting`, `stopping`, or one of the five ends `completed`,
    /// `failed`, `killed`, `timed_out`, `lost`.
    #[schema(value_type = String)]
    pub status: Status,
    pub command: Option<Vec<String>>,
    pub task: Option<String>,
    pub cwd: String,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    pub exit_code: Option<i32>,
    /// The name of the signal that ended it.
    #[schema(value_type = Option<String>)]
    pub signal: Option<Signal>,
    /// Why it waits, is being stopped, or ended as it did.
    pub reason: Option<String>,
    /// The last that it said: the final message, or the end of a command's standard output.
    pub result: Option<String>,
    /// The position of its newest event.
    #[schema(value_type = u64)]
    pub last_seq: Seq,
    /// Its place among the agents of the same request, from 1.
    #[serde(default)]
    pub index: u32,
    /// Who spawned it.
    #[serde(default)]
    pub spawned_by: String,
    pub pid: Option<i32>,
    pub timeout_ms: Option<u64>,
    pub model: Option<String>,
    /// Whether messages reach its standard input.
    #[serde(default)]
    pub stdin: bool,
    /// Names of the environment variables it was started with.
    #[serde(default)]
    pub env: Vec<String>,
    /// Messages that have not been delivered.
    #[serde(default)]
    pub messages_queued: usize,
    /// The oldest permission request that waits for people: `request_id`, ACP's `options` and
    /// `toolCall`, `expires_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub asks: Option<serde_json::Value>,
    /// What it may do without asking: `read`, `edit`, `all` or `ask`. Of an agent that takes turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub permissions: Option<Permissions>,
    /// The number of the turn that runs or ran last. Of an agent that takes turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// What it has used: `turns`, `tokens`, `context`, `cost` and `currency`, null when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub usage: Option<Usage>,
    /// What it may use: `max_turns`, `max_tokens`, `max_cost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub limits: Option<Limits>,
    /// The harness's own name for the conversation (ACP `sessionId`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harness_session: Option<String>,
    /// Whether the session can go on in another process when this one has ended
    /// (`dash spawn --resume`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumable: bool,
    /// Whether whoever asked for its turn over the model provider has died, and nobody has asked for it since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unheard: bool,
    /// The agent that spawned it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub parent: Option<AgentId>,
    /// What it may spawn itself: `at_once`, `in_all`, and `depth` in generations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub children: Option<Children>,
}

impl From<&Agent> for AgentBody {
    fn from(agent: &Agent) -> Self {
        let spec = &agent.spec;
        let (turns, talk) = (spec.runtime.takes_turns(), agent.talk.as_deref());
        Self {
            id: agent.id,
            label: spec.label.clone(),
            metadata: spec.metadata.clone(),
            group: spec.group.clone(),
            session: spec.session.clone(),
            runtime: spec.runtime.as_str().to_owned(),
            profile: spec.profile.clone(),
            status: agent.status,
            command: spec.command.clone(),
            task: spec.task.clone(),
            cwd: spec.cwd.clone(),
            created_at: agent.created_at,
            started_at: agent.started_at,
            ended_at: agent.ended_at,
            exit_code: agent.end.exit_code,
            signal: agent.end.signal,
            reason: agent.reason(),
            result: agent.end.result.clone(),
            last_seq: agent.last_seq,
            index: agent.index,
            spawned_by: agent.by.to_string(),
            pid: agent.process.map(|process| process.pid),
            timeout_ms: spec.timeout_ms,
            model: spec.model.clone(),
            stdin: spec.stdin,
            env: spec.env.clone(),
            messages_queued: agent.inbox.len(),
            asks: agent.asks().first().and_then(|ask| serde_json::to_value(ask).ok()),
            permissions: turns.then_some(spec.conversation.permissions),
            turn: talk.map(|talk| talk.turn),
            usage: talk.map(|talk| talk.usage.clone()),
            limits: Some(spec.conversation.limits).filter(|limits| !limits.is_none()),
            harness_session: talk.and_then(|talk| talk.session_id.clone()),
            resumable: talk.is_some_and(|talk| talk.resumable),
            unheard: agent.unheard,
            parent: spec.parent(),
            children: spec.children,
        }
    }
}

/// A page of agents, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentsPage {
    pub agents: Vec<AgentBody>,
    /// Where the next page starts (`after`), when there is one.
    pub next: Option<String>,
    /// Of a first page with `ended_within_ms`: whether there are agents that ended earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older: Option<bool>,
}
