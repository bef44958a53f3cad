//! "Which ones", as a value.

use std::collections::BTreeMap;

use super::{Agent, AgentId, Event, EventType, Seq, Status};

/// Which agents. Every condition that is set must hold; none set means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentFilter {
    /// One of these.
    pub agents: Option<Vec<AgentId>>,
    pub group: Option<String>,
    /// The session that owns the agent, or that OpenClaw made for it.
    pub session: Option<String>,
    pub label: Option<String>,
    /// One of these.
    pub statuses: Option<Vec<Status>>,
    /// Each of these.
    pub metadata: BTreeMap<String, String>,
    /// This agent, or below it.
    pub within: Option<AgentId>,
    /// Alive, or ended within so many milliseconds before the time of asking.
    pub ended_within_ms: Option<u64>,
}

impl AgentFilter {
    /// Whether the agent is one of those, but for [`Self::ended_within_ms`], which needs a clock.
    #[must_use]
    pub fn matches(&self, agent: &Agent) -> bool {
        fn is(wanted: Option<&String>, value: Option<&String>) -> bool {
            wanted.is_none() || wanted == value
        }
        let spec = &agent.spec;
        self.within.is_none_or(|top| agent.id == top || spec.ancestors.contains(&top))
            && self.agents.as_ref().is_none_or(|ids| ids.contains(&agent.id))
            && is(self.group.as_ref(), spec.group.as_ref())
            && self.session.as_deref().is_none_or(|session| spec.belongs_to(session))
            && is(self.label.as_ref(), spec.label.as_ref())
            && self.statuses.as_ref().is_none_or(|statuses| statuses.contains(&agent.status))
            && self.metadata.iter().all(|(key, value)| spec.metadata.get(key) == Some(value))
    }
}

/// Which events. Every condition that is set must hold; none set means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of one of these agents.
    pub agents: Option<Vec<AgentId>>,
    pub group: Option<String>,
    /// The session that owns the agent, or that OpenClaw made for it.
    pub session: Option<String>,
    pub label: Option<String>,
    /// Of agents that some session owns.
    pub owned: bool,
    /// Of this agent, or of those below it.
    pub within: Option<AgentId>,
    /// Of one of these types.
    pub types: Option<Vec<EventType>>,
}

impl EventFilter {
    /// Whether the event is one of those.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        fn is(wanted: Option<&String>, value: Option<&String>) -> bool {
            wanted.is_none() || wanted == value
        }
        let spec = &event.spec;
        self.within.is_none_or(|top| event.agent == top || spec.ancestors.contains(&top))
            && self.agents.as_ref().is_none_or(|ids| ids.contains(&event.agent))
            && is(self.group.as_ref(), spec.group.as_ref())
            && self.session.as_deref().is_none_or(|session| spec.belongs_to(session))
            && is(self.label.as_ref(), spec.label.as_ref())
            && (!self.owned || spec.session.is_some())
            && self.types.as_ref().is_none_or(|types| types.contains(&event.kind))
    }
}

/// A page of events: those after `since` that match, at most `limit`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventQuery {
    pub since: Seq,
    pub filter: EventFilter,
    pub limit: usize,
    /// Bytes of data after which the page ends, when that is less than the log's own bound.
    pub bytes: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::super::{Runtime, Spec, openclaw};

    #[test]
    fn a_session_has_the_agents_that_it_owns_and_the_one_that_was_made_for_it() {
        let spec = Spec {
            runtime: Runtime::Command,
            profile: None,
            label: None,
            metadata: [(openclaw::SESSION.to_owned(), "child".to_owned())].into(),
            group: None,
            session: Some("owner".to_owned()),
            command: None,
            program: None,
            task: None,
            cwd: "/".to_owned(),
            env: Vec::new(),
            timeout_ms: None,
            model: None,
            memory_mb: None,
            stdin: false,
            conversation: crate::model::Conversation::default(),
            ancestors: Vec::new(),
            children: None,
        };
        assert!(spec.belongs_to("owner") && spec.belongs_to("child"));
        assert!(!spec.belongs_to("other") && !spec.belongs_to(""));
        let plain = Spec { metadata: std::collections::BTreeMap::new(), session: None, ..spec };
        assert!(!plain.belongs_to("owner") && !plain.belongs_to("child"));
    }
}
