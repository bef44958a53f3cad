//! An agent is what its events add up to.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Actor, AgentId, Delivery, End, Event, EventType, Fact, Input, MessageId, Permission, Runtime,
    Seq, Signal, Spec, StopCause, Stream, Talk,
};

/// Where an agent is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for its turn to start.
    Queued,
    /// May start, and is about to.
    Starting,
    Running,
    /// Alive; its turn is over, it takes messages.
    Waiting,
    /// Told to stop.
    Stopping,
    Completed,
    Failed,
    Killed,
    TimedOut,
    /// It is not known how it ended.
    Lost,
}

impl Status {
    /// Every status, in the order of a life.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Starting,
        Self::Running,
        Self::Waiting,
        Self::Stopping,
        Self::Completed,
        Self::Failed,
        Self::Killed,
        Self::TimedOut,
        Self::Lost,
    ];

    /// Whether the agent has ended.
    #[must_use]
    pub fn is_end(self) -> bool {
        self >= Self::Completed
    }

    /// Its name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Stopping => "stopping",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::TimedOut => "timed_out",
            Self::Lost => "lost",
        }
    }

    fn of_end(kind: EventType) -> Self {
        match kind {
            EventType::Completed => Self::Completed,
            EventType::Failed => Self::Failed,
            EventType::Killed => Self::Killed,
            EventType::TimedOut => Self::TimedOut,
            _ => Self::Lost,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            format!("{text:?} is not a status; there are {names}")
        })
    }
}

/// One process for ever: a pid can be used again, but not with the same start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Process {
    pub pid: i32,
    /// Clock ticks since boot (`/proc/PID/stat`, field 22).
    pub start: u64,
}

/// An order to stop that has been recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopOrder {
    pub cause: StopCause,
    pub by: Actor,
    pub signal: Signal,
    pub grace_ms: u64,
    /// Which limit it is, when it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub at: Timestamp,
}

/// One piece of running work, as of `last_seq`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    pub id: AgentId,
    pub spec: Arc<Spec>,
    /// Its place among the agents of the same request, from 1.
    pub index: u32,
    /// Who spawned it.
    pub by: Actor,
    pub status: Status,
    /// Why it waits to start, while it does.
    pub queued: Option<Arc<str>>,
    /// The file with its environment and its MCP servers, until nobody needs it any more.
    pub environment: Option<Arc<str>>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub process: Option<Process>,
    /// Bytes of its standard output that are in the log.
    pub stdout: u64,
    /// Bytes of its standard error that are in the log.
    pub stderr: u64,
    /// Messages that have not been delivered.
    pub inbox: Vec<Input>,
    /// Whether its turn is over, and it waits for a message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub turn_over: bool,
    /// Of an agent that takes turns and has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talk: Option<Box<Talk>>,
    /// Whether whoever asked for the turn that runs has died, and nobody else has asked for it since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unheard: bool,
    pub stopping: Option<StopOrder>,
    pub end: End,
    pub last_seq: Seq,
}

/// A fact that cannot follow what is already recorded of the agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fact} cannot follow {status} of agent {agent}")]
pub struct Refused {
    pub agent: AgentId,
    pub status: Status,
    pub fact: EventType,
}

impl Agent {
    /// The agent that an `agent.spawned` event makes; nothing else makes one.
    #[must_use]
    pub fn spawned(event: &Event, fact: &Fact) -> Option<Self> {
        let Fact::Spawned(spawned) = fact else { return None };
        Some(Self {
            id: event.agent,
            spec: Arc::clone(&spawned.spec),
            index: spawned.index,
            by: spawned.by.clone(),
            status: if spawned.queued.is_some() { Status::Queued } else { Status::Starting },
            queued: spawned.queued.clone(),
            environment: spawned.environment.clone(),
            created_at: event.time,
            started_at: None,
            ended_at: None,
            process: None,
            stdout: 0,
            stderr: 0,
            inbox: Vec::new(),
            turn_over: false,
            unheard: false,
            talk: None,
            stopping: None,
            end: End::default(),
            last_seq: event.seq,
        })
    }

    /// Whether the fact may follow what is recorded: nothing follows an end, and nothing is spawned
    /// or started twice. The store asks this before it records anything.
    ///
    /// # Errors
    /// The refusal, with the status that stands against it.
    pub fn admits(&self, fact: &Fact) -> Result<(), Refused> {
        let refused = match fact {
            _ if self.status.is_end() => true,
            Fact::Spawned(_) => true,
            Fact::Started(_) => self.started_at.is_some(),
            _ => false,
        };
        if refused {
            let fact = fact.event_type();
            return Err(Refused { agent: self.id, status: self.status, fact });
        }
        Ok(())
    }

    /// Takes one more event of this agent into account: the only way its state changes.
    pub fn apply(&mut self, event: &Event, fact: &Fact) {
        self.last_seq = event.seq;
        match fact {
            Fact::Spawned(_) => {}
            Fact::Thought(said) => self.take_over(said.stdout),
            Fact::Update(kind, data) => self.apply_update(*kind, data),
            Fact::Permission(permission) => {
                self.take_over(permission.stdout);
                self.talk.get_or_insert_default().take_permission(permission);
                self.settle_turn();
            }
            Fact::Started(started) => {
                self.started_at = Some(event.time);
                self.queued = None;
                // MCP servers are named to a harness after its start.
                if self.spec.conversation.mcp_servers.is_empty() {
                    self.environment = None;
                }
                self.process = match (started.pid, started.process_start) {
                    (Some(pid), Some(start)) => Some(Process { pid, start }),
                    _ => None,
                };
                if self.status != Status::Stopping {
                    self.status = Status::Running;
                }
                if self.spec.runtime.takes_turns() && self.spec.task.is_some() {
                    self.talk.get_or_insert_default().begin_turn(0);
                }
            }
            Fact::Output(output) => {
                let recorded = match output.stream {
                    Stream::Stdout => &mut self.stdout,
                    Stream::Stderr => &mut self.stderr,
                };
                *recorded = output.offset + output.bytes;
            }
            Fact::Message(said) => {
                self.take_over(said.stdout);
                if !said.chunk {
                    self.end.result = Some(said.text.clone());
                }
            }
            Fact::Input(input) => self.apply_input(input),
            Fact::Waiting(waiting) => {
                self.take_over(waiting.stdout);
                if waiting.result.is_some() {
                    self.end.result.clone_from(&waiting.result);
                }
                if let Some(talk) = &mut self.talk {
                    talk.end_turn();
                }
                self.turn_over = true;
                if self.status == Status::Running {
                    self.status = Status::Waiting;
                }
            }
            Fact::Stopping(stopping) => {
                self.status = Status::Stopping;
                self.stopping = Some(StopOrder {
                    cause: stopping.cause,
                    by: stopping.by.clone(),
                    signal: stopping.signal,
                    grace_ms: stopping.grace_ms,
                    reason: stopping.reason.clone(),
                    at: event.time,
                });
            }
            Fact::End(kind, end) => {
                let result = end.result.clone().or_else(|| self.end.result.take());
                self.status = Status::of_end(*kind);
                self.ended_at = Some(event.time);
                self.queued = None;
                self.environment = None;
                self.inbox.clear();
                if let Some(talk) = &mut self.talk {
                    talk.end_turn();
                }
                self.end = End { result, ..end.clone() };
            }
        }
    }

    fn apply_input(&mut self, input: &Input) {
        match input.state {
            Delivery::Queued => self.inbox.push(input.clone()),
            Delivery::Delivered => {
                self.forget_message(input.message_id);
                if self.spec.runtime.takes_turns() {
                    let stdout = self.stdout;
                    self.talk.get_or_insert_default().begin_turn(stdout);
                }
                self.turn_over = false;
                if self.status == Status::Waiting {
                    self.status = Status::Running;
                }
            }
            Delivery::Refused => self.forget_message(input.message_id),
        }
    }

    /// How far the harness's standard output has been taken over.
    fn take_over(&mut self, stdout: Option<u64>) {
        self.stdout = stdout.unwrap_or(self.stdout);
    }

    fn apply_update(&mut self, kind: EventType, data: &serde_json::Value) {
        if let (EventType::Update, Some(heard)) = (kind, heard(data)) {
            self.unheard = !heard;
            return;
        }
        self.take_over(data.get("stdout").and_then(serde_json::Value::as_u64));
        let talk = self.talk.get_or_insert_default();
        match kind {
            EventType::Usage => talk.take_usage(data),
            EventType::Update => talk.take_update(data),
            _ => {}
        }
        if talk.session_id.is_some() {
            self.environment = None;
        }
    }

    /// A turn that waits for people is not running, and not over either.
    fn settle_turn(&mut self) {
        let asks = !self.asks().is_empty();
        match self.status {
            Status::Running if asks => self.status = Status::Waiting,
            Status::Waiting if !asks && !self.turn_over => self.status = Status::Running,
            _ => {}
        }
    }

    /// Permission requests that wait for people, oldest first.
    #[must_use]
    pub fn asks(&self) -> &[Permission] {
        self.talk.as_ref().map_or(&[], |talk| &talk.asks)
    }

    /// Whether a turn runs, be it that it waits for people.
    #[must_use]
    pub fn in_turn(&self) -> bool {
        !self.status.is_end()
            && !self.turn_over
            && self.talk.as_ref().is_some_and(|talk| talk.turn > 0)
    }

    fn forget_message(&mut self, id: MessageId) {
        self.inbox.retain(|message| message.message_id != id);
    }

    /// Why it waits, is being stopped, or ended as it did.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match (&self.queued, &self.stopping) {
            (Some(queued), _) => Some(queued.to_string()),
            (None, Some(order)) if !self.status.is_end() => Some(match order.cause {
                StopCause::Kill => format!("killed by {}", order.by),
                StopCause::Timeout => "ran into its timeout".to_owned(),
                StopCause::Shutdown => "the daemon ends its agents".to_owned(),
                StopCause::Limit => order.reason.clone().unwrap_or_default(),
            }),
            (None, None) if !self.asks().is_empty() => {
                Some(format!("it asks for your permission: {}", self.asks()[0].title()))
            }
            _ => self.end.reason.clone(),
        }
    }

    /// Whether its runtime has a way to hand it messages.
    #[must_use]
    pub fn takes_messages(&self) -> bool {
        match self.spec.runtime {
            Runtime::Command => self.spec.stdin,
            Runtime::Acp | Runtime::Scripted => true,
        }
    }

    /// Whether it has a process, or may get one at any moment.
    #[must_use]
    pub fn holds_a_place(&self) -> bool {
        !self.status.is_end() && self.queued.is_none()
    }
}

/// Whether somebody hears the turn, when that is what an `agent.update` says (`heard`). What a harness reports has
/// names of its own.
#[must_use]
pub fn heard(data: &serde_json::Value) -> Option<bool> {
    let foreign = ["sessionUpdate", "method"].iter().any(|key| data.get(key).is_some());
    data.get("heard").filter(|_| !foreign)?.as_bool()
}

#[cfg(test)]
#[path = "agent_test.rs"]
mod tests;
