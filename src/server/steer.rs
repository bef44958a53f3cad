//! Conversations: the turn's end, answers to permission requests, options.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::extract::{By, CalledBy, JsonBody, Selector};
use super::problem::Failure;
use super::{App, carried_out};
use crate::api::{self, AgentBody, ErrorBody, OptionsBody, PermissionBody};

/// End the turn that runs, and not the agent.
///
/// Answers when the turn is over, or after ten seconds when the harness does not obey.
#[utoipa::path(post, path = api::CANCEL, tag = "agents",
    params(("agent" = String, Path, description = "An id, an unambiguous prefix, or a label.")),
    responses((status = 200, description = "The agent.", body = AgentBody), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    Selector(selector): Selector,
    CalledBy(caller): CalledBy,
) -> Result<Json<AgentBody>, Failure> {
    let cancelled = carried_out(async move {
        let agent = app.supervisor.resolve_within(&selector, caller.acts_on()).await?;
        app.supervisor.cancel(agent.id, caller.actor).await
    });
    Ok(Json(AgentBody::from(&*cancelled.await?)))
}

/// Answer a permission request.
#[utoipa::path(post, path = api::PERMISSION, tag = "agents", request_body = PermissionBody,
    params(("agent" = String, Path, description = "An id, an unambiguous prefix, or a label.")),
    responses((status = 200, description = "The agent.", body = AgentBody), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn permission(
    State(app): State<Arc<App>>,
    Selector(selector): Selector,
    By(by): By,
    JsonBody(body): JsonBody<PermissionBody>,
) -> Result<Json<AgentBody>, Failure> {
    let answered = carried_out(async move {
        let agent = app.supervisor.resolve(&selector).await?;
        app.supervisor.answer(agent.id, body, by).await
    });
    Ok(Json(AgentBody::from(&*answered.await?)))
}

/// Set mode, model and other options of a conversation.
///
/// Answers when the harness has taken them.
#[utoipa::path(post, path = api::OPTIONS, tag = "agents", request_body = OptionsBody,
    params(("agent" = String, Path, description = "An id, an unambiguous prefix, or a label.")),
    responses((status = 200, description = "The agent.", body = AgentBody), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn options(
    State(app): State<Arc<App>>,
    Selector(selector): Selector,
    By(by): By,
    JsonBody(body): JsonBody<OptionsBody>,
) -> Result<Json<AgentBody>, Failure> {
    let set = carried_out(async move {
        let agent = app.supervisor.resolve(&selector).await?;
        app.supervisor.set_options(agent.id, body, by).await
    });
    Ok(Json(AgentBody::from(&*set.await?)))
}
