//! Reading the audit trail, and what requests were answered with.

use rusqlite::{Connection, OptionalExtension, Row};

use super::columns;
use crate::model::AgentId;
use crate::store::{Answer, AuditRecord};

/// Records after position `since`, of one agent or of all, oldest first.
pub(super) fn audit(
    connection: &Connection,
    since: u64,
    agent: Option<AgentId>,
    limit: usize,
) -> rusqlite::Result<Vec<AuditRecord>> {
    let by = if agent.is_some() { "agent = ?2" } else { "?2 IS NULL" };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT position, seq, time, actor, action, agent, label, outcome, detail FROM audit \
         WHERE {by} AND position > ?1 ORDER BY position LIMIT ?3"
    ))?;
    let agent = agent.as_ref().map(AgentId::as_str);
    let limit = columns::integer(columns::count(limit));
    statement.query_map((columns::integer(since), agent, limit), record)?.collect()
}

fn record(row: &Row<'_>) -> rusqlite::Result<AuditRecord> {
    let agent: Option<String> = row.get(5)?;
    let detail: String = row.get(8)?;
    Ok(AuditRecord {
        position: columns::number(row.get(0)?),
        seq: row.get::<_, Option<i64>>(1)?.map(columns::seq),
        time: columns::timestamp(row.get(2)?),
        actor: row.get(3)?,
        action: row.get(4)?,
        agent: agent.and_then(|id| id.parse().ok()),
        label: row.get(6)?,
        outcome: row.get(7)?,
        // A detail that is no JSON was not written by Dash; show it as it is.
        detail: serde_json::from_str(&detail).unwrap_or(serde_json::Value::String(detail)),
    })
}

/// The answer that was stored with this key.
pub(super) fn answer(connection: &Connection, key: String) -> rusqlite::Result<Option<Answer>> {
    let mut statement =
        connection.prepare_cached("SELECT fingerprint, body FROM answers WHERE key = ?1")?;
    let found = statement.query_row([&key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.map(|(fingerprint, body)| Answer { key, fingerprint, body }))
}
