//! The file: making it, and knowing it for what it is.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{failure, migrate};
use crate::store::{Health, StoreError};

/// `PRAGMA user_version` of the files that this code reads and writes.
pub(super) const FORMAT: u32 = 4;
/// `PRAGMA application_id`: "DASH" in ASCII.
pub(super) const APPLICATION: i64 = 0x4441_5348;
pub(super) const SCHEMA: &str = include_str!("schema.sql");
/// How long to wait for somebody who holds the file locked, such as a shell on it.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes without which the disk is full.
const SPARE: u64 = 1024 * 1024;
/// More than there are statements.
const STATEMENTS: usize = 64;

/// Opens the file for the one who writes; makes it when it is not there, or empty.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    make_private(path)
        .map_err(|error| StoreError::Io { path: path.to_owned(), message: error.to_string() })?;
    let found = check(path)?;
    connect_writer(path, found).map_err(|error| failure::explain(path, &error))
}

/// Opens the file for reading only.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // Kibibytes of pages; a page of events comes from a few of them.
    connection.pragma_update(None, "cache_size", -512)?;
    Ok(connection)
}

/// Opens the file for bringing the write-ahead log into it.
pub(super) fn open_beside_writer(path: &Path) -> rusqlite::Result<Connection> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// The format of a file of Dash. Changes nothing.
pub(super) fn format(path: &Path) -> Result<u32, StoreError> {
    check(path).map(|found| found.unwrap_or(FORMAT))
}

/// Whether there is room for more, beside what the file has to itself already.
pub(super) fn room(path: &Path) -> Health {
    match path.parent().map(rustix::fs::statvfs) {
        // Some file systems do not say how large they are.
        Some(Ok(found))
            if found.f_blocks > 0 && found.f_bavail.saturating_mul(found.f_frsize) < SPARE =>
        {
            Health::Degraded(StoreError::Full { path: path.to_owned() }.to_string())
        }
        _ => Health::Good,
    }
}

/// Nobody else may read what agents say.
pub(super) fn make_private(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// The format of our tables, when they are there. Changes nothing.
fn check(path: &Path) -> Result<Option<u32>, StoreError> {
    let (application, format, tables) =
        identify(path).map_err(|error| failure::explain(path, &error))?;
    match (application, format) {
        (APPLICATION, found @ 1..=FORMAT) => Ok(Some(found)),
        (APPLICATION, found) if found > FORMAT => {
            Err(StoreError::Newer { path: path.to_owned(), found, known: FORMAT })
        }
        (0, 0) if tables == 0 => Ok(None),
        _ => Err(StoreError::Io {
            path: path.to_owned(),
            message: "it is a database, but not one of Dash".to_owned(),
        }),
    }
}

fn identify(path: &Path) -> rusqlite::Result<(i64, u32, i64)> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let application = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let format = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables =
        connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    Ok((application, format, tables))
}

fn connect_writer(path: &Path, found: Option<u32>) -> rusqlite::Result<Connection> {
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Kibibytes of pages. What a thousand agents change at once fits, and is written only once.
    connection.pragma_update(None, "cache_size", -4096)?;
    // Bytes of write-ahead log that stay when a large one has done its work.
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    match found {
        None => connection.execute_batch(&format!("BEGIN IMMEDIATE;\n{SCHEMA}\nCOMMIT;"))?,
        Some(found) => migrate::migrate(&mut connection, found)?,
    }
    Ok(connection)
}

fn connect(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

#[cfg(test)]
#[path = "file_test.rs"]
mod tests;
