//! Writing: the only connection that does, and what it knows of the log.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::backfill::Backfill;
use super::bounds::Bounds;
use super::group::Group;
use super::log::Log;
use super::published::Published;
use super::{Options, agents, failure, file, insert, mend, trim};
use crate::model::{Event, Fact, Seq};
use crate::store::checkpoints::Notary;
use crate::store::{Batch, Checkpoint, Health, Operation, StoreError, chain};

/// How long whoever brings something short waits for somebody who has the file locked: our own readers do for
/// some microseconds.
const SHORT_PATIENCE: Duration = Duration::from_millis(5);

/// What came of one batch.
pub(super) type Appended = Result<Vec<Arc<Event>>, StoreError>;
/// The places of a batch's events in its group.
type Admitted = Result<Range<usize>, StoreError>;
/// Whom to tell of something else.
pub(super) type Done = oneshot::Sender<Result<(), StoreError>>;

/// The writing side of the file.
#[derive(Debug)]
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
    /// Events that have come since it was last looked whether old ones are to go.
    came: u64,
    /// Whether somebody else had the file locked the last time.
    locked: bool,
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
            came: 0,
            locked: false,
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
        self.append(vec![batch]);
    }

    fn is_trimming(&self) -> bool {
        self.trim_to > self.log.trimmed
    }

    /// Whether something is due that takes longer than a small commit.
    pub(super) fn has_chores(&self) -> bool {
        self.is_trimming()
            || self.came >= trim::CHUNK.min(self.bounds.events / 10)
            || self.locked
            || self.backfill.as_ref().is_some_and(Backfill::next_waits)
    }

    /// Events up to here are to go; tells when they have.
    pub(super) fn trim_to(&mut self, last: Seq, done: Done) {
        let last = last.min(self.log.newest);
        self.trim_to = self.trim_to.max(last);
        self.trimming.push((last, done));
    }

    /// Commits the batches together, and says for each what came of it. One that is refused is left out.
    pub(super) fn append(&mut self, batches: Vec<Batch>) -> Vec<Appended> {
        let before = self.log.newest;
        let (group, admitted) = self.admit_all(batches);
        if let Err(error) = self.commit(&group) {
            let refused = |places: Admitted| places.and_then(|_| Err(self.explain(&error)));
            return admitted.into_iter().map(refused).collect();
        }
        let audited = group.last_audit > self.log.last_audit;
        group.answers.iter().for_each(|(answer, _)| self.published.keys().note(&answer.key));
        let change = self.log.take_over(group);
        self.came += self.log.newest.0 - before.0;
        if audited {
            self.note();
        }
        self.published.publish(&change, self.log.newest);
        self.rouse();
        let events = |places: Range<usize>| {
            change.events[places].iter().map(|(_, event)| Arc::clone(event)).collect()
        };
        admitted.into_iter().map(|places| places.map(events)).collect()
    }

    /// Commits one batch, and hardly waits for whoever has the file locked.
    pub(super) fn append_short(&mut self, batch: Batch) -> Appended {
        let _ = self.connection.busy_timeout(SHORT_PATIENCE);
        let appended = self.append(vec![batch]).pop();
        let _ = self.connection.busy_timeout(file::PATIENCE);
        appended.unwrap_or(Err(StoreError::Closed))
    }

    /// Lays out what is admitted: the places of each batch, or why it is refused.
    fn admit_all(&self, batches: Vec<Batch>) -> (Group, Vec<Admitted>) {
        // Each new id is looked for among the agents that have ended: in one transaction, for a
        // lock of the file costs more than the search. Without it, only slower.
        let spawns = batches.iter().flat_map(|batch| &batch.facts);
        let many = spawns.filter(|(_, fact)| matches!(fact, Fact::Spawned(_))).count() > 1;
        let _reading = many.then(|| self.connection.unchecked_transaction());
        let mut group = Group::after(&self.log);
        let admitted = batches.into_iter().map(|batch| self.admit(&mut group, batch)).collect();
        (group, admitted)
    }

    fn admit(&self, group: &mut Group, batch: Batch) -> Admitted {
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
        self.locked = result.as_ref().is_err_and(failure::is_locked);
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

    /// Nothing more is written, after a defect.
    pub(super) fn give_up(&mut self) {
        let message = "writing has failed by a defect of Dash; see daemon.log".to_owned();
        tracing::error!(path = %self.path.display(), "nothing more can be recorded");
        let failed = StoreError::Io { path: self.path.clone(), message: message.clone() };
        self.published.set_health(Health::Failed(failed.to_string()));
        self.broken = Some(message);
        self.trimming.clear();
    }

    /// Writes a little, and changes nothing by it.
    pub(super) fn probe(&mut self, done: Done) {
        let written = match self.broken {
            Some(_) => Ok(()),
            None => self.write(true, |connection, _| {
                connection.execute("UPDATE trimmed SET seq = seq", ()).map(drop)
            }),
        };
        answer(done, written.map_err(|error| self.explain(&error)));
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

    /// Looks whether old events are to go, by how many have come since the last look. Answers with how many
    /// [`Self::trim`] is to drop first: at least as many as came.
    pub(super) fn look(&mut self) -> Option<u64> {
        let came = std::mem::take(&mut self.came);
        if self.broken.is_none() {
            match self.bounds.beyond(&self.connection, &self.log, came) {
                Ok(last) => self.trim_to = self.trim_to.max(last),
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), %error, "cannot be measured");
                }
            }
        }
        let due = self.is_trimming() || !self.trimming.is_empty();
        due.then(|| trim::CHUNK.max(came.saturating_mul(2)))
    }

    /// Drops so many of the events that are to go. Answers with how many are to go next.
    pub(super) fn trim(&mut self, chunk: u64) -> Option<u64> {
        if let Some(message) = self.broken.clone() {
            self.trim_to = self.log.trimmed;
            for (_, reply) in std::mem::take(&mut self.trimming) {
                let (path, message) = (self.path.clone(), message.clone());
                answer(reply, Err(StoreError::Io { path, message }));
            }
            return None;
        }
        let trimmed = self.log.trimmed;
        if self.trim_to > trimmed {
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
        self.is_trimming().then_some(trim::CHUNK)
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
    pub(super) fn close(&mut self) {
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

/// Whoever asked may have gone; what was recorded stays recorded.
fn answer<T>(reply: oneshot::Sender<T>, result: T) {
    let _ = reply.send(result);
}

#[cfg(test)]
#[path = "writer_test.rs"]
mod tests;
