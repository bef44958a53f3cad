//! What is said to the harness, one thing after another, through the keeper.

use std::path::Path;
use std::sync::Arc;

use futures::FutureExt;

use super::asks::Work;
use super::attempt::Attempt;
use super::files::Outcome;
use super::session::{Out, What};
use super::terminals::Owner;
use super::wire;
use crate::model::{Agent, AgentId, MessageId, Process};
use crate::runtime::command::Parts;
use crate::runtime::keeper::WriteFailure;
use crate::runtime::tell::settle;

/// How often a line is tried again when keepers die under it.
const WRITES: usize = 5;

impl Attempt {
    /// Begins to say the next thing, unless one is being said.
    pub(super) fn begin_writing(&mut self) {
        if self.writing.is_some() {
            return;
        }
        let Some(Out { key, what }) = self.session.outbox.pop_front() else { return };
        let (parts, agent) = (Arc::clone(&self.parts), Arc::clone(&self.agent));
        let (report, leader) = (self.report.clone(), self.held.process());
        self.paused |= matches!(what, What::Prompt(..));
        let terminal = match &what {
            What::Work(query, _) => Some(self.session.terminal_id(query)),
            _ => None,
        };
        let write = async move {
            let mut message = None;
            let line = match what {
                What::Line(line) => line,
                What::Prompt(line, id) => {
                    message = id;
                    line
                }
                What::Work(query, work) => {
                    let outcome = perform(&parts, &agent, leader, terminal, work).await;
                    wire::answer(&query.id, outcome)
                }
                What::Order(query, order) => {
                    let owner = Owner { parts: &parts, agent: &agent, leader };
                    wire::answer(&query.id, owner.carry_out(order).await)
                }
            };
            let outcome = write(&parts, &agent, key, &line).await;
            if let Some(message) = message {
                settle(&report, message, outcome.clone()).await;
            }
            outcome
        };
        self.writing = Some(write.boxed());
    }

    /// Begins to wait for the ends of terminals.
    pub(super) fn begin_waiting(&mut self) {
        for (query, terminal) in self.session.waits.drain(..) {
            let (parts, agent) = (Arc::clone(&self.parts), Arc::clone(&self.agent));
            let wait = async move {
                let owner = Owner { parts: &parts, agent: &agent, leader: None };
                let outcome = owner.wait(terminal).await;
                (query, outcome)
            };
            self.waiting.push(wait.boxed());
        }
    }
}

/// Does what was allowed.
async fn perform(
    parts: &Parts,
    agent: &Agent,
    leader: Option<Process>,
    terminal: Option<AgentId>,
    work: Work,
) -> Outcome {
    match work {
        Work::File(work) => {
            let spec = Arc::clone(&agent.spec);
            let perform = move || {
                let (policy, cwd) = (spec.conversation.permissions, Path::new(&spec.cwd));
                work.perform(policy, cwd)
            };
            let performed = tokio::task::spawn_blocking(perform).await;
            performed.unwrap_or_else(|error| Err((wire::INTERNAL, error.to_string())))
        }
        Work::Run(create) => {
            let owner = Owner { parts, agent, leader };
            owner.create(terminal.unwrap_or(agent.id), &create).await
        }
    }
}

async fn write(parts: &Parts, agent: &Agent, key: MessageId, line: &str) -> Result<(), String> {
    for _ in 0..WRITES {
        match parts.keeper.write(agent.id, key, line).await {
            Ok(()) => return Ok(()),
            Err(WriteFailure::Lost) => {}
            // A keeper that died had begun to write it: what fits into the FIFO is there.
            Err(WriteFailure::Unknown) => {
                tracing::warn!(agent = %agent.id, "a line may be lost");
                return Ok(());
            }
            Err(other) => return Err(other.to_string()),
        }
    }
    Err(WriteFailure::Lost.to_string())
}
