//! What came of requests that were made before, by their idempotency keys.

use std::sync::Arc;

use super::{Sent, Supervisor, SupervisorError};
use crate::model::{
    Agent, AgentId, Delivery, EventFilter, EventQuery, EventType, Fact, Input, MessageId, Seq,
};

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

    /// What has become of a message that was recorded before: one that was refused at once is refused
    /// again.
    pub(super) async fn sent_before(
        &self,
        agent: AgentId,
        body: &str,
    ) -> Result<Sent, SupervisorError> {
        let mut sent = Sent {
            agent,
            message: MessageId::from_bits(0),
            state: Delivery::Queued,
            seq: Seq::START,
        };
        let filter = EventFilter {
            agents: Some(vec![agent]),
            types: Some(vec![EventType::Input]),
            ..EventFilter::default()
        };
        let mut query = EventQuery { since: Seq::START, filter, limit: 1000, bytes: None };
        loop {
            let page = self.inner.store.read(query.clone()).await?;
            for event in &page.events {
                if let Ok(Fact::Input(Input { message_id, state, text, reason, .. })) = event.fact()
                    && message_id.as_str() == body
                {
                    // Only the first event of a message has its text.
                    if state == Delivery::Refused && text.is_some() {
                        let reason = reason.unwrap_or_default();
                        return Err(SupervisorError::Refused { agent, reason });
                    }
                    sent = Sent { agent, message: message_id, state, seq: event.seq };
                }
            }
            if page.events.is_empty() && page.read_to >= self.inner.store.bounds().1 {
                return Ok(sent);
            }
            query.since = page.read_to;
        }
    }
}
