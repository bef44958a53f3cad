//! What the log adds up to when the file is opened. Reads the agents that have not ended and their
//! events since their rows were written, never all of history.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::columns::{integer, number, seq, timestamp};
use super::holes::Holes;
use super::log::{Living, Log};
use super::{events, group, insert};
use crate::model::{Agent, AgentId, EventType, Seq, Spawned, Spec, Status};
use crate::store::chain::{Hash, START};

/// A row of the table of agents.
struct Row {
    n: i64,
    id: String,
    as_of: i64,
    state: String,
}

/// The log as the file has it.
pub(super) fn log(connection: &Connection) -> rusqlite::Result<Log> {
    let (trimmed, time, agent) =
        connection.query_row("SELECT seq, time, agent FROM trimmed", (), |row| {
            Ok((seq(row.get(0)?), row.get(1)?, row.get(2)?))
        })?;
    let (newest, time) = newest(connection)?.unwrap_or((trimmed, time));
    let holes = Holes::load(connection)?;
    let newest = newest.max(holes.newest());
    let last_agent: i64 = maximum(connection, "SELECT max(n) FROM agents")?;
    let (last_audit, last_hash) = last_record(connection)?;
    let (mut agents, mut unreadable) = (HashMap::new(), Vec::new());
    for row in alive(connection)? {
        match living(connection, &row)? {
            Ok(living) => {
                agents.insert(living.agent.id, living);
            }
            Err(reason) => {
                tracing::error!(agent = row.id, reason, "left out an agent that cannot be read");
                unreadable.push((row.id, reason));
            }
        }
    }
    save_again(connection, &mut agents);
    Ok(Log {
        trimmed,
        newest,
        time: timestamp(time),
        agents,
        last_agent: number(last_agent.max(agent)),
        last_audit,
        last_hash,
        unreadable,
        holes,
    })
}

/// Writes the rows that were made up for: what reads an agent's events looks there too.
fn save_again(connection: &Connection, agents: &mut HashMap<AgentId, Living>) {
    for living in agents.values_mut().filter(|living| living.as_of == Seq::START) {
        match insert::agents(connection, std::iter::once((living.n, &*living.agent))) {
            Ok(()) => (living.as_of, living.unsaved) = (living.agent.last_seq, 0),
            Err(error) => tracing::error!(agent = %living.agent.id, %error, "cannot be mended"),
        }
    }
}

fn newest(connection: &Connection) -> rusqlite::Result<Option<(Seq, i64)>> {
    let mut statement =
        connection.prepare("SELECT seq, time FROM events ORDER BY seq DESC LIMIT 1")?;
    let mut rows = statement.query_map((), |row| Ok((seq(row.get(0)?), row.get(1)?)))?;
    rows.next().transpose()
}

/// The position and the hash of the last record of the audit trail.
fn last_record(connection: &Connection) -> rusqlite::Result<(u64, Hash)> {
    let sql = "SELECT position, hash FROM audit ORDER BY position DESC LIMIT 1";
    let last = connection
        .query_row(sql, (), |row| Ok((number(row.get(0)?), row.get::<_, Vec<u8>>(1)?)))
        .optional()?;
    let Some((position, hash)) = last else { return Ok((0, START)) };
    // One that is no hash does not hold, and neither does what follows it: verifying says so.
    Ok((position, hash.try_into().unwrap_or(START)))
}

fn maximum(connection: &Connection, sql: &str) -> rusqlite::Result<i64> {
    connection.query_row(sql, (), |row| Ok(row.get::<_, Option<i64>>(0)?.unwrap_or_default()))
}

fn alive(connection: &Connection) -> rusqlite::Result<Vec<Row>> {
    let statuses = Status::ALL.into_iter().filter(|status| !status.is_end());
    let names = statuses.map(|status| format!("'{status}'")).collect::<Vec<_>>().join(", ");
    let mut statement = connection.prepare(&format!(
        "SELECT n, id, as_of, state FROM agents INDEXED BY agents_by_status \
         WHERE status IN ({names}) ORDER BY n"
    ))?;
    let rows = statement.query_map((), |row| {
        Ok(Row { n: row.get(0)?, id: row.get(1)?, as_of: row.get(2)?, state: row.get(3)? })
    })?;
    rows.collect()
}

/// The agent with its later events applied, or why it cannot be known. A row that makes no sense is
/// made up for from the agent's events, as long as all of them are kept.
fn living(connection: &Connection, row: &Row) -> rusqlite::Result<Result<Living, String>> {
    let agent = match serde_json::from_str::<Agent>(&row.state) {
        Ok(agent) if agent.id.as_str() == row.id => Ok(agent),
        Ok(agent) => Err(format!("its state is of {}", agent.id)),
        Err(error) => Err(error.to_string()),
    };
    match agent {
        Ok(agent) => folded(connection, row, Some(agent), seq(row.as_of)),
        Err(reason) => {
            let again = folded(connection, row, None, Seq::START)?;
            tracing::error!(agent = row.id, reason, whole = again.is_ok(), "a row made no sense");
            Ok(again.map_err(|_| reason))
        }
    }
}

/// The agent of this place as its events alone make it, or why they do not.
pub(super) fn from_events(
    connection: &Connection,
    n: i64,
    id: &str,
) -> rusqlite::Result<Result<Living, String>> {
    let row = Row { n, id: id.to_owned(), as_of: 0, state: String::new() };
    folded(connection, &row, None, Seq::START)
}

/// The agent with its events after `as_of`; without one, from its first event.
fn folded(
    connection: &Connection,
    row: &Row,
    mut agent: Option<Agent>,
    as_of: Seq,
) -> rusqlite::Result<Result<Living, String>> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, time, agent, type, data FROM events \
         WHERE agent = ?1 AND seq > ?2 ORDER BY seq",
    )?;
    let Ok(id) = row.id.parse::<AgentId>() else { return Ok(Err("its id is none".to_owned())) };
    let mut rows = statement.query((row.n, integer(as_of.0)))?;
    let mut unsaved = 0_u32;
    while let Some(found) = rows.next()? {
        let spec = match &agent {
            Some(agent) => Arc::clone(&agent.spec),
            None => match first_spec(found)? {
                Some(spec) => spec,
                None => return Ok(Err("its first event is not kept".to_owned())),
            },
        };
        let Some(event) = events::event(found, |_| Ok(Some((id, spec))))? else {
            return Ok(Err("one of its events cannot be read".to_owned()));
        };
        match (event.fact(), &mut agent) {
            (Ok(fact), Some(agent)) => agent.apply(&event, &fact),
            (Ok(fact), None) => agent = Agent::spawned(&event, &fact),
            (Err(error), _) => return Ok(Err(format!("event {}: {error}", event.seq))),
        }
        unsaved = unsaved.saturating_add(group::weight(&event));
    }
    let Some(agent) = agent else { return Ok(Err("its first event is not kept".to_owned())) };
    Ok(Ok(Living { n: number(row.n), agent: Arc::new(agent), as_of, unsaved }))
}

/// The spec that an agent's first event has.
fn first_spec(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Arc<Spec>>> {
    let (kind, data): (String, String) = (row.get(3)?, row.get(4)?);
    let spawned = serde_json::from_str::<Spawned>(&data);
    Ok(spawned.ok().filter(|_| kind == EventType::Spawned.as_str()).map(|spawned| spawned.spec))
}
