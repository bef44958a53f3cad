//! Copying what can be read of a damaged file, row by row.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Statement};

use super::columns::{self, integer, number};
use super::{insert, recover};
use crate::model::{Agent, End, Event, EventType, Fact};

/// Rows that are looked for one by one behind a row that cannot be read; then the steps grow with
/// what is left behind, so that the end of the largest gap is found in some ten thousand.
const STEPWISE: i64 = 1_024;
/// Positions that are never given out again when the end of the log is gone: somebody may have
/// been told of events there.
pub(super) const BEYOND: u64 = 10_000;

const AGENTS: &str =
    "n, id, grp, session, label, status, created_at, ended_at, as_of, state, child";
const EVENTS: &str = "seq, time, agent, type, data";
const AUDIT: &str = "position, seq, time, actor, action, agent, label, outcome, detail, hash";

/// What could not be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// First and last position of each run of events.
    pub events: Vec<(u64, u64)>,
    /// Agents, by id, or by place when that is all that is known.
    pub agents: Vec<String>,
    /// First and last position of each run of audit records.
    pub records: Vec<(u64, u64)>,
    /// Whether there were answers to requests with a key that cannot be given again.
    pub answers: bool,
}

/// Copies everything that can be read from `old` into `new`, which has the tables and no rows.
///
/// # Errors
/// When `new` cannot be written.
pub(super) fn salvage(old: &Connection, new: &Connection) -> rusqlite::Result<Lost> {
    let agents_end = table(old, new, "agents", AGENTS)?;
    let events_end = table(old, new, "events", EVENTS)?;
    let audit_end = table(old, new, "audit", AUDIT)?;
    let _ = table(old, new, "holes", "first, last")?;
    let answers = answers(old, new)?;
    let ids = ids(old, new)?;
    let mut lost = Lost { answers, ..Lost::default() };
    let trimmed = trimmed(old, new)?;
    find_agents(new, &ids)?;
    name_the_lost(new, &ids, !agents_end, &mut lost)?;
    lost.events = runs(new, "events", "seq", trimmed)?;
    lost.events.extend(beyond(old, new, trimmed, events_end)?);
    for (first, last) in &lost.events {
        new.execute(
            "INSERT OR REPLACE INTO holes VALUES (?1, ?2)",
            (integer(*first), integer(*last)),
        )?;
    }
    lost.records = runs(new, "audit", "position", 0)?;
    if !audit_end {
        let next = highest(new, "SELECT max(position) FROM audit")?.unwrap_or(0) + 1;
        lost.records.push((next, next));
    }
    settle_ends(new)?;
    Ok(lost)
}

/// Copies the rows of a table whose first column is its integer key. Answers whether its end was
/// reached, and not only given up on.
fn table(old: &Connection, new: &Connection, name: &str, columns: &str) -> rusqlite::Result<bool> {
    let key = columns.split(',').next().unwrap_or(columns);
    let places = (1..=columns.split(',').count()).map(|at| format!("?{at}"));
    let places = places.collect::<Vec<_>>().join(", ");
    let mut insert =
        new.prepare(&format!("INSERT OR IGNORE INTO {name} ({columns}) VALUES ({places})"))?;
    let select =
        format!("SELECT {columns} FROM {name} NOT INDEXED WHERE {key} >= ?1 ORDER BY {key}");
    // A table that is not even known has nothing that could be read.
    let Ok(mut select) = old.prepare(&select) else { return Ok(false) };
    let (mut next, mut behind) = (0_i64, 0_i64);
    loop {
        match copy(&mut select, &mut insert, &mut next, &mut behind)? {
            Copied::All => return Ok(true),
            Copied::UpTo => {}
        }
        let step = 1 + behind / STEPWISE;
        behind = behind.saturating_add(step);
        match next.checked_add(step) {
            Some(later) => next = later,
            None => return Ok(false),
        }
    }
}

enum Copied {
    All,
    UpTo,
}

/// Copies rows until one cannot be read. Fails only when the new file does.
fn copy(
    select: &mut Statement<'_>,
    insert: &mut Statement<'_>,
    next: &mut i64,
    behind: &mut i64,
) -> rusqlite::Result<Copied> {
    let width = select.column_count();
    let Ok(mut rows) = select.query([*next]) else { return Ok(Copied::UpTo) };
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(Copied::All),
            Err(_) => return Ok(Copied::UpTo),
        };
        let Ok(key) = row.get::<_, i64>(0) else { return Ok(Copied::UpTo) };
        // On a page that makes no sense, keys may come in any order.
        if key < *next {
            return Ok(Copied::UpTo);
        }
        (*next, *behind) = (key.saturating_add(1), 0);
        for column in 0..width {
            insert.raw_bind_parameter(column + 1, ToSqlOutput::Borrowed(row.get_ref(column)?))?;
        }
        admitted(insert.raw_execute())?;
    }
}

/// A row that its table does not admit is damaged, and lost like one that cannot be read.
fn admitted(written: rusqlite::Result<usize>) -> rusqlite::Result<()> {
    match written {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => Ok(()),
        other => other.map(drop),
    }
}

/// Copies answers to requests with a key, as far as they can be read. Answers whether some are lost.
fn answers(old: &Connection, new: &Connection) -> rusqlite::Result<bool> {
    let Ok(mut select) = old.prepare("SELECT key, fingerprint, body, time FROM answers") else {
        return Ok(true);
    };
    let mut insert = new.prepare("INSERT OR IGNORE INTO answers VALUES (?1, ?2, ?3, ?4)")?;
    let Ok(mut rows) = select.query(()) else { return Ok(true) };
    loop {
        match rows.next() {
            Ok(Some(row)) => {
                for column in 0..4 {
                    let value = ToSqlOutput::Borrowed(row.get_ref(column)?);
                    insert.raw_bind_parameter(column + 1, value)?;
                }
                admitted(insert.raw_execute())?;
            }
            Ok(None) => return Ok(false),
            Err(_) => return Ok(true),
        }
    }
}

/// The agents' places and ids, from wherever they can still be read: the index of ids, and the audit
/// trail, whose records say to which event they belong.
fn ids(old: &Connection, new: &Connection) -> rusqlite::Result<HashMap<i64, String>> {
    let mut ids = HashMap::new();
    // The index alone answers this.
    if let Ok(mut select) = old.prepare("SELECT id, n FROM agents ORDER BY id")
        && let Ok(mut rows) = select.query(())
    {
        while let Ok(Some(row)) = rows.next() {
            if let (Ok(id), Ok(n)) = (row.get::<_, String>(0), row.get(1)) {
                ids.insert(n, id);
            }
        }
    }
    let mut select = new.prepare(
        "SELECT DISTINCT events.agent, audit.agent FROM audit JOIN events ON events.seq = audit.seq \
         WHERE audit.agent IS NOT NULL AND events.agent NOT IN (SELECT n FROM agents)",
    )?;
    for found in select.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (n, id) = found?;
        ids.entry(n).or_insert(id);
    }
    Ok(ids)
}

/// Copies where the log begins, or makes up for it. Answers the newest event that was dropped.
fn trimmed(old: &Connection, new: &Connection) -> rusqlite::Result<u64> {
    let found: Option<(i64, i64, i64)> = old
        .query_row("SELECT seq, time, agent FROM trimmed", (), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .ok();
    let (seq, time, agent) = if let Some(found) = found {
        found
    } else {
        let first: Option<i64> =
            new.query_row("SELECT min(seq) FROM events", (), |row| row.get(0))?;
        (first.map_or(0, |first| first - 1), 0, 0)
    };
    new.execute("UPDATE trimmed SET seq = ?1, time = ?2, agent = ?3", (seq, time, agent))?;
    // What is left on pages that are not in use any more is no news, and half an event is none.
    new.execute("DELETE FROM events WHERE seq <= ?1 OR NOT json_valid(data)", [seq])?;
    Ok(number(seq))
}

/// Makes up for rows of agents from their events.
fn find_agents(new: &Connection, ids: &HashMap<i64, String>) -> rusqlite::Result<()> {
    let mut select =
        new.prepare("SELECT DISTINCT agent FROM events WHERE agent NOT IN (SELECT n FROM agents)")?;
    let places = select.query_map((), |row| row.get::<_, i64>(0))?;
    for n in places.collect::<rusqlite::Result<Vec<i64>>>()? {
        let Some(id) = ids.get(&n) else { continue };
        if let Ok(living) = recover::from_events(new, n, id)? {
            insert::agents(new, std::iter::once((living.n, &*living.agent)))?;
        }
    }
    Ok(())
}

/// Drops the events of agents that nothing is known of, and names those agents.
fn name_the_lost(
    new: &Connection,
    ids: &HashMap<i64, String>,
    all: bool,
    lost: &mut Lost,
) -> rusqlite::Result<()> {
    let known = new
        .prepare("SELECT id FROM agents")?
        .query_map((), |row| row.get(0))?
        .collect::<rusqlite::Result<HashSet<String>>>()?;
    let mut gone: Vec<String> = ids.values().filter(|id| !known.contains(*id)).cloned().collect();
    let mut select =
        new.prepare("SELECT DISTINCT agent FROM events WHERE agent NOT IN (SELECT n FROM agents)")?;
    for n in select.query_map((), |row| row.get::<_, i64>(0))? {
        let n = n?;
        if !ids.contains_key(&n) {
            gone.push(format!("the {n}. agent"));
        }
    }
    // Spawned and not ended, as far as the trail says.
    let mut spawned = new.prepare(
        "SELECT DISTINCT agent FROM audit WHERE action = 'spawn' AND agent IS NOT NULL \
         AND agent NOT IN (SELECT agent FROM audit WHERE action = 'end' AND agent IS NOT NULL)",
    )?;
    for id in spawned.query_map((), |row| row.get::<_, String>(0))? {
        let id = id?;
        if !known.contains(&id) && !gone.contains(&id) {
            gone.push(id);
        }
    }
    if all && gone.is_empty() {
        gone.push("agents whose number is not known".to_owned());
    }
    gone.sort();
    lost.agents = gone;
    new.execute("DELETE FROM events WHERE agent NOT IN (SELECT n FROM agents)", ())?;
    Ok(())
}

/// The runs of positions after `begin` that are missing before the last one there is.
fn runs(new: &Connection, table: &str, key: &str, begin: u64) -> rusqlite::Result<Vec<(u64, u64)>> {
    let mut select = new.prepare(&format!("SELECT {key} FROM {table} ORDER BY {key}"))?;
    let mut rows = select.query(())?;
    let (mut expected, mut runs) = (begin + 1, Vec::new());
    while let Some(row) = rows.next()? {
        let found = number(row.get(0)?);
        if found > expected {
            runs.push((expected, found - 1));
        }
        expected = found + 1;
    }
    Ok(runs)
}

/// The run after the last event that could be read, when there was more.
fn beyond(
    old: &Connection,
    new: &Connection,
    trimmed: u64,
    whole: bool,
) -> rusqlite::Result<Option<(u64, u64)>> {
    let last = highest(new, "SELECT max(seq) FROM events")?.unwrap_or(0).max(trimmed);
    let mut known = last;
    for sql in [
        "SELECT max(as_of) FROM agents",
        "SELECT max(seq) FROM audit",
        "SELECT max(last) FROM holes",
    ] {
        known = known.max(highest(new, sql)?.unwrap_or(0));
    }
    // An index ends with the table's key.
    if let Ok(mut select) =
        old.prepare("SELECT seq FROM events INDEXED BY events_by_agent WHERE agent >= 0")
        && let Ok(mut rows) = select.query(())
    {
        while let Ok(Some(row)) = rows.next() {
            known = known.max(number(row.get(0).unwrap_or_default()));
        }
    }
    Ok((known > last || !whole).then_some((last + 1, known + BEYOND)))
}

fn highest(connection: &Connection, sql: &str) -> rusqlite::Result<Option<u64>> {
    let found: Option<i64> = connection.query_row(sql, (), |row| row.get(0))?;
    Ok(found.map(number))
}

/// Agents that live by their rows, and have ended by the audit trail: the event is lost, the end is not.
fn settle_ends(new: &Connection) -> rusqlite::Result<()> {
    let mut select = new.prepare(
        "SELECT agents.n, agents.id, audit.seq, audit.time, audit.outcome, audit.detail \
         FROM agents JOIN audit ON audit.agent = agents.id AND audit.action = 'end' \
         WHERE agents.ended_at IS NULL AND audit.seq IS NOT NULL",
    )?;
    let ends = select.query_map((), |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
    })?;
    let ends: Vec<(i64, String, i64, i64, String, String)> = ends.collect::<Result<_, _>>()?;
    for (n, id, seq, time, outcome, detail) in ends {
        let kind =
            format!("agent.{outcome}").parse::<EventType>().ok().filter(|kind| kind.is_end());
        let end = serde_json::from_str::<End>(&detail);
        let state: Option<String> = new
            .query_row("SELECT state FROM agents WHERE n = ?1", [n], |row| row.get(0))
            .optional()?;
        let agent = state.and_then(|state| serde_json::from_str::<Agent>(&state).ok());
        let (Some(kind), Ok(end), Some(mut agent)) = (kind, end, agent) else { continue };
        let fact = Fact::End(kind, end);
        let event = Event {
            seq: columns::seq(seq),
            time: columns::timestamp(time),
            kind,
            agent: agent.id,
            spec: Arc::clone(&agent.spec),
            data: fact.to_data(),
        };
        if agent.id.as_str() == id {
            agent.apply(&event, &fact);
            insert::agents(new, std::iter::once((number(n), &agent)))?;
        }
    }
    Ok(())
}
