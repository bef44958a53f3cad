//! What came of requests that were made before, by their idempotency keys.

use std::sync::Arc;

use super::{Sent, Supervisor, SupervisorError};
use crate::model::{Agent, AgentId};

impl Supervisor {
    /// The first of the agents that a spawn with this key made, if there was one.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn spawned_with(&self, key: &str) -> Result<Option<Arc<Agent>>, SupervisorError> {
        let Some(answer) = self.inner.store.answer(format!("spawn {key}")).await? else {
            return Ok(None);
        };
        Ok(self.agents_of(&answer.body).await?.into_iter().next())
    }

    /// What has become of the message that was sent to this agent with this key, if there was one.
    ///
    /// # Errors
    /// [`SupervisorError::Refused`] when it was refused at once, or when the log cannot be read.
    pub async fn sent_with(&self, id: AgentId, key: &str) -> Result<Option<Sent>, SupervisorError> {
        match self.inner.store.answer(format!("send {id} {key}")).await? {
            Some(answer) => self.sent_before(id, &answer.body).await.map(Some),
            None => Ok(None),
        }
    }
}
