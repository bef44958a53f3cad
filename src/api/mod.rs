//! The contract: bodies and paths of the HTTP API, version 1, as `dash … --json` prints them too.
//!
//! Additive only: a reader ignores fields it does not know, and no field changes its meaning. Times
//! are RFC 3339 in UTC; durations carry their unit in their name.

mod agent;
mod event;
mod key;
mod openclaw;
mod problem;
mod profile;
mod request;
mod row;

pub use agent::{AgentBody, AgentsPage};
pub use event::{
    AuditBody, AuditFault, AuditPage, AuditVerdict, EventBody, EventView, EventsPage, ResetBody,
};
pub use key::{KeyBody, KeysPage, NewKeyAnswer, NewKeyBody, Scope};
pub use openclaw::{BridgeBody, BridgeState, DeadLetterBody, SessionBody};
pub use problem::{Code, ErrorBody, Problem};
pub use profile::{ProfileBody, ProfilesPage};
pub use request::{
    AgentsQuery, AuditQuery, EventsQuery, Health, KillBody, KillManyBody, MessageAnswer,
    MessageBody, OptionsBody, PermissionBody, ShutdownBody, SpawnBody,
};
pub use row::{AgentRow, RowsPage};

/// POST spawns, GET lists.
pub const AGENTS: &str = "/api/v1/agents";
/// GET one agent; `{agent}` is an id, an unambiguous prefix of one, or an exact label.
pub const AGENT: &str = "/api/v1/agents/{agent}";
/// POST sends a message.
pub const MESSAGES: &str = "/api/v1/agents/{agent}/messages";
/// POST kills one agent.
pub const KILL: &str = "/api/v1/agents/{agent}/kill";
/// POST ends the turn that runs, and not the agent.
pub const CANCEL: &str = "/api/v1/agents/{agent}/cancel";
/// POST answers a permission request.
pub const PERMISSION: &str = "/api/v1/agents/{agent}/permission";
/// POST sets mode, model and other options of a conversation.
pub const OPTIONS: &str = "/api/v1/agents/{agent}/options";
/// GET the events of one agent.
pub const AGENT_EVENTS: &str = "/api/v1/agents/{agent}/events";
/// POST kills many agents.
pub const KILL_MANY: &str = "/api/v1/kill";
/// GET all events.
pub const EVENTS: &str = "/api/v1/events";
/// GET the audit trail.
pub const AUDIT: &str = "/api/v1/audit";
/// GET verifies the audit trail.
pub const AUDIT_VERIFY: &str = "/api/v1/audit/verify";
/// POST adds a key, GET lists them.
pub const KEYS: &str = "/api/v1/keys";
/// DELETE revokes a key.
pub const KEY: &str = "/api/v1/keys/{name}";
/// POST stops the daemon.
pub const SHUTDOWN: &str = "/api/v1/shutdown";
/// GET the profiles that agents can be spawned from.
pub const PROFILES: &str = "/api/v1/profiles";
/// GET how the bridge to OpenClaw's gateway is.
pub const OPENCLAW: &str = "/api/v1/openclaw";
/// GET what OpenClaw's gateway knows of a session; `{key}` is its session key.
pub const OPENCLAW_SESSION: &str = "/api/v1/openclaw/sessions/{key}";
/// GET this contract.
pub const OPENAPI: &str = "/api/v1/openapi.json";
/// GET whether the process lives.
pub const HEALTHZ: &str = "/healthz";
/// GET whether it takes work.
pub const READYZ: &str = "/readyz";
/// GET Prometheus metrics.
pub const METRICS: &str = "/metrics";

/// The header that makes a repeated POST answer with the first one's agents and start nothing new.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header that says which request an answer belongs to.
pub const REQUEST_ID: &str = "x-request-id";
/// The header of an event stream with the position that it starts after: a reader that asked for no
/// position can resume from there even when no event came before the connection broke.
pub const POSITION: &str = "dash-position";
/// The header with a server's version of Dash.
pub const VERSION: &str = "dash-version";
