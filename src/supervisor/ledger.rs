//! What is recorded of one agent, and what is owed to the log.
//!
//! What somebody asks for is recorded or refused. What has happened must be recorded, and cannot be
//! when the disk is full: then it is owed. Decisions see an agent as if what is owed were recorded,
//! so that a full disk never keeps anybody from stopping an agent; readers see only what is.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::Clock;
use crate::model::{Agent, Event, Fact};
use crate::store::{Answer, Batch, Store, StoreError};

/// One agent's account with the log.
pub(super) struct Ledger {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// As of its newest durable event.
    agent: Agent,
    owed: Vec<Fact>,
    /// Whom to tell when nothing is owed any more.
    waiting: Vec<oneshot::Sender<()>>,
}

/// Facts that are durable now, with their events.
pub(super) type Recorded = Vec<(Arc<Event>, Fact)>;

impl Ledger {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, agent: Agent) -> Self {
        Self { store, clock, agent, owed: Vec::new(), waiting: Vec::new() }
    }

    /// The agent as of its newest durable event.
    pub(super) fn durable(&self) -> &Agent {
        &self.agent
    }

    /// The agent as decisions see it: with what is owed.
    pub(super) fn agent(&self) -> Cow<'_, Agent> {
        if self.owed.is_empty() {
            return Cow::Borrowed(&self.agent);
        }
        let mut agent = self.agent.clone();
        for fact in &self.owed {
            let event = Event {
                seq: agent.last_seq,
                time: self.clock.now(),
                kind: fact.event_type(),
                agent: agent.id,
                spec: Arc::clone(&agent.spec),
                data: fact.to_data(),
            };
            agent.apply(&event, fact);
        }
        Cow::Owned(agent)
    }

    /// Records what somebody asked for, or nothing.
    ///
    /// # Errors
    /// Whoever asked is to be told.
    pub(super) async fn record(
        &mut self,
        facts: Vec<Fact>,
        answer: Option<Answer>,
    ) -> Result<Recorded, StoreError> {
        let mut recorded = self.settle().await?;
        if !facts.is_empty() {
            recorded.extend(self.append(facts, answer).await?);
        }
        Ok(recorded)
    }

    /// Records what has happened, and owes it when that is not possible now.
    ///
    /// # Errors
    /// It is owed; [`Ledger::settle`] tries again.
    pub(super) async fn owe(&mut self, facts: Vec<Fact>) -> Result<Recorded, StoreError> {
        self.owed.extend(facts);
        self.settle().await
    }

    /// Records what is owed.
    ///
    /// # Errors
    /// It still is.
    pub(super) async fn settle(&mut self) -> Result<Recorded, StoreError> {
        if self.owed.is_empty() {
            return Ok(Vec::new());
        }
        let owed = std::mem::take(&mut self.owed);
        match self.append(owed.clone(), None).await {
            Ok(recorded) => {
                for waiting in self.waiting.drain(..) {
                    let _ = waiting.send(());
                }
                Ok(recorded)
            }
            Err(StoreError::Refused(refused)) => {
                // The log knows better: an end is there already. Owing it for ever helps nobody.
                tracing::error!(%refused, "a fact came too late");
                self.waiting.clear();
                Ok(Vec::new())
            }
            Err(error) => {
                self.owed = owed;
                Err(error)
            }
        }
    }

    /// Tells when nothing is owed any more; at once when nothing is.
    pub(super) fn when_settled(&mut self, tell: oneshot::Sender<()>) {
        if self.owed.is_empty() {
            let _ = tell.send(());
        } else {
            self.waiting.push(tell);
        }
    }

    async fn append(
        &mut self,
        facts: Vec<Fact>,
        answer: Option<Answer>,
    ) -> Result<Recorded, StoreError> {
        let batch = Batch {
            facts: facts.iter().map(|fact| (self.agent.id, fact.clone())).collect(),
            audit: Vec::new(),
            answer,
            time: self.clock.now(),
        };
        let events = self.store.append(batch).await?;
        let recorded: Recorded = events.into_iter().zip(facts).collect();
        for (event, fact) in &recorded {
            self.agent.apply(event, fact);
        }
        Ok(recorded)
    }
}
