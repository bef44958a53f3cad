//! Who writes: a thread, which commits together whatever waits for it; or, while nobody else does, whoever has
//! something small that waits for no disk. To hand that to the thread and hear of it again would take several
//! times as long as it takes.

use std::panic::{AssertUnwindSafe, catch_unwind};
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
    Append(Batch, Waiting),
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

    /// Serves requests until there can be no more of them, or a defect shows itself, which is told.
    pub(super) fn serve(&self, requests: mpsc::Receiver<Request>) {
        if catch_unwind(AssertUnwindSafe(|| self.serve_all(requests))).is_err() {
            self.lock();
        }
    }

    fn serve_all(&self, mut requests: mpsc::Receiver<Request>) {
        let mut to_trim = None;
        loop {
            let first = if to_trim.is_some() { requests.try_recv() } else { wait(&mut requests) };
            let Some(mut writer) = self.lock() else { return };
            match first {
                Ok(first) => {
                    let replies = serve(&mut writer, first, &mut requests);
                    to_trim = writer.look();
                    // Whoever is answered may write.
                    drop(writer);
                    for (reply, appended) in replies {
                        // Whoever asked may have gone; what was recorded stays recorded.
                        let _ = reply.send(appended);
                    }
                }
                Err(TryRecvError::Empty) => drop(writer),
                Err(TryRecvError::Disconnected) => return writer.close(),
            }
            if let Some(chunk) = to_trim {
                let Some(mut writer) = self.lock() else { return };
                to_trim = writer.trim(chunk);
            }
        }
    }

    /// The writer; `None` when somebody has panicked while he wrote: what he was about is not known, so that nothing
    /// more is written.
    fn lock(&self) -> Option<MutexGuard<'_, Writer>> {
        match self.0.lock() {
            Ok(writer) => Some(writer),
            Err(poisoned) => {
                poisoned.into_inner().give_up();
                None
            }
        }
    }
}

/// Somebody who waits for what came of a batch.
type Waiting = oneshot::Sender<Appended>;

/// Serves everything that waits, in one commit. Answers with what came of each batch.
fn serve(
    writer: &mut Writer,
    first: Request,
    requests: &mut mpsc::Receiver<Request>,
) -> Vec<(Waiting, Appended)> {
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
    replies.into_iter().zip(writer.append(batches)).collect()
}

fn wait(requests: &mut mpsc::Receiver<Request>) -> Result<Request, TryRecvError> {
    requests.blocking_recv().ok_or(TryRecvError::Disconnected)
}

#[cfg(test)]
#[path = "desk_test.rs"]
mod tests;
