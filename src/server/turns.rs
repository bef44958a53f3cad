//! Who listens to which turn, and what becomes of one that nobody listens to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::App;
use super::door::Peer;
use super::peer::{Callers, Process};
use crate::model::{Actor, AgentId, MessageId};
use crate::supervisor::{Kill, SupervisorError, Which};

/// How long after the last caller has gone a turn is still waited for by nobody: one that asks again
/// finds it.
const ASKS_AGAIN_WITHIN: Duration = Duration::from_secs(1);

/// Which turns somebody listens to.
#[derive(Debug, Default)]
pub(super) struct Turns {
    held: Mutex<HashMap<(AgentId, Option<MessageId>), usize>>,
    /// Requests of one conversation begin one after another.
    beginning: [tokio::sync::Mutex<()>; 32],
    callers: Arc<Callers>,
}

impl Turns {
    /// Held while a request of this conversation finds or begins its turn.
    pub(super) async fn begin(&self, conversation: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let sum = conversation
            .bytes()
            .fold(0, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        self.beginning[sum % self.beginning.len()].lock().await
    }

    /// The process at the other end of a connection, when it is one of this machine.
    pub(super) async fn caller(&self, peer: Peer) -> Option<Process> {
        let Peer::Tcp { remote, local, .. } = peer else { return None };
        let callers = Arc::clone(&self.callers);
        tokio::task::spawn_blocking(move || callers.find(remote, local)).await.ok().flatten()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<(AgentId, Option<MessageId>), usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller's interest in a turn. When the last caller has hung up before the turn was over, nobody
/// wants it: it is cancelled. A caller that has died did not say so: the turn goes on, and its answer
/// is there for whoever goes on with the conversation.
pub(super) struct Hold {
    pub(super) app: Arc<App>,
    turn: (AgentId, Option<MessageId>),
    alone: bool,
    /// Whether the turn is over.
    pub(super) over: bool,
    by: Actor,
    /// Who is asking, where that is known.
    pub(super) caller: Option<Process>,
}

impl Hold {
    pub(super) fn of(
        app: &Arc<App>,
        turn: (AgentId, Option<MessageId>),
        alone: bool,
        by: Actor,
    ) -> Self {
        *app.turns.held().entry(turn).or_default() += 1;
        Self { app: Arc::clone(app), turn, alone, over: false, by, caller: None }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let left = {
            let mut held = self.app.turns.held();
            let count = held.get(&self.turn).copied().unwrap_or(1) - 1;
            if count == 0 {
                held.remove(&self.turn);
            } else {
                held.insert(self.turn, count);
            }
            count
        };
        // The daemon's own end drops every connection, and ends no turn.
        if left > 0 || self.app.is_stopping() || (self.over && !self.alone) {
            return;
        }
        let (app, turn, by) = (Arc::clone(&self.app), self.turn, self.by.clone());
        let (alone, over, caller) = (self.alone, self.over, self.caller);
        tokio::spawn(async move {
            if !over {
                // At once, so that its end does not come first. One that has hung up ends it.
                if caller.is_some()
                    && let Err(error) = app.supervisor.heard(turn.0, false).await
                {
                    tracing::debug!(agent = %turn.0, %error, "it is over");
                    return;
                }
                tokio::time::sleep(ASKS_AGAIN_WITHIN).await;
                if app.is_stopping() {
                    return;
                }
                let held = app.turns.held().contains_key(&turn);
                if held {
                    // By somebody who may have looked before that was recorded.
                    let _ = app.supervisor.heard(turn.0, true).await;
                    return;
                }
                if caller.is_some_and(|caller| !caller.lives()) {
                    tracing::info!(agent = %turn.0, "whoever asked has died: the turn goes on");
                    return;
                }
            }
            if let Err(error) = end(&app, turn.0, alone, by).await {
                tracing::debug!(agent = %turn.0, %error, "a turn that nobody waits for goes on");
            }
        });
    }
}

/// Ends what nobody waits for: the turn where the agent has turns, and otherwise the agent.
async fn end(app: &App, id: AgentId, alone: bool, by: Actor) -> Result<(), SupervisorError> {
    let agent = app.supervisor.store().agent(id).await?;
    let Some(agent) = agent.filter(|agent| !agent.status.is_end()) else { return Ok(()) };
    if alone || agent.spec.command.is_some() {
        app.supervisor.kill(Which::Agents(vec![id]), Kill::default(), by).await?;
    } else {
        app.supervisor.cancel(id, by).await?;
    }
    Ok(())
}
