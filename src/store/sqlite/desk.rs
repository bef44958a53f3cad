//! Who writes: a thread, which commits together whatever waits for it; or, while nobody else does, whoever has
//! something small that waits for no disk. To hand that to the thread and hear of it again would take several
//! times as long as it takes.

use std::sync::{Mutex, MutexGuard};

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::group::is_short;
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

    /// The writer, for a batch whose commit is short; `None` when somebody writes, or something longer is due.
    pub(super) fn free_for(&self, batch: &Batch) -> Option<MutexGuard<'_, Writer>> {
        // A desk at which somebody has panicked is left to the thread, which sees to it.
        let free = if is_short(batch) { self.0.try_lock().ok() } else { None };
        free.filter(|writer| !writer.has_chores())
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
