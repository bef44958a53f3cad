//! What the writer knows of the log. It changes only by what is durable.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::group::Group;
use super::holes::Holes;
use super::published::Change;
use crate::model::{Agent, AgentId, Seq};
use crate::store::chain::Hash;

/// The log as of the last successful commit.
#[derive(Debug)]
pub(super) struct Log {
    /// The position of the newest event that was dropped.
    pub trimmed: Seq,
    pub newest: Seq,
    /// The time of the newest event.
    pub time: Timestamp,
    /// Agents that have not ended.
    pub agents: HashMap<AgentId, Living>,
    /// The place of the last agent in the order of spawning.
    pub last_agent: u64,
    pub last_audit: u64,
    /// The hash of the last record of the audit trail.
    pub last_hash: Hash,
    /// Agents that were left out when the file was opened, by id, and why. Their rows stay.
    pub unreadable: Vec<(String, String)>,
    /// Positions that were lost with a part of the file.
    pub holes: Holes,
}

/// An agent that has not ended.
#[derive(Debug, Clone)]
pub(super) struct Living {
    /// Its place in the order of spawning.
    pub n: u64,
    pub agent: Arc<Agent>,
    /// What its row takes into account.
    pub as_of: Seq,
    /// How much of it came after that, by [`super::group::weight`].
    pub unsaved: u32,
}

impl Log {
    /// Takes over a group that has been committed, and says what has changed by it.
    pub(super) fn take_over(&mut self, group: Group) -> Change {
        self.newest = group.newest;
        self.time = group.time;
        self.last_agent = group.last_agent;
        (self.last_audit, self.last_hash) = (group.last_audit, group.last_hash);
        let mut change = Change { events: group.events, ..Change::default() };
        for (id, staged) in group.agents {
            if staged.agent.status.is_end() {
                self.agents.remove(&id);
                change.ended.push(id);
                continue;
            }
            let (n, agent) = (staged.n, Arc::new(staged.agent));
            let (as_of, unsaved) =
                if staged.save { (agent.last_seq, 0) } else { (staged.as_of, staged.unsaved) };
            change.living.push((n, Arc::clone(&agent)));
            self.agents.insert(id, Living { n, agent, as_of, unsaved });
        }
        change
    }
}
