//! Events and audit records as readers see them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::model::{AgentId, Event, Seq};

/// One event, borrowed from the log for writing.
#[derive(Debug, Serialize)]
pub struct EventView<'a> {
    seq: Seq,
    time: Timestamp,
    r#type: &'static str,
    agent_id: AgentId,
    label: Option<&'a str>,
    session: Option<&'a str>,
    group: Option<&'a str>,
    data: &'a RawValue,
}

impl<'a> From<&'a Event> for EventView<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            seq: event.seq,
            time: event.time,
            r#type: event.kind.as_str(),
            agent_id: event.agent,
            label: event.spec.label.as_deref(),
            session: event.spec.session.as_deref(),
            group: event.spec.group.as_deref(),
            data: &event.data,
        }
    }
}

/// One event, as a reader gets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventBody {
    #[schema(value_type = u64)]
    pub seq: Seq,
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// `agent.output`, `agent.completed` and so on.
    pub r#type: String,
    #[schema(value_type = String)]
    pub agent_id: AgentId,
    pub label: Option<String>,
    pub session: Option<String>,
    #[serde(default)]
    pub group: Option<String>,
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

/// What a stream says when the cursor it was given points before the oldest event that is kept, or
/// after the newest: events were or may be missed, and reading goes on from the oldest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResetBody {
    /// Always `reset`.
    pub r#type: String,
    /// The oldest position that is kept.
    #[schema(value_type = u64)]
    pub oldest: Seq,
    /// The cursor that was given.
    #[schema(value_type = u64)]
    pub since: Seq,
}

/// A page of events, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventsPage {
    pub events: Vec<EventBody>,
    /// The `since` of the next page; present on every page, so that a reader can poll with it.
    #[schema(value_type = u64)]
    pub next: Seq,
    /// Set when `since` was before the oldest event that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<ResetBody>,
}

/// One record of the audit trail: who did what, when, to which agent, with what outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditBody {
    /// Its place in the trail, from 1, without holes.
    pub position: u64,
    /// The event that it belongs to, if any.
    #[schema(value_type = Option<u64>)]
    pub seq: Option<Seq>,
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// `user:NAME`, `key:NAME`, `agent:ID` or `daemon`.
    pub actor: String,
    /// `spawn`, `send`, `kill`, `timeout`, `end`, `daemon.start` and so on.
    pub action: String,
    #[schema(value_type = Option<String>)]
    pub agent_id: Option<AgentId>,
    pub label: Option<String>,
    /// `accepted`, `delivered`, `refused`, or the end's status.
    pub outcome: String,
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
}

/// What came of verifying the audit trail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditVerdict {
    /// Whether nothing is wrong with it.
    pub ok: bool,
    /// Records that hold: all of them, or those before the first that does not.
    pub records: u64,
    /// The hash of the last of them, in hexadecimal.
    pub head: String,
    /// Checkpoints that the records were compared with.
    pub checkpoints: usize,
    /// The newest position that a checkpoint vouches for.
    pub anchored: u64,
    /// The first thing that is wrong.
    pub bad: Option<AuditFault>,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// What is wrong with the audit trail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditFault {
    /// The position of the first bad record; none when it is the checkpoints that cannot be used.
    pub position: Option<u64>,
    pub reason: String,
}

/// A page of the audit trail, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    pub records: Vec<AuditBody>,
    /// The `since` of the next page.
    pub next: Option<u64>,
}
