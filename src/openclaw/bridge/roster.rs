//! Who is who: what the bridge knows of the agents whose events it reads.

use std::collections::HashMap;

use serde::Deserialize;

use super::text;
use crate::api::{AgentBody, EventBody};
use crate::model::{AgentId, Spec, openclaw};

/// Bytes of a message that has no line end yet, at most: more is shown without waiting for one.
const UNFINISHED_MAX: usize = 4 * 1024;

/// One agent.
#[derive(Debug)]
pub(super) struct Known {
    /// What it is called, clean and cut.
    pub(super) name: String,
    /// Whether the owning session's model is to react to its ends.
    pub(super) react: bool,
    /// Whether OpenClaw itself keeps a session for it, or an ACP client speaks to it through `dash acp`:
    /// these are told there what it says, and how its turns and it end.
    pub(super) told_elsewhere: bool,
    /// Whether it is a child of the session that owns it, for which OpenClaw has Dash as its model provider.
    pub(super) is_provided: bool,
    /// Whether whoever asked for its turn has died: OpenClaw cannot tell what becomes of it.
    pub(super) unheard: bool,
    /// The last line of it that its session is shown.
    last_shown: Option<String>,
    /// What it says at the moment, up to its line end.
    unfinished: String,
}

impl Known {
    fn of(
        name: String,
        metadata: &std::collections::BTreeMap<String, String>,
        react: bool,
    ) -> Self {
        let react = match metadata.get(openclaw::REACT).map(String::as_str) {
            Some("turn") => true,
            Some("none") => false,
            _ => react,
        };
        let told_elsewhere = [openclaw::SESSION, openclaw::ACP_SESSION]
            .iter()
            .any(|key| metadata.contains_key(*key));
        let is_provided = metadata.contains_key(openclaw::REQUESTER)
            && metadata.contains_key(openclaw::SESSION)
            && !metadata.contains_key(openclaw::ACP_SESSION);
        let (unheard, last_shown, unfinished) = (false, None, String::new());
        Self { name, react, told_elsewhere, is_provided, unheard, last_shown, unfinished }
    }

    /// The whole lines of what it says, when this piece is added.
    pub(super) fn says(&mut self, piece: &str, whole: bool) -> Vec<String> {
        self.unfinished.push_str(piece);
        let end = match self.unfinished.rfind('\n') {
            _ if whole || self.unfinished.len() > UNFINISHED_MAX => self.unfinished.len(),
            Some(end) => end + 1,
            None => return Vec::new(),
        };
        let lines: String = self.unfinished.drain(..end).collect();
        lines.lines().filter(|line| !line.trim().is_empty()).map(text::one_line).collect()
    }

    /// Its session is shown this line.
    pub(super) fn shown(&mut self, line: &str) {
        self.last_shown = Some(line.to_owned());
    }

    /// Its session is not shown this line after all.
    pub(super) fn not_shown(&mut self, line: &str) {
        self.last_shown.take_if(|last| last == line);
    }

    /// Whether the last line that its session is shown is this one.
    pub(super) fn ended_with(&self, line: &str) -> bool {
        self.last_shown.as_deref() == Some(line)
    }

    /// What it said last, if that is not a whole line.
    pub(super) fn rest(&mut self) -> Vec<String> {
        self.says("", true)
    }
}

/// The agents that live, as far as some session owns them.
#[derive(Debug)]
pub(super) struct Roster {
    known: HashMap<AgentId, Known>,
    react: bool,
}

/// The part of `agent.spawned` that matters here.
#[derive(Deserialize)]
struct SpawnedPart {
    spec: Spec,
    #[serde(default)]
    index: u32,
}

impl Roster {
    /// Nobody; models react to ends when `react` says so and the agent does not say otherwise.
    pub(super) fn new(react: bool) -> Self {
        Self { known: HashMap::new(), react }
    }

    /// An agent, as the daemon shows it.
    pub(super) fn add(&mut self, agent: &AgentBody) -> &mut Known {
        let index = agent.group.as_ref().map(|_| agent.index);
        let name = text::name(agent.id, agent.label.as_deref(), index);
        let mut known = Known::of(name, &agent.metadata, self.react);
        known.unheard = agent.unheard;
        self.known.entry(agent.id).or_insert(known)
    }

    /// An agent that was spawned just now.
    pub(super) fn spawned(&mut self, event: &EventBody) {
        let part = SpawnedPart::deserialize(&event.data);
        let Ok(SpawnedPart { spec, index }) = part else { return };
        let index = spec.group.as_ref().map(|_| index);
        let name = text::name(event.agent_id, spec.label.as_deref(), index);
        self.known.insert(event.agent_id, Known::of(name, &spec.metadata, self.react));
    }

    /// An agent that the daemon does not know any more.
    pub(super) fn add_unknown(&mut self, event: &EventBody) -> &mut Known {
        let name = text::name(event.agent_id, event.label.as_deref(), None);
        let none = std::collections::BTreeMap::new();
        let known = Known::of(name, &none, self.react);
        self.known.entry(event.agent_id).or_insert(known)
    }

    pub(super) fn get(&mut self, agent: AgentId) -> Option<&mut Known> {
        self.known.get_mut(&agent)
    }

    pub(super) fn forget(&mut self, agent: AgentId) {
        self.known.remove(&agent);
    }
}
