//! What should happen: who may run, what a request means for an agent, and how it ends.
//!
//! Each living agent has one actor, a task that owns it. An input (a request, a report of the
//! attempt, a timer) goes through [`decide`], a pure function, and the actor carries out what that
//! says: facts are recorded, durably, before anything else happens and before anybody is answered.

mod actor;
mod admission;
mod again;
mod attempt;
mod budget;
mod capacity;
mod clock;
mod decide;
mod error;
mod family;
mod ledger;
mod request;
mod select;
mod spawn;
mod steer;
mod strays;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

pub use capacity::{Capacity, Machine, SetBy};
pub use clock::{Clock, SystemClock};
pub use error::SupervisorError;
pub use family::{Reach, Whose};
pub use strays::take_in_strays;

use self::actor::{Handle, Tell};
use self::admission::Admission;
use self::budget::Budgets;
use self::family::Families;
use crate::config::Config;
use crate::model::{
    Actor, Agent, AgentFilter, AgentId, Delivery, MessageId, Seq, Signal, StopCause, check_text,
};
use crate::runtime::{Message, Runtimes};
use crate::store::{Answer, Batch, Operation, Store};

/// How long an answer waits for a message to be delivered before it says that it is queued.
const DELIVERY_WAIT: Duration = Duration::from_secs(1);
/// Requests with different keys that can be under way at once; more wait for each other.
const KEY_STRIPES: usize = 64;

/// The handle that everyone holds. Cheap to clone. Dropping it does nothing: agents live until they
/// end, or until [`Supervisor::let_go`].
#[derive(Clone)]
pub struct Supervisor {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    runtimes: Runtimes,
    config: Config,
    capacity: Capacity,
    /// Where environments are kept until agents have started.
    spool: PathBuf,
    clock: Arc<dyn Clock>,
    admission: Admission,
    families: Families,
    budgets: Budgets,
    actors: Mutex<HashMap<AgentId, Handle>>,
    /// Requests with the same key go one after another.
    keys: Vec<tokio::sync::Mutex<()>>,
    hasher: RandomState,
    shutting_down: watch::Sender<bool>,
    /// True tells every actor to leave its agent alone and end.
    let_go: watch::Sender<bool>,
}

impl Inner {
    fn actors(&self) -> MutexGuard<'_, HashMap<AgentId, Handle>> {
        self.actors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn random() -> u64 {
        // A version 4 UUID has 122 random bits; its version and variant bits are folded away.
        let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
        high ^ low.rotate_left(32)
    }
}

/// What a supervisor works with.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub runtimes: Runtimes,
    pub config: Config,
    pub capacity: Capacity,
    /// Where environments are kept until agents have started.
    pub spool: PathBuf,
    pub clock: Arc<dyn Clock>,
}

/// A wish to spawn; see [`crate::api::SpawnBody`] for the fields' meaning.
pub type SpawnRequest = crate::api::SpawnBody;

/// What became of a message by the time of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub agent: AgentId,
    pub message: MessageId,
    pub state: Delivery,
    pub seq: Seq,
}

/// How to kill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kill {
    /// Milliseconds between the signal and SIGKILL; the configuration's when absent.
    pub grace_ms: Option<u64>,
    /// SIGTERM when absent.
    pub signal: Option<Signal>,
}

/// Which agents a caller means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    Agents(Vec<AgentId>),
    Group(String),
    Session(String),
    All,
}

impl Supervisor {
    /// Takes back what the log says is alive, and is ready for requests. Must be called in a tokio
    /// runtime, which carries the agents' actors.
    #[must_use]
    pub fn start(parts: Parts) -> Self {
        let Parts { store, runtimes, config, capacity, spool, clock } = parts;
        let admission =
            Admission::new(capacity.agents, capacity.memory_mb, config.daemon.max_queued);
        let inner = Inner {
            store,
            runtimes,
            config,
            capacity,
            spool,
            clock,
            admission,
            families: Families::default(),
            budgets: Budgets::default(),
            actors: Mutex::default(),
            keys: (0..KEY_STRIPES).map(|_| tokio::sync::Mutex::default()).collect(),
            hasher: RandomState::new(),
            shutting_down: watch::Sender::new(false),
            let_go: watch::Sender::new(false),
        };
        let supervisor = Self { inner: Arc::new(inner) };
        spawn::take_back(&supervisor.inner);
        supervisor
    }

    /// The log, for readers.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.inner.store)
    }

    /// The time of day, as events are stamped.
    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        self.inner.clock.now()
    }

    /// How many agents run at once.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        self.inner.capacity
    }

    /// Records the wish, durably, and answers with the agents; they start as places are free.
    /// The same `key` with the same request answers with the same agents and starts nothing.
    ///
    /// # Errors
    /// See [`SupervisorError`].
    pub async fn spawn(
        &self,
        request: SpawnRequest,
        by: Actor,
        key: Option<String>,
    ) -> Result<Vec<Arc<Agent>>, SupervisorError> {
        request::check_idempotency_key(key.as_deref())?;
        let _turn = self.turn(key.as_deref()).await;
        let key = key.map(|key| (format!("spawn {key}"), request::fingerprint(&request)));
        if let Some(body) = self.answered(key.as_ref()).await? {
            return self.agents_of(&body).await;
        }
        self.admit_work()?;
        let earlier = match &request.resume {
            Some(selector) => Some(self.resolve(selector).await?),
            None => None,
        };
        spawn::spawn(&self.inner, request, earlier, None, by, key).await
    }

    /// Sends a message. Answers when it is delivered, or after a moment when it stays queued.
    ///
    /// # Errors
    /// [`SupervisorError::Refused`] when the agent will not take it; that is recorded too.
    pub async fn send(
        &self,
        id: AgentId,
        text: String,
        by: Actor,
        key: Option<String>,
    ) -> Result<Sent, SupervisorError> {
        check_text("the message", &text)?;
        request::check_idempotency_key(key.as_deref())?;
        let _turn = self.turn(key.as_deref()).await;
        let fingerprint = request::fingerprint_of(&text);
        let key = key.map(|key| (format!("send {id} {key}"), fingerprint));
        if let Some(body) = self.answered(key.as_ref()).await? {
            return self.sent_before(id, &body).await;
        }
        self.admit_work()?;
        let message = Message { id: MessageId::from_bits(Inner::random()), text: text.into() };
        let answer =
            key.map(|(key, fingerprint)| Answer { key, fingerprint, body: message.id.to_string() });
        let (states, mut told) = mpsc::channel(2);
        let tell = Box::new(Tell::Send { message, by: by.clone(), answer, states });
        if let Some(agent) = self.inner.store.agent(id).await?
            && !agent.status.is_end()
        {
            budget::check(&self.inner, &agent.spec).await?;
        }
        let handle = self.inner.actors().get(&id).cloned();
        let reached = match handle {
            Some(handle) => handle.tell.send(tell).await.is_ok(),
            None => false,
        };
        let first = if reached { told.recv().await } else { None };
        let Some(first) = first else { return self.refuse_for_end(id, by).await };
        let queued = first?;
        if queued.state != Delivery::Queued {
            return Ok(queued);
        }
        match tokio::time::timeout(DELIVERY_WAIT, told.recv()).await {
            Ok(Some(settled)) => settled,
            Ok(None) | Err(_) => Ok(queued),
        }
    }

    /// Kills and answers with the agents, in the order they were named, when all have ended; those
    /// below them end too, and come last. Agents that had ended already are among them, as they were.
    ///
    /// # Errors
    /// See [`SupervisorError`].
    pub async fn kill(
        &self,
        which: Which,
        how: Kill,
        by: Actor,
    ) -> Result<Vec<Arc<Agent>>, SupervisorError> {
        self.stop(which, StopCause::Kill, how, by).await
    }

    /// Takes no more work. With `kill`, ends every agent first, and answers with them; otherwise
    /// leaves them alone.
    ///
    /// # Errors
    /// See [`SupervisorError`].
    pub async fn shut_down(
        &self,
        kill: Option<Kill>,
        by: Actor,
    ) -> Result<Vec<Arc<Agent>>, SupervisorError> {
        self.inner.shutting_down.send_replace(true);
        let operation = Operation {
            actor: by.clone(),
            action: "daemon.shutdown".to_owned(),
            outcome: "accepted".to_owned(),
            detail: serde_json::json!({ "kill_agents": kill.is_some() }),
        };
        let batch =
            Batch { audit: vec![operation], time: self.inner.clock.now(), ..Batch::default() };
        // A full disk is no reason to stay: whoever asked is answered all the same.
        if let Err(error) = self.inner.store.append(batch).await {
            tracing::error!(%error, "cannot record the shutdown");
        }
        match kill {
            Some(how) => self.stop(Which::All, StopCause::Shutdown, how, by).await,
            None => Ok(Vec::new()),
        }
    }

    /// Ends every actor and leaves the agents alone: what lives outside the daemon lives on.
    pub async fn let_go(&self) {
        self.inner.shutting_down.send_replace(true);
        self.inner.let_go.send_replace(true);
        let handles: Vec<Handle> = self.inner.actors().values().cloned().collect();
        for mut handle in handles {
            while handle.ended.changed().await.is_ok() {}
        }
    }

    /// Whether new work is refused.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        *self.inner.shutting_down.borrow()
    }

    async fn stop(
        &self,
        which: Which,
        cause: StopCause,
        how: Kill,
        by: Actor,
    ) -> Result<Vec<Arc<Agent>>, SupervisorError> {
        let named = self.which(which);
        let mut ids = named.clone();
        ids.extend(self.living_below(&named).await);
        let signal = how.signal.unwrap_or(Signal::TERM);
        let grace_ms = how.grace_ms.unwrap_or(self.inner.config.daemon.grace_ms);
        let mut answers = Vec::new();
        for id in &ids {
            let Some(handle) = self.inner.actors().get(id).cloned() else { continue };
            let (recorded, answer) = oneshot::channel();
            let by = by.clone();
            let stop = Tell::Stop { cause, by, signal, grace_ms, reason: None, recorded };
            let tell = Box::new(stop);
            if handle.tell.send(tell).await.is_ok() {
                answers.push((handle.ended, answer));
            }
        }
        for (mut ended, answer) in answers {
            if let Ok(refused @ Err(_)) = answer.await {
                refused?;
            }
            while ended.changed().await.is_ok() {}
        }
        // Those that were just being born were stopped by their parents.
        let late = self.living_below(&named).await;
        for id in &late {
            let Some(mut handle) = self.inner.actors().get(id).cloned() else { continue };
            while handle.ended.changed().await.is_ok() {}
        }
        ids.extend(late);
        self.all(&ids).await
    }

    fn which(&self, which: Which) -> Vec<AgentId> {
        let filter = match which {
            Which::Agents(ids) => return ids,
            Which::Group(group) => AgentFilter { group: Some(group), ..AgentFilter::default() },
            Which::Session(session) => {
                AgentFilter { session: Some(session), ..AgentFilter::default() }
            }
            Which::All => AgentFilter::default(),
        };
        let alive = self.inner.store.alive();
        alive.iter().filter(|agent| filter.matches(agent)).map(|agent| agent.id).collect()
    }

    async fn all(&self, ids: &[AgentId]) -> Result<Vec<Arc<Agent>>, SupervisorError> {
        let mut agents = Vec::with_capacity(ids.len());
        for id in ids {
            agents.extend(self.inner.store.agent(*id).await?);
        }
        Ok(agents)
    }

    fn admit_work(&self) -> Result<(), SupervisorError> {
        if self.is_shutting_down() { Err(SupervisorError::ShuttingDown) } else { Ok(()) }
    }

    /// Requests with the same key take turns, so that the second finds the first one's answer.
    async fn turn(&self, key: Option<&str>) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let hash = self.inner.hasher.hash_one(key?);
        let stripe = usize::try_from(hash % KEY_STRIPES as u64).unwrap_or_default();
        Some(self.inner.keys[stripe].lock().await)
    }

    /// What a request with this key was answered with before.
    async fn answered(
        &self,
        key: Option<&(String, [u8; 32])>,
    ) -> Result<Option<String>, SupervisorError> {
        let Some((key, fingerprint)) = key else { return Ok(None) };
        match self.inner.store.answer(key.clone()).await? {
            Some(answer) if answer.fingerprint == *fingerprint => Ok(Some(answer.body)),
            Some(_) => Err(SupervisorError::KeyReused),
            None => Ok(None),
        }
    }

    async fn agents_of(&self, body: &str) -> Result<Vec<Arc<Agent>>, SupervisorError> {
        let ids: Vec<AgentId> = body.split(' ').filter_map(|id| id.parse().ok()).collect();
        self.all(&ids).await
    }

    /// The agent has ended: the log takes nothing more of it, but the audit trail does.
    async fn refuse_for_end(&self, id: AgentId, by: Actor) -> Result<Sent, SupervisorError> {
        let Some(agent) = self.inner.store.agent(id).await? else {
            let selector = id.to_string();
            return Err(SupervisorError::NotFound { selector, similar: Vec::new() });
        };
        let mut reason = format!("agent {} has ended ({})", id.short(), agent.status);
        if agent.talk.as_ref().is_some_and(|talk| talk.resumable) {
            let again = format!("; `dash spawn --resume {}` goes on with its session", id.short());
            reason.push_str(&again);
        }
        let operation = Operation {
            actor: by,
            action: "send".to_owned(),
            outcome: "refused".to_owned(),
            detail: serde_json::json!({ "agent_id": id, "reason": reason }),
        };
        let batch =
            Batch { audit: vec![operation], time: self.inner.clock.now(), ..Batch::default() };
        self.inner.store.append(batch).await?;
        Err(SupervisorError::Refused { agent: id, reason })
    }
}

#[cfg(test)]
#[path = "patient_test.rs"]
mod patient;
#[cfg(test)]
#[path = "prepare_test.rs"]
mod prepare_tests;
#[cfg(test)]
#[path = "supervisor_test.rs"]
mod tests;
