//! What happened in a session before, and which sessions there are: both read from the daemon.

use std::collections::BTreeMap;
use std::path::Path;

use agent_client_protocol::v1::schema::{ListSessionsRequest, ListSessionsResponse, SessionInfo};

use super::accept::agents_of;
use super::face::Face;
use super::options;
use super::session::Session;
use super::trouble::Trouble;
use super::update::{Updates, chunk};
use crate::api::{AgentBody, AgentsQuery, EventBody, EventsQuery};
use crate::client::Client;
use crate::model::openclaw;

/// Characters of a task that become the title of its session.
const TITLE_MAX: usize = 80;
/// Agents that are looked through for a page of sessions.
const PAGE: usize = 1_000;

/// Tells the client everything that was said in the session, oldest first.
///
/// # Errors
/// When the daemon cannot be asked.
pub(super) async fn replay(face: &Face<'_>, session: &Session) -> Result<(), Trouble> {
    let client = face.daemon.connect().await?;
    for agent in agents_of(&client, session).await? {
        replay_agent(face, &client, session, &agent).await?;
    }
    Ok(())
}

async fn replay_agent(
    face: &Face<'_>,
    client: &Client,
    session: &Session,
    agent: &AgentBody,
) -> Result<(), Trouble> {
    let mut query = EventsQuery {
        since: Some("beginning".to_owned()),
        agent: vec![agent.id.to_string()],
        ..EventsQuery::default()
    };
    let mut updates = Updates::default();
    loop {
        let page = client.events_page(&query).await?;
        for event in &page.events {
            let update = match from_user(event) {
                Some(text) => Some(chunk("user_message_chunk", text)),
                None => updates.of(event),
            };
            if let Some(mut update) = update {
                options::hear(face, session, &updates.offered, &mut update);
                face.out.update(&session.id, update).await;
            }
        }
        // What comes after the state that was asked for belongs to a turn that runs.
        if page.events.is_empty() || page.next >= agent.last_seq {
            return Ok(());
        }
        query.since = Some(page.next.to_string());
    }
}

/// What was given to the agent: its task, or a message, which has its text with its first event.
fn from_user(event: &EventBody) -> Option<&str> {
    match event.r#type.as_str() {
        "agent.spawned" => event.data["spec"]["task"].as_str(),
        "agent.input" => event.data["text"].as_str(),
        _ => None,
    }
}

/// A page of the sessions that agents were spawned in, newest first within it.
///
/// # Errors
/// When the daemon cannot be asked.
pub(super) async fn list(
    face: &Face<'_>,
    request: &ListSessionsRequest,
) -> Result<ListSessionsResponse, Trouble> {
    let client = face.daemon.connect().await?;
    let query =
        AgentsQuery { limit: Some(PAGE), after: request.cursor.clone(), ..AgentsQuery::default() };
    let page = client.agents(&query).await?;
    let mut sessions: BTreeMap<&str, &AgentBody> = BTreeMap::new();
    let here =
        |agent: &AgentBody| request.cwd.as_deref().is_none_or(|cwd| cwd == Path::new(&agent.cwd));
    for agent in page.agents.iter().filter(|agent| here(agent)) {
        if let Some(id) = agent.metadata.get(openclaw::ACP_SESSION) {
            sessions.insert(id, agent);
        }
    }
    let mut sessions: Vec<_> = sessions.into_iter().collect();
    sessions.sort_by_key(|(_, agent)| std::cmp::Reverse(agent.last_seq));
    let infos = sessions.into_iter().map(|(id, agent)| {
        let at = agent.ended_at.or(agent.started_at).unwrap_or(agent.created_at);
        let title = agent.label.as_deref().or(agent.task.as_deref()).map(title);
        SessionInfo::new(id.to_owned(), agent.cwd.clone()).title(title).updated_at(at.to_string())
    });
    Ok(ListSessionsResponse::new(infos.collect()).next_cursor(page.next))
}

fn title(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    line.chars().take(TITLE_MAX).collect()
}
