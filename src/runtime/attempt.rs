//! One attempt of a command: reads its output, passes messages on, obeys, and sees it to its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::begin::Held;
use super::bound::Cuts;
use super::cgroup;
use super::command::Parts;
use super::explain::{unasked, unseen_because};
use super::keeper::{Ended, Ending, Record, WriteFailure};
use super::lines::{LineReader, last_lines};
use super::output::Watched;
use super::pace::{FLOOD, Pace};
use super::tell::{Told, let_go, settle, tell};
use super::{Exit, Message, Report, RunIo, Stop, tree};
use crate::model::{Agent, Fact, Process, Signal, Started, Stream};

/// Bytes of the last output that are an agent's result.
const RESULT_MAX: usize = 2 * 1024;

/// How long one round of killing may take before it is begun again, and the pause between.
const KILLING: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(500);

/// How often what is left of an ended agent is killed before that is given up as impossible.
const SWEEPS: usize = 4;

/// How often a message is tried again when keepers die under it.
const WRITES: usize = 5;

/// An attempt that has its process.
pub(super) struct Attempt {
    parts: Arc<Parts>,
    agent: Arc<Agent>,
    dir: PathBuf,
    inbox: Option<mpsc::Receiver<Box<Message>>>,
    report: mpsc::Sender<Box<Report>>,
    stop: watch::Receiver<Stop>,
    held: Held,
    readers: [LineReader; 2],
    watched: Option<Watched>,
    /// Where there may be something to read: standard output, standard error.
    unread: [bool; 2],
    pace: Pace,
    /// Output is not taken any more; it stays in the file.
    refused: bool,
    /// At most one report at a time, so that a flood waits in its file and not in memory.
    telling: Option<Job<Told>>,
    writing: Option<Job<()>>,
    stopping: Option<Job<()>>,
}

/// Something that goes on beside the rest.
pub(super) type Job<T> = BoxFuture<'static, T>;

/// Why the attempt does not go on.
enum Over {
    Ended(Option<Ended>),
    LetGo,
}

impl Attempt {
    pub(super) fn new(parts: Arc<Parts>, io: RunIo, held: Held) -> Self {
        let RunIo { agent, inbox, report, stop, .. } = io;
        let dir = parts.dir(agent.id);
        let mut readers = [
            LineReader::new(&dir, Stream::Stdout, agent.stdout),
            LineReader::new(&dir, Stream::Stderr, agent.stderr),
        ];
        let (most, cuts) = (parts.backlog_max.load(Ordering::Relaxed), Cuts::read(&dir));
        for (reader, stream) in readers.iter_mut().zip([Stream::Stdout, Stream::Stderr]) {
            reader.bound_backlog(most, cuts.of(stream));
        }
        Self {
            parts,
            agent,
            dir,
            inbox: Some(inbox),
            report,
            stop,
            held,
            readers,
            watched: None,
            unread: [true; 2],
            pace: Pace::default(),
            refused: false,
            telling: None,
            writing: None,
            stopping: None,
        }
    }

    /// In a box: a future holds twice what it takes by value.
    pub(super) async fn run(mut self: Box<Self>) -> Exit {
        match begun(&self.report, &self.agent, self.held).await {
            Told::Recorded => {}
            Told::Unrecorded => self.refused = true,
            Told::Gone => return let_go(),
        }
        match self.follow().await {
            Over::LetGo => let_go(),
            Over::Ended(ended) => Box::pin(self.finish(ended)).await,
        }
    }

    /// Lives with the process until it has ended.
    async fn follow(&mut self) -> Over {
        let mut ending =
            ending(Arc::clone(&self.parts), Arc::clone(&self.agent), self.held).boxed();
        self.obey();
        loop {
            self.tell_output();
            tokio::select! {
                ended = &mut ending => return Over::Ended(ended),
                () = self.report.closed() => return Over::LetGo,
                Ok(()) = self.stop.changed() => self.obey(),
                told = done(&mut self.telling) => match told {
                    Told::Recorded => self.readers.iter_mut().for_each(LineReader::give_back),
                    Told::Unrecorded => self.refused = true,
                    Told::Gone => return Over::LetGo,
                },
                streams = written(self.watched.as_ref()), if self.unread == [false; 2] => {
                    if self.pace.is_fast() {
                        self.slow_down();
                    } else {
                        self.unread = streams;
                    }
                }
                () = self.pace.over() => {}
                message = next(&mut self.inbox), if self.writing.is_none() => self.deliver(message),
                () = done(&mut self.writing) => {}
                () = done(&mut self.stopping) => {}
            }
        }
    }

    fn watch(&self) -> Option<Watched> {
        if let Held::Over(..) = self.held {
            return None;
        }
        self.parts
            .outputs
            .watch(&self.dir)
            .inspect_err(|error| {
                tracing::error!(agent = %self.agent.id, %error, "cannot follow the output");
            })
            .ok()
    }

    /// Begins to report what there is to read, when no report is on its way.
    fn tell_output(&mut self) {
        let waits = self.telling.is_some() || self.pace.waits();
        if waits || self.unread == [false; 2] || self.refused {
            return;
        }
        let (now, before) = (Instant::now(), self.offset());
        let mut facts = Vec::new();
        if self.watched.is_none() && self.pace.was_read() {
            facts = self.read([true; 2], LineReader::read);
        }
        if facts.is_empty() {
            // First: what is written after the read is told of by the watch, and needs no second look.
            self.watched = self.watched.take().or_else(|| self.watch());
            facts = self.read(self.unread, LineReader::read);
        }
        self.unread = self.readers.each_ref().map(LineReader::has_more);
        if facts.is_empty() {
            self.unread = [false; 2];
        } else {
            self.pace.read(now);
            if self.watched.is_none() || self.offset() - before >= FLOOD {
                self.slow_down();
            }
            let report = self.report.clone();
            self.telling = Some(async move { tell(&report, facts).await }.boxed());
        }
    }

    /// Lets more come together before the next read. Until then it is not watched: it would pay for each of its
    /// writes, and the daemon for hearing of it.
    fn slow_down(&mut self) {
        if self.unread == [false; 2] {
            self.pace.slow_down();
        }
        (self.watched, self.unread) = (None, [true; 2]);
    }

    /// How much of both streams has been read.
    fn offset(&self) -> u64 {
        self.readers.iter().map(LineReader::offset).sum()
    }

    fn read(
        &mut self,
        which: [bool; 2],
        how: fn(&mut LineReader) -> std::io::Result<Vec<crate::model::Output>>,
    ) -> Vec<Fact> {
        let mut facts = Vec::new();
        let wanted = self.readers.iter_mut().zip(which).filter(|(_, wanted)| *wanted);
        for (reader, _) in wanted {
            match how(reader) {
                Ok(chunks) => facts.extend(chunks.into_iter().map(Fact::Output)),
                Err(error) => {
                    tracing::error!(agent = %self.agent.id, %error, "cannot read the output");
                }
            }
        }
        facts
    }

    fn deliver(&mut self, message: Option<Box<Message>>) {
        let Some(message) = message else {
            self.inbox = None;
            return;
        };
        let (parts, agent) = (Arc::clone(&self.parts), Arc::clone(&self.agent));
        let report = self.report.clone();
        let write = async move {
            let outcome = write(&parts, &agent, &message).await;
            settle(&report, message.id, outcome).await;
        };
        self.writing = Some(write.boxed());
    }

    /// Does what it is told about stopping.
    fn obey(&mut self) {
        let stop = *self.stop.borrow_and_update();
        let tree = self.parts.tree(self.agent.id, self.held.process());
        self.stopping = stopping(stop, tree);
    }

    /// What is to be known of its end beyond code and signal.
    fn remark(&self, ended: Ended) -> Option<String> {
        self.held_back(ended).or_else(|| unasked(ended, *self.stop.borrow()))
    }

    /// What its limit of processes may have had to do with an end that was no success.
    fn held_back(&self, ended: Ended) -> Option<String> {
        let group = cgroup::of(self.agent.id, Record::read(&self.dir).group);
        let group = group.filter(|_| ended.code != Some(0))?;
        let limit = self.parts.processes_max.filter(|_| cgroup::refusals(&group) > 0)?;
        Some(format!("it reached its limit of {limit} processes (daemon.agent_processes_max)"))
    }

    /// Ends what is left of the tree, reports the rest of the output, and says how it went.
    async fn finish(mut self, ended: Option<Ended>) -> Exit {
        (self.stopping, self.watched) = (None, None);
        let tree = self.parts.tree(self.agent.id, self.held.process());
        let survivors = sweep(tree, ended).await.err().unwrap_or_default();
        if let Some(telling) = self.telling.take() {
            match telling.await {
                Told::Recorded => {}
                Told::Unrecorded => self.refused = true,
                Told::Gone => return let_go(),
            }
        }
        while !self.refused {
            let facts = self.read([true; 2], LineReader::finish);
            if facts.is_empty() {
                break;
            }
            match tell(&self.report, facts).await {
                Told::Recorded => {}
                Told::Unrecorded => self.refused = true,
                Told::Gone => return let_go(),
            }
        }
        // The keeper answers at once now: whatever was not written never will be.
        if let Some(writing) = self.writing.take() {
            writing.await;
        }
        let ended = ended.filter(|ended| ended.code.is_some() || ended.signal.is_some());
        let unseen = ended.is_none();
        let reason = match ended {
            None => Some(unseen_because(&self.agent, &Record::read(&self.dir))),
            Some(ended) => self.remark(ended),
        };
        let ended = ended.unwrap_or_default();
        let result = last_lines(&self.dir, Stream::Stdout, RESULT_MAX);
        Exit { code: ended.code, signal: ended.signal, reason, result, unseen, survivors }
    }
}

/// Reports that the agent has started, unless that is in the log already.
pub(super) async fn begun(report: &mpsc::Sender<Box<Report>>, agent: &Agent, held: Held) -> Told {
    if agent.started_at.is_some() {
        return Told::Recorded;
    }
    let process = held.process();
    let started = Started {
        pid: process.map(|process| process.pid),
        process_start: process.map(|process| process.start),
    };
    tell(report, vec![Fact::Started(started)]).await
}

/// What is to be done about an order to stop, if it is one.
pub(super) fn stopping(stop: Stop, tree: tree::Tree) -> Option<Job<()>> {
    match stop {
        Stop::No => None,
        Stop::Ask(signal) => Some(
            async move {
                if let Err(error) = tree.signal(signal).await {
                    tracing::warn!(agent = %tree.agent, %error, "TERM takes its place");
                    let _ = tree.signal(Signal::TERM).await;
                }
            }
            .boxed(),
        ),
        Stop::Now => Some(
            async move {
                while !kill(&tree).await {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            .boxed(),
        ),
    }
}

/// Kills what is left of the tree; says how many could not be killed. When the keeper had no orphans
/// at the end, there is nothing: all that the agent started was its group, and is dead.
pub(super) async fn sweep(tree: tree::Tree, ended: Option<Ended>) -> Result<(), usize> {
    if ended.is_some_and(|ended| !ended.orphans) {
        return Ok(());
    }
    for _ in 0..SWEEPS {
        if kill(&tree).await {
            return Ok(());
        }
    }
    Err(tree.survivors().await.map_or(1, |left| left.len()))
}

/// One try to kill the whole tree. Whether nothing is left of it.
pub(super) async fn kill(tree: &tree::Tree) -> bool {
    match tokio::time::timeout(KILLING, tree.kill_all()).await {
        Ok(Ok(left)) => left.is_empty(),
        Ok(Err(error)) => {
            tracing::error!(agent = %tree.agent, %error, "cannot kill the agent's processes");
            false
        }
        Err(_) => false,
    }
}

pub(super) async fn written(watched: Option<&Watched>) -> [bool; 2] {
    match watched {
        Some(watched) => watched.written().await,
        None => std::future::pending().await,
    }
}

/// The next message; `None` when there will be no more, once.
pub(super) async fn next(inbox: &mut Option<mpsc::Receiver<Box<Message>>>) -> Option<Box<Message>> {
    match inbox {
        Some(inbox) => inbox.recv().await,
        None => std::future::pending().await,
    }
}

/// Resolves when the job is done, and takes it out of its place.
pub(super) async fn done<T>(place: &mut Option<Job<T>>) -> T {
    match place {
        Some(job) => {
            let result = job.await;
            *place = None;
            result
        }
        None => std::future::pending().await,
    }
}

/// Resolves when the process has ended, with how, as far as that is known.
pub(super) async fn ending(parts: Arc<Parts>, agent: Arc<Agent>, held: Held) -> Option<Ended> {
    let process = match held {
        Held::Over(_, ended) => return ended,
        Held::Unkept(process) => process,
        Held::Kept(process) => match parts.keeper.exited(agent.id).await {
            Ending::Ended(ended) => return Some(ended),
            Ending::Unkept => process,
        },
    };
    unkept(&parts, &agent, process).await
}

/// The same when the keeper is dead: it may have written the end down before.
async fn unkept(parts: &Parts, agent: &Agent, process: Process) -> Option<Ended> {
    while let Err(error) = tree::end_of(process).await {
        tracing::error!(agent = %agent.id, %error, "cannot watch a process");
        tokio::time::sleep(PAUSE).await;
    }
    Record::read(&parts.dir(agent.id)).ended
}

/// Writes a message, as a line, to the agent's standard input.
async fn write(parts: &Parts, agent: &Agent, message: &Message) -> Result<(), String> {
    let mut text = message.text.to_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let mut failure = WriteFailure::Lost;
    for _ in 0..WRITES {
        failure = match parts.keeper.write(agent.id, message.id, &text).await {
            Ok(()) => return Ok(()),
            Err(WriteFailure::Lost) => WriteFailure::Lost,
            Err(other) => return Err(other.to_string()),
        };
    }
    Err(failure.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F>(_: impl Fn(Box<Attempt>) -> F) -> usize {
        size_of::<F>()
    }

    /// As for the actor: there is one for each agent, and most of the time it waits.
    #[test]
    fn an_attempt_that_waits_takes_little() {
        let takes = size_of::<Attempt>() + size(Attempt::run);
        assert!(takes <= 1000, "{takes} bytes");
    }
}
