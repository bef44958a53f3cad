//! One task owns one agent: it waits, asks [`decide`], and carries out what that says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::admission::{Standing, Ticket};
use super::attempt::{Attempt, News, news_of};
use super::budget;
use super::decide::{Action, Input, Timer, decide, without_records};
use super::family;
use super::ledger::{Ledger, Recorded};
use super::steer::{self, Steer};
use super::{Inner, Sent, SupervisorError};
use crate::model::{Actor as By, Agent, Delivery, Event, Fact, MessageId, Signal, StopCause};
use crate::runtime::{Control, Decided, Environment, Exit, Message, Report, Said};
use crate::store::{Answer, StoreError};

/// Requests that wait for one agent's attention.
const TELLS: usize = 64;
/// Pause before what the log could not take is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// What an agent's actor can be told. It goes through a channel in a box: a channel holds room for 32 of what it
/// carries from its beginning, and there is one for each agent.
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
        reason: Option<String>,
        recorded: oneshot::Sender<Ordered>,
    },
    /// Something about it that it cannot know itself.
    Noticed(Fact),
    Steer {
        steer: Steer,
        by: By,
        recorded: oneshot::Sender<Ordered>,
    },
}

/// What a sender hears of a message: first that it is queued, later that it is delivered.
pub(super) type Told = Result<Sent, SupervisorError>;
/// Whether an order to stop is durable. It is carried out either way.
type Ordered = Result<(), SupervisorError>;

/// How to reach an agent's actor. It is gone when the agent has ended.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    pub(super) tell: mpsc::Sender<Box<Tell>>,
    /// Closed when the agent's end is durable, or the daemon lets go.
    pub(super) ended: watch::Receiver<()>,
}

/// One agent's actor.
pub(super) struct Actor {
    inner: Arc<Inner>,
    ledger: Ledger,
    standing: Standing,
    /// Kept until the agent has started.
    environment: Option<Arc<Environment>>,
    attempt: Option<Attempt>,
    tells: mpsc::Receiver<Box<Tell>>,
    timeout: Option<Instant>,
    grace: Option<Instant>,
    /// When permission requests are looked at.
    ask: Option<Instant>,
    idle: Option<Instant>,
    /// When what is owed to the log is tried again.
    retry: Option<Instant>,
    senders: HashMap<MessageId, mpsc::Sender<Told>>,
    let_go: watch::Receiver<bool>,
    /// Dropped last.
    _ended: watch::Sender<()>,
}

/// Whether the actor goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        let (standing, may_run) = match ticket {
            Ticket::Now(place) => (Standing::Runs(place), true),
            Ticket::Later(waiting) => (Standing::Waits(waiting), false),
        };
        let (store, clock) = (Arc::clone(&inner.store), Arc::clone(&inner.clock));
        // In a box: a future holds twice what it takes by value.
        let actor = Box::new(Self {
            inner: Arc::clone(inner),
            ledger: Ledger::new(store, clock, agent.clone()),
            standing,
            environment,
            attempt: None,
            tells,
            timeout: None,
            grace: None,
            ask: None,
            idle: None,
            retry: None,
            senders: HashMap::new(),
            let_go: inner.let_go.subscribe(),
            _ended: ended_sender,
        });
        inner.actors().insert(agent.id, Handle { tell, ended });
        tokio::spawn(actor.live(may_run));
    }

    async fn live(mut self: Box<Self>, may_run: bool) {
        if may_run {
            let now = self.inner.clock.now();
            self.take(Input::TakenBack { now }).await;
        }
        while self.step().await == Next::GoOn {}
        let agent = self.ledger.durable();
        let id = agent.id;
        if agent.status.is_end() {
            self.inner.runtimes.get(agent.spec.runtime).forget(id).await;
        } else if let Some(environment) = &self.environment {
            // The daemon ends before the start is through: the next daemon will need it.
            environment.keep();
        }
        self.inner.actors().remove(&id);
    }

    /// Waits for the next input and carries out what it means.
    async fn step(&mut self) -> Next {
        tokio::select! {
            biased;
            () = told_to_let_go(&mut self.let_go) => Next::Finished,
            Some(tell) = self.tells.recv() => Box::pin(self.told(*tell)).await,
            news = news_of(self.attempt.as_mut()) => match news {
                News::Report(report) => self.hear(report).await,
                News::Exit(exit) => self.exited(exit).await,
            },
            place = self.standing.place() => {
                let Some(place) = place else { return Next::Finished };
                self.standing = Standing::Runs(place);
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
            () = at(self.ask) => {
                self.ask = None;
                let now = self.inner.clock.now();
                self.take(Input::AskOver { now }).await
            }
            () = at(self.idle) => { self.idle = None; self.take(Input::IdleOver).await }
            () = at(self.retry) => self.settle().await,
        }
    }

    async fn told(&mut self, tell: Tell) -> Next {
        match tell {
            Tell::Send { message, by, answer, states } => {
                self.sent(message, by, answer, states).await
            }
            Tell::Stop { cause, by, signal, grace_ms, reason, recorded } => {
                let begun = self.attempt.is_some();
                let asked = Input::StopAsked { cause, by, signal, grace_ms, reason, begun };
                let actions = decide(&self.ledger.agent(), asked);
                let (_, outcome) = self.carry_out(actions).await;
                // Whoever asks again while something is owed is not to wait for its end either.
                let outcome = match outcome {
                    Ok(()) => {
                        let settled = self.ledger.settle().await;
                        self.settled(settled)
                    }
                    owed => owed,
                };
                let _ = recorded.send(outcome.map_err(SupervisorError::from));
                self.next()
            }
            Tell::Noticed(fact) => self.take(Input::Reported(fact)).await,
            Tell::Steer { steer, by, recorded } => {
                let _ = recorded.send(self.steered(steer, &by).await);
                self.next()
            }
        }
    }

    /// An order about the conversation is recorded and carried out, or refused to whoever gives it.
    async fn steered(&mut self, steer: Steer, by: &By) -> Ordered {
        let agent = self.ledger.durable().id;
        let actions = steer::steer(&self.ledger.agent(), &steer, by)
            .map_err(|reason| SupervisorError::Refused { agent, reason })?;
        self.record(&actions, None).await?;
        self.carry_out(without_records(actions)).await.1?;
        if let (Steer::Options(options), Some(attempt)) = (steer, &self.attempt) {
            attempt.control(Control::Options(options));
        }
        Ok(())
    }

    /// Records what somebody asked for, or nothing.
    async fn record(
        &mut self,
        actions: &[Action],
        answer: Option<Answer>,
    ) -> Result<(), StoreError> {
        let facts = actions.iter().filter_map(|action| match action {
            Action::Record(fact) => Some(fact.clone()),
            _ => None,
        });
        let recorded = self.ledger.record(facts.collect(), answer).await?;
        self.recorded(&recorded);
        Ok(())
    }

    /// A message is recorded, or refused to whoever sends it: nobody has to send one.
    async fn sent(
        &mut self,
        message: Message,
        by: By,
        answer: Option<Answer>,
        states: mpsc::Sender<Told>,
    ) -> Next {
        let id = message.id;
        let actions = decide(&self.ledger.agent(), Input::Sent { message, by });
        self.senders.insert(id, states);
        match self.record(&actions, answer).await {
            Ok(()) => self.carry_out(without_records(actions)).await.0,
            Err(error) => {
                if let Some(states) = self.senders.remove(&id) {
                    let _ = states.try_send(Err(error.into()));
                }
                Next::GoOn
            }
        }
    }

    /// Carries out an input that nobody waits for an answer to.
    async fn take(&mut self, input: Input) -> Next {
        let actions = decide(&self.ledger.agent(), input);
        self.carry_out(actions).await.0
    }

    async fn hear(&mut self, report: Report) -> Next {
        let agent = self.ledger.agent();
        let actions = match report.said {
            Said::Facts(facts) => {
                facts.into_iter().flat_map(|fact| decide(&agent, Input::Reported(fact))).collect()
            }
            Said::Delivered(id) => decide(&agent, Input::Delivered(id)),
            Said::Undeliverable(id, reason) => decide(&agent, Input::Undeliverable(id, reason)),
        };
        let (next, _) = self.carry_out(actions).await;
        if let Some(tell) = report.recorded {
            self.ledger.when_settled(tell);
        }
        next
    }

    async fn exited(&mut self, exit: Exit) -> Next {
        self.attempt = None;
        self.take(Input::Exited(exit)).await
    }

    /// Carries out actions in their order, in a box: room for it is only taken while something happens. Records that
    /// follow each other are appended together. What has happened and cannot be recorded is owed, and the rest is done all the same.
    fn carry_out(&mut self, actions: Vec<Action>) -> BoxFuture<'_, (Next, Result<(), StoreError>)> {
        self.carry_out_each(actions).boxed()
    }

    async fn carry_out_each(&mut self, actions: Vec<Action>) -> (Next, Result<(), StoreError>) {
        let mut facts = Vec::new();
        let mut outcome = Ok(());
        for action in actions {
            if let Action::Record(fact) = action {
                facts.push(fact);
                continue;
            }
            outcome = outcome.and(self.owe(std::mem::take(&mut facts)).await);
            match action {
                Action::Record(_) | Action::Finish => {}
                Action::Run => self.run(),
                Action::Deliver(message) => {
                    self.attempt.iter().for_each(|attempt| attempt.deliver(message.clone()));
                }
                Action::Stop(stop) => self.attempt.iter().for_each(|attempt| attempt.stop(stop)),
                Action::Cancel => self.control(Control::Cancel),
                Action::Decided { request_id, allowed, option } => {
                    let decided = Decided { request_id, allowed, option };
                    self.control(Control::Permission(Box::new(decided)));
                }
                Action::Arm(timer, after) => self.arm(timer, after),
                Action::Refuse(reason) => self.refuse(&reason),
            }
        }
        outcome = outcome.and(self.owe(facts).await);
        (self.next(), outcome)
    }

    async fn owe(&mut self, facts: Vec<Fact>) -> Result<(), StoreError> {
        if facts.is_empty() {
            return Ok(());
        }
        let outcome = self.ledger.owe(facts).await;
        self.settled(outcome)
    }

    async fn settle(&mut self) -> Next {
        let outcome = self.ledger.settle().await;
        let _ = self.settled(outcome);
        self.next()
    }

    /// Takes note of what is durable now, or of when to try again.
    fn settled(&mut self, outcome: Result<Recorded, StoreError>) -> Result<(), StoreError> {
        match outcome {
            Ok(recorded) => {
                self.retry = None;
                self.recorded(&recorded);
                Ok(())
            }
            Err(error) => {
                let agent = self.ledger.durable().id;
                if self.retry.is_none() {
                    tracing::error!(%agent, %error, "cannot record what happened; trying again");
                }
                self.retry = Some(Instant::now() + RETRY);
                Err(error)
            }
        }
    }

    /// Nothing more happens to an agent whose end is durable.
    fn next(&self) -> Next {
        if self.ledger.durable().status.is_end() { Next::Finished } else { Next::GoOn }
    }

    fn recorded(&mut self, recorded: &Recorded) {
        let mut uses = false;
        for (event, fact) in recorded {
            self.tell_sender(event, fact);
            uses |= budget::is_use(fact);
            if let Fact::Stopping(order) = fact {
                family::stop_children(&self.inner, self.ledger.durable(), order);
            }
        }
        if uses {
            budget::count(&self.inner, self.ledger.durable());
        }
        if self.ledger.durable().environment.is_none() {
            self.environment = None;
        }
    }

    /// Tells whoever sent a message what became of it.
    fn tell_sender(&mut self, event: &Event, fact: &Fact) {
        let Fact::Input(input) = fact else { return };
        let Some(sender) = self.senders.get(&input.message_id) else { return };
        let told = match input.state {
            Delivery::Refused => Err(SupervisorError::Refused {
                agent: self.ledger.durable().id,
                reason: input.reason.clone().unwrap_or_default(),
            }),
            state => Ok(Sent {
                agent: self.ledger.durable().id,
                message: input.message_id,
                state,
                seq: event.seq,
            }),
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
            let _ = sender.try_send(Err(SupervisorError::Refused {
                agent: self.ledger.durable().id,
                reason,
            }));
        }
    }

    fn run(&mut self) {
        let agent = self.ledger.agent();
        let runtime = self.inner.runtimes.get(agent.spec.runtime);
        self.attempt = Some(Attempt::begin(&*runtime, &agent));
    }

    fn control(&self, control: Control) {
        if let Some(attempt) = &self.attempt {
            attempt.control(control);
        }
    }

    fn arm(&mut self, timer: Timer, after: Duration) {
        let when = Instant::now().checked_add(after);
        match timer {
            Timer::Timeout => self.timeout = when,
            Timer::Grace => self.grace = when,
            Timer::Ask => self.ask = when,
            Timer::Idle => self.idle = when,
        }
    }
}

async fn told_to_let_go(let_go: &mut watch::Receiver<bool>) {
    // An error means that the supervisor is gone, which says the same.
    let _ = let_go.wait_for(|go| *go).await;
}

async fn at(when: Option<Instant>) {
    let Some(when) = when else { return std::future::pending().await };
    // In a box, since most timers are not set.
    Box::pin(tokio::time::sleep_until(when)).await;
}

#[cfg(test)]
#[path = "actor_test.rs"]
mod tests;
