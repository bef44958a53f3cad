//! Harnesses that speak the Agent Client Protocol (ACP, version 1; agentclientprotocol.com).
//!
//! A harness is started like any command: by the keeper, with a FIFO as its standard input and files
//! as its outputs, so that the daemon's death does not touch it. Its standard output is read as lines
//! of JSON-RPC; what we say goes through the keeper, under ids that follow from what it is, so that a
//! daemon that comes back can say everything again and nothing is said twice.
//!
//! The offset up to which lines have become facts is recorded with the facts. Until the conversation
//! is established nothing is, and a daemon that comes back reads the lines from the first one again.

mod asks;
mod attempt;
mod back;
mod files;
mod handshake;
mod policy;
mod reader;
mod say;
mod servers;
mod session;
mod setup;
mod terminals;
mod turn;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use self::attempt::Attempt;
pub use self::handshake::{Trial, handshake};
pub use self::servers::check_servers;
pub use self::session::Trouble;
use super::begin::{self, Held};
use super::command::{Command, Parts};
use super::{Exit, RunIo, Runtime, Stop};
use crate::model::{AgentId, Spawned};

/// The attempt with what a daemon before this one left open in the turn: that reads megabytes, of
/// hundreds of harnesses at once, and nobody else is to wait for it. A harness that is to stop is not
/// kept waiting either.
async fn take_up(parts: Arc<Parts>, mut io: RunIo, held: Held) -> Box<Attempt> {
    if io.agent.started_at.is_none() || !io.agent.in_turn() {
        return Box::new(Attempt::new(parts, io, held));
    }
    let place = tokio::select! {
        place = parts.rereading.acquire() => place.ok(),
        _ = io.stop.wait_for(|stop| *stop != Stop::No) => None,
    };
    let own = Arc::clone(&parts);
    let begun = tokio::task::spawn_blocking(move || Box::new(Attempt::new(own, io, held))).await;
    drop(place);
    match begun.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(attempt) => attempt,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The daemon ends, and this with it.
        Err(Err(_)) => std::future::pending().await,
    }
}

/// Runs harnesses.
#[derive(Debug, Clone)]
pub struct Acp {
    parts: Arc<Parts>,
    /// Harnesses are kept and forgotten as commands are.
    command: Command,
}

impl Acp {
    pub(super) fn new(command: &Command) -> Self {
        Self { parts: command.parts(), command: command.clone() }
    }
}

impl Runtime for Acp {
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
            take_up(parts, io, held).boxed().await.run().await
        }
        .boxed()
    }

    fn prepare(
        &self,
        agent: AgentId,
        spawned: &Spawned,
        environment: &BTreeMap<String, String>,
    ) -> bool {
        self.command.prepare(agent, spawned, environment)
    }

    fn has_begun(&self, agent: AgentId) -> bool {
        self.command.has_begun(agent)
    }

    fn forget(&self, agent: AgentId) -> BoxFuture<'static, ()> {
        let (parts, agents_own) = (Arc::clone(&self.parts), self.command.forget(agent));
        async move {
            for terminal in terminals::all(&parts.dir(agent)) {
                parts.keeper.forget(terminal).await;
            }
            agents_own.await;
        }
        .boxed()
    }
}
