//! The one who writes: a thread that owns the only connection that does.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::backfill::Backfill;
use super::bounds::Bounds;
use super::group::Group;
use super::log::Log;
use super::published::Published;
use super::{Options, agents, failure, insert, mend, trim};
use crate::model::{Event, Fact, Seq};
use crate::store::checkpoints::Notary;
use crate::store::{Batch, Checkpoint, Health, Operation, StoreError, chain};

/// Requests that wait for the writer, at most; who has more to append waits.
pub(super) const QUEUE: usize = 1_024;

/// What came of one batch, and whom to tell.
type Appended = Result<Vec<Arc<Event>>, StoreError>;
type Reply = oneshot::Sender<Appended>;
type Done = oneshot::Sender<Result<(), StoreError>>;

/// What the writer is asked for.
pub(super) enum Request {
    Append(Batch, Reply),
    Trim(Seq, Done),
    /// Finds out whether there is space again.
    Probe(Done),
}

/// The writing side of the file.
pub(super) struct Writer {
    connection: Connection,
    path: PathBuf,
    log: Log,
    published: Arc<Published>,
    notary: Option<Notary>,
    /// Brings the write-ahead log into the file.
    backfill: Option<Backfill>,
    bounds: Bounds,
    /// Whether commits wait for the disk at the moment.
    sync: bool,
    /// Whether there was no space the last time.
    full: bool,
    /// Why nothing more can be written.
    broken: Option<String>,
    /// The newest event when every follower was last told to read on.
    roused: Seq,
    /// Events up to here are to go.
    trim_to: Seq,
    trimming: Vec<(Seq, Done)>,
}

impl Writer {
    /// Takes over a connection on which commits wait for the disk.
    pub(super) fn new(
        connection: Connection,
        path: PathBuf,
        log: Log,
        published: Arc<Published>,
        options: Options,
        notary: Option<Notary>,
    ) -> Self {
        let (trim_to, roused) = (log.trimmed, log.newest);
        let writer = Self {
            connection,
            path,
            log,
            published,
            notary,
            backfill: None,
            bounds: Bounds::new(options),
            sync: true,
            full: false,
            broken: None,
            roused,
            trim_to,
            trimming: Vec::new(),
        };
        writer.note();
        writer
    }

    /// Has a thread beside this one bring the write-ahead log into the file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn begin_backfill(&mut self) -> std::io::Result<()> {
        self.backfill = Some(Backfill::begin(&mut self.connection, &self.path)?);
        Ok(())
    }

    /// Records what opening the file has found.
    pub(super) fn record(&mut self, found: impl IntoIterator<Item = Operation>) {
        let audit: Vec<Operation> = found.into_iter().collect();
        if audit.is_empty() {
            return;
        }
        let batch = Batch { audit, time: Timestamp::now(), ..Batch::default() };
        let (reply, _) = oneshot::channel();
        self.append(vec![(batch, reply)]);
    }

    /// Serves requests until there can be no more of them.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        loop {
            let busy = self.trim_to > self.log.trimmed;
            let first = if busy { requests.try_recv() } else { wait(&mut requests) };
            let appended = match first {
                Ok(first) => self.serve(first, &mut requests),
                Err(TryRecvError::Empty) => 0,
                Err(TryRecvError::Disconnected) => break,
            };
            self.trim(appended);
        }
        self.close();
    }

    /// Serves everything that waits, in one commit. Answers how many events came.
    fn serve(&mut self, first: Request, requests: &mut mpsc::Receiver<Request>) -> u64 {
        let mut batches = Vec::new();
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Append(batch, reply) => batches.push((batch, reply)),
                Request::Trim(last, reply) => {
                    let last = last.min(self.log.newest);
                    self.trim_to = self.trim_to.max(last);
                    self.trimming.push((last, reply));
                }
                Request::Probe(reply) => self.probe(reply),
            }
            // Bounded: while this goes on, more may come in.
            next = if batches.len() < QUEUE { requests.try_recv().ok() } else { None };
        }
        let before = self.log.newest;
        self.append(batches);
        self.log.newest.0 - before.0
    }

    /// Commits the batches together, and answers for each. One that is refused is left out.
    pub(super) fn append(&mut self, batches: Vec<(Batch, Reply)>) {
        let (group, admitted) = self.admit_all(batches);
        if let Err(error) = self.commit(&group) {
            for (_, reply) in admitted {
                answer(reply, Err(self.explain(&error)));
            }
            return;
        }
        let audited = group.last_audit > self.log.last_audit;
        group.answers.iter().for_each(|(answer, _)| self.published.keys().note(&answer.key));
        let change = self.log.take_over(group);
        if audited {
            self.note();
        }
        self.published.publish(&change, self.log.newest);
        self.rouse();
        for (places, reply) in admitted {
            let events = change.events[places].iter();
            answer(reply, Ok(events.map(|(_, event)| Arc::clone(event)).collect()));
        }
    }

    /// Lays out what is admitted, and answers whoever is refused.
    fn admit_all(&self, batches: Vec<(Batch, Reply)>) -> (Group, Vec<(Range<usize>, Reply)>) {
        // Each new id is looked for among the agents that have ended: in one transaction, for a
        // lock of the file costs more than the search. Without it, only slower.
        let spawns = batches.iter().flat_map(|(batch, _)| &batch.facts);
        let many = spawns.filter(|(_, fact)| matches!(fact, Fact::Spawned(_))).count() > 1;
        let _reading = many.then(|| self.connection.unchecked_transaction());
        let mut group = Group::after(&self.log);
        let mut admitted = Vec::with_capacity(batches.len());
        for (batch, reply) in batches {
            match self.admit(&mut group, batch) {
                Ok(places) => admitted.push((places, reply)),
                Err(error) => answer(reply, Err(error)),
            }
        }
        (group, admitted)
    }

    fn admit(&self, group: &mut Group, batch: Batch) -> Result<Range<usize>, StoreError> {
        if let Some(message) = &self.broken {
            return Err(StoreError::Io { path: self.path.clone(), message: message.clone() });
        }
        group.admit(&self.log, batch, |id| {
            agents::find(&self.connection, id).map_err(|error| self.explain(&error))
        })
    }

    fn commit(&mut self, group: &Group) -> rusqlite::Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        self.write(group.sync, |connection, _| insert::group(connection, group))
    }

    /// One transaction; afterwards it is whole, or it never was.
    fn write(
        &mut self,
        sync: bool,
        write: impl FnOnce(&Connection, &Log) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let result = self.write_once(sync, write);
        match &result {
            Ok(()) => {
                if std::mem::take(&mut self.full) {
                    tracing::info!(path = %self.path.display(), "there is space again");
                    self.published.set_health(Health::Good);
                }
            }
            Err(error) if failure::is_full(error) => {
                if !std::mem::replace(&mut self.full, true) {
                    tracing::error!(path = %self.path.display(), %error, "no space is left");
                    let health = Health::Degraded(self.explain(error).to_string());
                    self.published.set_health(health);
                }
            }
            Err(error) if failure::is_fatal(error) => {
                tracing::error!(path = %self.path.display(), %error, "nothing more can be recorded");
                self.broken = Some(error.to_string());
                self.published.set_health(Health::Failed(self.explain(error).to_string()));
            }
            Err(_) => {}
        }
        result
    }

    /// Writes a little, and changes nothing by it.
    fn probe(&mut self, reply: Done) {
        let written = match self.broken {
            Some(_) => Ok(()),
            None => self.write(true, |connection, _| {
                connection.execute("UPDATE trimmed SET seq = seq", ()).map(drop)
            }),
        };
        answer(reply, written.map_err(|error| self.explain(&error)));
    }

    /// Has the newest audit record, which is durable, written down beside the file.
    fn note(&self) {
        if let Some(notary) = &self.notary
            && self.log.last_audit > 0
        {
            let (position, time) = (self.log.last_audit, self.log.time);
            notary.note(Checkpoint { position, hash: chain::hex(&self.log.last_hash), time });
        }
    }

    fn write_once(
        &mut self,
        sync: bool,
        write: impl FnOnce(&Connection, &Log) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        if sync != self.sync {
            let level = if sync { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.sync = sync;
        }
        // Dropped without a commit, it rolls back.
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write(&transaction, &self.log)?;
        transaction.commit()
    }

    /// Now and then wakes those who follow agents that say nothing: they read on, so that what is
    /// trimmed meanwhile is behind them, and not a gap.
    fn rouse(&mut self) {
        let newest = self.log.newest;
        if newest.0 - self.roused.0 > self.bounds.events / 4 {
            self.roused = newest;
            self.published.rouse();
        }
    }

    /// What is wrong. Damage is also noted, so that it is mended when the file is opened again.
    fn explain(&self, error: &rusqlite::Error) -> StoreError {
        if failure::is_damage(error) {
            mend::mark(&self.path);
        }
        failure::explain(&self.path, error)
    }

    /// Drops the next few events that are to go, at least as many as came.
    fn trim(&mut self, appended: u64) {
        if let Some(message) = self.broken.clone() {
            self.trim_to = self.log.trimmed;
            for (_, reply) in std::mem::take(&mut self.trimming) {
                let (path, message) = (self.path.clone(), message.clone());
                answer(reply, Err(StoreError::Io { path, message }));
            }
            return;
        }
        let beyond = self.bounds.beyond(&self.connection, &self.log, appended);
        match beyond {
            Ok(last) => self.trim_to = self.trim_to.max(last),
            Err(error) => tracing::warn!(path = %self.path.display(), %error, "cannot be measured"),
        }
        let trimmed = self.log.trimmed;
        if self.trim_to > trimmed {
            let chunk = trim::CHUNK.max(appended.saturating_mul(2));
            let last = self.trim_to.min(Seq(trimmed.0.saturating_add(chunk)));
            if let Err(error) = self.drop_through(last) {
                tracing::warn!(path = %self.path.display(), %error, "old events stay for now");
                self.trim_to = trimmed;
                for (_, reply) in std::mem::take(&mut self.trimming) {
                    answer(reply, Err(self.explain(&error)));
                }
            }
        }
        let trimmed = self.log.trimmed;
        let done = self.trimming.extract_if(.., |(last, _)| *last <= trimmed);
        done.for_each(|(_, reply)| answer(reply, Ok(())));
    }

    fn drop_through(&mut self, last: Seq) -> rusqlite::Result<()> {
        // Whoever reads is told before the events go, and so cannot take a hole for silence.
        self.published.trim(last);
        let unsaved = trim::unsaved(&self.log, last);
        self.write(false, |connection, log| trim::drop_through(connection, log, &unsaved, last))?;
        self.log.trimmed = last;
        for id in unsaved {
            if let Some(living) = self.log.agents.get_mut(&id) {
                living.as_of = living.agent.last_seq;
                living.unsaved = 0;
            }
        }
        Ok(())
    }

    /// Leaves one file that is whole by itself.
    fn close(mut self) {
        if let Some(backfill) = self.backfill.take() {
            backfill.end(&mut self.connection);
        }
        let done = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
        if let Err(error) = done {
            tracing::warn!(path = %self.path.display(), %error, "the log was left in two files");
        }
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

fn wait(requests: &mut mpsc::Receiver<Request>) -> Result<Request, TryRecvError> {
    requests.blocking_recv().ok_or(TryRecvError::Disconnected)
}

/// Whoever asked may have gone; what was recorded stays recorded.
fn answer<T>(reply: oneshot::Sender<T>, result: T) {
    let _ = reply.send(result);
}

#[cfg(test)]
#[path = "writer_test.rs"]
mod tests;
