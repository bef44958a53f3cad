//! Who writes: a thread, which commits together whatever waits for it; or, while nobody else does, whoever has
//! something that waits for no disk and is short, or the spawn of one agent. To wake the thread and be woken by it
//! takes longer than such a commit, and a good part of such a spawn.

use std::sync::{Mutex, MutexGuard};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::group::{is_one_spawn, is_short};
use super::writer::{Appended, Done, Writer};
use crate::model::Seq;
use crate::store::Batch;

/// Requests that wait for the thread, at most; who has more to append waits.
pub(super) const QUEUE: usize = 1_024;

/// What the thread is asked for.
pub(super) enum Request {
    Append(Batch, oneshot::Sender<Appended>),
    Trim(Seq, Done),
    /// Finds out whether there is space again.
    Probe(Done),
}

/// The one place to write at.
#[derive(Debug)]
pub(super) struct Desk(Mutex<Writer>);

impl Desk {
    pub(super) fn new(writer: Writer) -> Self {
        Self(Mutex::new(writer))
    }

    /// The place, for a batch that whoever brings it may commit; `None` when somebody writes, or something longer
    /// is due.
    pub(super) fn free_for(&self, batch: &Batch) -> Option<Free<'_>> {
        let waits = is_one_spawn(batch) && others_go_on();
        if !waits && !is_short(batch) {
            return None;
        }
        // A desk at which somebody has panicked is left to the thread, which sees to it.
        let writer = self.0.try_lock().ok().filter(|writer| !writer.has_chores())?;
        Some(Free { writer, waits })
    }

    /// Serves requests until there can be no more of them.
    pub(super) fn serve(&self, mut requests: mpsc::Receiver<Request>) {
        let mut trimming = false;
        loop {
            let first = if trimming { requests.try_recv() } else { wait(&mut requests) };
            // What somebody who panicked was about is not known: nothing more is written.
            let Ok(mut writer) = self.0.lock() else { return };
            match first {
                Ok(first) => serve(&mut writer, first, &mut requests),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return writer.close(),
            }
            writer.trim();
            trimming = writer.is_trimming();
        }
    }
}

/// The place while one has it.
pub(super) struct Free<'a> {
    writer: MutexGuard<'a, Writer>,
    /// Whether the commit waits for the disk.
    waits: bool,
}

impl Free<'_> {
    /// Commits the batch on the calling thread. When that waits for the disk, another one takes over its tasks.
    pub(super) fn append(mut self, batch: Batch) -> Appended {
        if self.waits {
            return tokio::task::block_in_place(|| self.writer.append_one(batch));
        }
        self.writer.append_one(batch)
    }
}

/// Whether this thread's other tasks can be taken over while it waits.
fn others_go_on() -> bool {
    let runtime = Handle::try_current().map(|handle| handle.runtime_flavor());
    runtime.is_ok_and(|flavor| flavor == RuntimeFlavor::MultiThread)
}

/// Serves everything that waits, in one commit.
fn serve(
    writer: &mut MutexGuard<'_, Writer>,
    first: Request,
    requests: &mut mpsc::Receiver<Request>,
) {
    let (mut batches, mut replies) = (Vec::new(), Vec::new());
    let mut next = Some(first);
    while let Some(request) = next {
        match request {
            Request::Append(batch, reply) => {
                batches.push(batch);
                replies.push(reply);
            }
            Request::Trim(last, done) => writer.trim_to(last, done),
            Request::Probe(done) => writer.probe(done),
        }
        // Bounded: while this goes on, more may come in.
        next = if batches.len() < QUEUE { requests.try_recv().ok() } else { None };
    }
    for (appended, reply) in writer.append(batches).into_iter().zip(replies) {
        // Whoever asked may have gone; what was recorded stays recorded.
        let _ = reply.send(appended);
    }
}

fn wait(requests: &mut mpsc::Receiver<Request>) -> Result<Request, TryRecvError> {
    requests.blocking_recv().ok_or(TryRecvError::Disconnected)
}

#[cfg(test)]
#[path = "desk_test.rs"]
mod tests;
