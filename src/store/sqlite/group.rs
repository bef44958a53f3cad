//! The admission of what is to be appended. Nothing here touches the file: a group of batches is
//! laid out in memory, and the log takes it over once it is durable.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;

use super::columns;
use super::log::Log;
use crate::model::{Agent, AgentId, Event, Fact, Seq, Spec};
use crate::store::chain::{self, Hash};
use crate::store::{Answer, Batch, Operation, StoreError, audit};

/// When that much of an agent is not in its row, the row is written again although nothing but output
/// came: no opening reads more than this of any agent, and a daemon that comes back is not awaited
/// longer than that takes.
const UNSAVED_MAX: u32 = 100;
/// Bytes of an event that take as long to read again as a whole short one.
const UNSAVED_BYTES: usize = 4 * 1024;

/// Facts of a short batch, and bytes of each.
const SHORT: usize = 8;
const SHORT_BYTES: usize = 2 * 1024;

/// How much it is to read this event again, counted in short ones.
pub(super) fn weight(event: &Event) -> u32 {
    u32::try_from(1 + event.data.get().len() / UNSAVED_BYTES).unwrap_or(u32::MAX)
}

/// An agent with the facts of a group applied.
#[derive(Debug, Clone)]
pub(super) struct Staged {
    pub n: u64,
    pub agent: Agent,
    /// What its row takes into account.
    pub as_of: Seq,
    /// How much of it came after that, by [`weight`].
    pub unsaved: u32,
    /// Whether its row is to be written.
    pub save: bool,
}

/// A record for the audit trail, with its place.
#[derive(Debug)]
pub(super) struct Entry {
    pub position: u64,
    pub seq: Option<Seq>,
    pub time: Timestamp,
    pub agent: Option<AgentId>,
    pub label: Option<String>,
    pub operation: Operation,
    /// The operation's detail as JSON, as it is kept.
    pub detail: String,
    pub hash: Hash,
}

/// Batches that are committed together.
#[derive(Debug)]
pub(super) struct Group {
    pub agents: HashMap<AgentId, Staged>,
    /// With the agent's place in the order of spawning.
    pub events: Vec<(u64, Arc<Event>)>,
    pub audit: Vec<Entry>,
    pub answers: Vec<(Answer, Timestamp)>,
    /// Whether it must survive the machine, and not only this process.
    pub sync: bool,
    pub newest: Seq,
    pub time: Timestamp,
    pub last_agent: u64,
    pub last_audit: u64,
    /// The hash of the last record of the audit trail.
    pub last_hash: Hash,
}

/// Whether the fact may wait for the next sync: what an agent wrote is also in its own file.
fn is_light(fact: &Fact) -> bool {
    matches!(fact, Fact::Output(_) | Fact::Message(_) | Fact::Thought(_) | Fact::Update(..))
}

/// Whether a commit of the batch is short: it is small, and waits for no disk.
pub(super) fn is_short(batch: &Batch) -> bool {
    let light = batch.answer.is_none() && batch.audit.is_empty() && batch.facts.len() <= SHORT;
    light && batch.facts.iter().all(|(_, fact)| is_short_fact(fact))
}

/// An update in a harness' own words may be of any size.
fn is_short_fact(fact: &Fact) -> bool {
    let text = match fact {
        Fact::Output(output) => &output.text,
        Fact::Message(said) | Fact::Thought(said) => &said.text,
        _ => return false,
    };
    text.len() <= SHORT_BYTES
}

impl Group {
    /// Nothing yet, after this log.
    pub(super) fn after(log: &Log) -> Self {
        Self {
            agents: HashMap::new(),
            events: Vec::new(),
            audit: Vec::new(),
            answers: Vec::new(),
            sync: false,
            newest: log.newest,
            time: log.time,
            last_agent: log.last_agent,
            last_audit: log.last_audit,
            last_hash: log.last_hash,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.audit.is_empty() && self.answers.is_empty()
    }

    /// Takes all of the batch, or nothing. `ended` looks for an agent that is no longer alive.
    /// Answers with the places of its events in [`Self::events`].
    pub(super) fn admit(
        &mut self,
        log: &Log,
        batch: Batch,
        ended: impl Fn(AgentId) -> Result<Option<Agent>, StoreError>,
    ) -> Result<Range<usize>, StoreError> {
        let mut draft = Draft {
            log,
            agents: HashMap::new(),
            events: Vec::with_capacity(batch.facts.len()),
            audit: Vec::new(),
            spawned: 0,
            time: columns::truncated(batch.time).max(self.time),
            group: self,
        };
        for (id, fact) in &batch.facts {
            draft.take(*id, fact, &ended)?;
        }
        for operation in batch.audit {
            draft.record(None, None, operation);
        }
        let Draft { agents, events, audit, spawned, time, .. } = draft;
        self.sync |= batch.answer.is_some()
            || audit.iter().any(|entry| entry.seq.is_none())
            || batch.facts.iter().any(|(_, fact)| !is_light(fact));
        self.answers.extend(batch.answer.map(|answer| (answer, time)));
        if let Some(last) = audit.last() {
            (self.last_audit, self.last_hash) = (last.position, last.hash);
        }
        self.audit.extend(audit);
        self.last_agent += spawned;
        self.agents.extend(agents);
        self.newest = Seq(self.newest.0 + columns::count(events.len()));
        self.time = time;
        let first = self.events.len();
        self.events.extend(events);
        Ok(first..self.events.len())
    }
}

/// One batch, before it is known whether all of it is admitted.
struct Draft<'a> {
    log: &'a Log,
    group: &'a Group,
    agents: HashMap<AgentId, Staged>,
    events: Vec<(u64, Arc<Event>)>,
    audit: Vec<Entry>,
    /// How many agents it spawns.
    spawned: u64,
    time: Timestamp,
}

impl Draft<'_> {
    fn take(
        &mut self,
        id: AgentId,
        fact: &Fact,
        ended: &impl Fn(AgentId) -> Result<Option<Agent>, StoreError>,
    ) -> Result<(), StoreError> {
        if !self.agents.contains_key(&id)
            && let Some(staged) = self.find(id)
        {
            self.agents.insert(id, staged);
        }
        let seq = Seq(self.group.newest.0 + columns::count(self.events.len()) + 1);
        match self.agents.get_mut(&id) {
            Some(staged) => {
                staged.agent.admits(fact)?;
                let event = event(seq, self.time, id, &staged.agent.spec, fact);
                staged.agent.apply(&event, fact);
                staged.unsaved = staged.unsaved.saturating_add(weight(&event));
                staged.save |= !is_light(fact) || staged.unsaved >= UNSAVED_MAX;
                self.events.push((staged.n, event));
            }
            None => self.spawn(seq, id, fact, ended(id)?)?,
        }
        if let Some(staged) = self.agents.get(&id)
            && let Some(operation) = audit::operation(fact, &staged.agent)
        {
            let label = staged.agent.spec.label.clone();
            self.record(Some(seq), Some((id, label)), operation);
        }
        Ok(())
    }

    fn find(&self, id: AgentId) -> Option<Staged> {
        if let Some(staged) = self.group.agents.get(&id) {
            return Some(staged.clone());
        }
        self.log.agents.get(&id).map(|living| Staged {
            n: living.n,
            agent: Agent::clone(&living.agent),
            as_of: living.as_of,
            unsaved: living.unsaved,
            save: false,
        })
    }

    fn spawn(
        &mut self,
        seq: Seq,
        id: AgentId,
        fact: &Fact,
        ended: Option<Agent>,
    ) -> Result<(), StoreError> {
        if let Some(agent) = ended {
            agent.admits(fact)?;
            return Err(StoreError::UnknownAgent(id));
        }
        let Fact::Spawned(spawned) = fact else { return Err(StoreError::UnknownAgent(id)) };
        let event = event(seq, self.time, id, &spawned.spec, fact);
        let agent = Agent::spawned(&event, fact).ok_or(StoreError::UnknownAgent(id))?;
        self.spawned += 1;
        let n = self.group.last_agent + self.spawned;
        self.agents.insert(id, Staged { n, agent, as_of: seq, unsaved: 0, save: true });
        self.events.push((n, event));
        Ok(())
    }

    fn record(
        &mut self,
        seq: Option<Seq>,
        agent: Option<(AgentId, Option<String>)>,
        operation: Operation,
    ) {
        let position = self.group.last_audit + columns::count(self.audit.len()) + 1;
        let (agent, label) = agent.map_or((None, None), |(id, label)| (Some(id), label));
        let previous = self.audit.last().map_or(self.group.last_hash, |entry| entry.hash);
        // A value has text keys only, which is all that JSON asks.
        let detail = operation.detail.to_string();
        let record = chain::Columns {
            position: columns::integer(position),
            seq: seq.map(|seq| columns::integer(seq.0)),
            time: columns::micros(self.time),
            actor: operation.actor.0.as_bytes(),
            action: operation.action.as_bytes(),
            agent: agent.as_ref().map(|id: &AgentId| id.as_str().as_bytes()),
            label: label.as_deref().map(str::as_bytes),
            outcome: operation.outcome.as_bytes(),
            detail: detail.as_bytes(),
        };
        let hash = chain::link(&previous, &record, &mut Vec::new());
        let time = self.time;
        self.audit.push(Entry { position, seq, time, agent, label, operation, detail, hash });
    }
}

fn event(seq: Seq, time: Timestamp, id: AgentId, spec: &Arc<Spec>, fact: &Fact) -> Arc<Event> {
    Arc::new(Event {
        seq,
        time,
        kind: fact.event_type(),
        agent: id,
        spec: Arc::clone(spec),
        data: fact.to_data(),
    })
}
