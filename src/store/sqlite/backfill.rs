//! Bringing what is in the write-ahead log into the file, beside the one who writes. `SQLite` calls that a checkpoint,
//! which here is something else.
//!
//! It waits for the disk twice, and whoever appends would wait with it. As long as others write, it never quite
//! catches up, and the log is only begun anew when it has: so from time to time the writer does it, and finds
//! little left to do.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::{failure, file};

/// Pages in the log after which they are brought into the file.
const PAGES: i32 = 1_000;

/// Pages in the log after which the writer does it.
pub(super) const PAGES_MAX: i32 = 4_000;

/// More pages than a commit of something short adds, with the row of its agent now and then, which has its task.
const COMMIT: i32 = 300;

/// The thread that does it.
#[derive(Debug)]
pub(super) struct Backfill {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Whether the next commit may wait for the disk: the writer is about to do what is left, or the log is begun
    /// anew, whose first page is synced.
    waits: Arc<AtomicBool>,
}

impl Backfill {
    /// Takes the place of `SQLite`'s own way on the connection that writes. [`Self::end`] has to come before the
    /// connection goes.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn begin(connection: &mut Connection, path: &Path) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let own = path.to_owned();
        let waits = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&waits);
        let builder = std::thread::Builder::new().name("backfill".to_owned());
        let thread = builder.spawn(move || backfill(&own, &woken, &done))?;
        let (mut asked, ask) = (0, wake.clone());
        let next = Arc::clone(&waits);
        let hook = move |wal: &mut Wal, pages: i32| {
            next.store(pages >= PAGES_MAX - COMMIT, Ordering::Relaxed);
            if pages >= PAGES_MAX {
                return backfill_now(wal);
            }
            // Fewer than before: the log has been begun anew.
            asked = if pages < asked { 0 } else { asked };
            // When it is busy, it hears of these pages with the next.
            if pages >= asked + PAGES && ask.try_send(()).is_ok() {
                asked = pages;
            }
            Ok(())
        };
        connection.wal_hook(Some(hook)).map_err(std::io::Error::other)?;
        Ok(Self { wake: Some(wake), thread: Some(thread), waits })
    }

    /// Whether the next commit may wait for the disk, however little is in it.
    pub(super) fn next_waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    /// Waits until it is done with what it does, and leaves the rest to the connection.
    pub(super) fn end(mut self, connection: &mut Connection) {
        // The hook has the means to wake it, too.
        let _ = connection.wal_hook(None::<fn(&mut Wal, i32) -> rusqlite::Result<()>>);
        self.wake = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the write-ahead log has panicked");
        }
    }
}

/// The commit has been made, whatever comes of this: what could not be done now, because the other one is just at it
/// or because the disk is full, is done later. Only after an fsync that failed nothing is to be trusted any more.
fn backfill_now(wal: &mut Wal) -> rusqlite::Result<()> {
    match wal.checkpoint() {
        Err(error) if failure::is_fatal(&error) => Err(error),
        _ => Ok(()),
    }
}

fn backfill(path: &Path, woken: &Receiver<()>, done: &AtomicBool) {
    let mut open = None;
    while let Ok(()) = woken.recv() {
        // The pages stay in the log. The writer meets the same, and tells.
        match backfill_once(&mut open, path) {
            Ok(all) => {
                if all {
                    done.store(true, Ordering::Relaxed);
                }
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the write-ahead log stays as it is");
            }
        }
    }
}

/// Whether all of the log is in the file, so that the next commit may begin it anew.
fn backfill_once(open: &mut Option<Connection>, path: &Path) -> rusqlite::Result<bool> {
    let connection = match open {
        Some(connection) => connection,
        None => open.insert(file::open_beside_writer(path)?),
    };
    // Whether it was kept from it, pages in the log, and pages of them that are in the file.
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |row| {
        Ok(row.get::<_, i64>(1)? == row.get::<_, i64>(2)?)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::Store;
    use crate::store::testing::{PATIENCE, Place, append, batch, id, output, spawned};

    /// Bytes of a page in the log, with its header.
    const PAGE: u64 = 4096 + 24;

    fn log_pages(place: &Place) -> i32 {
        let log = place.file.with_extension("db-wal").metadata().unwrap().len();
        i32::try_from(log / PAGE).unwrap()
    }

    fn file_bytes(place: &Place) -> u64 {
        place.file.metadata().unwrap().len()
    }

    /// Some 64 kB in a commit of their own.
    async fn write(store: &dyn Store) {
        store.append(batch(vec![(id(1), output(0, &"x".repeat(64_000)))])).await.unwrap();
    }

    #[tokio::test]
    async fn pages_come_into_the_file_without_the_writer() {
        let place = Place::new();
        let store = place.open();
        append(&store, id(1), spawned()).await.unwrap();
        let before = file_bytes(&place);
        while log_pages(&place) < PAGES + 100 {
            write(&store).await;
        }
        assert!(log_pages(&place) < PAGES_MAX);
        let arrived = async {
            while file_bytes(&place) < before + 3_000_000 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, arrived)
            .await
            .expect("nobody writes, and the file has grown");
        // The first page of a log that is begun anew is synced: no commit is short then.
        let short = || batch(vec![(id(1), output(0, "x"))]);
        let warned = async {
            // It is done with a thousand pages now and then; a commit after that has begun anew already.
            while store.desk.free_for(&short()).is_some() {
                write(&store).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, warned).await.expect("it says that it is done");
        store.append(short()).await.unwrap();
        assert!(store.desk.free_for(&short()).is_some());
    }

    #[tokio::test]
    async fn the_log_does_not_grow_for_ever_under_one_who_never_pauses() {
        let place = Place::new();
        let store = place.open();
        append(&store, id(1), spawned()).await.unwrap();
        let mut most = 0;
        for _ in 0..1_000 {
            write(&store).await;
            most = most.max(log_pages(&place));
        }
        // What one commit adds after the limit, and some that come while the other one is at it.
        assert!(most < PAGES_MAX + 1_000, "{most} pages of about 17,000 that were written");
        drop(store);
        assert!(!place.file.with_extension("db-wal").exists(), "one file, whole by itself");
    }
}
