//! The words of Dash: identities, specifications, facts, and the agent that they add up to.
//!
//! Nothing here does input or output, waits, or asks what time it is; every function is a plain
//! function of its arguments. That is what lets the log be the only truth: see [`Agent::apply`].

mod agent;
mod clean;
mod event;
mod id;
mod limits;
mod mcp;
pub mod openclaw;
mod permission;
mod select;
mod signal;
mod spec;
mod talk;
mod text;
mod usage;

pub use agent::{Agent, Process, Refused, Status, StopOrder, heard};
pub use clean::{clean, clean_line, inert_json};
pub use event::{
    Actor, Delivery, End, Event, EventType, Fact, Input, Output, Said, Spawned, Started, StopCause,
    Stopping, Stream, UnknownEventType, Waiting,
};
pub use id::{AgentId, InvalidId, MessageId, Seq};
pub use limits::{
    ARGUMENT_MAX, CHILDREN_IN_ALL, COMMAND_MAX, COUNT_MAX, DEPTH_MAX, GROUP_MAX, KEY_MAX,
    LABEL_MAX, METADATA_KEY_MAX, METADATA_KEYS_MAX, METADATA_VALUE_MAX, OUTPUT_TEXT_MAX,
    OutOfBounds, SERVER_NAME_MAX, SERVERS_MAX, SESSION_MAX, TEXT_MAX, check_group, check_key,
    check_label, check_metadata, check_server_name, check_session, check_text,
};
pub use mcp::McpServer;
pub use permission::{Permission, PermissionState};
pub use select::{AgentFilter, EventFilter, EventQuery};
pub use signal::Signal;
pub use spec::{Children, Runtime, Spec};
pub use talk::{Conversation, Decision, Permissions, Resume, Setter, Settings, Talk};
pub use text::shortened;
pub use usage::{Cost, Limits, Reached, Usage};
