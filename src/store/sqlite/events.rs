//! Reading pages of events from the file.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::value::RawValue;

use super::columns;
use super::specs::Specs;
use super::tail::bytes_max;
use crate::model::{AgentId, Event, EventFilter, EventQuery, EventType, Seq};
use crate::store::EventPage;

/// Events that are looked at in one go, so that no read transaction lasts: one that does keeps the
/// write-ahead log from being used again.
const LOOK_MAX: usize = 20_000;
/// With more agents than this, the log is read through instead of the index of each.
const INDEXED_AGENTS_MAX: usize = 64;
/// Events that are looked up by the index in one go, for each agent.
const INDEXED_MAX: usize = 4_096;

/// Events after `query.since` that match, up to `newest`. A page can be empty although there is
/// more: `read_to` then says from where.
pub(super) fn page(
    connection: &Connection,
    specs: &Specs,
    query: &EventQuery,
    newest: Seq,
) -> rusqlite::Result<EventPage> {
    let mut reading =
        Reading { connection, specs, query, events: Vec::new(), bytes: 0, wanted: None };
    let read_to = match places(connection, &query.filter)? {
        Some(agents) if agents.len() <= INDEXED_AGENTS_MAX => reading.by_index(&agents, newest)?,
        agents => {
            reading.wanted = agents.map(|agents| agents.into_iter().collect());
            reading.through(newest)?
        }
    };
    Ok(EventPage { events: reading.events, read_to })
}

/// An event of this row: `seq, time, agent, type, data`. None when it cannot be understood.
pub(super) fn event(
    row: &Row<'_>,
    agent: impl FnOnce(i64) -> rusqlite::Result<Option<(AgentId, Arc<crate::model::Spec>)>>,
) -> rusqlite::Result<Option<Event>> {
    let seq = columns::seq(row.get(0)?);
    let Some((id, spec)) = agent(row.get(2)?)? else { return Ok(None) };
    let kind = row.get_ref(3)?.as_str()?.parse::<EventType>();
    let data = RawValue::from_string(row.get(4)?);
    match (kind, data) {
        (Ok(kind), Ok(data)) => {
            let time = columns::timestamp(row.get(1)?);
            Ok(Some(Event { seq, time, kind, agent: id, spec, data }))
        }
        (kind, data) => {
            let (kind, data) = (kind.err(), data.err());
            tracing::error!(%seq, agent = %id, ?kind, ?data, "an event cannot be read");
            Ok(None)
        }
    }
}

/// The places of the agents that the filter names; none when it names no agents.
fn places(connection: &Connection, filter: &EventFilter) -> rusqlite::Result<Option<Vec<i64>>> {
    let EventFilter { agents, group, session, label, owned: _, within: _, types: _ } = filter;
    let (by, ids) = match (agents, group, session, label) {
        (Some(ids), ..) => ("id = ?4", ids.iter().map(|id| Some(id.as_str())).collect()),
        (None, Some(_), ..) => ("grp = ?1", vec![None]),
        (None, None, Some(_), _) => ("(session = ?2 OR child = ?2)", vec![None]),
        (None, None, None, Some(_)) => ("label = ?3", vec![None]),
        (None, None, None, None) => return Ok(None),
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT n FROM agents WHERE {by} AND (?1 IS NULL OR grp = ?1) \
         AND (?2 IS NULL OR session = ?2 OR child = ?2) AND (?3 IS NULL OR label = ?3) \
         AND (?4 IS NULL OR id = ?4)"
    ))?;
    let mut places = Vec::new();
    for id in ids {
        for place in statement.query_map((group, session, label, id), |row| row.get(0))? {
            places.push(place?);
        }
    }
    places.sort_unstable();
    places.dedup();
    Ok(Some(places))
}

/// A page in the making.
struct Reading<'a> {
    connection: &'a Connection,
    specs: &'a Specs,
    query: &'a EventQuery,
    events: Vec<Arc<Event>>,
    bytes: usize,
    /// Places of the agents whose events are wanted; all when absent.
    wanted: Option<HashSet<i64>>,
}

impl Reading<'_> {
    /// Reads the log through, in its order. Answers how far.
    fn through(&mut self, newest: Seq) -> rusqlite::Result<Seq> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, time, agent, type, data FROM events \
             WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3",
        )?;
        let look = columns::integer(columns::count(LOOK_MAX));
        let span = (columns::integer(self.query.since.0), columns::integer(newest.0), look);
        let mut rows = statement.query(span)?;
        let mut looked = 0;
        let mut last = self.query.since;
        while let Some(row) = rows.next()? {
            looked += 1;
            last = columns::seq(row.get(0)?);
            if self.take(row)? {
                return Ok(last);
            }
        }
        Ok(if looked < LOOK_MAX { newest } else { last })
    }

    /// Looks up the events of these agents, and merges them. Answers how far.
    fn by_index(&mut self, agents: &[i64], newest: Seq) -> rusqlite::Result<Seq> {
        let (seqs, horizon) = self.candidates(agents, newest)?;
        let mut statement = self
            .connection
            .prepare_cached("SELECT seq, time, agent, type, data FROM events WHERE seq = ?1")?;
        for seq in seqs {
            let full = statement.query_row([seq], |row| self.take(row)).optional()?;
            if full == Some(true) {
                return Ok(columns::seq(seq));
            }
        }
        Ok(horizon)
    }

    /// Positions of the agents' next events in order, and how far they are all there are.
    fn candidates(&self, agents: &[i64], newest: Seq) -> rusqlite::Result<(Vec<i64>, Seq)> {
        // The index alone answers this.
        let mut statement = self.connection.prepare_cached(
            "SELECT seq FROM events WHERE agent = ?1 AND seq > ?2 AND seq <= ?3 \
             ORDER BY seq LIMIT ?4",
        )?;
        let any_type = self.query.filter.types.is_none();
        let each = if any_type { self.query.limit.min(INDEXED_MAX) } else { INDEXED_MAX };
        let (since, last) = (columns::integer(self.query.since.0), columns::integer(newest.0));
        let limit = columns::integer(columns::count(each));
        let mut horizon = last;
        let mut seqs: Vec<i64> = Vec::new();
        for agent in agents {
            let before = seqs.len();
            for seq in statement.query_map((agent, since, last, limit), |row| row.get(0))? {
                seqs.push(seq?);
            }
            if seqs.len() - before >= each {
                horizon = horizon.min(seqs[seqs.len() - 1]);
            }
        }
        seqs.sort_unstable();
        seqs.retain(|seq| *seq <= horizon);
        Ok((seqs, columns::seq(horizon)))
    }

    /// Takes the row's event when it is wanted. Answers whether the page is full.
    fn take(&mut self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let agent: i64 = row.get(2)?;
        if self.wanted.as_ref().is_some_and(|wanted| !wanted.contains(&agent)) {
            return Ok(false);
        }
        if let Some(types) = &self.query.filter.types {
            let name = row.get_ref(3)?.as_str()?;
            if !types.iter().any(|kind| kind.as_str() == name) {
                return Ok(false);
            }
        }
        let Some(event) = event(row, |n| self.specs.of(self.connection, n))? else {
            return Ok(false);
        };
        if self.query.filter.owned && event.spec.session.is_none() {
            return Ok(false);
        }
        let within = |top: AgentId| event.agent == top || event.spec.ancestors.contains(&top);
        if !self.query.filter.within.is_none_or(within) {
            return Ok(false);
        }
        self.bytes += event.data.get().len();
        self.events.push(Arc::new(event));
        Ok(self.events.len() >= self.query.limit || self.bytes >= bytes_max(self.query))
    }
}

#[cfg(test)]
#[path = "events_test.rs"]
mod tests;
