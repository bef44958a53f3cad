//! Writing a group: all of it within the caller's transaction.

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use serde::Serialize;

use super::columns::{integer, micros};
use super::group::{Entry, Group};
use crate::model::{Agent, AgentId, Event};
use crate::store::Answer;

/// How long a request can be repeated and be answered as before.
const ANSWERS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Writes everything that the group adds.
pub(super) fn group(connection: &Connection, group: &Group) -> rusqlite::Result<()> {
    // Agents first: events refer to them. In the order of their places, which is the table's.
    let mut saved: Vec<_> = group.agents.values().filter(|staged| staged.save).collect();
    saved.sort_unstable_by_key(|staged| staged.n);
    agents(connection, saved.into_iter().map(|staged| (staged.n, &staged.agent)))?;
    events(connection, group.events.iter().map(|(n, event)| (*n, &**event)))?;
    audit(connection, &group.audit)?;
    answers(connection, &group.answers)
}

/// Writes the agents' rows, each as of the agent's newest event.
pub(super) fn agents<'a>(
    connection: &Connection,
    agents: impl Iterator<Item = (u64, &'a Agent)>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO agents \
         (n, id, grp, session, label, status, created_at, ended_at, as_of, state, child) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
         ON CONFLICT (n) DO UPDATE SET status = excluded.status, \
         ended_at = excluded.ended_at, as_of = excluded.as_of, state = excluded.state",
    )?;
    for (n, agent) in agents {
        let state = json(agent)?;
        statement.execute((
            integer(n),
            agent.id.as_str(),
            &agent.spec.group,
            &agent.spec.session,
            &agent.spec.label,
            agent.status.as_str(),
            micros(agent.created_at),
            agent.ended_at.map(micros),
            integer(agent.last_seq.0),
            state,
            agent.spec.own_session(),
        ))?;
    }
    Ok(())
}

fn events<'a>(
    connection: &Connection,
    events: impl Iterator<Item = (u64, &'a Event)>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO events (seq, time, agent, type, data) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (n, event) in events {
        statement.execute((
            integer(event.seq.0),
            micros(event.time),
            integer(n),
            event.kind.as_str(),
            event.data.get(),
        ))?;
    }
    Ok(())
}

fn audit(connection: &Connection, entries: &[Entry]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO audit \
         (position, seq, time, actor, action, agent, label, outcome, detail, hash) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for entry in entries {
        let operation = &entry.operation;
        statement.execute((
            integer(entry.position),
            entry.seq.map(|seq| integer(seq.0)),
            micros(entry.time),
            &*operation.actor.0,
            &operation.action,
            entry.agent.as_ref().map(AgentId::as_str),
            &entry.label,
            &operation.outcome,
            &entry.detail,
            entry.hash,
        ))?;
    }
    Ok(())
}

fn answers(connection: &Connection, answers: &[(Answer, Timestamp)]) -> rusqlite::Result<()> {
    let Some((_, newest)) = answers.last() else { return Ok(()) };
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO answers (key, fingerprint, body, time) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (answer, time) in answers {
        statement.execute((&answer.key, answer.fingerprint, &answer.body, micros(*time)))?;
    }
    let too_old = newest.saturating_sub(ANSWERS_KEPT).map_or(i64::MIN, micros);
    connection.prepare_cached("DELETE FROM answers WHERE time < ?1")?.execute([too_old])?;
    Ok(())
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
