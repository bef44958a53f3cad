//! Many agents as a table.

use std::collections::HashMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::of_status;
use crate::api::AgentRow;
use crate::cli::show::{
    Cell, Column, Table, between, clean, command_line, count, name, shortened, span,
};
use crate::model::Status;

/// A row for each agent.
pub(super) fn table(agents: &[AgentRow<'_>], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        Column::Fixed("ID"),
        Column::Shrinks("LABEL"),
        Column::Shrinks("STATUS"),
        Column::Optional("AGE"),
        Column::Fixed("RUNTIME"),
        Column::Shrinks("COMMAND/TASK"),
        Column::Optional("GROUP"),
    ]);
    let shared = shared_labels(agents);
    for agent in agents {
        table.row(vec![
            agent.id.short().into(),
            label(agent, &shared),
            Cell::painted(status(agent), of_status(agent.status)),
            span(between(agent.created_at, now)).into(),
            runtime(agent, now).into(),
            what(agent).into(),
            clean(&shortened(agent.group.as_deref().unwrap_or_default(), 24)).as_ref().into(),
        ]);
    }
    table
}

/// Which labels stand in more than one row.
fn shared_labels<'a>(agents: &'a [AgentRow<'_>]) -> HashMap<&'a str, usize> {
    let mut shared = HashMap::new();
    for label in agents.iter().filter_map(|agent| agent.label.as_deref()) {
        *shared.entry(label).or_default() += 1;
    }
    shared
}

fn label(agent: &AgentRow<'_>, shared: &HashMap<&str, usize>) -> Cell {
    let Some(label) = agent.label.as_deref() else { return Cell::default() };
    let is_one_of_several = agent.index > 1 || shared.get(label).is_some_and(|rows| *rows > 1);
    let index = (is_one_of_several && agent.index > 0).then_some(agent.index);
    name(agent.id, Some(label), index).into()
}

fn status(agent: &AgentRow<'_>) -> String {
    let status = agent.status.as_str().replace('_', " ");
    let end = match (agent.status, agent.exit_code) {
        (Status::Failed, Some(code)) => format!("exit code {code}"),
        (Status::Queued, _) => agent.reason.as_deref().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    if end.is_empty() { status } else { format!("{status}: {}", clean(&shortened(&end, 60))) }
}

/// How long it has been running, or did.
fn runtime(agent: &AgentRow<'_>, now: Timestamp) -> String {
    match agent.started_at {
        Some(started) => span(between(started, agent.ended_at.unwrap_or(now))),
        None => "-".to_owned(),
    }
}

fn what(agent: &AgentRow<'_>) -> String {
    match (&agent.task, &agent.command) {
        (Some(task), _) => clean(task).into_owned(),
        (None, Some(command)) => command_line(command),
        (None, None) => String::new(),
    }
}

/// "3 agents: 2 running, 1 failed".
pub(super) fn summary(agents: &[AgentRow<'_>], older: bool) -> String {
    let mut said = count(agents.len(), "agent");
    let mut separator = ": ";
    for status in Status::ALL {
        let number = agents.iter().filter(|agent| agent.status == status).count();
        if number > 0 {
            let _ = write!(said, "{separator}{number} {}", status.as_str().replace('_', " "));
            separator = ", ";
        }
    }
    if older {
        said.push_str("; those that ended more than an hour ago: `dash status --all`");
    }
    said
}

#[cfg(test)]
#[path = "list_test.rs"]
mod tests;
