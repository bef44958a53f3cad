//! One attempt of one agent, as one future: see [`Runtime`].

mod acp;
mod attempt;
mod begin;
mod bound;
mod cgroup;
mod command;
pub mod environment;
mod explain;
pub mod keeper;
mod lines;
mod marks;
mod output;
mod pace;
mod proc;
pub mod program;
mod readable;
mod runtimes;
mod script;
mod scripted;
mod tell;
#[cfg(test)]
mod testing;
mod tree;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};

use crate::model::{Agent, AgentId, Fact, MessageId, Signal, Spawned};

pub use acp::{Acp, Trial, Trouble, check_servers, handshake};
pub use command::Command;
pub use environment::{Environment, Unsynced};
pub use lines::LineReader;
pub use marks::Marks;
pub use runtimes::{LeftBehind, OpenError, Runtimes, Stray};
pub use script::{Script, parse};
pub use scripted::Scripted;

/// Whether something failed because this process, or the machine, may have no more open files.
#[must_use]
pub fn no_descriptor_is_left(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// How an agent is run.
pub trait Runtime: Send + Sync + 'static {
    /// One attempt. An agent that has already started (its `started_at` is set) is taken back: it
    /// goes on from what is in its log. When the future resolves, nothing of the attempt is alive,
    /// and everything it said has been reported and recorded.
    ///
    /// Dropping the future lets go of the agent without touching it: what lives outside the daemon
    /// lives on.
    fn run(&self, io: RunIo) -> BoxFuture<'static, Exit>;

    /// The agent's spawn is being recorded, and [`Runtime::run`] will be called for it in a moment, or
    /// [`Runtime::forget`] when the log does not take it: what takes time, and starts nothing of the agent's, may be
    /// done meanwhile. Says whether it is; only then has [`Runtime::forget`] to be called. Only for an agent that is
    /// new.
    fn prepare(
        &self,
        agent: AgentId,
        spawned: &Spawned,
        environment: &BTreeMap<String, String>,
    ) -> bool {
        let _ = (agent, spawned, environment);
        false
    }

    /// Whether the agent may have been started already, by a daemon that died before its start was
    /// recorded. Such an agent has its place, whatever the log says.
    fn has_begun(&self, agent: AgentId) -> bool {
        let _ = agent;
        false
    }

    /// The agent's end is recorded: what was kept of the attempt, so that a daemon which dies before
    /// that can still tell how it ended, goes away. To be called once for every [`Runtime::run`] that
    /// has resolved; [`Runtimes::tidy`] makes up for those that a crash left out.
    fn forget(&self, agent: AgentId) -> BoxFuture<'static, ()> {
        let _ = agent;
        Box::pin(async {})
    }

    /// What tells whose process this is; blocks while it reads. `None` when it has ended.
    fn marks_of(&self, pid: i32) -> Option<Marks> {
        let _ = pid;
        Some(Marks::default())
    }

    /// How many bytes of each stream are taken over from an agent that is taken back.
    fn bound_backlog(&self, bytes: u64) {
        let _ = bytes;
    }
}

/// What connects an attempt to its supervisor.
#[derive(Debug)]
pub struct RunIo {
    /// As it was when the attempt began.
    pub agent: Arc<Agent>,
    /// Messages to deliver, each once. In boxes, since a channel holds room for 32 of what it carries, and there is one
    /// for each agent.
    pub inbox: mpsc::Receiver<Box<Message>>,
    /// Orders about the conversation, after they have been recorded.
    pub control: mpsc::Receiver<Control>,
    /// Facts, in order. A report whose receiver is gone means: let go.
    pub report: mpsc::Sender<Box<Report>>,
    /// How much it is told to stop. It only ever rises.
    pub stop: watch::Receiver<Stop>,
}

/// A message on its way to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: MessageId,
    pub text: Arc<str>,
}

/// An order about the conversation with an agent that takes turns.
#[derive(Debug)]
pub enum Control {
    /// The turn that runs is to end, and the agent is not.
    Cancel,
    /// A permission request is decided, and the decision is recorded.
    Permission(Box<Decided>),
    /// The conversation is to go on in another way.
    Options(Box<Options>),
}

/// How a permission request is decided.
#[derive(Debug)]
pub struct Decided {
    pub request_id: String,
    pub allowed: bool,
    pub option: Option<String>,
}

/// Another way to go on.
#[derive(Debug)]
pub struct Options {
    pub mode: Option<String>,
    pub model: Option<String>,
    /// Configuration options, by their ids.
    pub options: BTreeMap<String, String>,
    /// What came of it: a sentence when it cannot be.
    pub done: oneshot::Sender<Result<(), String>>,
}

/// How much an attempt is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Not at all.
    No,
    /// Told by this signal; it has time.
    Ask(Signal),
    /// At once, whatever it takes.
    Now,
}

/// What an attempt has to say.
#[derive(Debug)]
pub struct Report {
    pub said: Said,
    /// Answered when it is durable; dropped unanswered when the agent does not admit it any more.
    pub recorded: Option<oneshot::Sender<()>>,
}

/// The content of a [`Report`].
#[derive(Debug)]
pub enum Said {
    /// To be recorded together: `Started`, `Output`, `Message`, `Thought`, `Update` or `Waiting`.
    Facts(Vec<Fact>),
    /// The agent has the message.
    Delivered(MessageId),
    /// The agent will never have the message.
    Undeliverable(MessageId, String),
}

/// How an attempt ended, as the runtime saw it. What that means for the agent (completed, killed …)
/// is decided from this and from the orders that were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exit {
    pub code: Option<i32>,
    pub signal: Option<Signal>,
    /// Why it could not start, or what is to be known beyond code and signal.
    pub reason: Option<String>,
    /// The last that it said, when that is not in an `agent.message` already.
    pub result: Option<String>,
    /// It ended, and nobody saw how.
    pub unseen: bool,
    /// How many of its processes could not be killed: none, unless the system keeps them.
    pub survivors: usize,
}
