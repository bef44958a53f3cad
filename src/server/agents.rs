//! Agents: spawn, list, look at, send to, kill.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};

use super::extract::{CalledBy, JsonBody, Key, Parameters, Selector};
use super::problem::Failure;
use super::{App, carried_out, loaders, query};
use crate::api::{
    self, AgentBody, AgentRow, AgentsPage, AgentsQuery, ErrorBody, KillBody, KillManyBody,
    MessageAnswer, MessageBody, RowsPage, SpawnBody,
};
use crate::model::{Agent, AgentFilter, Status};
use crate::store::{Store, StoreError};
use crate::supervisor::{Kill, Which};

/// How many ended agents are looked at to say whether some ended long ago.
const LOOK: usize = 20;

type Answer<T> = Result<Json<T>, Failure>;

fn page(agents: &[Arc<Agent>], next: Option<u64>) -> AgentsPage {
    let agents = agents.iter().map(|agent| AgentBody::from(&**agent)).collect();
    AgentsPage { agents, next: next.map(|next| next.to_string()), older: None }
}

/// Spawn agents.
///
/// Answers when the wish is recorded; the agents start as there are places for them.
#[utoipa::path(post, path = api::AGENTS, tag = "agents", request_body = SpawnBody,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "The same key with the same request answers with the same agents.")),
    responses((status = 201, description = "The agents, in their order.", body = AgentsPage), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn spawn(
    State(app): State<Arc<App>>,
    CalledBy(caller): CalledBy,
    Key(key): Key,
    JsonBody(body): JsonBody<SpawnBody>,
) -> Result<(StatusCode, Json<AgentsPage>), Failure> {
    if caller.remote {
        loaders::refuse(&body)?;
    }
    let spawned = async move {
        match caller.agent {
            Some(parent) => app.supervisor.spawn_child(parent, body, key).await,
            None => app.supervisor.spawn(body, caller.actor, key).await,
        }
    };
    let agents = carried_out(spawned).await?;
    Ok((StatusCode::CREATED, Json(page(&agents, None))))
}

/// List agents, in the order of their spawning.
#[utoipa::path(get, path = api::AGENTS, tag = "agents", params(AgentsQuery),
    responses((status = 200, description = "The agents, oldest first. With `brief` it is a RowsPage.", body = AgentsPage), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    CalledBy(caller): CalledBy,
    Parameters(query): Parameters<AgentsQuery>,
) -> Result<Response, Failure> {
    let (limit, brief) = (query::limit(query.limit)?, query.brief);
    let after = query::after(query.after.as_deref())?;
    let agents = app.selected(&query.select, &caller).await?;
    let filter = query::agent_filter(query, agents, caller.agent)?;
    let (store, now) = (app.supervisor.store(), Timestamp::now());
    let older = match (filter.ended_within_ms, after) {
        (Some(within), None) => Some(ended_before(&*store, &filter, within, now).await?),
        _ => None,
    };
    let found = store.agents(filter, after, limit, now).await?;
    if brief {
        let next = found.next.map(|next| next.to_string());
        let agents = found.agents.iter().map(|agent| AgentRow::from(&**agent)).collect();
        return Ok(Json(RowsPage { agents, next, older }).into_response());
    }
    Ok(Json(AgentsPage { older, ..page(&found.agents, found.next) }).into_response())
}

/// Whether some such agent ended so long ago. Only the first few are looked at: the list is ordered by
/// age, and the answer is only worth a remark.
async fn ended_before(
    store: &dyn Store,
    filter: &AgentFilter,
    within_ms: u64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let ends = Status::ALL.into_iter().filter(|status| status.is_end());
    let filter = AgentFilter {
        statuses: Some(filter.statuses.clone().unwrap_or_else(|| ends.collect())),
        ended_within_ms: None,
        ..filter.clone()
    };
    let within = i64::try_from(within_ms).unwrap_or(i64::MAX);
    let limit = now.checked_sub(SignedDuration::from_millis(within)).unwrap_or(Timestamp::MIN);
    let found = store.agents(filter, None, LOOK, now).await?;
    Ok(found.agents.iter().any(|agent| agent.ended_at.is_some_and(|ended| ended < limit)))
}

/// Look at one agent.
#[utoipa::path(get, path = api::AGENT, tag = "agents",
    params(("agent" = String, Path, description = "An id, an unambiguous prefix, or a label.")),
    responses((status = 200, description = "The agent.", body = AgentBody), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    CalledBy(caller): CalledBy,
    Selector(selector): Selector,
) -> Answer<AgentBody> {
    let agent = app.supervisor.resolve_within(&selector, caller.sees()).await?;
    Ok(Json(AgentBody::from(&*agent)))
}

/// Send a message to an agent.
#[utoipa::path(post, path = api::MESSAGES, tag = "agents", request_body = MessageBody,
    params(("agent" = String, Path, description = "An id, an unambiguous prefix, or a label."),
        ("Idempotency-Key" = Option<String>, Header,
            description = "The same key with the same message sends nothing new.")),
    responses((status = 202, description = "What became of the message so far.", body = MessageAnswer), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn send(
    State(app): State<Arc<App>>,
    Selector(selector): Selector,
    CalledBy(caller): CalledBy,
    Key(key): Key,
    JsonBody(body): JsonBody<MessageBody>,
) -> Result<(StatusCode, Json<MessageAnswer>), Failure> {
    let sent = carried_out(async move {
        let agent = app.supervisor.resolve_within(&selector, caller.acts_on()).await?;
        app.supervisor.send(agent.id, body.text, caller.actor, key).await
    });
    let sent = sent.await?;
    let (agent_id, message_id) = (sent.agent, sent.message);
    let answer = MessageAnswer { agent_id, message_id, state: sent.state, seq: sent.seq };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// Kill one agent; answers when it has ended.
#[utoipa::path(post, path = api::KILL, tag = "agents", request_body = KillBody,
    params(("agent" = String, Path, description = "An id, an unambiguous prefix, or a label.")),
    responses((status = 200, description = "The agent.", body = AgentBody), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn kill(
    State(app): State<Arc<App>>,
    Selector(selector): Selector,
    CalledBy(caller): CalledBy,
    JsonBody(body): JsonBody<KillBody>,
) -> Answer<AgentBody> {
    let how = Kill { grace_ms: body.grace_ms, signal: body.signal };
    let killed = carried_out(async move {
        let agent = app.supervisor.resolve_within(&selector, caller.acts_on()).await?;
        app.supervisor.kill(Which::Agents(vec![agent.id]), how, caller.actor).await
    });
    let killed = killed.await?;
    killed.first().map(|agent| Json(AgentBody::from(&**agent))).ok_or_else(Failure::internal)
}

/// Kill many agents; answers when all have ended.
#[utoipa::path(post, path = api::KILL_MANY, tag = "agents", request_body = KillManyBody,
    responses((status = 200, description = "The agents, oldest first.", body = AgentsPage), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn kill_many(
    State(app): State<Arc<App>>,
    CalledBy(caller): CalledBy,
    JsonBody(body): JsonBody<KillManyBody>,
) -> Answer<AgentsPage> {
    let how = Kill { grace_ms: body.grace_ms, signal: body.signal };
    let which = which(body)?;
    let killed = async move {
        match caller.agent {
            Some(top) => app.supervisor.kill_below(top, which, how).await,
            None => app.supervisor.kill(which, how, caller.actor).await,
        }
    };
    let killed = carried_out(killed).await?;
    Ok(Json(page(&killed, None)))
}

/// Exactly one way of saying which ones: two could be read as "both" or as "either".
fn which(body: KillManyBody) -> Result<Which, Failure> {
    match (body.agents, body.group, body.session, body.all) {
        (Some(agents), None, None, false) => Ok(Which::Agents(agents)),
        (None, Some(group), None, false) => Ok(Which::Group(group)),
        (None, None, Some(session), false) => Ok(Which::Session(session)),
        (None, None, None, true) => Ok(Which::All),
        _ => Err(Failure::invalid("give exactly one of `agents`, `group`, `session` and `all`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_ones_is_said_in_one_way() {
        let group = KillManyBody { group: Some("g".into()), ..KillManyBody::default() };
        assert_eq!(which(group.clone()).unwrap(), Which::Group("g".into()));
        let all = KillManyBody { all: true, ..KillManyBody::default() };
        assert_eq!(which(all).unwrap(), Which::All);
        for wrong in [KillManyBody::default(), KillManyBody { all: true, ..group }] {
            assert_eq!(which(wrong).unwrap_err().status(), StatusCode::BAD_REQUEST);
        }
    }
}
