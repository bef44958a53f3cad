//! What daemon and keeper say to each other: JSON, one object a line, over a Unix stream socket.
//!
//! The keeper may be older than the daemon: it outlives it. So fields are only ever added, and readers
//! ignore those that they do not know.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{AgentId, MessageId, Process, Signal};

/// The version that this code speaks. It rises only when an older reader would go wrong.
pub(super) const VERSION: u32 = 1;

/// Bytes in a line: a command and its environment at their largest, every byte of them escaped.
pub(super) const LINE_MAX: usize = 32 * 1024 * 1024;

/// What the daemon asks.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Request {
    /// Make ready what an agent will need: it is to be started in a moment, or forgotten. Only for a keeper whose
    /// hello says that it can.
    Prepare(Box<Start>),
    /// Start an agent. Asked again, the keeper answers what happened the first time.
    Spawn(Box<Start>),
    /// Write to an agent's standard input. Asked again, the same holds.
    Write { agent: AgentId, message: MessageId, text: String },
    /// The agent's end is recorded; the keeper need not remember it.
    Forget { agent: AgentId },
    /// Exit when nothing lives any more, whether a daemon is connected or not.
    Stop,
}

/// How to start an agent. It has the environment's values in it, so it cannot be printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    pub agent: AgentId,
    /// An absolute path.
    pub program: PathBuf,
    /// The arguments, from `argv[0]`.
    pub argv: Vec<String>,
    /// All of it.
    pub env: BTreeMap<String, String>,
    pub cwd: PathBuf,
    /// The agent's own directory, for its output and its FIFO.
    pub dir: PathBuf,
    /// Whether it takes messages.
    pub stdin: bool,
    /// How many processes and threads it may have, where the system can limit that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes_max: Option<u32>,
    /// The agent that this is a terminal of: it is born in that agent's control group, and its errors go
    /// where its output goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal_of: Option<AgentId>,
    /// What the log has of it, for the case that the log loses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spawned: Option<serde_json::Value>,
    /// Bytes of standard output that stay in its file while no daemon is connected; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout_max: Option<u64>,
    /// The same of standard error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_max: Option<u64>,
}

/// What the keeper says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Report {
    /// First on every connection: what it owns.
    Hello {
        version: u32,
        pid: i32,
        agents: Vec<Owned>,
        /// Whether it takes [`Request::Prepare`].
        #[serde(default)]
        prepares: bool,
    },
    /// The agent runs, or did.
    Started { agent: AgentId, pid: i32, start: u64 },
    /// It could not be started.
    Failed { agent: AgentId, error: String },
    /// Its process ended, and was reaped.
    Exited { agent: AgentId, ended: Ended },
    /// All bytes of the message are in the agent's FIFO.
    Written { agent: AgentId, message: MessageId },
    /// They never will be; or, when it is `unknown`, a keeper that is dead may have written them.
    Unwritable {
        agent: AgentId,
        message: MessageId,
        reason: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unknown: bool,
    },
}

/// An agent that the keeper started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owned {
    pub(super) agent: AgentId,
    pub(super) process: Process,
    /// How it ended, when it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<Ended>,
}

/// How an agent's process ended: by itself with a code, or by a signal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// Whether the keeper had orphans at that moment. When it had none, nothing of the agent was left.
    #[serde(default)]
    pub orphans: bool,
    /// Whether the kernel ended a process because memory ran out, at about that time: most likely this
    /// one, or one that it started.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub memory_ran_out: bool,
}

/// One line of the protocol.
pub(super) fn line<T: Serialize>(message: &T) -> String {
    serde_json::to_string(message).expect("messages have text keys only") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_that_a_newer_reader_may_extend() {
        let id = AgentId::from_bits(3);
        let report = Report::Failed { agent: id, error: "a\nb".into() };
        let text = line(&report);
        assert_eq!(text.matches('\n').count(), 1);
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);

        let extended = format!(
            r#"{{"type":"exited","agent":"{id}","ended":{{"code":1,"more":2}},"more":[]}}"#
        );
        let ended = Ended { code: Some(1), ..Ended::default() };
        let expected = Report::Exited { agent: id, ended };
        assert_eq!(serde_json::from_str::<Report>(&extended).unwrap(), expected);
    }
}
