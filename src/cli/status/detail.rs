//! Everything about one agent.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::of_status;
use crate::api::AgentBody;
use crate::cli::show::{Paint, Show, ago, clean_line, command_line, count, end_of, span};
use crate::model::{Children, Limits, Usage};

/// Columns of the names.
const NAMES: usize = 13;

/// Lines with a name and a value each. A value of several lines goes on below itself.
pub(super) fn of(show: &Show, agent: &AgentBody, now: Timestamp) -> String {
    let mut lines = String::new();
    let status = if agent.status.is_end() { end_of(agent) } else { alive(agent) };
    for (name, value) in fields(agent, now, &status) {
        let mut rest = value.lines();
        let first = clean_line(rest.next().unwrap_or_default()).into_owned();
        let first =
            if name == "status" { show.paint(&first, of_status(agent.status)) } else { first };
        let title = format!("{:NAMES$}", format!("{name}:"));
        lines.push_str(&show.paint(&title, Paint::Dim));
        let _ = writeln!(lines, "{first}");
        for line in rest {
            let _ = writeln!(lines, "{:NAMES$}{}", "", clean_line(line));
        }
    }
    lines
}

fn alive(agent: &AgentBody) -> String {
    match &agent.reason {
        Some(reason) => format!("{}, {reason}", agent.status),
        None => agent.status.to_string(),
    }
}

/// What there is to say, in order; values as they came.
fn fields(agent: &AgentBody, now: Timestamp, status: &str) -> Vec<(&'static str, String)> {
    let time = |time: Timestamp| format!("{time:.0} ({})", ago(now, time));
    let mut fields = vec![("id", agent.id.to_string())];
    let mut add = |name, value: Option<String>| {
        if let Some(value) = value {
            fields.push((name, value));
        }
    };
    add("label", agent.label.clone());
    add("status", Some(status.to_owned()));
    add("command", agent.command.as_deref().map(command_line));
    add("task", agent.task.clone());
    add("runtime", Some(agent.runtime.clone()));
    add("profile", agent.profile.clone());
    add("model", agent.model.clone());
    add("cwd", Some(agent.cwd.clone()));
    add("group", agent.group.clone());
    add("index", agent.group.is_some().then(|| agent.index.to_string()));
    add("session", agent.session.clone());
    for (key, value) in &agent.metadata {
        add("metadata", Some(format!("{key}={value}")));
    }
    add("environment", (!agent.env.is_empty()).then(|| agent.env.join(" ")));
    add("timeout", agent.timeout_ms.map(span));
    add("stdin", agent.stdin.then(|| "takes messages".to_owned()));
    add("permissions", agent.permissions.map(|policy| policy.to_string()));
    add("asks", agent.asks.as_ref().map(asks));
    add("turn", agent.turn.map(|turn| turn.to_string()));
    add("used", agent.usage.as_ref().map(|usage| used(usage, agent.limits)));
    add("harness id", agent.harness_session.clone());
    let queued = agent.messages_queued;
    add("messages", (queued > 0).then(|| format!("{} not delivered", count(queued, "message"))));
    add("pid", agent.pid.map(|pid| pid.to_string()));
    add("parent", agent.parent.map(|parent| parent.to_string()));
    add("children", agent.children.map(children));
    add("spawned by", (!agent.spawned_by.is_empty()).then(|| agent.spawned_by.clone()));
    add("created", Some(time(agent.created_at)));
    add("started", agent.started_at.map(time));
    add("ended", agent.ended_at.map(time));
    add("last seq", Some(agent.last_seq.to_string()));
    add("result", agent.result.clone());
    fields
}

/// What it may spawn itself.
fn children(children: Children) -> String {
    let Children { at_once, in_all, depth } = children;
    let generations = count(usize::try_from(depth).unwrap_or(usize::MAX), "generation");
    format!("at most {at_once} at once, {in_all} in all, in {generations}")
}

/// What it asks for, and how to answer.
fn asks(ask: &serde_json::Value) -> String {
    let text = |value: &serde_json::Value, key: &str| {
        value.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    };
    let call = ask.get("toolCall").unwrap_or(&serde_json::Value::Null);
    let mut title = text(call, "title");
    if title.is_empty() {
        title = text(ask, "method");
    }
    let mut lines = vec![title];
    for option in ask.get("options").and_then(serde_json::Value::as_array).into_iter().flatten() {
        lines.push(format!("  {} ({})", text(option, "optionId"), text(option, "name")));
    }
    lines.push("answer with `dash allow` or `dash deny`".to_owned());
    lines.join("\n")
}

/// What is used of what may be; what a harness does not tell is unknown.
fn used(usage: &Usage, limits: Option<Limits>) -> String {
    let limits = limits.unwrap_or_default();
    let of = |most: Option<String>| most.map(|most| format!(" of {most}")).unwrap_or_default();
    let tokens = usage.known_tokens().map_or("unknown".to_owned(), |tokens| tokens.to_string());
    let cost = usage.cost.map_or("unknown".to_owned(), |cost| {
        format!("{cost} {}", usage.currency.as_deref().unwrap_or_default()).trim_end().to_owned()
    });
    format!(
        "turns {}{}, tokens {tokens}{}, cost {cost}{}",
        usage.turns,
        of(limits.max_turns.map(|most| most.to_string())),
        of(limits.max_tokens.map(|most| most.to_string())),
        of(limits.max_cost.map(|most| most.to_string())),
    )
}

#[cfg(test)]
#[path = "detail_test.rs"]
mod tests;
