//! One attempt of a harness: reads its lines, records what they mean, says what is to be said, and sees
//! it to its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::back::take_up;
use super::files::Outcome;
use super::reader::Lines;
use super::session::{Phase, Query, Session};
use super::terminals;
use crate::model::{Agent, Fact, Signal, Stream};
use crate::runtime::attempt::{Job, begun, done, ending, kill, next, stopping, sweep, written};
use crate::runtime::begin::Held;
use crate::runtime::bound::Cuts;
use crate::runtime::command::Parts;
use crate::runtime::explain::{unasked, unseen_because};
use crate::runtime::keeper::{Ended, Record};
use crate::runtime::lines::{LineReader, last_lines};
use crate::runtime::output::Watched;
use crate::runtime::tell::{Told, let_go, tell};
use crate::runtime::{Control, Decided, Environment, Exit, Message, Report, RunIo, Stop};

/// How long a harness may take until the conversation is established: some download themselves first.
const SETTING_UP: Duration = Duration::from_mins(2);
/// How long a harness that we end has between SIGTERM and SIGKILL.
const ENDING: Duration = Duration::from_secs(5);
/// How long a turn may go on after it was told to end because a limit is reached.
const LIMITED: Duration = Duration::from_secs(10);
/// How long a harness that cannot be written to has to end by itself.
const BROKEN: Duration = Duration::from_secs(2);
/// Bytes of its last errors that explain a failure.
pub(super) const ERRORS_MAX: usize = 1024;

pub(super) struct Attempt {
    pub(super) parts: Arc<Parts>,
    pub(super) agent: Arc<Agent>,
    pub(super) dir: PathBuf,
    inbox: Option<mpsc::Receiver<Box<Message>>>,
    control: Option<mpsc::Receiver<Control>>,
    pub(super) report: mpsc::Sender<Box<Report>>,
    stop: watch::Receiver<Stop>,
    pub(super) held: Held,
    pub(super) session: Session,
    lines: Lines,
    errors: LineReader,
    watched: Option<Watched>,
    unread: [bool; 2],
    refused: bool,
    /// A prompt is being written; or a message that a daemon before may have written has not come
    /// again yet.
    pub(super) paused: bool,
    telling: Option<Job<Told>>,
    pub(super) writing: Option<Job<Result<(), String>>>,
    /// Terminals whose ends the harness waits for.
    pub(super) waiting: FuturesUnordered<Job<(Query, Outcome)>>,
    stopping: Option<Job<()>>,
    deadline: Option<Instant>,
    /// How long the harness may take until the conversation is established.
    setting_up: Duration,
    /// Why nothing can be said to the harness any more.
    broken: Option<String>,
}

/// Has the harness told of the MCP servers that a client named, which are kept until that is done.
fn name_servers(session: &mut Session, parts: &Parts, agent: &Agent) {
    if session.phase != Phase::SettingUp || agent.spec.conversation.mcp_servers.is_empty() {
        return;
    }
    let name = agent.environment.as_deref().unwrap_or_default();
    match Environment::reopen(&parts.spool, name).and_then(|kept| kept.mcp_servers()) {
        Ok(servers) => session.servers = servers,
        Err(error) => session.fail(format!("its MCP servers cannot be read: {error}")),
    }
}

/// Why the attempt does not go on.
enum Over {
    Ended(Option<Ended>),
    LetGo,
}

impl Attempt {
    pub(super) fn new(parts: Arc<Parts>, io: RunIo, held: Held) -> Self {
        let RunIo { agent, inbox, control, report, stop } = io;
        let dir = parts.dir(agent.id);
        let mut session = Session::new(&agent);
        name_servers(&mut session, &parts, &agent);
        take_up(&mut session, &agent, &dir);
        let mut errors = LineReader::new(&dir, Stream::Stderr, agent.stderr);
        let most = parts.backlog_max.load(Ordering::Relaxed);
        errors.bound_backlog(most, Cuts::read(&dir).of(Stream::Stderr));
        let setting_up = agent.spec.conversation.start_timeout_ms;
        let setting_up = setting_up.map_or(SETTING_UP, Duration::from_millis);
        Self {
            deadline: (session.phase == Phase::SettingUp).then(|| Instant::now() + setting_up),
            setting_up,
            paused: session.is_idle() && !agent.inbox.is_empty(),
            session,
            lines: Lines::new(&dir, agent.stdout),
            errors,
            parts,
            agent,
            dir,
            inbox: Some(inbox),
            control: Some(control),
            report,
            stop,
            held,
            watched: None,
            unread: [true; 2],
            refused: false,
            telling: None,
            writing: None,
            waiting: FuturesUnordered::new(),
            stopping: None,
            broken: None,
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

    async fn follow(&mut self) -> Over {
        let mut ending =
            ending(Arc::clone(&self.parts), Arc::clone(&self.agent), self.held).boxed();
        self.obey();
        loop {
            self.go_on();
            let idle = self.session.is_idle() && self.writing.is_none() && self.telling.is_none();
            tokio::select! {
                ended = &mut ending => return Over::Ended(ended),
                () = self.report.closed() => return Over::LetGo,
                Ok(()) = self.stop.changed() => self.obey(),
                told = done(&mut self.telling) => match told {
                    Told::Recorded => {
                        self.lines.reader.give_back();
                        self.errors.give_back();
                    }
                    Told::Unrecorded => self.refused = true,
                    Told::Gone => return Over::LetGo,
                },
                streams = written(self.watched.as_ref()), if self.unread == [false; 2] => {
                    self.unread = streams;
                }
                message = next(&mut self.inbox), if idle => match message {
                    Some(message) => self.session.take_message(&message),
                    None => self.inbox = None,
                },
                control = order(&mut self.control) => self.steer(control),
                outcome = done(&mut self.writing) => {
                    self.paused = false;
                    // A harness that has ended cannot be written to either: its end says more.
                    if let Err(reason) = outcome {
                        self.broken.get_or_insert(reason);
                        self.deadline = Some(Instant::now() + BROKEN);
                    }
                }
                Some((query, outcome)) = self.waiting.next() => {
                    self.session.answer(&query, outcome);
                }
                () = done(&mut self.stopping) => {}
                () = at(self.deadline) => self.too_late(),
            }
        }
    }

    /// Begins what can be begun: records first, then says, then reads on.
    fn go_on(&mut self) {
        if self.session.phase != Phase::SettingUp
            && self.broken.is_none()
            && self.session.limited.is_none()
            && self.stopping.is_none()
        {
            self.deadline = None;
        } else if self.session.limited.is_some() && self.deadline.is_none() {
            self.deadline = Some(Instant::now() + LIMITED);
        }
        if self.telling.is_some() || self.refused {
            return;
        }
        if self.session.facts.is_empty() {
            self.begin_writing();
            // What makes no fact wakes nobody: it is read on until something does, or all is read.
            while self.session.facts.is_empty()
                && !self.paused
                && self.session.phase != Phase::Over
                && self.unread != [false; 2]
            {
                self.read();
            }
            if self.session.facts.is_empty() {
                self.begin_writing();
            }
        }
        // After reading: what was read may ask to wait, and nothing else need happen before that is over.
        self.begin_waiting();
        let facts = std::mem::take(&mut self.session.facts);
        if !facts.is_empty() {
            let report = self.report.clone();
            self.telling = Some(async move { tell(&report, facts).await }.boxed());
        } else if self.session.phase == Phase::Over && self.stopping.is_none() {
            self.end_it();
        }
    }

    /// Ends the harness, which has done what it was for, or cannot.
    fn end_it(&mut self) {
        let tree = self.parts.tree(self.agent.id, self.held.process());
        let end = async move {
            let _ = tree.signal(Signal::TERM).await;
            tokio::time::sleep(ENDING).await;
            while !kill(&tree).await {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            std::future::pending::<()>().await;
        };
        self.stopping = Some(end.boxed());
    }

    fn too_late(&mut self) {
        self.deadline = None;
        if let Some(broken) = self.broken.take() {
            return self.session.fail(broken);
        }
        if let Some(limited) = self.session.limited.take() {
            return self.session.fail(limited);
        }
        self.session.too_late(self.setting_up);
    }

    fn read(&mut self) {
        if self.unread == [false; 2] {
            return;
        }
        // First: what is written after the read is told of by the watch, and needs no second look.
        if self.watched.is_none() && !matches!(self.held, Held::Over(..)) {
            self.watched = self.parts.outputs.watch(&self.dir).ok();
        }
        self.read_all(false);
        self.unread = [self.lines.reader.has_more(), self.errors.has_more()];
    }

    fn read_all(&mut self, ended: bool) {
        let errors = if ended { self.errors.finish() } else { self.errors.read() };
        self.session.facts.extend(errors.unwrap_or_default().into_iter().map(Fact::Output));
        match self.lines.read(ended) {
            Ok((lines, end)) => self.session.take(lines, end),
            Err(error) => tracing::error!(agent = %self.agent.id, %error, "cannot read"),
        }
    }

    fn steer(&mut self, control: Option<Control>) {
        match control {
            None => self.control = None,
            Some(Control::Cancel) => self.session.cancel(),
            Some(Control::Permission(decided)) => {
                let Decided { request_id, allowed, option } = *decided;
                self.session.answered(&request_id, allowed, option);
            }
            Some(Control::Options(options)) => self.session.set_options(*options),
        }
    }

    /// Does what it is told about stopping.
    fn obey(&mut self) {
        let stop = *self.stop.borrow_and_update();
        let tree = self.parts.tree(self.agent.id, self.held.process());
        // Told nothing, it may be ending the harness of its own accord.
        self.stopping = stopping(stop, tree).or(self.stopping.take());
    }

    /// Ends what is left of the tree, reports the rest of what it said, and says how it went.
    async fn finish(mut self, ended: Option<Ended>) -> Exit {
        (self.stopping, self.watched) = (None, None);
        let tree = self.parts.tree(self.agent.id, self.held.process());
        // The keeper does not count terminals as orphans, for it owns them.
        let orphans = !terminals::all(&self.dir).is_empty();
        let seen = ended.map(|ended| Ended { orphans: ended.orphans || orphans, ..ended });
        let survivors = sweep(tree, seen).await.err().unwrap_or_default();
        if let Some(telling) = self.telling.take()
            && telling.await == Told::Gone
        {
            return let_go();
        }
        loop {
            let before = self.lines.reader.offset() + self.errors.offset();
            self.read_all(true);
            let facts = std::mem::take(&mut self.session.facts);
            if !facts.is_empty() && !self.refused && tell(&self.report, facts).await == Told::Gone {
                return let_go();
            }
            if self.lines.reader.offset() + self.errors.offset() == before {
                break;
            }
        }
        if let Some(writing) = self.writing.take() {
            let _ = writing.await;
        }
        Exit { survivors, ..self.explain(ended) }
    }

    /// How it ended: as we wanted it, or by itself, which it should not.
    fn explain(&mut self, ended: Option<Ended>) -> Exit {
        let errors = last_lines(&self.dir, Stream::Stderr, ERRORS_MAX);
        let with_errors = |reason: String| match &errors {
            Some(errors) => format!("{reason}; its last errors: {errors}"),
            None => reason,
        };
        if let Some(over) = self.session.over.take() {
            let reason = match over.code {
                Some(_) => over.reason,
                None => over.reason.map(with_errors),
            };
            return Exit { reason, ..over };
        }
        let known = ended.filter(|ended| ended.code.is_some() || ended.signal.is_some());
        let Some(ended) = known else {
            let reason = unseen_because(&self.agent, &Record::read(&self.dir));
            return Exit { unseen: true, reason: Some(reason), ..Exit::default() };
        };
        let how = how_it_ended(ended);
        let unasked = unasked(ended, *self.stop.borrow());
        let with_errors = |reason: String| {
            with_errors(
                unasked.iter().fold(reason, |reason, unasked| format!("{reason}; {unasked}")),
            )
        };
        let reason = match self.session.phase {
            Phase::SettingUp => {
                let how = unasked.iter().fold(how, |how, unasked| format!("{how} ({unasked})"));
                self.session.ended_early(&how, errors.as_deref());
                self.session.over.take().and_then(|over| over.reason)
            }
            Phase::Turn => Some(with_errors(format!(
                "the harness ended {how} in the middle of turn {}",
                self.session.talk.turn
            ))),
            Phase::Idle if ended.code != Some(0) && *self.stop.borrow() == Stop::No => {
                Some(with_errors(format!("the harness ended {how} between two turns")))
            }
            Phase::Idle | Phase::Over => None,
        };
        // An end that is no success is none, whatever the code says.
        let code = ended.code.filter(|code| reason.is_none() || *code != 0);
        Exit { code, signal: ended.signal, reason, ..Exit::default() }
    }
}

/// How a process ended, as the end of a sentence.
pub(super) fn how_it_ended(ended: Ended) -> String {
    match (ended.code, ended.signal) {
        (_, Some(signal)) => format!("by {signal}"),
        (code, None) => format!("with exit code {}", code.unwrap_or_default()),
    }
}

async fn order(control: &mut Option<mpsc::Receiver<Control>>) -> Option<Control> {
    match control {
        Some(control) => control.recv().await,
        None => std::future::pending().await,
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
