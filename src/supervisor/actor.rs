//! One task owns one agent: it waits, asks [`decide`], and carries out what that says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::admission::{Place, Ticket, Waiting};
use super::decide::{Action, Input, Timer, decide};
use super::{Inner, Sent, SupervisorError};
use crate::model::{Actor as By, Agent, Delivery, Event, Fact, MessageId, Signal, StopCause};
use crate::runtime::{Environment, Exit, Message, Report, RunIo, Said, Stop};
use crate::store::{Answer, Batch, StoreError};

/// Requests that wait for one agent's attention.
const TELLS: usize = 64;
/// Pause before a record that the disk had no space for is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// What an agent's actor can be told.
#[derive(Debug)]
pub(super) enum Tell {
    Send {
        message: Message,
        by: By,
        answer: Option<Answer>,
        states: mpsc::Sender<Told>,
    },
    Stop {
        cause: StopCause,
        by: By,
        signal: Signal,
        grace_ms: u64,
        recorded: oneshot::Sender<Recorded>,
    },
}

/// What a sender hears of a message: first that it is queued, later that it is delivered.
pub(super) type Told = Result<Sent, SupervisorError>;
type Recorded = Result<(), SupervisorError>;

/// How to reach an agent's actor. It is gone when the agent has ended.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    pub(super) tell: mpsc::Sender<Tell>,
    /// Closed when the agent's end is durable, or the daemon lets go.
    pub(super) ended: watch::Receiver<()>,
}

/// One agent's actor.
pub(super) struct Actor {
    inner: Arc<Inner>,
    agent: Agent,
    standing: Standing,
    /// Kept until the agent has started.
    environment: Option<Arc<Environment>>,
    attempt: Option<Attempt>,
    tells: mpsc::Receiver<Tell>,
    timeout: Option<Instant>,
    grace: Option<Instant>,
    senders: HashMap<MessageId, mpsc::Sender<Told>>,
    let_go: watch::Receiver<bool>,
    /// Dropped last.
    _ended: watch::Sender<()>,
}

/// Where the agent stands with admission.
enum Standing {
    Waits(Waiting),
    Runs { _place: Place },
}

struct Attempt {
    run: BoxFuture<'static, Exit>,
    reports: mpsc::Receiver<Report>,
    inbox: mpsc::Sender<Message>,
    stop: watch::Sender<Stop>,
}

/// Why the actor goes on, or does not.
enum Next {
    GoOn,
    Finished,
}

impl Actor {
    /// Begins an actor for an agent that is in the log.
    pub(super) fn begin(
        inner: &Arc<Inner>,
        agent: &Agent,
        ticket: Ticket,
        environment: Option<Arc<Environment>>,
    ) {
        let (tell, tells) = mpsc::channel(TELLS);
        let (ended_sender, ended) = watch::channel(());
        let (standing, first) = match ticket {
            Ticket::Now(place) => (Standing::Runs { _place: place }, true),
            Ticket::Later(waiting) => (Standing::Waits(waiting), false),
        };
        let actor = Self {
            inner: Arc::clone(inner),
            agent: agent.clone(),
            standing,
            environment,
            attempt: None,
            tells,
            timeout: None,
            grace: None,
            senders: HashMap::new(),
            let_go: inner.let_go.subscribe(),
            _ended: ended_sender,
        };
        inner.actors().insert(agent.id, Handle { tell, ended });
        tokio::spawn(actor.live(first));
    }

    async fn live(mut self, may_run: bool) {
        let id = self.agent.id;
        let inner = Arc::clone(&self.inner);
        let first = may_run.then(|| Input::TakenBack { now: inner.clock.now() });
        if let Some(first) = first {
            self.take(first).await;
        }
        while let Next::GoOn = self.step().await {}
        if self.agent.status.is_end() {
            inner.runtimes.get(self.agent.spec.runtime).forget(id).await;
        } else if let Some(environment) = &self.environment {
            // The daemon ends and the agent has not started: the next daemon will need it.
            environment.keep();
        }
        inner.actors().remove(&id);
    }

    /// Waits for the next input and carries out what it means.
    async fn step(&mut self) -> Next {
        tokio::select! {
            biased;
            () = told_to_let_go(&mut self.let_go) => Next::Finished,
            Some(tell) = self.tells.recv() => self.told(tell).await,
            news = news_of(self.attempt.as_mut()) => match news {
                News::Report(report) => self.hear(report).await,
                News::Exit(exit) => self.exited(exit).await,
            },
            place = place_for(&mut self.standing) => {
                let Some(place) = place else { return Next::Finished };
                self.standing = Standing::Runs { _place: place };
                self.take(Input::Admitted).await
            }
            () = at(self.timeout) => {
                self.timeout = None;
                let grace_ms = self.inner.config.daemon.grace_ms;
                self.take(Input::TimeoutOver { grace_ms }).await
            }
            () = at(self.grace) => {
                self.grace = None;
                self.take(Input::GraceOver).await
            }
        }
    }

    async fn told(&mut self, tell: Tell) -> Next {
        match tell {
            Tell::Send { message, by, answer, states } => {
                let id = message.id;
                self.senders.insert(id, states.clone());
                let actions = decide(&self.agent, Input::Sent { message, by });
                match self.carry_out(actions, answer, Patience::None).await {
                    Ok(next) => next,
                    Err(error) => {
                        self.senders.remove(&id);
                        let _ = states.try_send(Err(error.into()));
                        Next::GoOn
                    }
                }
            }
            Tell::Stop { cause, by, signal, grace_ms, recorded } => {
                let begun = self.attempt.is_some();
                let asked = Input::StopAsked { cause, by, signal, grace_ms, begun };
                let actions = decide(&self.agent, asked);
                let outcome = self.carry_out(actions, None, Patience::None).await;
                let (next, answer) = match outcome {
                    Ok(next) => (next, Ok(())),
                    Err(error) => (Next::GoOn, Err(error.into())),
                };
                let _ = recorded.send(answer);
                next
            }
        }
    }

    /// Carries out an input that nobody waits for an answer to.
    async fn take(&mut self, input: Input) -> Next {
        let actions = decide(&self.agent, input);
        self.carry_out(actions, None, Patience::UntilDurable).await.unwrap_or(Next::Finished)
    }

    async fn hear(&mut self, report: Report) -> Next {
        let actions = match report.said {
            Said::Facts(facts) => facts
                .into_iter()
                .flat_map(|fact| decide(&self.agent, Input::Reported(fact)))
                .collect(),
            Said::Delivered(id) => decide(&self.agent, Input::Delivered(id)),
            Said::Undeliverable(id, reason) => {
                decide(&self.agent, Input::Undeliverable(id, reason))
            }
        };
        let next = self.carry_out(actions, None, Patience::UntilDurable).await;
        if next.is_ok()
            && let Some(recorded) = report.recorded
        {
            let _ = recorded.send(());
        }
        next.unwrap_or(Next::Finished)
    }

    async fn exited(&mut self, exit: Exit) -> Next {
        if let Some(mut attempt) = self.attempt.take() {
            while let Ok(report) = attempt.reports.try_recv() {
                self.hear(report).await;
            }
        }
        self.take(Input::Exited(exit)).await
    }

    /// Carries out actions in their order. Records that follow each other are appended together.
    async fn carry_out(
        &mut self,
        actions: Vec<Action>,
        mut answer: Option<Answer>,
        patience: Patience,
    ) -> Result<Next, StoreError> {
        let mut facts = Vec::new();
        let mut next = Next::GoOn;
        for action in actions {
            if let Action::Record(fact) = action {
                facts.push(fact);
                continue;
            }
            self.record(std::mem::take(&mut facts), answer.take(), patience).await?;
            match action {
                Action::Record(_) => {}
                Action::Run => self.run(),
                Action::Deliver(message) => self.deliver(message),
                Action::Stop(stop) => self.stop(stop),
                Action::Arm(timer, after) => self.arm(timer, after),
                Action::Refuse(reason) => self.refuse(&reason),
                Action::Finish => next = Next::Finished,
            }
        }
        self.record(facts, answer, patience).await?;
        Ok(next)
    }

    async fn record(
        &mut self,
        facts: Vec<Fact>,
        answer: Option<Answer>,
        patience: Patience,
    ) -> Result<(), StoreError> {
        if facts.is_empty() {
            return Ok(());
        }
        let events = loop {
            let batch = Batch {
                facts: facts.iter().map(|fact| (self.agent.id, fact.clone())).collect(),
                audit: Vec::new(),
                answer: answer.clone(),
                time: self.inner.clock.now(),
            };
            match (self.inner.store.append(batch).await, patience) {
                (Ok(events), _) => break events,
                (Err(StoreError::Full { path }), Patience::UntilDurable) => {
                    tracing::error!(agent = %self.agent.id, path = %path.display(), "no space is left; trying again");
                    tokio::time::sleep(RETRY).await;
                }
                (Err(error), _) => {
                    tracing::error!(agent = %self.agent.id, %error, "cannot record");
                    return Err(error);
                }
            }
        };
        for (event, fact) in events.iter().zip(&facts) {
            self.agent.apply(event, fact);
            self.tell_sender(event, fact);
        }
        if self.agent.started_at.is_some() {
            self.environment = None;
        }
        Ok(())
    }

    /// Tells whoever sent a message what became of it.
    fn tell_sender(&mut self, event: &Event, fact: &Fact) {
        let Fact::Input(input) = fact else { return };
        let Some(sender) = self.senders.get(&input.message_id) else { return };
        let told = match input.state {
            Delivery::Refused => Err(SupervisorError::Refused {
                agent: self.agent.id,
                reason: input.reason.clone().unwrap_or_default(),
            }),
            state => {
                Ok(Sent { agent: self.agent.id, message: input.message_id, state, seq: event.seq })
            }
        };
        let _ = sender.try_send(told);
        if input.state != Delivery::Queued {
            self.senders.remove(&input.message_id);
        }
    }

    /// Whoever still waits is told: the agent has ended, so nothing was recorded.
    fn refuse(&mut self, reason: &str) {
        for (_, sender) in self.senders.drain() {
            let reason = reason.to_owned();
            let _ = sender.try_send(Err(SupervisorError::Refused { agent: self.agent.id, reason }));
        }
    }

    fn run(&mut self) {
        let (report, reports) = mpsc::channel(4);
        let (inbox, messages) = mpsc::channel(4);
        let (stop, stopped) = watch::channel(Stop::No);
        let runtime = self.inner.runtimes.get(self.agent.spec.runtime);
        let agent = Arc::new(self.agent.clone());
        let run = runtime.run(RunIo { agent, inbox: messages, report, stop: stopped });
        // A defect in a runtime ends this agent, and no other.
        let run = std::panic::AssertUnwindSafe(run).catch_unwind().map(|end| {
            end.unwrap_or_else(|_| Exit {
                reason: Some("its runtime failed; this is a defect of Dash".to_owned()),
                ..Exit::default()
            })
        });
        self.attempt = Some(Attempt { run: run.boxed(), reports, inbox, stop });
    }

    fn deliver(&mut self, message: Message) {
        if let Some(attempt) = &self.attempt {
            let sent = attempt.inbox.try_send(message);
            debug_assert!(sent.is_ok(), "only one message is ever on its way");
        }
    }

    fn stop(&mut self, stop: Stop) {
        if let Some(attempt) = &self.attempt {
            attempt.stop.send_if_modified(|current| {
                let rises = *current != Stop::Now && *current != stop;
                if rises {
                    *current = stop;
                }
                rises
            });
        }
    }

    fn arm(&mut self, timer: Timer, after: Duration) {
        let when = Instant::now().checked_add(after);
        match timer {
            Timer::Timeout => self.timeout = when,
            Timer::Grace => self.grace = when,
        }
    }
}

/// What to do when a record cannot be made because the disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// Somebody waits for the answer and is told.
    None,
    /// It has happened and must be recorded: try until there is space.
    UntilDurable,
}

async fn told_to_let_go(let_go: &mut watch::Receiver<bool>) {
    // An error means that the supervisor is gone, which says the same.
    let _ = let_go.wait_for(|go| *go).await;
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}

/// What comes from an attempt.
enum News {
    Report(Report),
    Exit(Exit),
}

async fn news_of(attempt: Option<&mut Attempt>) -> News {
    let Some(attempt) = attempt else { return std::future::pending().await };
    tokio::select! {
        biased;
        Some(report) = attempt.reports.recv() => News::Report(report),
        exit = &mut attempt.run => News::Exit(exit),
    }
}

async fn place_for(standing: &mut Standing) -> Option<Place> {
    match standing {
        Standing::Waits(waiting) => waiting.place().await,
        Standing::Runs { .. } => std::future::pending().await,
    }
}
