//! From older formats to the one that this code writes, a step at a time, each in one transaction.

use jiff::Timestamp;
use rusqlite::{Connection, Transaction};
use serde_json::json;

use super::columns::micros;
use super::verify;
use crate::model::openclaw;
use crate::store::chain::{self, Columns, Hash};

/// Brings a file of this format to the newest one. Whatever fails leaves it as it was.
pub(super) fn migrate(connection: &mut Connection, found: u32) -> rusqlite::Result<()> {
    if found == 1 {
        let step = connection.transaction()?;
        chain_the_trail(&step)?;
        step.pragma_update(None, "user_version", 2)?;
        step.commit()?;
    }
    if found <= 2 {
        let step = connection.transaction()?;
        name_the_children(&step)?;
        step.pragma_update(None, "user_version", 3)?;
        step.commit()?;
    }
    if found <= 3 {
        let step = connection.transaction()?;
        step.execute_batch(HOLES)?;
        step.pragma_update(None, "user_version", 4)?;
        step.commit()?;
    }
    Ok(())
}

/// Format 4: lost positions are kept.
const HOLES: &str = "CREATE TABLE holes (
    first INTEGER PRIMARY KEY,
    last  INTEGER NOT NULL
) STRICT";

/// Format 3: agents are also found by the session that OpenClaw made for them.
fn name_the_children(step: &Transaction<'_>) -> rusqlite::Result<()> {
    step.execute_batch("ALTER TABLE agents ADD COLUMN child TEXT")?;
    step.execute(
        "UPDATE agents SET child = json_extract(state, '$.spec.metadata.\"' || ?1 || '\"') \
         WHERE instr(state, ?1) > 0",
        [openclaw::SESSION],
    )?;
    step.execute_batch("CREATE INDEX agents_by_child ON agents (child) WHERE child IS NOT NULL")
}

/// Format 2: each audit record has a hash. What was there before is chained as it is found, and a
/// record says so: the chain proves nothing about the time before that.
fn chain_the_trail(step: &Transaction<'_>) -> rusqlite::Result<()> {
    step.execute_batch(
        "ALTER TABLE audit RENAME TO audit_1;
         DROP INDEX audit_by_agent;
         CREATE TABLE audit (
             position INTEGER PRIMARY KEY,
             seq      INTEGER,
             time     INTEGER NOT NULL,
             actor    TEXT NOT NULL,
             action   TEXT NOT NULL,
             agent    TEXT,
             label    TEXT,
             outcome  TEXT NOT NULL,
             detail   TEXT NOT NULL,
             hash     BLOB NOT NULL
         ) STRICT;",
    )?;
    let (mut last, mut hash, mut scratch) = (0, chain::START, Vec::new());
    {
        let mut old = step
            .prepare(&format!("SELECT {}, NULL FROM audit_1 ORDER BY position", verify::COLUMNS))?;
        let mut rows = old.query(())?;
        while let Some(row) = rows.next()? {
            let record = verify::columns(row)?;
            hash = chain::link(&hash, &record, &mut scratch);
            last = record.position;
            insert(step, &record, &hash)?;
        }
    }
    let detail = json!({"from": 1, "to": 2, "records": last}).to_string();
    let record = Columns {
        position: last + 1,
        seq: None,
        time: micros(Timestamp::now()),
        actor: b"daemon",
        action: b"store.migrate",
        agent: None,
        label: None,
        outcome: b"accepted",
        detail: detail.as_bytes(),
    };
    hash = chain::link(&hash, &record, &mut scratch);
    insert(step, &record, &hash)?;
    step.execute_batch(
        "DROP TABLE audit_1;
         CREATE INDEX audit_by_agent ON audit (agent) WHERE agent IS NOT NULL;",
    )
}

/// Writes an audit record as it is.
pub(super) fn insert(
    step: &Transaction<'_>,
    record: &Columns<'_>,
    hash: &Hash,
) -> rusqlite::Result<()> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut statement =
        step.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
    statement.execute((
        record.position,
        record.seq,
        record.time,
        text(record.actor),
        text(record.action),
        record.agent.map(text),
        record.label.map(text),
        text(record.outcome),
        text(record.detail),
        hash,
    ))?;
    Ok(())
}

#[cfg(test)]
#[path = "migrate_test.rs"]
mod tests;
