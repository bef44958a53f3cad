//! Which facts are operations, and what the audit trail keeps of them.

use serde_json::{Value, json};

use super::Operation;
use crate::model::{Actor, Agent, Delivery, Fact, Input, Spawned, StopCause, Stopping};

/// Characters of a task, and of each argument of a command, that the trail keeps.
const TEXT_CHARS: usize = 200;
/// Arguments of a command that the trail keeps.
const ARGUMENTS: usize = 64;

/// The operation that the fact stands for, if it stands for one; `agent` is the agent after it.
pub(super) fn operation(fact: &Fact, agent: &Agent) -> Option<Operation> {
    match fact {
        Fact::Spawned(spawned) => Some(of_spawned(spawned)),
        Fact::Input(input) => Some(of_input(input, agent)),
        Fact::Stopping(stopping) => Some(of_stopping(stopping, agent)),
        Fact::End(_, end) => Some(Operation {
            actor: Actor::daemon(),
            action: "end".to_owned(),
            outcome: agent.status.to_string(),
            detail: given([
                ("exit_code", json!(end.exit_code)),
                ("signal", json!(end.signal)),
                ("reason", json!(end.reason)),
                session(agent),
            ]),
        }),
        Fact::Started(_)
        | Fact::Output(_)
        | Fact::Message(_)
        | Fact::Thought(_)
        | Fact::Update(..)
        | Fact::Waiting(_) => None,
    }
}

fn of_spawned(spawned: &Spawned) -> Operation {
    let spec = &spawned.spec;
    let task = spec.task.as_deref().map(cut);
    Operation {
        actor: spawned.by.clone(),
        action: "spawn".to_owned(),
        outcome: "accepted".to_owned(),
        detail: given([
            ("profile", json!(spec.profile)),
            ("command", json!(spec.command.as_deref().map(arguments))),
            ("task", json!(task)),
            ("cwd", json!(spec.cwd)),
            ("group", json!(spec.group)),
            ("session", json!(spec.session)),
            ("timeout_ms", json!(spec.timeout_ms)),
            ("env", json!(spec.env)),
            ("index", json!(spawned.index)),
        ]),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS).collect()
}

/// The arguments, each cut, and how many were left out.
fn arguments(command: &[String]) -> Vec<String> {
    let kept = command.iter().take(ARGUMENTS).map(|argument| cut(argument));
    let more = command.len().saturating_sub(ARGUMENTS);
    kept.chain((more > 0).then(|| format!("and {more} more"))).collect()
}

/// The session that the agent belongs to.
fn session(agent: &Agent) -> (&'static str, Value) {
    ("session", json!(agent.spec.session))
}

fn of_input(input: &Input, agent: &Agent) -> Operation {
    let outcome = match input.state {
        Delivery::Queued => "queued",
        Delivery::Delivered => "delivered",
        Delivery::Refused => "refused",
    };
    Operation {
        actor: input.by.clone(),
        action: "send".to_owned(),
        outcome: outcome.to_owned(),
        detail: given([
            ("message_id", json!(input.message_id)),
            ("reason", json!(input.reason)),
            session(agent),
        ]),
    }
}

fn of_stopping(stopping: &Stopping, agent: &Agent) -> Operation {
    let action = match stopping.cause {
        StopCause::Kill => "kill",
        StopCause::Timeout => "timeout",
        StopCause::Shutdown => "shutdown",
    };
    Operation {
        actor: stopping.by.clone(),
        action: action.to_owned(),
        outcome: "accepted".to_owned(),
        detail: given([
            ("signal", json!(stopping.signal)),
            ("grace_ms", json!(stopping.grace_ms)),
            session(agent),
        ]),
    }
}

/// The entries that have a value.
fn given<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries = entries.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(entries.map(|(key, value)| (key.to_owned(), value)).collect())
}

#[cfg(test)]
#[path = "audit_test.rs"]
mod tests;
