//! What `SQLite` complains of, in the store's words.

use std::path::Path;

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::store::StoreError;

/// Says what went wrong with the file.
pub(super) fn explain(path: &Path, error: &rusqlite::Error) -> StoreError {
    if is_full(error) {
        return StoreError::Full { path: path.to_owned() };
    }
    let (path, message) = (path.to_owned(), error.to_string());
    // What is no database at all is somebody else's file, as far as anybody can tell.
    if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) {
        return StoreError::Damaged { path, message };
    }
    StoreError::Io { path, message }
}

/// Whether the file can no longer be trusted to keep what is written. After a failed fsync the
/// kernel may have dropped what it could not write, and a second fsync would say that all is well.
pub(super) fn is_fatal(error: &rusqlite::Error) -> bool {
    !is_full(error)
        && matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        )
}

/// Whether a part of the file makes no sense.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Whether somebody else has the file locked.
pub(super) fn is_locked(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    // The shared-memory file next to the log needs room as well.
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || error
            .sqlite_error()
            .is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn a_full_disk_is_not_the_end() {
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_SHMSIZE] {
            assert!(!is_fatal(&failure(code)));
            let error = explain(Path::new("x.db"), &failure(code));
            assert!(matches!(error, StoreError::Full { .. }), "{error}");
        }
    }

    #[test]
    fn a_failed_fsync_is_the_end() {
        for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_WRITE] {
            assert!(is_fatal(&failure(code)));
            let error = explain(Path::new("x.db"), &failure(code));
            assert!(matches!(error, StoreError::Io { .. }), "{error}");
        }
        assert!(is_fatal(&failure(ffi::SQLITE_CORRUPT)));
        let error = explain(Path::new("x.db"), &failure(ffi::SQLITE_CORRUPT));
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(!is_fatal(&failure(ffi::SQLITE_BUSY)));
    }
}
