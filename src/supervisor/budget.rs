//! What all agents of a group, or of an OpenClaw session, may use together.
//!
//! Each agent's state says what it has used. The sum is kept in memory; it is made from the agents that the
//! log keeps when it is needed first, so that it outlives the daemon. Only groups and sessions that have
//! limits are counted.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::json;

use super::actor::Tell;
use super::{Inner, SupervisorError};
use crate::config::Config;
use crate::model::{
    Actor as By, Agent, AgentFilter, AgentId, Cost, EventType, Fact, Limits, Reached, Seq, Signal,
    Spec, StopCause, Usage,
};
use crate::store::StoreError;

/// Agents that are counted in one go.
const PAGE: usize = 1_000;
/// Sums that are kept at once; they can be made again.
const SUMS_MAX: usize = 1_000;

/// What has been used so far.
#[derive(Default)]
pub(super) struct Budgets {
    /// Held while a sum is made, so that it is made once.
    sums: tokio::sync::Mutex<HashMap<Whole, Sum>>,
}

/// Whose agents are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whole {
    Group(String),
    Session(String),
}

impl Whole {
    fn holds(&self, spec: &Spec) -> bool {
        match self {
            Self::Group(group) => spec.group.as_ref() == Some(group),
            Self::Session(session) => spec.session.as_ref() == Some(session),
        }
    }

    fn filter(&self) -> AgentFilter {
        let all = AgentFilter::default();
        match self.clone() {
            Self::Group(group) => AgentFilter { group: Some(group), ..all },
            Self::Session(session) => AgentFilter { session: Some(session), ..all },
        }
    }
}

impl std::fmt::Display for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Group(group) => write!(f, "the group {group:?}"),
            Self::Session(session) => write!(f, "the session {session:?}"),
        }
    }
}

/// A group or session with limits.
#[derive(Debug)]
struct Limited {
    whole: Whole,
    /// The table of the configuration that has its limits.
    table: String,
    limits: Limits,
}

impl Limited {
    /// How the configuration calls the limit.
    fn name(&self, reached: &Reached) -> String {
        format!("{}.{}", self.table, reached.limit)
    }

    fn reason(&self, Reached { limit, used, most, .. }: &Reached) -> String {
        format!("{} has used {used} of {most} ({limit})", self.whole)
    }
}

/// The limits that an agent shares with others.
fn limited(config: &Config, spec: &Spec) -> Vec<Limited> {
    let group = spec.group.as_ref().and_then(|group| {
        let (table, limits) = config.group_limits(group)?;
        Some(Limited { whole: Whole::Group(group.clone()), table, limits })
    });
    let limits = config.sessions;
    let session = spec.session.as_ref().filter(|_| !limits.is_none()).map(|session| {
        let whole = Whole::Session(session.clone());
        Limited { whole, table: "sessions".to_owned(), limits }
    });
    group.into_iter().chain(session).collect()
}

/// What one agent has used, by its state at this event.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    seq: Seq,
    turns: u64,
    tokens: Option<u64>,
    cost: Option<Cost>,
}

impl Part {
    fn of(agent: &Agent) -> Self {
        let Some(Usage { turns, cost, .. }) = agent.talk.as_ref().map(|talk| &talk.usage) else {
            return Self { seq: agent.last_seq, ..Self::default() };
        };
        let tokens = agent.talk.as_ref().and_then(|talk| talk.usage.known_tokens());
        Self { seq: agent.last_seq, turns: u64::from(*turns), tokens, cost: *cost }
    }
}

/// What several agents have used together.
#[derive(Debug, Default)]
struct Sum {
    parts: HashMap<AgentId, Part>,
    turns: u64,
    /// Wide enough for whatever harnesses report: nothing is cut off that is to be taken away again.
    tokens: u128,
    cost: u128,
    /// Agents of which tokens, and of which cost are known.
    known: (usize, usize),
    /// Limits that a warning was given for.
    warned: BTreeSet<String>,
}

impl Sum {
    /// Takes an agent as it is now, in place of what it was before.
    fn set(&mut self, id: AgentId, part: Part) {
        let before = self.parts.get(&id).copied().unwrap_or_default();
        if part.seq < before.seq {
            return;
        }
        let tokens = |part: Part| u128::from(part.tokens.unwrap_or_default());
        let cost = |part: Part| u128::from(part.cost.unwrap_or_default().0);
        self.turns = self.turns - before.turns + part.turns;
        self.tokens = self.tokens - tokens(before) + tokens(part);
        self.cost = self.cost - cost(before) + cost(part);
        self.known.0 += usize::from(part.tokens.is_some() && before.tokens.is_none());
        self.known.1 += usize::from(part.cost.is_some() && before.cost.is_none());
        self.parts.insert(id, part);
    }

    /// As far as it is known: what no agent tells is unknown, never zero.
    fn used(&self) -> Usage {
        Usage {
            turns: u32::try_from(self.turns).unwrap_or(u32::MAX),
            tokens: (self.known.0 > 0).then(|| narrow(self.tokens)),
            cost: (self.known.1 > 0).then(|| Cost(narrow(self.cost))),
            ..Usage::default()
        }
    }
}

fn narrow(sum: u128) -> u64 {
    u64::try_from(sum).unwrap_or(u64::MAX)
}

impl Budgets {
    /// Does something with the sum of a group or session, which is made when it is not there.
    async fn with<T>(
        &self,
        inner: &Inner,
        whole: &Whole,
        what: impl FnOnce(&mut Sum) -> T,
    ) -> Result<T, StoreError> {
        let mut sums = self.sums.lock().await;
        if !sums.contains_key(whole) {
            let sum = sum_up(inner, whole).await?;
            if sums.len() >= SUMS_MAX {
                sums.clear();
            }
            sums.insert(whole.clone(), sum);
        }
        Ok(what(sums.entry(whole.clone()).or_default()))
    }
}

/// The sum over all agents that the log keeps.
async fn sum_up(inner: &Inner, whole: &Whole) -> Result<Sum, StoreError> {
    let (mut sum, mut after) = (Sum::default(), None);
    loop {
        let now = inner.clock.now();
        let page = inner.store.agents(whole.filter(), after, PAGE, now).await?;
        for agent in page.agents.iter().filter(|agent| whole.holds(&agent.spec)) {
            sum.set(agent.id, Part::of(agent));
            sum.warned.extend(agent.talk.iter().flat_map(|talk| talk.warned.iter().cloned()));
        }
        after = page.next;
        if after.is_none() {
            return Ok(sum);
        }
    }
}

/// Refuses what is to run in a group or session that has used up one of its limits.
///
/// # Errors
/// [`SupervisorError::LimitReached`], which names the limit.
pub(super) async fn check(inner: &Inner, spec: &Spec) -> Result<(), SupervisorError> {
    for one in limited(&inner.config, spec) {
        let used = inner.budgets.with(inner, &one.whole, |sum| sum.used()).await?;
        if let Some(reached) = one.limits.reached(&used).into_iter().find(|reached| reached.all) {
            let (message, limit) = (one.reason(&reached), one.name(&reached));
            return Err(SupervisorError::LimitReached { message, limit });
        }
    }
    Ok(())
}

/// What is below an agent stays in the group and the session that have limits: nobody gets around
/// a limit by having children.
pub(super) fn keep_together(config: &Config, parent: &Spec, child: &mut Spec) {
    for one in limited(config, parent) {
        match one.whole {
            Whole::Group(group) => child.group = Some(group),
            Whole::Session(session) => child.session = Some(session),
        }
    }
}

/// Whether an agent may have used more with this.
pub(super) fn is_use(fact: &Fact) -> bool {
    matches!(fact, Fact::Update(EventType::Usage, _) | Fact::Waiting(_) | Fact::End(..))
}

/// Counts what an agent has used by now. Warns when a limit is near, and stops every agent of the
/// group or session when one is reached.
pub(super) fn count(inner: &Arc<Inner>, agent: &Agent) {
    let limited = limited(&inner.config, &agent.spec);
    if limited.is_empty() {
        return;
    }
    // Not in the agent's own actor: actors that tell each other things would wait for each other.
    let (inner, id, part) = (Arc::clone(inner), agent.id, Part::of(agent));
    tokio::spawn(async move {
        for one in limited {
            if let Err(error) = take(&inner, &one, id, part).await {
                tracing::error!(agent = %id, %error, "cannot count what {} has used", one.whole);
            }
        }
    });
}

async fn take(inner: &Inner, one: &Limited, id: AgentId, part: Part) -> Result<(), StoreError> {
    let handle = inner.actors().get(&id).cloned();
    let found = inner.budgets.with(inner, &one.whole, |sum| {
        sum.set(id, part);
        let mut found = one.limits.reached(&sum.used());
        // An agent that has ended says no more: the next one will.
        let can_warn = handle.is_some();
        found.retain(|it| it.all || (can_warn && sum.warned.insert(one.name(it))));
        found
    });
    for reached in found.await? {
        if reached.all {
            return stop_all(inner, one, &one.reason(&reached)).await;
        }
        let Some(handle) = &handle else { continue };
        let limit = one.name(&reached);
        let Reached { used, most, .. } = reached;
        let warning = format!("{} has used {used} of {most}", one.whole);
        let data = json!({ "warning": warning, "limit": limit, "used": used, "most": most });
        let fact = Fact::Update(EventType::Update, data);
        let _ = handle.tell.send(Box::new(Tell::Noticed(fact))).await;
    }
    Ok(())
}

/// Stops whoever is alive. Who is just being born is found when it has used something.
async fn stop_all(inner: &Inner, one: &Limited, reason: &str) -> Result<(), StoreError> {
    let grace_ms = inner.config.daemon.grace_ms;
    let alive = inner.store.alive();
    for agent in alive.iter().filter(|agent| one.whole.holds(&agent.spec)) {
        let Some(handle) = inner.actors().get(&agent.id).cloned() else { continue };
        let (recorded, _) = tokio::sync::oneshot::channel();
        let (cause, by) = (StopCause::Limit, By::daemon());
        let (signal, reason) = (Signal::TERM, Some(reason.to_owned()));
        let stop = Tell::Stop { cause, by, signal, grace_ms, reason, recorded };
        let _ = handle.tell.send(Box::new(stop)).await;
    }
    Ok(())
}

#[cfg(test)]
#[path = "budget_test.rs"]
mod tests;
