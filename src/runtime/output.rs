//! Tells who has written: one inotify descriptor for all agents.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::readable::readable;
use crate::model::Stream;

/// Bytes for events of one read: some hundreds of them.
const BUFFER: usize = 16 * 1024;

/// Watches the directories of agents. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Outputs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    /// Ends the task with the last handle and the last watch.
    _reading: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    inotify: AsyncFd<OwnedFd>,
    watches: Mutex<HashMap<i32, Weak<Written>>>,
}

/// A watched directory, until it is dropped.
#[derive(Debug)]
pub(super) struct Watched {
    inner: Arc<Inner>,
    watch: i32,
    written: Arc<Written>,
}

/// What was written since it was last asked for.
#[derive(Debug, Default)]
struct Written {
    streams: [AtomicBool; 2],
    /// One permit is kept when something was written while nobody waited.
    notify: Notify,
}

impl Written {
    fn note(&self, stream: Stream) {
        self.streams[stream as usize].store(true, Ordering::Release);
        self.notify.notify_one();
    }

    fn note_all(&self) {
        self.note(Stream::Stdout);
        self.note(Stream::Stderr);
    }
}

impl Watched {
    /// Resolves when something was written since the last time, and says to which streams: standard
    /// output, standard error. Safe to drop and call again. It may say so again of what was read
    /// meanwhile, but never leaves anything out.
    pub(super) async fn written(&self) -> [bool; 2] {
        loop {
            self.written.notify.notified().await;
            let streams = self.written.streams.each_ref();
            let streams = streams.map(|stream| stream.swap(false, Ordering::Acquire));
            if streams.contains(&true) {
                return streams;
            }
        }
    }
}

impl Outputs {
    /// Opens the descriptor and starts the task that reads it, which ends with the last handle.
    ///
    /// # Errors
    /// When the system has no inotify instance left (`fs.inotify.max_user_instances`).
    pub(super) fn open() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let inotify = readable(inotify)?;
        let shared = Arc::new(Shared { inotify, watches: Mutex::default() });
        let reading = AbortOnDropHandle::new(tokio::spawn(dispatch(Arc::clone(&shared))));
        Ok(Self { inner: Arc::new(Inner { shared, _reading: reading }) })
    }

    /// Is told when a file in the directory is written to.
    ///
    /// # Errors
    /// When there is no such directory, or no watch is left (`fs.inotify.max_user_watches`).
    pub(super) fn watch(&self, dir: &Path) -> io::Result<Watched> {
        let written = Arc::new(Written::default());
        // Under the lock, so that its first event finds it.
        let shared = &self.inner.shared;
        let mut watches = shared.watches();
        let flags = WatchFlags::MODIFY | WatchFlags::ONLYDIR | WatchFlags::DONT_FOLLOW;
        let watch = inotify::add_watch(shared.inotify.as_fd(), dir, flags)?;
        watches.insert(watch, Arc::downgrade(&written));
        drop(watches);
        Ok(Watched { inner: Arc::clone(&self.inner), watch, written })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let shared = &self.inner.shared;
        let mut watches = shared.watches();
        // The same directory watched twice has one watch, and the newer one owns it.
        let ours = watches
            .get(&self.watch)
            .is_some_and(|other| std::ptr::eq(other.as_ptr(), Arc::as_ptr(&self.written)));
        if ours {
            watches.remove(&self.watch);
            // It is gone already when the directory is.
            let _ = inotify::remove_watch(shared.inotify.as_fd(), self.watch);
        }
    }
}

impl Shared {
    fn watches(&self) -> MutexGuard<'_, HashMap<i32, Weak<Written>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, event: &inotify::Event<'_>) {
        let watches = self.watches();
        if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
            // Events were lost: everybody looks.
            watches.values().filter_map(Weak::upgrade).for_each(|written| written.note_all());
        } else if let Some(written) = watches.get(&event.wd()).and_then(Weak::upgrade) {
            let name = event.file_name().unwrap_or_default().to_bytes();
            let streams = [Stream::Stdout, Stream::Stderr];
            // What the keeper writes down is in the same directory, and is nobody's output.
            if let Some(stream) = streams.into_iter().find(|it| it.as_str().as_bytes() == name) {
                written.note(stream);
            }
        }
    }

    /// Reads what is there. `WouldBlock` when there is nothing.
    fn read(&self) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut reader = inotify::Reader::new(self.inotify.as_fd(), &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => self.wake(&event),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if reader.is_buffer_empty() {
                return Ok(());
            }
        }
    }
}

/// Reads events and wakes whom they are for.
async fn dispatch(shared: Arc<Shared>) {
    loop {
        let Ok(mut ready) = shared.inotify.readable().await else { return };
        if let Ok(Err(error)) = ready.try_io(|_| shared.read()) {
            tracing::error!(%error, "cannot read inotify");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::time::Duration;

    use super::*;

    fn append(path: &Path) {
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(b"x\n").unwrap();
    }

    async fn told(watched: &Watched) -> Option<[bool; 2]> {
        tokio::time::timeout(Duration::from_secs(5), watched.written()).await.ok()
    }

    #[tokio::test]
    async fn each_is_told_of_its_own_directory() {
        let home = tempfile::tempdir().unwrap();
        let outputs = Outputs::open().unwrap();
        let dirs: Vec<_> = (0..50).map(|n| home.path().join(n.to_string())).collect();
        let watched: Vec<_> = dirs
            .iter()
            .map(|dir| {
                std::fs::create_dir(dir).unwrap();
                outputs.watch(dir).unwrap()
            })
            .collect();
        for place in [7, 49, 0] {
            append(&dirs[place].join("stdout"));
            assert_eq!(told(&watched[place]).await, Some([true, false]));
        }
        // A later event of another one comes after any that this one would have had.
        let quiet = tokio::time::timeout(Duration::ZERO, watched[8].written()).await;
        assert!(quiet.is_err(), "nothing was written there");
    }

    #[tokio::test]
    async fn what_was_written_while_nobody_waited_is_not_lost() {
        let home = tempfile::tempdir().unwrap();
        let outputs = Outputs::open().unwrap();
        let watched = outputs.watch(home.path()).unwrap();
        for _ in 0..1000 {
            append(&home.path().join("stderr"));
        }
        tokio::task::yield_now().await;
        assert_eq!(told(&watched).await, Some([false, true]));
    }

    #[tokio::test]
    async fn a_directory_can_be_watched_again() {
        let home = tempfile::tempdir().unwrap();
        let outputs = Outputs::open().unwrap();
        let first = outputs.watch(home.path()).unwrap();
        let second = outputs.watch(home.path()).unwrap();
        drop(first);
        append(&home.path().join("stdout"));
        assert_eq!(told(&second).await, Some([true, false]));
        assert!(outputs.watch(&home.path().join("none")).is_err());
    }
}
