//! Which facts are operations, and what the audit trail keeps of them.

use serde_json::{Value, json};

use super::Operation;
use crate::model::{
    Actor, Agent, Delivery, Fact, Input, Permission, PermissionState, Spawned, StopCause, Stopping,
};

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
        | Fact::Waiting(_) => None,
        Fact::Update(_, data) => of_order(data, agent),
        Fact::Permission(permission) => Some(of_permission(permission, agent)),
    }
}

fn of_spawned(spawned: &Spawned) -> Operation {
    let spec = &spawned.spec;
    let task = spec.task.as_deref().map(cut);
    let turns = spec.runtime.takes_turns();
    let permissions = if turns { json!(spec.conversation.permissions) } else { Value::Null };
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
            ("permissions", permissions),
            ("mcp_servers", names(&spec.conversation.mcp_servers)),
            ("index", json!(spawned.index)),
        ]),
    }
}

fn names(names: &[String]) -> Value {
    if names.is_empty() { Value::Null } else { json!(names) }
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
        StopCause::Limit => "limit",
    };
    Operation {
        actor: stopping.by.clone(),
        action: action.to_owned(),
        outcome: "accepted".to_owned(),
        detail: given([
            ("signal", json!(stopping.signal)),
            ("grace_ms", json!(stopping.grace_ms)),
            ("reason", json!(stopping.reason)),
            session(agent),
        ]),
    }
}

/// An order about the conversation is an operation; what a harness reports is none.
fn of_order(data: &Value, agent: &Agent) -> Option<Operation> {
    // A harness's own update never is.
    if data.get("sessionUpdate").is_some() || data.get("method").is_some() {
        return None;
    }
    let order = data.get("order")?.as_str()?;
    let by = data.get("by")?.as_str()?;
    let text = |key: &str| data.get(key).and_then(Value::as_str).map(cut);
    Some(Operation {
        actor: Actor(by.into()),
        action: order.to_owned(),
        outcome: "accepted".to_owned(),
        detail: given([
            ("mode", json!(text("mode"))),
            ("model", json!(text("model"))),
            session(agent),
        ]),
    })
}

fn of_permission(permission: &Permission, agent: &Agent) -> Operation {
    let outcome = match permission.state {
        PermissionState::Asked => "asked",
        PermissionState::Allowed => "allowed",
        PermissionState::Denied => "denied",
        PermissionState::Expired => "expired",
    };
    Operation {
        actor: permission.by.clone().unwrap_or_else(Actor::daemon),
        action: "permission".to_owned(),
        outcome: outcome.to_owned(),
        detail: given([
            ("request_id", json!(cut(&permission.request_id))),
            ("method", json!(cut(&permission.method))),
            ("title", json!(cut(permission.title()))),
            ("option", json!(permission.option.as_deref().map(cut))),
            ("reason", json!(permission.reason)),
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
