//! A few connections that only read.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{failure, file, mend};
use crate::store::StoreError;

/// Reads that go on at the same time, at most.
const READERS_MAX: usize = 4;
/// Of these, for followers: one is always left for whoever asks.
const FOLLOWERS_MAX: usize = 2;

/// The connections, opened when they are first needed.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    places: Arc<Semaphore>,
    followers: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        let places = Arc::new(Semaphore::new(READERS_MAX));
        let followers = Arc::new(Semaphore::new(FOLLOWERS_MAX));
        Self { path, idle: Mutex::new(Vec::new()), places, followers }
    }

    /// A follower's turn to read, until it is dropped.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        Arc::clone(&self.followers).acquire_owned().await.map_err(|_| StoreError::Closed)
    }

    /// Reads within one transaction, so that all of it is as of one moment, off the async threads.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place =
            Arc::clone(&self.places).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let result = readers.with_connection(read);
            drop(place);
            if result.as_ref().is_err_and(failure::is_damage) {
                mend::mark(&readers.path);
            }
            result.map_err(|error| failure::explain(&readers.path, &error))
        });
        task.await.map_err(|_| StoreError::Closed)?
    }

    fn with_connection<T>(
        &self,
        read: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => file::open_reader(&self.path)?,
        };
        let transaction = connection.transaction()?;
        let result = read(&transaction)?;
        transaction.finish()?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(result)
    }
}
