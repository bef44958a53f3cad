//! Writing messages to an agent's FIFO, in order, at the agent's own pace.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, mpsc};
use tokio_util::task::AbortOnDropHandle;

use rustix::fs::{Mode, OFlags};

use crate::model::{AgentId, MessageId};

/// Messages that may wait for one agent. The daemon sends the next when the one before is written.
const WAITING_MAX: usize = 64;

/// How many outcomes are remembered, for a daemon that asks again.
const REMEMBERED: usize = 1024;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Written,
    Unwritable(String),
    /// A keeper that is dead had begun to write it.
    Unknown,
}

/// A message that is through, one way or the other.
#[derive(Debug)]
pub(super) struct Through {
    pub(super) agent: AgentId,
    pub(super) message: MessageId,
    pub(super) outcome: Outcome,
}

/// Where outcomes go. Putting one there never waits, so that a message that is written is known to be
/// before its agent can end of it. There are never more than [`WAITING_MAX`] and one for each agent,
/// since a message that waits is told only once.
#[derive(Clone, Default)]
pub(super) struct Outcomes {
    shared: Arc<(Mutex<VecDeque<Through>>, Notify)>,
}

impl Outcomes {
    fn put(&self, through: Through) {
        let (outcomes, arrived) = &*self.shared;
        outcomes.lock().unwrap_or_else(PoisonError::into_inner).push_back(through);
        arrived.notify_one();
    }

    /// The oldest one, when there is one now.
    pub(super) fn pop(&self) -> Option<Through> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// The oldest one, when there is one. Safe to drop and call again; one reader only.
    pub(super) async fn next(&self) -> Through {
        loop {
            if let Some(through) = self.pop() {
                return through;
            }
            self.shared.1.notified().await;
        }
    }
}

/// The messages of one agent. Dropping it stops writing.
pub(super) struct Input {
    queue: Option<mpsc::Sender<(MessageId, String)>>,
    ended: bool,
    waiting: Vec<MessageId>,
    known: VecDeque<(MessageId, Outcome)>,
    writing: Option<AbortOnDropHandle<()>>,
}

impl Input {
    /// Writes to the agent's FIFO, or to nothing when it takes no messages.
    pub(super) fn new(agent: AgentId, dir: &Path, fifo: Option<OwnedFd>, done: Outcomes) -> Self {
        let (queue, messages) = mpsc::channel(WAITING_MAX);
        let writing = fifo.map(|fifo| {
            let begun = Begun { dir: dir.to_owned(), file: None };
            AbortOnDropHandle::new(tokio::spawn(write_all(agent, fifo, begun, messages, done)))
        });
        let queue = writing.is_some().then_some(queue);
        Self { queue, ended: false, waiting: Vec::new(), known: VecDeque::new(), writing }
    }

    /// For an agent that was started by a keeper which is dead. What that one had begun to write is not
    /// written again.
    ///
    /// # Errors
    /// When the agent takes no messages, or has ended.
    pub(super) fn adopt(agent: AgentId, dir: &Path, done: Outcomes) -> io::Result<Self> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fifo = rustix::fs::open(dir.join("stdin"), flags, Mode::empty())?;
        let mut input = Self::new(agent, dir, Some(fifo), done);
        let text = std::fs::read_to_string(dir.join(BEGUN)).unwrap_or_default();
        for message in text.lines().filter_map(|line| line.parse().ok()) {
            input.settle(message, Outcome::Unknown);
        }
        Ok(input)
    }

    /// Takes a message. Gives the outcome when there is one already; otherwise it will come.
    pub(super) fn take(&mut self, message: MessageId, text: String) -> Option<Outcome> {
        if let Some((_, outcome)) = self.known.iter().find(|(known, _)| *known == message) {
            return Some(outcome.clone());
        }
        if self.waiting.contains(&message) {
            return None;
        }
        let Some(queue) = &self.queue else {
            let reason =
                if self.ended { "the agent has ended" } else { "the agent takes no messages" };
            return Some(Outcome::Unwritable(reason.to_owned()));
        };
        match queue.try_send((message, text)) {
            Ok(()) => self.waiting.push(message),
            Err(_) => return Some(Outcome::Unwritable("the agent does not read its input".into())),
        }
        None
    }

    /// Remembers an outcome.
    pub(super) fn settle(&mut self, message: MessageId, outcome: Outcome) {
        self.waiting.retain(|waiting| *waiting != message);
        self.known.push_back((message, outcome));
        if self.known.len() > REMEMBERED {
            self.known.pop_front();
        }
    }

    /// Gives up on the rest: the agent has ended.
    pub(super) fn close(&mut self) -> Vec<MessageId> {
        (self.queue, self.writing, self.ended) = (None, None, true);
        std::mem::take(&mut self.waiting)
    }
}

/// The file in an agent's directory that names the messages that somebody has begun to write.
const BEGUN: &str = "messages";

struct Begun {
    dir: std::path::PathBuf,
    file: Option<File>,
}

impl Begun {
    fn note(&mut self, message: MessageId) -> io::Result<()> {
        if self.file.is_none() {
            let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
            let mut open = OpenOptions::new();
            open.append(true).create(true).mode(0o600).custom_flags(flags);
            self.file = Some(open.open(self.dir.join(BEGUN))?);
        }
        let line = format!("{message}\n");
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(line.as_bytes()))
    }
}

async fn write_all(
    agent: AgentId,
    fifo: OwnedFd,
    mut begun: Begun,
    mut messages: mpsc::Receiver<(MessageId, String)>,
    done: Outcomes,
) {
    let mut fifo = pipe::Sender::from_owned_fd(fifo);
    while let Some((message, text)) = messages.recv().await {
        let written = match (begun.note(message), &mut fifo) {
            (Ok(()), Ok(fifo)) => fifo.write_all(text.as_bytes()).await,
            (Err(error), _) => Err(error),
            (_, Err(error)) => Err(error.kind().into()),
        };
        let outcome = match written {
            Ok(()) => Outcome::Written,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Outcome::Unwritable("the agent has closed its input".to_owned())
            }
            Err(error) => Outcome::Unwritable(format!("cannot write to the agent: {error}")),
        };
        // Before anything else can happen, the agent's end above all.
        done.put(Through { agent, message, outcome });
    }
}
