//! What everybody may know: everything here is durable.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::heads::Heads;
use super::holes::Holes;
use super::keys::Keys;
use super::log::Log;
use super::tail::Tail;
use crate::model::{Agent, AgentFilter, AgentId, Event, EventQuery, Process, Seq};
use crate::store::{EventPage, Head, Health, Scope};

/// What a committed group has changed.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// With the agent's place in the order of spawning.
    pub events: Vec<(u64, Arc<Event>)>,
    /// Agents as they are now, with their places.
    pub living: Vec<(u64, Arc<Agent>)>,
    pub ended: Vec<AgentId>,
}

/// The published part of the log.
#[derive(Debug)]
pub(super) struct Published {
    alive: RwLock<Alive>,
    tail: RwLock<Tail>,
    heads: Heads,
    oldest: AtomicU64,
    newest: AtomicU64,
    health: RwLock<Health>,
    holes: Holes,
    keys: Keys,
}

/// Agents that have not ended.
#[derive(Debug, Default)]
struct Alive {
    /// In the order of their spawning.
    agents: BTreeMap<u64, Arc<Agent>>,
    places: HashMap<AgentId, u64>,
    /// By the first process of each.
    leaders: HashMap<Process, AgentId>,
}

impl Published {
    pub(super) fn new(log: &Log) -> Self {
        let mut alive = Alive::default();
        for living in log.agents.values() {
            alive.put(living.n, Arc::clone(&living.agent));
        }
        Self {
            alive: RwLock::new(alive),
            tail: RwLock::new(Tail::after(log.newest)),
            heads: Heads::new(log.newest),
            oldest: AtomicU64::new(log.trimmed.next().0),
            newest: AtomicU64::new(log.newest.0),
            health: RwLock::default(),
            holes: log.holes.clone(),
            keys: Keys::default(),
        }
    }

    /// Makes the change known. The order matters: whoever is told of an event finds its agent, and
    /// whoever is woken finds the event.
    pub(super) fn publish(&self, change: &Change, newest: Seq) {
        let mut alive = write(&self.alive);
        for (n, agent) in &change.living {
            alive.put(*n, Arc::clone(agent));
        }
        for id in &change.ended {
            alive.remove(*id);
        }
        drop(alive);
        let mut tail = write(&self.tail);
        for (_, event) in &change.events {
            tail.push(Arc::clone(event));
        }
        drop(tail);
        self.newest.store(newest.0, Ordering::Release);
        let living = change.living.iter().map(|(_, agent)| (agent.id, agent.last_seq));
        let ended = change.ended.iter().map(|id| (*id, newest));
        self.heads.raise(living.chain(ended), newest);
    }

    /// Which requests with a key were answered.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Wakes every follower, also those of agents that have no new event.
    pub(super) fn rouse(&self) {
        self.heads.raise_all(self.bounds().1);
    }

    /// Events up to and including `last` are about to go.
    pub(super) fn trim(&self, last: Seq) {
        self.oldest.fetch_max(last.next().0, Ordering::AcqRel);
        write(&self.tail).trim(last);
    }

    pub(super) fn bounds(&self) -> (Seq, Seq) {
        // The newest first: trimming cannot make the oldest pass it by more than one.
        let newest = self.newest.load(Ordering::Acquire);
        (Seq(self.oldest.load(Ordering::Acquire)), Seq(newest))
    }

    /// The first run of lost positions after `since` and up to `to`.
    pub(super) fn lost(&self, since: Seq, to: Seq) -> Option<(Seq, Seq)> {
        self.holes.between(since, to)
    }

    pub(super) fn head(&self, scope: &Scope) -> Head {
        self.heads.head(scope, || self.bounds().1)
    }

    /// The page, when everything after the cursor is in memory.
    pub(super) fn read(&self, query: &EventQuery) -> Option<EventPage> {
        read(&self.tail).read(query)
    }

    pub(super) fn agent(&self, id: AgentId) -> Option<Arc<Agent>> {
        let alive = read(&self.alive);
        let place = alive.places.get(&id)?;
        alive.agents.get(place).cloned()
    }

    pub(super) fn alive(&self) -> Vec<Arc<Agent>> {
        read(&self.alive).agents.values().cloned().collect()
    }

    pub(super) fn led_by(&self, process: Process) -> Option<AgentId> {
        read(&self.alive).leaders.get(&process).copied()
    }

    /// Living agents that match, after this place, with their places.
    pub(super) fn matching(
        &self,
        filter: &AgentFilter,
        after: u64,
        limit: usize,
    ) -> Vec<(u64, Arc<Agent>)> {
        let alive = read(&self.alive);
        let later = alive.agents.range(after.saturating_add(1)..);
        let matching = later.filter(|(_, agent)| filter.matches(agent));
        matching.take(limit).map(|(n, agent)| (*n, Arc::clone(agent))).collect()
    }

    pub(super) fn health(&self) -> Health {
        read(&self.health).clone()
    }

    pub(super) fn set_health(&self, health: Health) {
        *write(&self.health) = health;
    }

    #[cfg(test)]
    pub(super) fn watched_agents(&self) -> usize {
        self.heads.watched_agents()
    }
}

impl Alive {
    fn put(&mut self, n: u64, agent: Arc<Agent>) {
        let (id, process) = (agent.id, agent.process);
        let before = self.agents.insert(n, agent);
        if before.is_none() {
            self.places.insert(id, n);
        }
        // It is the same from the start on.
        if let Some(process) = process
            && before.is_none_or(|before| before.process != Some(process))
        {
            self.leaders.insert(process, id);
        }
    }

    fn remove(&mut self, id: AgentId) {
        let Some(n) = self.places.remove(&id) else { return };
        let process = self.agents.remove(&n).and_then(|agent| agent.process);
        if let Some(process) = process
            && self.leaders.get(&process) == Some(&id)
        {
            self.leaders.remove(&process);
        }
    }
}

// A poisoned lock: whoever panicked did so between two whole changes, for none of them can fail half way.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
