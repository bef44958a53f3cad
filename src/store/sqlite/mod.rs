//! The embedded store: one SQLite file, one writer.

use std::path::Path;

use super::StoreError;

/// How the store is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Events that are kept at least; the oldest beyond that go.
    pub events_kept: u64,
}

/// The embedded store.
pub struct Sqlite {}

impl Sqlite {
    /// Opens the file, and makes it when it is not there.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        let _ = (path, options);
        todo!()
    }
}
