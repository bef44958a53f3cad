//! What an input means for an agent. Pure: no clock, no channel, no await; time is an argument.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{
    Actor, Agent, Delivery, End, EventType, Fact, Input as MessageFact, MessageId, PermissionState,
    Signal, Status, StopCause, Stopping,
};
use crate::runtime::{Exit, Message, Stop};

/// Milliseconds that an agent which waits gets between the signal and SIGKILL.
const IDLE_GRACE_MS: u64 = 10_000;

/// Something that an agent's actor was told or has noticed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Input {
    /// A place is free for it.
    Admitted,
    /// A new daemon found it in the log, with a place.
    TakenBack {
        now: Timestamp,
    },
    /// Somebody wants to tell it something.
    Sent {
        message: Message,
        by: Actor,
    },
    /// Somebody wants it stopped. `begun` says whether there is an attempt: between admission and
    /// start the log does not know it yet.
    StopAsked {
        cause: StopCause,
        by: Actor,
        signal: Signal,
        grace_ms: u64,
        /// Why, where the cause does not say it.
        reason: Option<String>,
        begun: bool,
    },
    /// Its attempt reports a fact.
    Reported(Fact),
    Delivered(MessageId),
    Undeliverable(MessageId, String),
    /// Its time has run out; it then gets the grace.
    TimeoutOver {
        grace_ms: u64,
    },
    /// It was asked to stop, and its grace is over.
    GraceOver,
    /// A permission request may have waited long enough.
    AskOver {
        now: Timestamp,
    },
    /// It may have waited for a message as long as it may.
    IdleOver,
    /// Its attempt has ended; nothing of it is alive.
    Exited(Exit),
}

/// Which of an agent's timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    Timeout,
    Grace,
    /// Of the permission requests that wait for people.
    Ask,
    /// Of an agent that waits for a message.
    Idle,
}

/// What to do, in this order. Records that follow each other are made durable together, and nothing
/// after a record is done before it is durable.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    Record(Fact),
    /// Begin an attempt, or take one back.
    Run,
    /// Hand a message to the attempt. There is only ever one on its way.
    Deliver(Message),
    Stop(Stop),
    /// Tell the attempt that a permission request is decided.
    Decided {
        request_id: String,
        allowed: bool,
        option: Option<String>,
    },
    /// Tell the attempt that its turn is to end.
    Cancel,
    Arm(Timer, Duration),
    /// The sender is to be told that the agent does not take the message.
    Refuse(String),
    /// Nothing more will happen to this agent.
    Finish,
}

/// What is left to do when the records are made.
pub(super) fn without_records(actions: Vec<Action>) -> Vec<Action> {
    actions.into_iter().filter(|action| !matches!(action, Action::Record(_))).collect()
}

/// What `input` means for `agent`.
pub(super) fn decide(agent: &Agent, input: Input) -> Vec<Action> {
    if agent.status.is_end() {
        return match input {
            Input::Sent { .. } => vec![Action::Refuse(ended(agent))],
            _ => Vec::new(),
        };
    }
    match input {
        Input::Admitted => vec![Action::Run],
        Input::TakenBack { now } => taken_back(agent, now),
        Input::Sent { message, by } => sent(agent, message, &by),
        // Every agent that uses more tells it to all.
        Input::StopAsked { cause: StopCause::Limit, .. } if agent.stopping.is_some() => Vec::new(),
        Input::StopAsked { cause, by, signal, grace_ms, reason, begun } => {
            stop(agent, Stopping { cause, by, signal, grace_ms, reason }, begun)
        }
        Input::Reported(fact) => reported(agent, fact),
        Input::Delivered(id) => settled(agent, id, None),
        Input::Undeliverable(id, reason) => settled(agent, id, Some(reason)),
        Input::TimeoutOver { grace_ms } if agent.stopping.is_none() => stop(
            agent,
            Stopping {
                cause: StopCause::Timeout,
                by: Actor::daemon(),
                signal: Signal::TERM,
                grace_ms,
                reason: None,
            },
            true,
        ),
        Input::TimeoutOver { .. } => Vec::new(),
        Input::GraceOver => vec![Action::Stop(Stop::Now)],
        Input::AskOver { now } => super::steer::expire(agent, now),
        Input::IdleOver => idle_over(agent),
        Input::Exited(exit) => exited(agent, exit),
    }
}

fn ended(agent: &Agent) -> String {
    format!("agent {} has ended ({})", agent.id.short(), agent.status)
}

fn taken_back(agent: &Agent, now: Timestamp) -> Vec<Action> {
    let mut actions = vec![Action::Run];
    if let (Some(started), Some(timeout)) = (agent.started_at, agent.spec.timeout_ms) {
        actions.push(Action::Arm(Timer::Timeout, left(started, timeout, now)));
    }
    if let Some(order) = &agent.stopping {
        actions.push(Action::Stop(Stop::Ask(order.signal)));
        actions.push(Action::Arm(Timer::Grace, left(order.at, order.grace_ms, now)));
    }
    actions.extend(super::steer::arm_asks(agent, None, now));
    if agent.status == Status::Waiting {
        actions.extend(arm_idle(agent));
    }
    if agent.started_at.is_some() {
        actions.extend(next_message(agent, None));
    }
    actions
}

/// What is left at `now` of so many milliseconds after `start`.
fn left(start: Timestamp, milliseconds: u64, now: Timestamp) -> Duration {
    let passed = Duration::try_from(now.duration_since(start)).unwrap_or_default();
    Duration::from_millis(milliseconds).saturating_sub(passed)
}

fn sent(agent: &Agent, message: Message, by: &Actor) -> Vec<Action> {
    let fact = |state, reason: Option<String>| {
        Action::Record(Fact::Input(MessageFact {
            message_id: message.id,
            state,
            text: Some(message.text.clone()),
            reason,
            by: by.clone(),
        }))
    };
    let refusal = if agent.status == Status::Stopping {
        Some(format!("agent {} is stopping", agent.id.short()))
    } else if !agent.takes_messages() {
        Some(format!(
            "agent {} was spawned without --stdin, so it takes no messages",
            agent.id.short()
        ))
    } else {
        None
    };
    if let Some(reason) = refusal {
        return vec![fact(Delivery::Refused, Some(reason.clone())), Action::Refuse(reason)];
    }
    let mut actions = vec![fact(Delivery::Queued, None)];
    if agent.started_at.is_some() && agent.inbox.is_empty() {
        actions.push(Action::Deliver(message));
    }
    actions
}

/// The next queued message but for the one that is just being settled.
fn next_message(agent: &Agent, settled: Option<MessageId>) -> Option<Action> {
    agent.inbox.iter().find(|queued| Some(queued.message_id) != settled).map(|queued| {
        let text = queued.text.clone().unwrap_or_default();
        Action::Deliver(Message { id: queued.message_id, text })
    })
}

fn settled(agent: &Agent, id: MessageId, refused: Option<String>) -> Vec<Action> {
    let Some(queued) = agent.inbox.iter().find(|queued| queued.message_id == id) else {
        return Vec::new();
    };
    let state = if refused.is_some() { Delivery::Refused } else { Delivery::Delivered };
    let fact = MessageFact { state, text: None, reason: refused, ..queued.clone() };
    let mut actions = vec![Action::Record(Fact::Input(fact))];
    actions.extend(next_message(agent, Some(id)));
    actions
}

fn stop(agent: &Agent, stopping: Stopping, begun: bool) -> Vec<Action> {
    let (signal, grace) = (stopping.signal, Duration::from_millis(stopping.grace_ms));
    let cause = stopping.cause;
    let mut actions = vec![Action::Record(Fact::Stopping(stopping))];
    if !begun {
        actions.extend(end(agent, cause, Exit::default()));
    } else if grace.is_zero() {
        actions.push(Action::Stop(Stop::Now));
    } else {
        actions.push(Action::Stop(Stop::Ask(signal)));
        actions.push(Action::Arm(Timer::Grace, grace));
    }
    actions
}

fn reported(agent: &Agent, fact: Fact) -> Vec<Action> {
    let started = matches!(fact, Fact::Started(_));
    let waits = fact.event_type() == EventType::Waiting;
    let asked = matches!(&fact, Fact::Permission(it) if it.state == PermissionState::Asked);
    let mut actions = vec![Action::Record(fact)];
    if asked
        && agent.asks().is_empty()
        && let Some(limit) = agent.spec.conversation.ask_timeout_ms
    {
        actions.push(Action::Arm(Timer::Ask, Duration::from_millis(limit)));
    }
    if waits {
        actions.extend(arm_idle(agent));
    }
    if started {
        if let Some(timeout) = agent.spec.timeout_ms {
            actions.push(Action::Arm(Timer::Timeout, Duration::from_millis(timeout)));
        }
        actions.extend(next_message(agent, None));
    }
    actions
}

/// It is armed anew whenever the agent begins to wait.
fn arm_idle(agent: &Agent) -> Option<Action> {
    let limit = agent.spec.conversation.idle_timeout_ms?;
    Some(Action::Arm(Timer::Idle, Duration::from_millis(limit)))
}

fn idle_over(agent: &Agent) -> Vec<Action> {
    if agent.status != Status::Waiting || agent.stopping.is_some() || !agent.inbox.is_empty() {
        return Vec::new();
    }
    let limit = agent.spec.conversation.idle_timeout_ms.unwrap_or_default();
    let reason = format!("no message came within {limit} ms, the limit set by idle_timeout_ms");
    let order = Stopping {
        cause: StopCause::Limit,
        by: Actor::daemon(),
        signal: Signal::TERM,
        grace_ms: IDLE_GRACE_MS,
        reason: Some(reason),
    };
    stop(agent, order, true)
}

fn exited(agent: &Agent, exit: Exit) -> Vec<Action> {
    let kind = match (&agent.stopping, &exit) {
        (Some(order), _) => return end(agent, order.cause, exit),
        (None, Exit { unseen: true, .. }) => EventType::Lost,
        (None, Exit { code: Some(0), signal: None, .. }) => EventType::Completed,
        _ => EventType::Failed,
    };
    finish(agent, kind, exit)
}

/// The end of an agent that was told to stop.
fn end(agent: &Agent, cause: StopCause, exit: Exit) -> Vec<Action> {
    let reason = match cause {
        StopCause::Timeout => {
            let limit = agent.spec.timeout_ms.unwrap_or_default();
            Some(format!("it ran longer than its timeout of {limit} ms"))
        }
        StopCause::Shutdown => Some("the daemon ended its agents".to_owned()),
        StopCause::Limit => agent.stopping.as_ref().and_then(|order| order.reason.clone()),
        StopCause::Kill => exit.reason.clone(),
    };
    let kind = match cause {
        StopCause::Timeout => EventType::TimedOut,
        StopCause::Kill | StopCause::Shutdown | StopCause::Limit => EventType::Killed,
    };
    finish(agent, kind, Exit { reason, ..exit })
}

fn finish(agent: &Agent, kind: EventType, exit: Exit) -> Vec<Action> {
    let mut actions: Vec<Action> = agent
        .inbox
        .iter()
        .map(|queued| {
            let reason = Some("the agent ended before it took the message".to_owned());
            let fact =
                MessageFact { state: Delivery::Refused, text: None, reason, ..queued.clone() };
            Action::Record(Fact::Input(fact))
        })
        .collect();
    let Exit { code: exit_code, signal, reason, result, survivors, .. } = exit;
    // Whatever else it ended for, who is left must be known.
    let left = (survivors > 0).then(|| format!("{survivors} of its processes could not be killed"));
    let reason = match (reason, left) {
        (Some(reason), Some(left)) => Some(format!("{reason}; {left}")),
        (reason, left) => reason.or(left),
    };
    actions.push(Action::Record(Fact::End(kind, End { exit_code, signal, reason, result })));
    actions.push(Action::Finish);
    actions
}

#[cfg(test)]
#[path = "decide_test.rs"]
mod tests;
