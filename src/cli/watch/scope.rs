//! Which agents are watched, and which of them have yet to end.

use std::collections::{HashMap, HashSet};

use crate::api::{AgentBody, EventsQuery};
use crate::model::{AgentId, EventType, Seq};

/// At most so many ids go into one query.
pub(super) const IDS_MAX: usize = 50;

/// What is watched.
#[derive(Debug)]
pub(super) struct Scope {
    /// Each agent, and the position after which its events are new; `None` stands for all agents.
    agents: Option<HashMap<AgentId, Seq>>,
    /// Those of them whose end is yet to be seen, with the newest position known of each ended one.
    open: HashMap<AgentId, Option<Seq>>,
    group: Option<String>,
    /// Go on when all have ended.
    stay: bool,
}

impl Scope {
    /// Whatever comes.
    pub(super) fn everything() -> Self {
        Self { agents: None, open: HashMap::new(), group: None, stay: true }
    }

    /// These agents: their events after `since`, or after what is known of each.
    pub(super) fn of(agents: &[AgentBody], since: Option<Seq>, stay: bool) -> Self {
        let from = |agent: &AgentBody| (agent.id, since.unwrap_or(agent.last_seq));
        let is_open = |agent: &&AgentBody| {
            !agent.status.is_end() || since.is_some_and(|since| since < agent.last_seq)
        };
        let end = |agent: &AgentBody| agent.status.is_end().then_some(agent.last_seq);
        let groups: HashSet<_> = agents.iter().map(|agent| &agent.group).collect();
        let shared = if groups.len() == 1 { agents.first() } else { None };
        Self {
            agents: Some(agents.iter().map(from).collect()),
            open: agents.iter().filter(is_open).map(|agent| (agent.id, end(agent))).collect(),
            group: shared.and_then(|agent| agent.group.clone()),
            stay,
        }
    }

    /// What to ask the daemon for: by ids when they are few, else by the group that they share;
    /// else everything, and [`Self::wants`] chooses.
    pub(super) fn query(&self) -> EventsQuery {
        let mut query = EventsQuery::default();
        match &self.agents {
            Some(agents) if agents.len() <= IDS_MAX => {
                query.agent = agents.keys().map(ToString::to_string).collect();
                query.agent.sort_unstable();
            }
            _ => query.group.clone_from(&self.group),
        }
        query
    }

    /// Whether every event is wanted, so that none need be looked into.
    pub(super) fn is_everything(&self) -> bool {
        self.agents.is_none()
    }

    /// Whether the event is of an agent that is watched, and new.
    pub(super) fn wants(&self, agent: AgentId, seq: Seq) -> bool {
        match &self.agents {
            None => true,
            Some(agents) => agents.get(&agent).is_some_and(|known| seq > *known),
        }
    }

    /// Takes note of an event.
    pub(super) fn saw(&mut self, agent: AgentId, kind: Option<EventType>) {
        if kind.is_some_and(EventType::is_end) {
            self.open.remove(&agent);
        }
    }

    /// Takes note that events before this position are gone: ends among them are not waited for.
    pub(super) fn forget_before(&mut self, oldest: Seq) {
        self.open.retain(|_, end| end.is_none_or(|end| end >= oldest));
    }

    /// Whether there is nothing more to wait for.
    pub(super) fn is_over(&self) -> bool {
        !self.stay && self.open.is_empty()
    }
}
