//! Checkpoints of the audit trail: a file beside the database that is only ever appended to. Each
//! line is JSON with the position and the hash of the newest record, and when that was.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Checkpoint;

/// The least time between two checkpoints: what bounds the file's growth, and how much of the
/// trail's end may go without being missed when the daemon is killed.
const INTERVAL: Duration = Duration::from_secs(5);
/// Bytes of the file that the newest checkpoint is looked for in: some hundreds of them.
const TAIL: u64 = 64 * 1024;
/// What is put after a line that a crash cut short.
const TORN: &[u8] = b" torn\n";

/// Where the checkpoints of a database are kept.
pub(super) fn beside(database: &Path) -> PathBuf {
    database.with_file_name("audit.checkpoints")
}

/// Every checkpoint, in the order they were made; none when there is no file.
///
/// # Errors
/// When the file cannot be read, or a line of it is no checkpoint: it is named.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<Checkpoint>>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    parse(&text).map(Some)
}

/// The newest checkpoint, of those in the last [`TAIL`] bytes; none when there is no file or nothing
/// in it. The file grows for as long as Dash is used, and a daemon that comes back is waited for.
///
/// # Errors
/// As [`read`], of that part.
pub(super) fn newest(path: &Path) -> io::Result<Option<Checkpoint>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let from = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut text = Vec::new();
    file.take(TAIL).read_to_end(&mut text)?;
    let end = |text: &[u8]| text.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
    // Cut anywhere, it begins with the rest of a line.
    let first = if from > 0 { end(&text).unwrap_or(text.len()) } else { 0 };
    Ok(parse(&text[first..])?.into_iter().max_by_key(|one| one.position))
}

fn parse(text: &[u8]) -> io::Result<Vec<Checkpoint>> {
    let mut checkpoints = Vec::new();
    for (number, line) in (1..).zip(text.split_inclusive(|byte| *byte == b'\n')) {
        match serde_json::from_slice(line) {
            Ok(checkpoint) => checkpoints.push(checkpoint),
            // Only the line that was being written when the machine went down.
            Err(_) if line.ends_with(TORN) || !line.ends_with(b"\n") => {}
            Err(error) => {
                let message = format!("line {number} is no checkpoint: {error}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
    }
    Ok(checkpoints)
}

/// A thread that writes checkpoints, so that nobody waits for their disk. Dropping it writes the
/// last one.
#[derive(Debug)]
pub(super) struct Notary {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The newest record's, when it is not in the file.
    head: Option<Checkpoint>,
    closed: bool,
}

impl Notary {
    /// Begins to write into this file.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn begin(path: PathBuf) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("checkpoints".to_owned())
            .spawn(move || own.write_all(&path))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The newest record is this one, and is durable.
    pub(super) fn note(&self, head: Checkpoint) {
        self.shared.state().head = Some(head);
        self.shared.changed.notify_all();
    }
}

impl Drop for Notary {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the audit trail's checkpoints has panicked");
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, path: &Path) {
        loop {
            let state = self.state();
            let idle = |state: &mut State| state.head.is_none() && !state.closed;
            let waited = self.changed.wait_while(state, idle);
            let mut state = waited.unwrap_or_else(PoisonError::into_inner);
            let Some(head) = state.head.take() else { return };
            drop(state);
            let written = append(path, &head);
            let mut state = self.state();
            if let Err(error) = written {
                tracing::error!(path = %path.display(), %error, "no checkpoint of the audit trail");
                if state.closed {
                    return;
                }
                // Tried again, unless a newer one takes its place.
                state.head.get_or_insert(head);
            }
            let waited = self.changed.wait_timeout_while(state, INTERVAL, |state| !state.closed);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Adds one line, durably.
pub(super) fn append(path: &Path, checkpoint: &Checkpoint) -> io::Result<()> {
    let new = !path.exists();
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let mut line = Vec::new();
    if is_torn(&mut file)? {
        line.extend_from_slice(TORN);
    }
    serde_json::to_writer(&mut line, checkpoint)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_data()?;
    if new && let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// Whether the last line has no end.
fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
#[path = "checkpoints_test.rs"]
mod tests;
