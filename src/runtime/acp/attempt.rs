//! One attempt of a harness: reads its lines, records what they mean, says what is to be said, and sees
//! it to its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::back::take_up;
use super::reader::Lines;
use super::session::{Out, Phase, Session, What};
use super::wire;
use crate::model::{Agent, Fact, MessageId, Signal, Stream};
use crate::runtime::attempt::{Job, begun, done, ending, kill, next, stopping, sweep, written};
use crate::runtime::begin::Held;
use crate::runtime::command::Parts;
use crate::runtime::keeper::{Ended, WriteFailure};
use crate::runtime::lines::{LineReader, last_lines};
use crate::runtime::output::Watched;
use crate::runtime::tell::{Told, let_go, settle, tell};
use crate::runtime::{Control, Exit, Message, Report, RunIo, Stop};

/// How long a harness may take until the conversation is established: some download themselves first.
const SETTING_UP: Duration = Duration::from_mins(2);
/// How long a harness that we end has between SIGTERM and SIGKILL.
const ENDING: Duration = Duration::from_secs(5);
/// How long a turn may go on after it was told to end because a limit is reached.
const LIMITED: Duration = Duration::from_secs(10);
/// How long a harness that cannot be written to has to end by itself.
const BROKEN: Duration = Duration::from_secs(2);
/// How often a line is tried again when keepers die under it.
const WRITES: usize = 5;
/// Bytes of its last errors that explain a failure.
const ERRORS_MAX: usize = 1024;

pub(super) struct Attempt {
    parts: Arc<Parts>,
    agent: Arc<Agent>,
    dir: PathBuf,
    inbox: Option<mpsc::Receiver<Message>>,
    control: Option<mpsc::Receiver<Control>>,
    report: mpsc::Sender<Report>,
    stop: watch::Receiver<Stop>,
    held: Held,
    session: Session,
    lines: Lines,
    errors: LineReader,
    watched: Option<Watched>,
    unread: [bool; 2],
    refused: bool,
    /// A prompt is being written; or a message that a daemon before may have written has not come
    /// again yet.
    paused: bool,
    telling: Option<Job<Told>>,
    writing: Option<Job<Result<(), String>>>,
    stopping: Option<Job<()>>,
    deadline: Option<Instant>,
    /// Why nothing can be said to the harness any more.
    broken: Option<String>,
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
        take_up(&mut session, &agent, &dir);
        let setting_up = agent.spec.conversation.start_timeout_ms;
        let setting_up = setting_up.map_or(SETTING_UP, Duration::from_millis);
        Self {
            deadline: (session.phase == Phase::SettingUp).then(|| Instant::now() + setting_up),
            paused: session.is_idle() && !agent.inbox.is_empty(),
            session,
            lines: Lines::new(&dir, agent.stdout),
            errors: LineReader::new(&dir, Stream::Stderr, agent.stderr),
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
            stopping: None,
            broken: None,
        }
    }

    pub(super) async fn run(mut self) -> Exit {
        match begun(&self.report, &self.agent, self.held).await {
            Told::Recorded => {}
            Told::Unrecorded => self.refused = true,
            Told::Gone => return let_go(),
        }
        match self.follow().await {
            Over::LetGo => let_go(),
            Over::Ended(ended) => self.finish(ended).await,
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
        let said = match &self.session.banner {
            Some(banner) => {
                format!("; it wrote {banner:?}, which is no ACP: is it started in its ACP mode?")
            }
            None => "; is it started in its ACP mode?".to_owned(),
        };
        self.session.fail(format!("the harness did not begin a conversation in time{said}"));
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

    fn begin_writing(&mut self) {
        if self.writing.is_some() {
            return;
        }
        let Some(Out { key, what }) = self.session.outbox.pop_front() else { return };
        let (parts, agent) = (Arc::clone(&self.parts), Arc::clone(&self.agent));
        let (report, dir) = (self.report.clone(), self.dir.clone());
        self.paused |= matches!(what, What::Prompt(..));
        let write = async move {
            let mut message = None;
            let line = match what {
                What::Line(line) => line,
                What::Prompt(line, id) => {
                    message = id;
                    line
                }
                What::Work(id, work) => {
                    let spec = Arc::clone(&agent.spec);
                    let perform = move || {
                        let cwd = std::path::Path::new(&spec.cwd);
                        work.perform(spec.conversation.permissions, cwd)
                    };
                    let outcome = tokio::task::spawn_blocking(perform).await;
                    wire::answer(
                        &id,
                        outcome.unwrap_or_else(|error| Err((wire::INTERNAL, error.to_string()))),
                    )
                }
            };
            let outcome = write(&parts, &agent, key, &line, &dir).await;
            if let Some(message) = message {
                settle(&report, message, outcome.clone()).await;
            }
            outcome
        };
        self.writing = Some(write.boxed());
    }

    fn steer(&mut self, control: Option<Control>) {
        match control {
            None => self.control = None,
            Some(Control::Cancel) => self.session.cancel(),
            Some(Control::Permission { request_id, allowed, option }) => {
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
        let left = sweep(tree, ended).await.err();
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
        let mut exit = self.explain(ended);
        if let Some(left) = left {
            exit.reason = Some(format!("{left} of its processes could not be killed"));
        }
        exit
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
            let reason = Some("it ended while no keeper watched it".to_owned());
            return Exit { unseen: true, reason, ..Exit::default() };
        };
        let how = match (ended.code, ended.signal) {
            (_, Some(signal)) => format!("by {signal}"),
            (code, None) => format!("with exit code {}", code.unwrap_or_default()),
        };
        let reason = match self.session.phase {
            Phase::SettingUp => Some(with_errors(format!(
                "the harness ended {how} before the conversation began; `dash agents` says what it needs"
            ))),
            Phase::Turn => Some(with_errors(format!(
                "the harness ended {how} in the middle of turn {}",
                self.session.talk.turn
            ))),
            Phase::Idle | Phase::Over => None,
        };
        // An end that is no success is none, whatever the code says.
        let code = ended.code.filter(|code| reason.is_none() || *code != 0);
        Exit { code, signal: ended.signal, reason, ..Exit::default() }
    }
}

async fn write(
    parts: &Parts,
    agent: &Agent,
    key: MessageId,
    line: &str,
    dir: &std::path::Path,
) -> Result<(), String> {
    for _ in 0..WRITES {
        match parts.keeper.write(agent.id, key, line).await {
            Ok(()) => return Ok(()),
            Err(WriteFailure::Lost) => {}
            // A keeper that died had begun to write it: what fits into the FIFO is there.
            Err(WriteFailure::Unwritable(reason)) if reason.contains("not known") => {
                tracing::warn!(agent = %agent.id, dir = %dir.display(), "a line may be lost");
                return Ok(());
            }
            Err(other) => return Err(other.to_string()),
        }
    }
    Err(WriteFailure::Lost.to_string())
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
