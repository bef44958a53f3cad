//! Who is who: names, colours and statuses of the agents that are watched.

use std::collections::HashMap;

use unicode_width::UnicodeWidthStr as _;

use super::event::{EventLine, is_unfinished, status_after};
use crate::api::AgentBody;
use crate::cli::show::{Paint, clip, name};
use crate::model::{AgentId, Delivery, EventType, Fact, Status, Stream};

/// Columns of a label in front of a line.
const LABEL: usize = 18;

/// The agents that were heard of.
#[derive(Debug, Default)]
pub(super) struct Roster {
    known: HashMap<AgentId, Known>,
    /// How many agents have each status, in the order of [`Status::ALL`].
    counts: [usize; Status::ALL.len()],
    /// Columns of the widest name.
    width: usize,
}

/// What is known of one agent.
#[derive(Debug)]
struct Known {
    name: String,
    paint: Paint,
    status: Option<Status>,
    /// Whether the last line of its standard output, standard error, was not finished.
    unfinished: [bool; 2],
}

/// What an agent is called in front of its lines.
pub(super) fn called(agent: &AgentBody) -> String {
    let index = agent.group.as_ref().map(|_| agent.index);
    call(agent.id, agent.label.as_deref(), index)
}

/// A label is cut, its index is not.
fn call(id: AgentId, label: Option<&str>, index: Option<u32>) -> String {
    let label = label.map(|label| clip(&name(id, Some(label), None), LABEL).into_owned());
    name(id, label.as_deref(), index)
}

impl Roster {
    /// Begins with these.
    pub(super) fn of(agents: &[AgentBody]) -> Self {
        let mut roster = Self::default();
        for agent in agents {
            roster.add(agent.id, called(agent), Some(agent.status));
        }
        roster
    }

    fn add(&mut self, id: AgentId, name: String, status: Option<Status>) {
        self.width = self.width.max(name.width());
        let paint = Paint::NAMES[self.known.len() % Paint::NAMES.len()];
        self.known.insert(id, Known { name, paint, status: None, unfinished: [false; 2] });
        if let Some(status) = status {
            self.set(id, status);
        }
    }

    fn set(&mut self, id: AgentId, status: Status) {
        let Some(known) = self.known.get_mut(&id) else { return };
        let place = |status: Status| Status::ALL.iter().position(|known| *known == status);
        if let Some(old) = known.status.and_then(place) {
            self.counts[old] -= 1;
        }
        if let Some(new) = place(status) {
            self.counts[new] += 1;
        }
        known.status = Some(status);
    }

    /// Takes an event into account. Answers whether it goes on with a line that was not finished.
    pub(super) fn take(&mut self, event: &EventLine<'_>, fact: Option<&Fact>) -> bool {
        let id = event.agent_id;
        if !self.known.contains_key(&id) {
            let index = match fact {
                Some(Fact::Spawned(spawned)) => spawned.spec.group.as_ref().map(|_| spawned.index),
                _ => None,
            };
            self.add(id, call(id, event.label.as_deref(), index), None);
        }
        if let Some(status) = self.status_by(id, event.kind(), fact) {
            self.set(id, status);
        }
        let (Some(Fact::Output(output)), Some(known)) = (fact, self.known.get_mut(&id)) else {
            return false;
        };
        let stream = usize::from(output.stream == Stream::Stderr);
        std::mem::replace(&mut known.unfinished[stream], is_unfinished(output))
    }

    fn status_by(
        &self,
        id: AgentId,
        kind: Option<EventType>,
        fact: Option<&Fact>,
    ) -> Option<Status> {
        match fact {
            Some(Fact::Spawned(spawned)) if spawned.queued.is_some() => Some(Status::Queued),
            Some(Fact::Spawned(_)) => Some(Status::Starting),
            Some(Fact::Input(input)) if input.state == Delivery::Delivered => {
                let known = self.known.get(&id)?.status;
                (known == Some(Status::Waiting)).then_some(Status::Running)
            }
            _ => status_after(kind?),
        }
    }

    /// The agent's name, padded so that what follows stands in one column, and its colour.
    pub(super) fn name(&self, id: AgentId) -> (String, Paint) {
        match self.known.get(&id) {
            Some(known) => {
                let padding = self.width.saturating_sub(known.name.width());
                (format!("{}{}", known.name, " ".repeat(padding)), known.paint)
            }
            None => (id.short().to_owned(), Paint::Dim),
        }
    }

    /// "3 running, 2 completed".
    pub(super) fn summary(&self) -> String {
        let counted = Status::ALL.iter().zip(self.counts).filter(|(_, number)| *number > 0);
        let said = counted
            .map(|(status, number)| format!("{number} {}", status.as_str().replace('_', " ")));
        said.collect::<Vec<_>>().join(", ")
    }
}
