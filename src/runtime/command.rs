//! Any program as an agent.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Semaphore;

use super::attempt::Attempt;
use super::cgroup;
use super::keeper::{Keeper, Record};
use super::output::Outputs;
use super::tree::{Scanner, Tree};
use super::{Exit, Marks, RunIo, Runtime, begin};
use crate::model::{AgentId, Process, Spawned};

/// Runs programs. The keeper owns their processes, files take their output, and this reads along.
#[derive(Debug, Clone)]
pub struct Command {
    parts: Arc<Parts>,
}

/// What every attempt needs.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) keeper: Keeper,
    pub(super) outputs: Outputs,
    pub(super) scanner: Scanner,
    /// A directory for each agent.
    pub(super) agents: PathBuf,
    /// Environments of agents that have not started.
    pub(super) spool: PathBuf,
    /// Bytes of each stream that are taken over from an agent that is taken back.
    pub(super) backlog_max: AtomicU64,
    /// How many processes and threads each agent may have.
    pub(super) processes_max: Option<u32>,
    /// Names of variables that terminals do not get, besides those that are named like a secret.
    pub(super) secrets: BTreeSet<String>,
    /// Places for reading again what a daemon before this one had read: half of the processors, so
    /// that requests are answered meanwhile.
    pub(super) rereading: Semaphore,
}

impl Parts {
    /// How many may read again at once.
    pub(super) fn rereaders() -> Semaphore {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Semaphore::new(processors.div_ceil(2))
    }

    pub(super) fn dir(&self, agent: AgentId) -> PathBuf {
        self.agents.join(agent.as_str())
    }

    /// Who belongs to the agent, as far as it is known now.
    pub(super) fn tree(&self, agent: AgentId, leader: Option<Process>) -> Tree {
        let own = i32::try_from(std::process::id()).ok();
        let spared = own.into_iter().chain(self.keeper.pid()).collect();
        Tree { agent, leader, spared, dir: self.dir(agent), scanner: self.scanner.clone() }
    }
}

impl Command {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }
}

impl Command {
    pub(super) fn parts(&self) -> Arc<Parts> {
        Arc::clone(&self.parts)
    }
}

impl Runtime for Command {
    fn run(&self, io: RunIo) -> BoxFuture<'static, Exit> {
        let parts = Arc::clone(&self.parts);
        async move {
            let held = if io.agent.started_at.is_some() {
                begin::adopt(&parts, &io.agent).await
            } else {
                match begin::start(&parts, &io).boxed().await {
                    Ok(held) => held,
                    Err(exit) => return *exit,
                }
            };
            Box::new(Attempt::new(parts, io, held)).run().await
        }
        .boxed()
    }

    fn prepare(
        &self,
        agent: AgentId,
        spawned: &Spawned,
        environment: &BTreeMap<String, String>,
    ) -> bool {
        begin::prepare(&self.parts, agent, spawned, environment)
    }

    fn bound_backlog(&self, bytes: u64) {
        self.parts.backlog_max.store(bytes, Ordering::Relaxed);
    }

    fn has_begun(&self, agent: AgentId) -> bool {
        self.parts.keeper.owns(agent) || Record::read(&self.parts.dir(agent)).begun
    }

    fn marks_of(&self, pid: i32) -> Option<Marks> {
        Marks::of(pid, self.parts.keeper.pid())
    }

    /// The agent's directory goes, with its output: that is in the log.
    fn forget(&self, agent: AgentId) -> BoxFuture<'static, ()> {
        let parts = Arc::clone(&self.parts);
        async move {
            parts.keeper.forget(agent).await;
            let dir = parts.dir(agent);
            let group = cgroup::of(agent, Record::read(&dir).group);
            group.as_deref().into_iter().for_each(cgroup::remove);
            if let Err(error) = tokio::fs::remove_dir_all(&dir).await
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(%agent, %error, "cannot remove the agent's directory");
            }
        }
        .boxed()
    }
}

#[cfg(test)]
#[path = "command_test.rs"]
mod tests;
