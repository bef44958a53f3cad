//! Agents that spawn agents: whose process asks, what it may see, and what it may spawn.
//!
//! An agent is a caller like any other, but one that sees only itself and what is below it, and may
//! change only what is below it, when whoever spawned it allowed it children at all.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::actor::Tell;
use super::{Inner, Kill, SpawnRequest, Supervisor, SupervisorError, Which, request, spawn};
use crate::model::{
    Actor, Agent, AgentFilter, AgentId, Children, Permissions, Spec, StopCause, Stopping,
};
use crate::runtime::Marks;

/// How long the system may take to say what a process is.
const LOOK: Duration = Duration::from_secs(2);
/// Agents that are counted in one go.
const PAGE: usize = 1_000;
/// Counts that are kept at once; they can be counted again.
const COUNTS_MAX: usize = 1_000;

/// Whose process it is that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// No agent's, as far as anybody can tell: the user's.
    Users,
    Agents(AgentId),
    /// An agent's, and nobody can tell which.
    SomeAgents,
    /// It has ended, so that nobody can tell.
    Gone,
}

/// Which agents a caller may name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    #[default]
    All,
    /// This agent, and those below it: to look at.
    Within(AgentId),
    /// Those below this agent: to change.
    Below(AgentId),
}

impl Reach {
    /// The agent that this is the reach of.
    #[must_use]
    pub fn top(self) -> Option<AgentId> {
        match self {
            Self::All => None,
            Self::Within(top) | Self::Below(top) => Some(top),
        }
    }

    pub(super) fn covers(self, agent: &Agent) -> bool {
        match self {
            Self::All => true,
            Self::Within(top) => agent.id == top || agent.spec.ancestors.contains(&top),
            Self::Below(top) => agent.spec.ancestors.contains(&top),
        }
    }
}

/// What is kept of families.
#[derive(Default)]
pub(super) struct Families {
    /// Held while an agent spawns, and while what is below an agent is stopped: nobody is born
    /// meanwhile.
    births: tokio::sync::Mutex<()>,
    /// How many agents were ever spawned below one.
    spawned: std::sync::Mutex<HashMap<AgentId, u64>>,
}

impl Families {
    fn count(&self, top: AgentId) -> Option<u64> {
        self.spawned.lock().unwrap_or_else(PoisonError::into_inner).get(&top).copied()
    }

    fn set(&self, top: AgentId, count: u64) {
        let mut spawned = self.spawned.lock().unwrap_or_else(PoisonError::into_inner);
        if spawned.len() >= COUNTS_MAX {
            spawned.clear();
        }
        spawned.insert(top, count);
    }
}

/// An agent that spawns, as its children need to know it.
pub(super) struct Parent {
    agent: Arc<Agent>,
    allowed: Children,
}

impl Parent {
    pub(super) fn spec(&self) -> &Spec {
        &self.agent.spec
    }
}

impl Supervisor {
    /// Whose process this is. `held` is a handle on it that tells whether it has ended
    /// (`pidfd_open(2)`), so that its number cannot have become another process' meanwhile.
    pub async fn whose(&self, pid: Option<i32>, held: Option<OwnedFd>) -> Whose {
        let own = i32::try_from(std::process::id()).ok();
        // The daemon's own bridge; and who is in no namespace of ours is no agent of ours (unix(7)).
        let Some(pid) = pid.filter(|pid| *pid > 0 && Some(*pid) != own) else {
            return Whose::Users;
        };
        let runtime = Arc::clone(&self.inner.runtimes.command);
        let look = tokio::task::spawn_blocking(move || runtime.marks_of(pid));
        let marks = match tokio::time::timeout(LOOK, look).await {
            Ok(Ok(Some(marks))) => marks,
            Ok(Ok(None)) => return Whose::Gone,
            Ok(Err(_)) | Err(_) => return Whose::SomeAgents,
        };
        if held.is_some_and(|held| has_ended(&held)) {
            return Whose::Gone;
        }
        self.judge(&marks).await
    }

    async fn judge(&self, marks: &Marks) -> Whose {
        for agent in &marks.agents {
            // One that cannot be looked up is not for that reason nobody's.
            if !matches!(self.inner.store.agent(*agent).await, Ok(None)) {
                return Whose::Agents(*agent);
            }
        }
        match marks.kin.iter().find_map(|process| self.inner.store.led_by(*process)) {
            Some(agent) => Whose::Agents(agent),
            None if marks.kept => Whose::SomeAgents,
            None => Whose::Users,
        }
    }

    /// Spawns agents for an agent; see [`Supervisor::spawn`].
    ///
    /// # Errors
    /// [`SupervisorError::Denied`] and its kin for what the agent may not; else as for everybody.
    pub async fn spawn_child(
        &self,
        parent: AgentId,
        request: SpawnRequest,
        key: Option<String>,
    ) -> Result<Vec<Arc<Agent>>, SupervisorError> {
        request::check_idempotency_key(key.as_deref())?;
        // Its keys are its own: it neither finds nor takes what others asked for.
        let key = key.map(|key| format!("of {parent} {key}"));
        let _turn = self.turn(key.as_deref()).await;
        let key = key.map(|key| (format!("spawn {key}"), request::fingerprint(&request)));
        if let Some(body) = self.answered(key.as_ref()).await? {
            return self.agents_of(&body).await;
        }
        self.admit_work()?;
        let earlier = match &request.resume {
            Some(selector) => Some(self.resolve_within(selector, Reach::Below(parent)).await?),
            None => None,
        };
        let _births = self.inner.families.births.lock().await;
        let count = u64::from(request.count);
        let parent = self.parent(parent).await?;
        parent.check_request(&request)?;
        let tops = self.room_for(&parent, count).await?;
        let by = Actor::agent(parent.agent.id);
        let agents = spawn::spawn(&self.inner, request, earlier, Some(&parent), by, key).await?;
        for (top, spawned) in tops {
            self.inner.families.set(top, spawned + count);
        }
        Ok(agents)
    }

    /// An agent that may act on others.
    async fn parent(&self, id: AgentId) -> Result<Parent, SupervisorError> {
        let agent = self.inner.store.agent(id).await?;
        let agent = agent.ok_or_else(|| denied(format!("agent {id} is not known")))?;
        if agent.status.is_end() || agent.stopping.is_some() {
            return Err(denied(format!("agent {id} is being stopped, and may do nothing more")));
        }
        let Some(allowed) = agent.spec.children else {
            return Err(SupervisorError::Denied {
                message: format!("agent {id} may look at itself, and do nothing else"),
                hint:
                    "whoever spawns an agent can let it have children: `dash spawn --children N …`"
                        .to_owned(),
            });
        };
        Ok(Parent { agent, allowed })
    }

    /// Whether so many more have room below the parent and below everybody that it descends from. Gives
    /// back how many were spawned so far below each.
    async fn room_for(
        &self,
        parent: &Parent,
        count: u64,
    ) -> Result<Vec<(AgentId, u64)>, SupervisorError> {
        let alive = self.inner.store.alive();
        let mut tops = Vec::new();
        for top in parent.agent.spec.ancestors.iter().chain([&parent.agent.id]) {
            let Some(agent) = self.inner.store.agent(*top).await? else { continue };
            if agent.stopping.is_some() {
                return Err(denied(format!("agent {top} is being stopped with all below it")));
            }
            let Some(children) = agent.spec.children else { continue };
            let living = alive.iter().filter(|one| one.spec.ancestors.contains(top)).count();
            if living as u64 + count > u64::from(children.at_once) {
                let (agent, most) = (*top, children.at_once);
                return Err(SupervisorError::TooManyChildren { agent, living, most });
            }
            let spawned = self.spawned_below(*top).await?;
            if spawned + count > u64::from(children.in_all) {
                let (agent, most) = (*top, children.in_all);
                return Err(SupervisorError::ChildrenUsedUp { agent, spawned, most });
            }
            tops.push((*top, spawned));
        }
        Ok(tops)
    }

    /// How many agents were ever spawned below this one, as far as they are kept.
    async fn spawned_below(&self, top: AgentId) -> Result<u64, SupervisorError> {
        if let Some(count) = self.inner.families.count(top) {
            return Ok(count);
        }
        let filter = AgentFilter { within: Some(top), ..AgentFilter::default() };
        let (mut count, mut after) = (0, None);
        loop {
            let now = self.inner.clock.now();
            let page = self.inner.store.agents(filter.clone(), after, PAGE, now).await?;
            count += page.agents.iter().filter(|agent| agent.id != top).count() as u64;
            after = page.next;
            if after.is_none() {
                self.inner.families.set(top, count);
                return Ok(count);
            }
        }
    }

    /// Whether the agent may act on those below it.
    ///
    /// # Errors
    /// [`SupervisorError::Denied`] when it may have no children.
    pub(super) async fn check_reach(&self, reach: Reach) -> Result<(), SupervisorError> {
        match reach {
            Reach::Below(top) => self.parent(top).await.map(drop),
            Reach::All | Reach::Within(_) => Ok(()),
        }
    }

    /// Kills for an agent, and only below it; see [`Supervisor::kill`].
    ///
    /// # Errors
    /// [`SupervisorError::Denied`] for one that is not below it, or when it may have no children.
    pub async fn kill_below(
        &self,
        top: AgentId,
        which: Which,
        how: Kill,
    ) -> Result<Vec<Arc<Agent>>, SupervisorError> {
        let reach = Reach::Below(top);
        self.check_reach(reach).await?;
        let named = matches!(which, Which::Agents(_));
        let mut ids = Vec::new();
        for agent in self.all(&self.which(which)).await? {
            if reach.covers(&agent) {
                ids.push(agent.id);
            } else if named {
                return Err(beyond(top, agent.id.as_str()));
            }
        }
        self.kill(Which::Agents(ids), how, Actor::agent(top)).await
    }

    /// Living agents below these, and not among them. Nobody is being born there meanwhile.
    pub(super) async fn living_below(&self, tops: &[AgentId]) -> Vec<AgentId> {
        let _births = self.inner.families.births.lock().await;
        let below = |agent: &&Arc<Agent>| {
            let mut ancestors = agent.spec.ancestors.iter();
            ancestors.any(|one| tops.contains(one)) && !tops.contains(&agent.id)
        };
        let alive = self.inner.store.alive();
        alive.iter().filter(below).map(|agent| agent.id).collect()
    }
}

/// One is named that is not below the agent.
pub(super) fn beyond(top: AgentId, named: &str) -> SupervisorError {
    SupervisorError::Denied {
        message: format!("{named:?} is not among the agents below agent {top}"),
        hint: "an agent reaches only what it has spawned; `dash status` there lists it".to_owned(),
    }
}

fn denied(message: String) -> SupervisorError {
    let hint = "`dash status` outside of the agent shows how it stands".to_owned();
    SupervisorError::Denied { message, hint }
}

/// A pidfd turns readable when its process ends.
fn has_ended(held: &OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut one = [PollFd::new(held, PollFlags::IN)];
    !matches!(poll(&mut one, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
}

impl Parent {
    /// Makes the spec one of the parent's child, and refuses what would give it more than the parent
    /// has. `asked` says whether the request itself asks for children, and not the profile.
    pub(super) fn adopt(&self, spec: &mut Spec, asked: bool) -> Result<(), SupervisorError> {
        self.confine(spec)?;
        spec.ancestors.clone_from(&self.agent.spec.ancestors);
        spec.ancestors.push(self.agent.id);
        let left = Children { depth: self.allowed.depth.saturating_sub(1), ..self.allowed };
        let Some(wanted) = spec.children.filter(|_| asked || left.depth > 0) else {
            spec.children = None;
            return Ok(());
        };
        let id = self.agent.id;
        if asked && wanted.depth > left.depth {
            return Err(SupervisorError::TooDeep { agent: id, depth: self.allowed.depth });
        }
        if asked && wanted.at_once > left.at_once {
            let most = left.at_once;
            return Err(denied(format!(
                "agent {id} may have {most} children, and its own no more"
            )));
        }
        spec.children = Some(Children {
            at_once: wanted.at_once.min(left.at_once),
            in_all: wanted.in_all.min(left.in_all),
            depth: wanted.depth.min(left.depth),
        });
        Ok(())
    }

    /// What a harness does without asking is not the child's to loosen either.
    fn check_request(&self, request: &SpawnRequest) -> Result<(), SupervisorError> {
        let own = &self.agent.spec;
        let free = !own.runtime.takes_turns() || own.conversation.permissions == Permissions::All;
        let asks_for_more = request.mode.is_some()
            || !request.options.is_empty()
            || !request.mcp_servers.is_empty();
        if free || !asks_for_more {
            return Ok(());
        }
        Err(denied(
            "a child's mode and options are its profile's, and it gets no MCP servers".to_owned(),
        ))
    }

    /// A child belongs where its parent does, and may do no more.
    fn confine(&self, spec: &Spec) -> Result<(), SupervisorError> {
        let own = &self.agent.spec;
        if spec.session.is_some() && spec.session != own.session {
            return Err(denied("a child belongs to its parent's session, or to none".to_owned()));
        }
        if let Some(key) = spec.metadata.keys().find(|key| key.starts_with("openclaw.")) {
            return Err(denied(format!("the metadata {key:?} is OpenClaw's to give")));
        }
        if !own.runtime.takes_turns() {
            return Ok(());
        }
        let (has, wants) = (own.conversation.permissions, spec.conversation.permissions);
        if has == Permissions::All {
            return Ok(());
        }
        let more = match wants {
            Permissions::Read => false,
            Permissions::All => true,
            same => same != has,
        };
        if more || !spec.runtime.takes_turns() {
            return Err(denied(format!(
                "a child may do no more than its parent, whose permissions are {has}"
            )));
        }
        Ok(())
    }
}

/// Stops the children of an agent that is told to stop; they do the same with theirs.
pub(super) fn stop_children(inner: &Arc<Inner>, parent: &Agent, order: &Stopping) {
    if parent.spec.children.is_none() {
        return;
    }
    let (inner, parent, order) = (Arc::clone(inner), parent.id, order.clone());
    tokio::spawn(async move {
        // Whoever was being born is there by now, and sees that its parent stops from now on.
        let births = inner.families.births.lock().await;
        let alive = inner.store.alive();
        drop(births);
        for child in alive.iter().filter(|agent| agent.spec.parent() == Some(parent)) {
            stop_child(&inner, child, &order).await;
        }
    });
}

async fn stop_child(inner: &Inner, child: &Agent, order: &Stopping) {
    if child.stopping.is_some() {
        return;
    }
    let Some(handle) = inner.actors().get(&child.id).cloned() else { return };
    let cause = match order.cause {
        StopCause::Shutdown => StopCause::Shutdown,
        _ => StopCause::Kill,
    };
    let (recorded, _) = tokio::sync::oneshot::channel();
    let Stopping { by, signal, grace_ms, .. } = order.clone();
    let stop = Tell::Stop { cause, by, signal, grace_ms, reason: None, recorded };
    let _ = handle.tell.send(Box::new(stop)).await;
}

/// Stops living agents whose parents were told to stop when a daemon died: it may have come to the
/// parents only.
pub(super) fn finish_stopping(inner: &Arc<Inner>) {
    let children = |agent: &Arc<Agent>| Some((Arc::clone(agent), agent.spec.parent()?));
    let alive: Vec<_> = inner.store.alive().iter().filter_map(children).collect();
    if alive.is_empty() {
        return;
    }
    let inner = Arc::clone(inner);
    tokio::spawn(async move {
        for (child, parent) in alive {
            let Ok(Some(parent)) = inner.store.agent(parent).await else { continue };
            let Some(order) = &parent.stopping else { continue };
            let order = Stopping {
                cause: order.cause,
                by: order.by.clone(),
                signal: order.signal,
                grace_ms: order.grace_ms,
                reason: None,
            };
            stop_child(&inner, &child, &order).await;
        }
    });
}

#[cfg(test)]
#[path = "family_test.rs"]
mod tests;
