//! Reading agents from the file: those that have ended, for the others are in memory.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::columns;
use crate::model::{Agent, AgentFilter, AgentId, Status};

/// Places that are looked up in one go, at least and at most.
const LOOK_MIN: usize = 64;
const LOOK_MAX: usize = 1_024;
/// Bytes of states after which a page ends.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Ended agents, with their places in the order of spawning.
#[derive(Debug, Default)]
pub(super) struct EndedPage {
    pub agents: Vec<(u64, Arc<Agent>)>,
    /// Set when the page ended before it was full: nothing after this place was looked at.
    pub cut: Option<u64>,
}

/// Whether the filter lets any agent through that has ended.
pub(super) fn wants_ended(filter: &AgentFilter) -> bool {
    filter.ended_within_ms != Some(0)
        && filter.statuses.as_ref().is_none_or(|statuses| statuses.iter().any(|one| one.is_end()))
}

/// Agents that have ended (not before `ended_since`, in microseconds) and match, after this place.
pub(super) fn ended(
    connection: &Connection,
    filter: &AgentFilter,
    after: u64,
    limit: usize,
    ended_since: Option<i64>,
) -> rusqlite::Result<EndedPage> {
    let mut page = EndedPage::default();
    let mut bytes = 0;
    let mut after = columns::integer(after);
    let look = limit.clamp(LOOK_MIN, LOOK_MAX);
    loop {
        let places = places(connection, filter, after, ended_since, look)?;
        for place in &places {
            let Some(state) = state(connection, *place)? else { continue };
            bytes += state.len();
            if let Some(agent) = parse(*place, &state).filter(|agent| filter.matches(agent)) {
                page.agents.push((columns::number(*place), Arc::new(agent)));
            }
            if page.agents.len() >= limit {
                return Ok(page);
            }
            if bytes >= PAGE_BYTES_MAX && !page.agents.is_empty() {
                page.cut = Some(columns::number(*place));
                return Ok(page);
            }
        }
        match places.last() {
            Some(last) if places.len() >= look => after = *last,
            _ => return Ok(page),
        }
    }
}

/// The agent with this id, as of its row.
pub(super) fn find(connection: &Connection, id: AgentId) -> rusqlite::Result<Option<Agent>> {
    let mut statement = connection.prepare_cached("SELECT n, state FROM agents WHERE id = ?1")?;
    let row: Option<(i64, String)> =
        statement.query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(row.and_then(|(n, state)| parse(n, &state)))
}

/// Ids that start with these letters.
pub(super) fn by_prefix(
    connection: &Connection,
    prefix: &str,
    limit: usize,
) -> rusqlite::Result<Vec<AgentId>> {
    // Ids are letters up to `z`, which `{` comes after.
    let mut statement = connection
        .prepare_cached("SELECT id FROM agents WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3")?;
    let limit = columns::integer(columns::count(limit));
    let rows = statement
        .query_map((prefix, format!("{prefix}{{"), limit), |row| row.get::<_, String>(0))?;
    let mut ids = Vec::new();
    for id in rows {
        ids.extend(id?.parse::<AgentId>());
    }
    Ok(ids)
}

/// How many agents have ended in each way.
pub(super) fn counts(connection: &Connection) -> rusqlite::Result<Vec<(Status, u64)>> {
    let mut statement =
        connection.prepare_cached("SELECT status, count(*) FROM agents GROUP BY status")?;
    let rows = statement.query_map((), |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    let mut counts = Vec::new();
    for row in rows {
        let (name, count) = row?;
        if let Ok(status) = name.parse::<Status>() {
            counts.push((status, columns::number(count)));
        }
    }
    Ok(counts)
}

/// The next places that may match, in order. What no column says is left to the filter itself.
fn places(
    connection: &Connection,
    filter: &AgentFilter,
    after: i64,
    ended_since: Option<i64>,
    look: usize,
) -> rusqlite::Result<Vec<i64>> {
    let sql = format!(
        "SELECT n FROM agents {} AND n > ?1 AND ended_at >= ?2 AND (?3 IS NULL OR grp = ?3) \
         AND (?4 IS NULL OR session = ?4 OR child = ?4) AND (?5 IS NULL OR label = ?5) \
         AND (?6 IS NULL OR id = ?6) ORDER BY n LIMIT ?7",
        narrowest(filter, ended_since)
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let since = ended_since.unwrap_or(i64::MIN);
    let limit = columns::integer(columns::count(look));
    let ids = match &filter.agents {
        Some(ids) => ids.iter().map(|id| Some(id.as_str())).collect(),
        None => vec![None],
    };
    let mut places = Vec::new();
    for id in ids {
        let AgentFilter { group, session, label, .. } = filter;
        let parameters = (after, since, group, session, label, id, limit);
        for place in statement.query_map(parameters, |row| row.get(0))? {
            places.push(place?);
        }
    }
    places.sort_unstable();
    places.dedup();
    places.truncate(look);
    Ok(places)
}

/// The index that leaves the fewest rows to look at: without being told, `SQLite` prefers the order
/// of `n`, and would read all of history for the agents of the last minute.
fn narrowest(filter: &AgentFilter, ended_since: Option<i64>) -> String {
    if filter.agents.is_some() {
        return "WHERE id = ?6".to_owned();
    }
    if ended_since.is_some() {
        return "INDEXED BY agents_by_end WHERE TRUE".to_owned();
    }
    if filter.group.is_some() {
        return "INDEXED BY agents_by_group WHERE grp = ?3".to_owned();
    }
    if filter.session.is_some() {
        // Each half has an index of its own.
        return "WHERE (session = ?4 OR child = ?4)".to_owned();
    }
    if filter.label.is_some() {
        return "INDEXED BY agents_by_label WHERE label = ?5".to_owned();
    }
    if let Some(statuses) = &filter.statuses {
        let ends = Status::ALL.into_iter().filter(|one| one.is_end() && statuses.contains(one));
        let names = ends.map(|status| format!("'{status}'")).collect::<Vec<_>>().join(", ");
        return format!("INDEXED BY agents_by_status WHERE status IN ({names})");
    }
    "NOT INDEXED WHERE TRUE".to_owned()
}

fn state(connection: &Connection, place: i64) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT state FROM agents WHERE n = ?1")?;
    statement.query_row([place], |row| row.get(0)).optional()
}

fn parse(place: i64, state: &str) -> Option<Agent> {
    serde_json::from_str(state)
        .inspect_err(|error| {
            tracing::error!(n = place, %error, "the state of an agent cannot be read");
        })
        .ok()
}

#[cfg(test)]
#[path = "agents_test.rs"]
mod tests;
