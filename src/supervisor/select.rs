//! Which agents a typed selector means: an id, an unambiguous prefix of one, or an exact label.

use std::sync::Arc;

use super::family::{Reach, beyond};
use super::{Supervisor, SupervisorError};
use crate::model::{Agent, AgentFilter, AgentId};

/// How many matches an error lists at most.
const LISTED: usize = 10;
/// How alike (0 to 1) a label must be to be suggested.
const ALIKE: f64 = 0.7;
/// Agents that a label may name.
const MANY: usize = 100_000;

impl Supervisor {
    /// The same for a caller that reaches only some agents.
    ///
    /// # Errors
    /// [`SupervisorError::Denied`] when it names one beyond them.
    pub async fn resolve_within(
        &self,
        selector: &str,
        reach: Reach,
    ) -> Result<Arc<Agent>, SupervisorError> {
        self.check_reach(reach).await?;
        let ids = self.matches_within(selector, reach).await?;
        let [id] = ids[..] else { return Err(self.ambiguous(selector, &ids).await) };
        match self.inner.store.agent(id).await? {
            Some(agent) => Ok(agent),
            None => Err(self.not_found(selector)),
        }
    }

    /// The one agent that a selector names.
    ///
    /// # Errors
    /// [`SupervisorError::NotFound`] and [`SupervisorError::Ambiguous`].
    pub async fn resolve(&self, selector: &str) -> Result<Arc<Agent>, SupervisorError> {
        self.resolve_within(selector, Reach::All).await
    }

    /// The agents that selectors name, each once, in the order of the selectors. A label may name
    /// several.
    ///
    /// # Errors
    /// [`SupervisorError::NotFound`], and [`SupervisorError::Ambiguous`] for a prefix.
    pub async fn select(
        &self,
        selectors: &[String],
        reach: Reach,
    ) -> Result<Vec<AgentId>, SupervisorError> {
        let mut selected = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for selector in selectors {
            let ids = self.matches_within(selector, reach).await?;
            selected.extend(ids.into_iter().filter(|id| seen.insert(*id)));
        }
        Ok(selected)
    }

    /// Those of all that a selector names which the caller reaches.
    async fn matches_within(
        &self,
        selector: &str,
        reach: Reach,
    ) -> Result<Vec<AgentId>, SupervisorError> {
        let Some(top) = reach.top() else { return self.matches(selector).await };
        // A text that is ambiguous among all agents may not be so among its own.
        let named = match self.matches(selector).await {
            Err(SupervisorError::Ambiguous { matches, .. }) => {
                matches.into_iter().map(|(id, _)| id).collect()
            }
            // What others are called is not its business.
            Err(SupervisorError::NotFound { selector, .. }) => {
                return Err(SupervisorError::NotFound { selector, similar: Vec::new() });
            }
            other => other?,
        };
        let mut ids = Vec::new();
        for agent in self.all(&named).await? {
            if reach.covers(&agent) {
                ids.push(agent.id);
            }
        }
        if ids.is_empty() { Err(beyond(top, selector)) } else { Ok(ids) }
    }

    /// All that a selector names: one agent by id or prefix, or every agent with that label.
    async fn matches(&self, selector: &str) -> Result<Vec<AgentId>, SupervisorError> {
        let store = &self.inner.store;
        if let Ok(id) = selector.parse::<AgentId>()
            && store.agent(id).await?.is_some()
        {
            return Ok(vec![id]);
        }
        let labelled = AgentFilter { label: Some(selector.to_owned()), ..AgentFilter::default() };
        let now = self.inner.clock.now();
        let page = store.agents(labelled, None, MANY, now).await?;
        let mut ids: Vec<AgentId> = page.agents.iter().map(|agent| agent.id).collect();
        let by_label = !ids.is_empty();
        if !selector.is_empty() && selector.bytes().all(|b| (b'k'..=b'z').contains(&b)) {
            let prefixed = store.by_prefix(selector.to_owned(), LISTED + 1).await?;
            ids.extend(prefixed.iter().filter(|id| !page.agents.iter().any(|a| a.id == **id)));
            // One text that is both a label and a prefix of other ids, or a prefix of many ids.
            if ids.len() > 1 && (!by_label || ids.len() > page.agents.len()) {
                return Err(self.ambiguous(selector, &ids).await);
            }
        }
        if ids.is_empty() { Err(self.not_found(selector)) } else { Ok(ids) }
    }

    async fn ambiguous(&self, selector: &str, ids: &[AgentId]) -> SupervisorError {
        let mut matches = Vec::new();
        for id in ids.iter().take(LISTED) {
            match self.inner.store.agent(*id).await {
                Ok(agent) => matches.push((*id, agent.and_then(|agent| agent.spec.label.clone()))),
                Err(error) => return error.into(),
            }
        }
        SupervisorError::Ambiguous { selector: selector.to_owned(), matches }
    }

    fn not_found(&self, selector: &str) -> SupervisorError {
        let alive = self.inner.store.alive();
        let labels = alive.iter().filter_map(|agent| agent.spec.label.as_deref());
        let mut similar: Vec<String> = labels
            .filter(|label| strsim::jaro_winkler(label, selector) >= ALIKE)
            .map(str::to_owned)
            .collect();
        similar.sort();
        similar.dedup();
        similar.truncate(3);
        SupervisorError::NotFound { selector: selector.to_owned(), similar }
    }
}
