//! Facts, and events: facts that have been recorded.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{AgentId, MessageId, Permission, Seq, Signal, Spec};

macro_rules! event_types {
    ($($variant:ident = $name:literal,)*) => {
        /// The kind of an event; its text is the `type` of the JSON.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventType { $($variant,)* }

        impl EventType {
            /// Every type there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

event_types! {
    Spawned = "agent.spawned",
    Started = "agent.started",
    Output = "agent.output",
    Message = "agent.message",
    Thought = "agent.thought",
    ToolCall = "agent.tool_call",
    Plan = "agent.plan",
    Usage = "agent.usage",
    Permission = "agent.permission",
    Update = "agent.update",
    Input = "agent.input",
    Waiting = "agent.waiting",
    Stopping = "agent.stopping",
    Completed = "agent.completed",
    Failed = "agent.failed",
    Killed = "agent.killed",
    TimedOut = "agent.timed_out",
    Lost = "agent.lost",
}

impl EventType {
    /// The five ends.
    pub const ENDS: [Self; 5] =
        [Self::Completed, Self::Failed, Self::Killed, Self::TimedOut, Self::Lost];

    /// Whether nothing can follow it.
    #[must_use]
    pub fn is_end(self) -> bool {
        Self::ENDS.contains(&self)
    }
}

/// A name that is no event type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an event type")]
pub struct UnknownEventType(pub String);

impl FromStr for EventType {
    type Err = UnknownEventType;

    /// Reads `agent.output` and, for people, `output`.
    fn from_str(text: &str) -> Result<Self, UnknownEventType> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str() == text || kind.as_str()["agent.".len()..] == *text)
            .ok_or_else(|| UnknownEventType(text.to_owned()))
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who did something: `user:NAME`, `key:NAME`, or `daemon`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actor(pub Arc<str>);

impl Actor {
    /// The daemon itself.
    #[must_use]
    pub fn daemon() -> Self {
        Self("daemon".into())
    }

    /// A local user, by name or number.
    #[must_use]
    pub fn user(name: &str) -> Self {
        Self(format!("user:{name}").into())
    }

    /// An agent, over the API.
    #[must_use]
    pub fn agent(id: AgentId) -> Self {
        Self(format!("agent:{id}").into())
    }

    /// The holder of a named key.
    #[must_use]
    pub fn key(name: &str) -> Self {
        Self(format!("key:{name}").into())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Something that happened to an agent, before it has a place in the log.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    Spawned(Box<Spawned>),
    Started(Started),
    Output(Output),
    Message(Said),
    Thought(Said),
    /// A tool call, plan, usage or anything else that a harness tells, in its own words. See
    /// [`Said::stdout`] for the entry `stdout`.
    Update(EventType, serde_json::Value),
    Permission(Box<Permission>),
    Input(Input),
    Waiting(Waiting),
    Stopping(Stopping),
    /// One of [`EventType::ENDS`].
    End(EventType, End),
}

/// Data of `agent.spawned`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spawned {
    pub spec: Arc<Spec>,
    pub by: Actor,
    /// Its place among the agents of the same request, from 1.
    #[serde(default = "first")]
    pub index: u32,
    /// Why it cannot start at once; absent when it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<Arc<str>>,
    /// The file with its environment and its MCP servers, until nobody needs it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Arc<str>>,
}

fn first() -> u32 {
    1
}

/// Data of `agent.started`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The process' start time in clock ticks since boot (`/proc/PID/stat`, field 22): with the pid
    /// it names one process for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_start: Option<u64>,
}

/// Which of a command's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    /// Its name in JSON, which is also its file's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Data of `agent.output`: whole lines that arrived together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    pub stream: Stream,
    /// The lines with their line ends; bytes that are not UTF-8 are replaced by U+FFFD.
    pub text: String,
    /// Where in the stream the text begins, in bytes as the agent wrote them.
    pub offset: u64,
    /// How many bytes of the stream the text stands for.
    pub bytes: u64,
    /// Whether this is a piece of a line longer than [`super::OUTPUT_TEXT_MAX`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// Bytes of the stream right before the text that are left out: the agent wrote more than is
    /// taken over while no daemon ran.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub truncated: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Data of `agent.message` and `agent.thought`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub text: String,
    /// Whether this is a piece of a text, which the pieces before and after it continue.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chunk: bool,
    /// How far the harness's standard output has been taken over with this event, in bytes. Of events
    /// that are recorded together, the last has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<u64>,
}

impl Said {
    /// A whole text.
    pub fn whole(text: impl Into<String>) -> Self {
        Self { text: text.into(), chunk: false, stdout: None }
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    Queued,
    Delivered,
    Refused,
}

/// Data of `agent.input`: one for each state of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    pub message_id: MessageId,
    pub state: Delivery,
    /// The message, with the first event of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Arc<str>>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub by: Actor,
}

/// Data of `agent.waiting`: its turn is over, it takes messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why the turn ended: ACP's `stopReason`, such as `end_turn` or `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// The number of the turn that is over, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// The turn's final text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// See [`Said::stdout`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<u64>,
}

/// Why an agent is being stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    Kill,
    Timeout,
    Shutdown,
    /// It, its group or its session has used what it may.
    Limit,
}

/// Data of `agent.stopping`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopping {
    pub cause: StopCause,
    pub by: Actor,
    pub signal: Signal,
    /// Milliseconds between the signal and SIGKILL.
    pub grace_ms: u64,
    /// Which limit it is, when it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Data of the five ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

impl Fact {
    /// The type that it is recorded under.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        match self {
            Self::Spawned(_) => EventType::Spawned,
            Self::Started(_) => EventType::Started,
            Self::Output(_) => EventType::Output,
            Self::Message(_) => EventType::Message,
            Self::Thought(_) => EventType::Thought,
            Self::Input(_) => EventType::Input,
            Self::Waiting(_) => EventType::Waiting,
            Self::Permission(_) => EventType::Permission,
            Self::Stopping(_) => EventType::Stopping,
            Self::Update(kind, _) | Self::End(kind, _) => *kind,
        }
    }

    /// The `data` of its event.
    ///
    /// # Panics
    /// Never: every payload has text keys only, which is all that JSON asks.
    #[must_use]
    pub fn to_data(&self) -> Box<RawValue> {
        let data = match self {
            Self::Spawned(data) => serde_json::value::to_raw_value(data),
            Self::Started(data) => serde_json::value::to_raw_value(data),
            Self::Output(data) => serde_json::value::to_raw_value(data),
            Self::Message(data) | Self::Thought(data) => serde_json::value::to_raw_value(data),
            Self::Update(_, data) => serde_json::value::to_raw_value(data),
            Self::Permission(data) => serde_json::value::to_raw_value(data),
            Self::Input(data) => serde_json::value::to_raw_value(data),
            Self::Waiting(data) => serde_json::value::to_raw_value(data),
            Self::Stopping(data) => serde_json::value::to_raw_value(data),
            Self::End(_, data) => serde_json::value::to_raw_value(data),
        };
        data.expect("a payload with text keys is valid JSON")
    }

    /// Reads a fact back from what [`Fact::event_type`] and [`Fact::to_data`] gave.
    ///
    /// # Errors
    /// When the data does not have the type's shape.
    pub fn from_data(kind: EventType, data: &RawValue) -> serde_json::Result<Self> {
        let data = data.get();
        Ok(match kind {
            EventType::Spawned => Self::Spawned(serde_json::from_str(data)?),
            EventType::Started => Self::Started(serde_json::from_str(data)?),
            EventType::Output => Self::Output(serde_json::from_str(data)?),
            EventType::Message => Self::Message(serde_json::from_str(data)?),
            EventType::Thought => Self::Thought(serde_json::from_str(data)?),
            EventType::Input => Self::Input(serde_json::from_str(data)?),
            EventType::Waiting => Self::Waiting(serde_json::from_str(data)?),
            EventType::Stopping => Self::Stopping(serde_json::from_str(data)?),
            EventType::Permission => Self::Permission(serde_json::from_str(data)?),
            EventType::ToolCall | EventType::Plan | EventType::Usage | EventType::Update => {
                Self::Update(kind, serde_json::from_str(data)?)
            }
            EventType::Completed
            | EventType::Failed
            | EventType::Killed
            | EventType::TimedOut
            | EventType::Lost => Self::End(kind, serde_json::from_str(data)?),
        })
    }
}

/// A recorded fact: what every reader gets, in the order of `seq`.
#[derive(Debug, Clone)]
pub struct Event {
    pub seq: Seq,
    pub time: Timestamp,
    pub kind: EventType,
    pub agent: AgentId,
    /// The agent's spec, for its label, session and group.
    pub spec: Arc<Spec>,
    /// As recorded, never parsed again on its way to a reader.
    pub data: Box<RawValue>,
}

impl Event {
    /// The fact that was recorded.
    ///
    /// # Errors
    /// When the data does not have the type's shape: the log was damaged, or written by a newer Dash.
    pub fn fact(&self) -> serde_json::Result<Fact> {
        Fact::from_data(self.kind, &self.data)
    }
}

#[cfg(test)]
#[path = "event_test.rs"]
mod tests;
