//! A file that is damaged. What can be read of it goes into a new file that takes its place, what
//! cannot is named, and the damaged one stays beside it.
//!
//! The steps are such that whoever is interrupted can be followed by another: until the new file is
//! whole it has a name of its own (`.mending`); whole, it has another (`.mended`), and from then on it
//! takes the old one's place, whoever does that.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction};
use serde_json::{Value, json};

use super::columns::{integer, micros, number};
use super::salvage::{self, Lost};
use super::{file, migrate};
use crate::store::chain::{self, Columns, Hash};
use crate::store::{StoreError, checkpoints};

/// The first format whose tables are like those of now.
const OLDEST: u32 = 3;
/// Lost agents, and runs of events and records, that one audit record names.
const NAMED: usize = 1_000;

/// Where SQLite says that a file is one of its own, of which application and of which format: its
/// header (SQLite, "Database File Format", 1.3).
const HEADER: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Notes that a part of the file cannot be read, so that it is mended when it is opened again.
pub(super) fn mark(database: &Path) {
    let path = beside(database, "suspect");
    if let Err(error) = File::create(&path) {
        tracing::error!(path = %path.display(), %error, "cannot note that the log is damaged");
    }
}

/// Whether that was noted.
pub(super) fn is_marked(database: &Path) -> bool {
    beside(database, "suspect").exists()
}

/// Lets the new file take its place, when a daemon died before that.
pub(super) fn finish(database: &Path) -> io::Result<()> {
    let mended = beside(database, "mended");
    if !mended.exists() {
        return Ok(());
    }
    // The old write-ahead log would be taken for the new file's.
    for other in ["-wal", "-shm"] {
        absent(fs::remove_file(with(database, other)))?;
    }
    fs::rename(&mended, database)?;
    absent(fs::remove_file(beside(database, "suspect")))?;
    sync_directory(database)
}

/// Mends the file if a part of it was noted to be damaged, and is.
pub(super) fn look_again(database: &Path) -> Result<(), StoreError> {
    if !is_marked(database) {
        return Ok(());
    }
    let sound = file::open_reader(database).and_then(|connection| {
        connection.query_row("PRAGMA quick_check(1)", (), |row| row.get::<_, String>(0))
    });
    match sound {
        Ok(verdict) if verdict == "ok" => absent(fs::remove_file(beside(database, "suspect")))
            .map_err(|error| cannot(database, &error)),
        Ok(verdict) => mend(database, &verdict),
        Err(error) => mend(database, &error.to_string()),
    }
}

/// Puts what can be read of the file in its place.
///
/// # Errors
/// [`StoreError::Damaged`] when nothing can be read of it at all, and it stays as it is.
pub(super) fn mend(database: &Path, reason: &str) -> Result<(), StoreError> {
    let damaged = |message: String| StoreError::Damaged { path: database.to_owned(), message };
    if !format(database).is_some_and(|format| (OLDEST..=file::FORMAT).contains(&format)) {
        return Err(damaged(reason.to_owned()));
    }
    tracing::error!(path = %database.display(), reason, "the log is damaged; saving what can be read");
    let new = beside(database, "mending");
    absent(fs::remove_file(&new)).map_err(|error| cannot(database, &error))?;
    let kept = name_for_the_damaged(database);
    let copied = copy(database, &new, &kept, reason);
    let lost =
        copied.map_err(|error| damaged(format!("{reason}, and nothing can be saved: {error}")))?;
    keep(database, &kept)
        .and_then(|()| File::open(&new)?.sync_all())
        .and_then(|()| fs::rename(&new, beside(database, "mended")))
        .and_then(|()| sync_directory(database))
        .and_then(|()| finish(database))
        .map_err(|error| cannot(database, &error))?;
    tracing::error!(?lost, kept = %kept.display(), "the log is mended");
    Ok(())
}

/// Fills the new file, whose audit trail ends with what was lost.
fn copy(database: &Path, new: &Path, kept: &Path, reason: &str) -> rusqlite::Result<Lost> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let old = Connection::open_with_flags(database, flags)?;
    // It stays as it was found, and a file that is too short is read all the same.
    old.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    old.pragma_update(None, "writable_schema", true)?;
    file::make_private(new)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let mut new = Connection::open_with_flags(new, flags)?;
    new.pragma_update(None, "foreign_keys", false)?;
    new.pragma_update(None, "synchronous", "OFF")?;
    let whole = new.transaction()?;
    whole.execute_batch(file::SCHEMA)?;
    let lost = salvage::salvage(&old, &whole)?;
    record(&whole, database, &said(&lost, kept, reason))?;
    whole.commit()?;
    Ok(lost)
}

/// What the audit trail says of it.
fn said(lost: &Lost, kept: &Path, reason: &str) -> Value {
    fn some<T: serde::Serialize>(all: &[T]) -> Value {
        json!(&all[..all.len().min(NAMED)])
    }
    json!({
        "kept": kept.file_name().map(|name| name.to_string_lossy()),
        "reason": reason,
        "events": some(&lost.events),
        "agents": some(&lost.agents),
        "records": some(&lost.records),
        "answers": lost.answers,
        "more": lost.events.len().max(lost.agents.len()).max(lost.records.len()) > NAMED,
    })
}

/// Adds a record to the trail, after the last that is there or that a checkpoint knows of.
fn record(new: &Transaction<'_>, database: &Path, detail: &Value) -> rusqlite::Result<()> {
    let sql = "SELECT position, hash FROM audit ORDER BY position DESC LIMIT 1";
    let last = new.query_row(sql, (), |row| Ok((number(row.get(0)?), row.get::<_, Vec<u8>>(1)?)));
    let (mut position, mut hash) = match last {
        Ok((position, hash)) => (position, Hash::try_from(hash).unwrap_or(chain::START)),
        Err(rusqlite::Error::QueryReturnedNoRows) => (0, chain::START),
        Err(error) => return Err(error),
    };
    let said = checkpoints::read(&checkpoints::beside(database)).ok().flatten();
    let newest = said.and_then(|all| all.into_iter().max_by_key(|one| one.position));
    if let Some(newest) = newest.filter(|newest| newest.position > position) {
        position = newest.position;
        hash = chain::unhex(&newest.hash).unwrap_or(chain::START);
    }
    let detail = detail.to_string();
    let record = Columns {
        position: integer(position + 1),
        seq: None,
        time: micros(Timestamp::now()),
        actor: b"daemon",
        action: b"store.quarantine",
        agent: None,
        label: None,
        outcome: b"failed",
        detail: detail.as_bytes(),
    };
    let hash = chain::link(&hash, &record, &mut Vec::new());
    migrate::insert(new, &record, &hash)
}

/// The damaged file, and its write-ahead log, get names of their own; nothing is copied.
fn keep(database: &Path, kept: &Path) -> io::Result<()> {
    fs::hard_link(database, kept)?;
    absent(fs::hard_link(with(database, "-wal"), with(kept, "-wal")))?;
    sync_directory(database)
}

fn name_for_the_damaged(database: &Path) -> PathBuf {
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let named = |n: u32| {
        let more = if n == 0 { String::new() } else { format!("-{n}") };
        beside(database, &format!("damaged-{time}{more}"))
    };
    let free = (0..1_000).map(named).find(|path| !path.exists() && !with(path, "-wal").exists());
    free.unwrap_or_else(|| named(1_000))
}

/// The format that a file of Dash has by its header, whatever else of it can be read.
fn format(database: &Path) -> Option<u32> {
    let mut header = [0; HEADER];
    File::open(database).ok()?.read_exact(&mut header).ok()?;
    let word = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let ours = header.starts_with(MAGIC) && i64::from(word(68)?) == file::APPLICATION;
    if ours { word(60) } else { None }
}

fn beside(database: &Path, what: &str) -> PathBuf {
    with(database, &format!(".{what}"))
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// What is not there need not be there.
fn absent(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn sync_directory(database: &Path) -> io::Result<()> {
    File::open(database.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn cannot(database: &Path, error: &io::Error) -> StoreError {
    StoreError::Io { path: database.to_owned(), message: error.to_string() }
}

#[cfg(test)]
#[path = "mend_test.rs"]
mod tests;
