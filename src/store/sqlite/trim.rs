//! Dropping the oldest events, a few at a time, so that nobody waits long for a commit.

use rusqlite::{Connection, OptionalExtension};

use super::columns::integer;
use super::insert;
use super::log::Log;
use crate::model::{AgentId, Seq};

/// Events that are dropped in one transaction, when no more than that come in with each group.
pub(super) const CHUNK: u64 = 500;

/// Living agents whose rows must be written before events up to `last` may go: those events are
/// the only record of a part of their state.
pub(super) fn unsaved(log: &Log, last: Seq) -> Vec<AgentId> {
    let agents = log.agents.values();
    let unsaved = agents.filter(|living| living.unsaved > 0 && living.as_of < last);
    unsaved.map(|living| living.agent.id).collect()
}

/// Drops events up to and including `last`, and ended agents of which no event is left, within the
/// caller's transaction.
pub(super) fn drop_through(
    connection: &Connection,
    log: &Log,
    unsaved: &[AgentId],
    last: Seq,
) -> rusqlite::Result<()> {
    let agents = unsaved.iter().filter_map(|id| log.agents.get(id));
    insert::agents(connection, agents.map(|living| (living.n, &*living.agent)))?;
    let time: Option<i64> = connection
        .prepare_cached("SELECT time FROM events WHERE seq = ?1")?
        .query_row([integer(last.0)], |row| row.get(0))
        .optional()?;
    connection
        .prepare_cached("UPDATE trimmed SET seq = ?1, time = coalesce(?2, time), agent = ?3")?
        .execute((integer(last.0), time, integer(log.last_agent)))?;
    connection.prepare_cached("DELETE FROM holes WHERE last <= ?1")?.execute([integer(last.0)])?;
    connection.prepare_cached("DELETE FROM events WHERE seq <= ?1")?.execute([integer(last.0)])?;
    connection
        .prepare_cached("DELETE FROM agents WHERE ended_at IS NOT NULL AND as_of <= ?1")?
        .execute([integer(last.0)])?;
    Ok(())
}

#[cfg(test)]
#[path = "trim_test.rs"]
mod tests;
