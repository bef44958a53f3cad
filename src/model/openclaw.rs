//! What OpenClaw knows an agent by, as keys of the agent's metadata.
//!
//! An agent's `session` is the session that *owns* it: the one that asked for it, and that its end is
//! told to. OpenClaw also makes a session *for* the agent (`agent:dash:subagent:UUID`), and that is
//! [`SESSION`]. Whoever looks for the agents of a session finds both: see [`super::Spec::belongs_to`].
//! The values are OpenClaw's own, byte for byte (seen with OpenClaw 2026.9.6).

/// The key of the session that OpenClaw made for this agent: its child session.
pub const SESSION: &str = "openclaw.session";
/// The id of the ACP session that the agent was spawned in.
pub const ACP_SESSION: &str = "acp.session";
/// The key of the session that OpenClaw lists the child under. The same as the agent's `session`
/// where OpenClaw names only one.
pub const PARENT_SESSION: &str = "openclaw.parent_session";
/// The key of the session that asked for the agent, in OpenClaw's words the requester.
pub const REQUESTER: &str = "openclaw.requester";
/// The channel that the request came over, such as `webchat` or `telegram`, where OpenClaw says so.
pub const CHANNEL: &str = "openclaw.channel";
/// The W3C trace context that the agent's work belongs to (Trace Context, section 3.2).
pub const TRACEPARENT: &str = "traceparent";
/// Whether the model of the owning session is to react to the agent's end: `turn` or `none`. Stronger
/// than `react` under `[openclaw]` in the configuration.
pub const REACT: &str = "openclaw.react";

/// The text with Dash's commands under the name that OpenClaw's exec finds them by: there, `dash` is the
/// system's shell.
#[must_use]
pub fn with_our_name(text: &str) -> String {
    text.replace("`dash ", "`dashctl ")
}
