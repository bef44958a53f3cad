//! Everything about one agent.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::of_status;
use crate::api::AgentBody;
use crate::cli::show::{Paint, Show, ago, clean_line, command_line, count, end_of, span};

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
    let queued = agent.messages_queued;
    add("messages", (queued > 0).then(|| format!("{} not delivered", count(queued, "message"))));
    add("pid", agent.pid.map(|pid| pid.to_string()));
    add("spawned by", (!agent.spawned_by.is_empty()).then(|| agent.spawned_by.clone()));
    add("created", Some(time(agent.created_at)));
    add("started", agent.started_at.map(time));
    add("ended", agent.ended_at.map(time));
    add("last seq", Some(agent.last_seq.to_string()));
    add("result", agent.result.clone());
    fields
}

#[cfg(test)]
#[path = "detail_test.rs"]
mod tests;
