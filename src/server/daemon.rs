//! The daemon itself: how it is, what it offers, and its end.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use utoipa::openapi::OpenApi;

use super::extract::{By, JsonBody};
use super::problem::Failure;
use super::{App, carried_out, metrics, places};
use crate::api::{self, AgentBody, AgentsPage, ErrorBody, Health, ProfilesPage, ShutdownBody};
use crate::store;
use crate::supervisor::{Kill, SupervisorError};

/// Stop the daemon.
///
/// Answers when new work is refused, with the agents that were killed if that was asked for; the
/// daemon ends after that.
#[utoipa::path(post, path = api::SHUTDOWN, tag = "daemon", request_body = ShutdownBody,
    responses((status = 200, description = "The agents that were killed.", body = AgentsPage), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn shutdown(
    State(app): State<Arc<App>>,
    By(by): By,
    JsonBody(body): JsonBody<ShutdownBody>,
) -> Result<Json<AgentsPage>, Failure> {
    let kill = body.kill_agents.then_some(Kill { grace_ms: body.grace_ms, signal: None });
    let killed = carried_out(async move {
        let killed = app.supervisor.shut_down(kill, by).await?;
        app.stop.cancel();
        Ok::<_, SupervisorError>(killed)
    });
    let agents = killed.await?.iter().map(|agent| AgentBody::from(&**agent)).collect();
    Ok(Json(AgentsPage { agents, next: None, older: None }))
}

/// The profiles that agents can be spawned from.
#[utoipa::path(get, path = api::PROFILES, tag = "daemon",
    responses((status = 200, description = "The profiles.", body = ProfilesPage), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn profiles(State(app): State<Arc<App>>) -> Json<ProfilesPage> {
    Json(ProfilesPage { profiles: app.profiles.clone() })
}

/// Whether the process lives, and how it is.
#[utoipa::path(get, path = api::HEALTHZ, tag = "daemon", responses((status = 200, description = "It does.", body = Health)))]
pub(super) async fn healthz(State(app): State<Arc<App>>) -> Json<Health> {
    Json(health(&app).await)
}

/// Whether the daemon takes work.
#[utoipa::path(get, path = api::READYZ, tag = "daemon",
    responses((status = 200, description = "It does.", body = Health), (status = 503, description = "It does not: it is stopping, or cannot record.", body = Health)))]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, Json<Health>) {
    let health = health(&app).await;
    let ready = health.status == GOOD;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health))
}

/// The status of a daemon that takes work.
const GOOD: &str = "ok";

async fn health(app: &App) -> Health {
    let (status, reason) = match app.supervisor.store().health().await {
        store::Health::Failed(reason) => ("failed", Some(reason)),
        _ if app.is_stopping() => ("stopping", None),
        store::Health::Degraded(reason) => ("degraded", Some(reason)),
        store::Health::Good => match app.places.scarcity() {
            Some(reason) => ("degraded", Some(format!("{reason}; {}", places::HINT))),
            None => (GOOD, None),
        },
    };
    Health {
        status: status.to_owned(),
        reason,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        api: 1,
        pid: std::process::id(),
    }
}

/// Metrics, as Prometheus reads them.
#[utoipa::path(get, path = api::METRICS, tag = "daemon",
    responses((status = 200, description = "The metrics.", body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Failure> {
    let store = app.supervisor.store();
    let counts = store.counts().await?;
    app.metrics.bridge(&app.bridge_state());
    let text = app.metrics.render(&counts, store.bounds().1);
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

/// This contract.
#[utoipa::path(get, path = api::OPENAPI, tag = "daemon", responses((status = 200, description = "An `OpenAPI` document.")))]
pub(super) async fn contract() -> Json<OpenApi> {
    Json(super::openapi())
}
