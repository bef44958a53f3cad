//! Who listens to which turn, and what becomes of one that nobody listens to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::App;
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
}

impl Turns {
    /// Held while a request of this conversation finds or begins its turn.
    pub(super) async fn begin(&self, conversation: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let sum = conversation
            .bytes()
            .fold(0, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        self.beginning[sum % self.beginning.len()].lock().await
    }

    fn held(&self) -> MutexGuard<'_, HashMap<(AgentId, Option<MessageId>), usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller's interest in a turn. When the last caller has gone before the turn was over, nobody
/// wants it: it is cancelled.
pub(super) struct Hold {
    pub(super) app: Arc<App>,
    turn: (AgentId, Option<MessageId>),
    alone: bool,
    /// Whether the turn is over.
    pub(super) over: bool,
    by: Actor,
}

impl Hold {
    pub(super) fn of(
        app: &Arc<App>,
        turn: (AgentId, Option<MessageId>),
        alone: bool,
        by: Actor,
    ) -> Self {
        *app.turns.held().entry(turn).or_default() += 1;
        Self { app: Arc::clone(app), turn, alone, over: false, by }
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
        let (alone, over) = (self.alone, self.over);
        tokio::spawn(async move {
            if !over {
                tokio::time::sleep(ASKS_AGAIN_WITHIN).await;
                if app.turns.held().contains_key(&turn) || app.is_stopping() {
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
