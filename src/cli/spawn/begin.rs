//! A progress bar while many agents start.

use std::collections::HashSet;

use futures::StreamExt as _;
use serde::Deserialize;

use super::MANY;
use crate::api::{AgentBody, EventsQuery};
use crate::cli::show::StatusLine;
use crate::cli::{Context, Failure};
use crate::client::{Client, Frame};
use crate::model::{AgentId, EventType, Seq, Status};

/// Characters of the bar.
const WIDTH: usize = 30;

/// What of an event says that an agent has started, or never will.
#[derive(Deserialize)]
struct Seen {
    agent_id: AgentId,
}

/// Shows how many have started until all have that are not queued; nothing when they are few, or
/// nobody looks.
pub(super) async fn show(
    context: &Context,
    client: &Client,
    agents: &[AgentBody],
) -> Result<(), Failure> {
    if agents.len() < MANY || !context.show.progress {
        return Ok(());
    }
    let about_to = |agent: &&AgentBody| agent.status == Status::Starting;
    let mut starting: HashSet<_> = agents.iter().filter(about_to).map(|agent| agent.id).collect();
    let total = starting.len();
    let line = StatusLine::new(true);
    let mut frames = client.events(query(agents));
    while !starting.is_empty() {
        line.set(bar(total - starting.len(), total));
        // Whatever keeps the events away, the agents start without being looked at.
        let Some(Ok(Frame::Event { json, .. })) = frames.next().await else { break };
        if let Ok(seen) = serde_json::from_str::<Seen>(&json) {
            starting.remove(&seen.agent_id);
        }
    }
    Ok(())
}

fn query(agents: &[AgentBody]) -> EventsQuery {
    let since = agents.iter().map(|agent| agent.last_seq).min().unwrap_or(Seq::START);
    let mut types = vec![EventType::Started];
    types.extend(EventType::ENDS);
    EventsQuery {
        since: Some(since.to_string()),
        // Agents of one request share a group.
        group: agents.first().and_then(|agent| agent.group.clone()),
        r#type: types.iter().map(ToString::to_string).collect(),
        ..EventsQuery::default()
    }
}

fn bar(done: usize, total: usize) -> String {
    let filled = (done * WIDTH).checked_div(total).unwrap_or(WIDTH);
    format!("starting [{}{}] {done}/{total}", "#".repeat(filled), ".".repeat(WIDTH - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills() {
        assert_eq!(bar(0, 10), format!("starting [{}] 0/10", ".".repeat(30)));
        assert_eq!(bar(10, 10), format!("starting [{}] 10/10", "#".repeat(30)));
        assert!(bar(5, 10).contains(&format!("[{}{}]", "#".repeat(15), ".".repeat(15))));
        assert!(bar(0, 0).ends_with("0/0"));
    }
}
