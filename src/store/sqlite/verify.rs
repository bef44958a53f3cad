//! Reading the audit trail through, record by record, as it really lies in the file.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use serde_json::json;

use super::holes::{self, Holes};
use super::log::Log;
use super::salvage::BEYOND;
use super::{failure, file};
use crate::model::{Actor, Seq};
use crate::store::chain::{Columns, Verifier};
use crate::store::{Operation, StoreError, Verified, checkpoints};

/// The columns that a hash covers, in the table's order.
pub(super) const COLUMNS: &str =
    "position, seq, time, actor, action, agent, label, outcome, detail";
/// Records that are read in one go: a longer transaction would keep the write-ahead log from being
/// used again.
const CHUNK: u32 = 50_000;

/// The first format whose trail is chained.
const CHAINED: u32 = 2;

/// Begins with what the checkpoints beside the file say.
pub(super) fn begin(database: &Path) -> Verifier {
    let path = checkpoints::beside(database);
    Verifier::new(match checkpoints::read(&path) {
        Ok(Some(checkpoints)) => Ok(checkpoints),
        Ok(None) => Err(format!(
            "{} is not there, and nothing else says how far the trail went",
            path.display()
        )),
        Err(error) => Err(format!("{}: {error}", path.display())),
    })
}

/// Takes the next records. Answers whether there may be more.
pub(super) fn chunk(connection: &Connection, verifier: &mut Verifier) -> rusqlite::Result<bool> {
    let sql = format!(
        "SELECT {COLUMNS}, hash FROM audit NOT INDEXED WHERE position > ?1 ORDER BY position \
         LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    // Positions are from 1 on; one before that is not to be passed over.
    let after = match verifier.position() {
        0 => i64::MIN,
        position => super::columns::integer(position),
    };
    let mut rows = statement.query((after, CHUNK))?;
    let mut taken = 0;
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(taken == CHUNK),
            Err(error) if failure::is_damage(&error) => {
                verifier.is_unreadable(&error.to_string());
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        taken += 1;
        let (record, kept) = match (columns(row), row.get_ref(9)?) {
            (Ok(record), ValueRef::Blob(kept)) => (record, kept),
            (Ok(_), _) => {
                verifier.is_unreadable("its hash is none");
                return Ok(false);
            }
            (Err(error), _) => {
                verifier.is_unreadable(&error.to_string());
                return Ok(false);
            }
        };
        if !verifier.take(&record, kept) {
            return Ok(false);
        }
    }
}

/// A record, as a row of [`COLUMNS`] has it. Fails for a value of another type than the column's.
///
/// Texts are taken as bytes: whether they are UTF-8 matters to whoever shows them, and what they
/// were made from is what the hash says.
pub(super) fn columns<'a>(row: &'a Row<'_>) -> rusqlite::Result<Columns<'a>> {
    let wrong = |column: usize, found: ValueRef<'_>| {
        rusqlite::Error::InvalidColumnType(column, "text".to_owned(), found.data_type())
    };
    let text = |column: usize| match row.get_ref(column)? {
        ValueRef::Text(text) => Ok(text),
        other => Err(wrong(column, other)),
    };
    let maybe = |column: usize| match row.get_ref(column)? {
        ValueRef::Text(text) => Ok(Some(text)),
        ValueRef::Null => Ok(None),
        other => Err(wrong(column, other)),
    };
    Ok(Columns {
        position: row.get(0)?,
        seq: row.get(1)?,
        time: row.get(2)?,
        actor: text(3)?,
        action: text(4)?,
        agent: maybe(5)?,
        label: maybe(6)?,
        outcome: text(7)?,
        detail: text(8)?,
    })
}

/// What is to be recorded when the newest checkpoint says something else than the file that is being
/// opened: a trail that goes on must not hide it.
pub(super) fn tampered(
    connection: &Connection,
    database: &Path,
    log: &mut Log,
) -> Option<Operation> {
    let path = checkpoints::beside(database);
    let said = match checkpoints::newest(&path) {
        // A file that was just migrated has none yet, and its last record says that it was.
        Ok(None) if log.last_audit == 0 || migrated_just_now(connection, log) => return None,
        Ok(newest) => newest,
        Err(_) => None,
    };
    let sql = "SELECT lower(hex(hash)) FROM audit WHERE position = ?1";
    if let Some(said) = &said {
        if said.position == 0 {
            return None;
        }
        let at = super::columns::integer(said.position);
        let found = connection.query_row(sql, [at], |row| row.get::<_, String>(0));
        if found.is_ok_and(|found| found == said.hash) {
            return None;
        }
    }
    let position = said.as_ref().map(|said| said.position);
    if position.is_some_and(|position| position > log.last_audit) {
        lose_the_end(connection, log);
    }
    tracing::error!(path = %path.display(), position, "the audit trail is not the one that was \
        kept here; `dash audit verify` names the first bad record");
    Some(Operation {
        actor: Actor::daemon(),
        action: "audit.mismatch".to_owned(),
        outcome: "failed".to_owned(),
        detail: json!({"checkpoint": position, "newest": log.last_audit}),
    })
}

/// The end of the log is gone, and nobody knows how much: positions that somebody may have been told
/// of are not given out again.
fn lose_the_end(connection: &Connection, log: &mut Log) {
    let (first, last) = (log.newest.next(), Seq(log.newest.0 + BEYOND));
    match holes::add(connection, first, last).and_then(|()| Holes::load(connection)) {
        Ok(holes) => (log.newest, log.holes) = (last, holes),
        Err(error) => tracing::error!(%error, "cannot note that the end of the log is lost"),
    }
}

fn migrated_just_now(connection: &Connection, log: &Log) -> bool {
    let sql = "SELECT action = 'store.migrate' FROM audit WHERE position = ?1";
    let last = super::columns::integer(log.last_audit);
    connection.query_row(sql, [last], |row| row.get(0)).unwrap_or(false)
}

/// Verifies the trail of a file that is not ours.
pub(in crate::store) fn verify_file(database: &Path) -> Result<Verified, StoreError> {
    let explain = |error: rusqlite::Error| failure::explain(database, &error);
    let missing =
        |message: &str| StoreError::Io { path: database.to_owned(), message: message.to_owned() };
    if !database.exists() {
        return Err(missing("it is not there"));
    }
    if file::format(database)? < CHAINED {
        return Err(missing(
            "it is of a format without a hash chain; a daemon that is started brings it up to date",
        ));
    }
    let mut verifier = begin(database);
    let connection = file::open_reader(database).map_err(explain)?;
    while chunk(&connection, &mut verifier).map_err(explain)? {}
    Ok(verifier.finish())
}

#[cfg(test)]
#[path = "verify_test.rs"]
mod tests;
