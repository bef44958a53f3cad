//! What the log adds up to when the file is opened. Reads the agents that have not ended and their
//! events since their rows were written, never all of history.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;

use super::columns::{number, seq, timestamp};
use super::events;
use super::log::{Living, Log};
use crate::model::{Agent, Seq, Status};

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
    let last_agent: i64 = maximum(connection, "SELECT max(n) FROM agents")?;
    let last_audit = maximum(connection, "SELECT max(position) FROM audit")?;
    let mut agents = HashMap::new();
    for row in alive(connection)? {
        match living(connection, &row)? {
            Ok(living) => {
                agents.insert(living.agent.id, living);
            }
            Err(reason) => {
                tracing::error!(agent = row.id, reason, "left out an agent that cannot be read");
            }
        }
    }
    Ok(Log {
        trimmed,
        newest,
        time: timestamp(time),
        agents,
        last_agent: number(last_agent.max(agent)),
        last_audit: number(last_audit),
    })
}

fn newest(connection: &Connection) -> rusqlite::Result<Option<(Seq, i64)>> {
    let mut statement =
        connection.prepare("SELECT seq, time FROM events ORDER BY seq DESC LIMIT 1")?;
    let mut rows = statement.query_map((), |row| Ok((seq(row.get(0)?), row.get(1)?)))?;
    rows.next().transpose()
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

/// The agent with its later events applied, or why it cannot be known.
fn living(connection: &Connection, row: &Row) -> rusqlite::Result<Result<Living, String>> {
    let mut agent = match serde_json::from_str::<Agent>(&row.state) {
        Ok(agent) => agent,
        Err(error) => return Ok(Err(error.to_string())),
    };
    if agent.id.as_str() != row.id {
        return Ok(Err(format!("its state is of {}", agent.id)));
    }
    let mut statement = connection.prepare_cached(
        "SELECT seq, time, agent, type, data FROM events \
         WHERE agent = ?1 AND seq > ?2 ORDER BY seq",
    )?;
    let mut rows = statement.query((row.n, row.as_of))?;
    let mut unsaved = 0;
    while let Some(row) = rows.next()? {
        let identity = (agent.id, Arc::clone(&agent.spec));
        let Some(event) = events::event(row, |_| Ok(Some(identity)))? else {
            return Ok(Err("one of its events cannot be read".to_owned()));
        };
        match event.fact() {
            Ok(fact) => agent.apply(&event, &fact),
            Err(error) => return Ok(Err(format!("event {}: {error}", event.seq))),
        }
        unsaved += 1;
    }
    let as_of = seq(row.as_of);
    Ok(Ok(Living { n: number(row.n), agent: Arc::new(agent), as_of, unsaved }))
}
