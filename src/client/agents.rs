//! Lists of agents: every page of them.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Client, ClientError};
use crate::api::{self, AgentBody, AgentRow, AgentsPage, AgentsQuery};
use crate::model::AgentId;

/// Bytes of selectors in one query. The longest URL that the HTTP library carries is 64 KiB, and
/// escaping can make three bytes of one.
const SELECTORS_MAX: usize = 16 * 1024;

/// Rows that are asked for at a time: as many as there are in a page at most.
const ROWS: usize = 10_000;

/// A page of agents, in either form: [`AgentsPage`], [`crate::api::RowsPage`].
#[derive(Deserialize)]
struct Page<T> {
    agents: Vec<T>,
    next: Option<String>,
    older: Option<bool>,
}

impl Client {
    /// One page of agents.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn agents(&self, query: &AgentsQuery) -> Result<AgentsPage, ClientError> {
        self.get(api::AGENTS, query).await
    }

    /// Every page of agents. However many selectors there are, each agent comes once.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn all_agents(&self, query: &AgentsQuery) -> Result<Vec<AgentBody>, ClientError> {
        Ok(self.every_portion(query, |agent: &AgentBody| agent.id).await?.0)
    }

    /// What a line about each needs, and whether there are older ones: see [`crate::api::RowsPage::older`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn all_rows(
        &self,
        query: &AgentsQuery,
    ) -> Result<(Vec<AgentRow<'static>>, bool), ClientError> {
        let query = AgentsQuery { brief: true, limit: Some(ROWS), ..query.clone() };
        self.every_portion(&query, |row: &AgentRow<'static>| row.id).await
    }

    async fn every_portion<T: DeserializeOwned>(
        &self,
        query: &AgentsQuery,
        id: impl Fn(&T) -> AgentId,
    ) -> Result<(Vec<T>, bool), ClientError> {
        let mut portions = portions(&query.select);
        if portions.len() == 1 {
            return self.every_page(query.clone()).await;
        }
        let (mut agents, mut seen, mut older) = (Vec::new(), HashSet::new(), false);
        for select in portions.drain(..) {
            let part = AgentsQuery { select, ..query.clone() };
            let (found, more) = self.every_page(part).await?;
            agents.extend(found.into_iter().filter(|agent| seen.insert(id(agent))));
            older |= more;
        }
        Ok((agents, older))
    }

    async fn every_page<T: DeserializeOwned>(
        &self,
        mut query: AgentsQuery,
    ) -> Result<(Vec<T>, bool), ClientError> {
        let (mut agents, mut older) = (Vec::new(), false);
        loop {
            let page: Page<T> = self.get(api::AGENTS, &query).await?;
            agents.extend(page.agents);
            older |= page.older.unwrap_or_default();
            if page.next.is_some() && page.next == query.after {
                return Err(self.link.foreign("answers with the same page for ever"));
            }
            query.after = page.next;
            if query.after.is_none() {
                return Ok((agents, older));
            }
        }
    }
}

/// The selectors in portions that a URL carries: at least one, which may be empty.
fn portions(selectors: &[String]) -> Vec<Vec<String>> {
    let mut portions = vec![Vec::new()];
    let mut bytes = 0;
    for selector in selectors {
        // Each comes with a name of its own, `&select=`.
        let more = selector.len() + 8;
        if bytes > 0 && bytes + more > SELECTORS_MAX {
            portions.push(Vec::new());
            bytes = 0;
        }
        bytes += more;
        if let Some(portion) = portions.last_mut() {
            portion.push(selector.clone());
        }
    }
    portions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_selectors_fit_into_urls() {
        let selectors: Vec<String> = (0..3000).map(|n| format!("{n:-<1000}")).collect();
        let portions = portions(&selectors);
        assert_eq!(portions.concat(), selectors);
        assert!(
            portions.iter().all(|p| p.iter().map(|s| s.len() + 8).sum::<usize>() <= SELECTORS_MAX)
        );
        assert_eq!(super::portions(&[]), [Vec::<String>::new()]);
    }
}
