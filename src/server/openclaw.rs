//! What the daemon's own bridge to OpenClaw's gateway says: how it is, and who a session is.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use futures::future::BoxFuture;
use http::StatusCode;
use tokio::sync::watch;

use super::App;
use super::problem::Failure;
use crate::api::{self, BridgeBody, BridgeState, Code, ErrorBody, Problem, SessionBody};
use crate::model::check_session;

/// How the bridge is asked about a session.
pub type AskSession =
    Arc<dyn Fn(String) -> BoxFuture<'static, Result<SessionBody, Problem>> + Send + Sync>;

/// The bridge, as far as requests can reach it. It is a client of this daemon like any other; only
/// whoever composes the daemon knows both.
pub struct Bridge {
    pub state: watch::Receiver<BridgeBody>,
    pub ask: AskSession,
}

/// How the bridge to OpenClaw's gateway is.
#[utoipa::path(get, path = api::OPENCLAW, tag = "openclaw",
    responses((status = 200, description = "How it is; `off` when nobody asked for it.", body = BridgeBody)))]
pub(super) async fn state(State(app): State<Arc<App>>) -> Json<BridgeBody> {
    Json(app.bridge_state())
}

/// What OpenClaw's gateway knows of a session: its label, and whose child it is.
///
/// Answered from memory for a few seconds, and within twenty seconds in any case.
#[utoipa::path(get, path = api::OPENCLAW_SESSION, tag = "openclaw",
    params(("key" = String, Path, description = "An OpenClaw session key.")),
    responses((status = 200, description = "The session.", body = SessionBody), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn session(
    State(app): State<Arc<App>>,
    key: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Json<SessionBody>, Failure> {
    let Path(key) = key.map_err(|_| Failure::invalid("the session key is not UTF-8"))?;
    check_session(&key)?;
    known(app.bridge.as_ref(), key).await.map(Json)
}

async fn known(bridge: Option<&Bridge>, key: String) -> Result<SessionBody, Failure> {
    let Some(bridge) = bridge else {
        let message = "the bridge to OpenClaw is off";
        return Err(Failure::new(StatusCode::CONFLICT, Code::Refused, message).hinted(
            "set `enabled = true` under [openclaw] in config.toml, and restart the daemon",
        ));
    };
    (bridge.ask)(key).await.map_err(|problem| {
        let status = match problem.code {
            Code::NotFound => StatusCode::NOT_FOUND,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        let failure = Failure::new(status, problem.code, problem.message);
        match problem.hint {
            Some(hint) => failure.hinted(hint),
            None => failure,
        }
    })
}

impl App {
    /// The same, with the bridge that this daemon runs.
    #[must_use]
    pub fn with_bridge(self, bridge: Option<Bridge>) -> Self {
        Self { bridge, ..self }
    }

    pub(super) fn bridge_state(&self) -> BridgeBody {
        let off = BridgeBody { state: BridgeState::Off, ..BridgeBody::default() };
        self.bridge.as_ref().map_or(off, |bridge| bridge.state.borrow().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bridge_that_is_off_says_how_to_switch_it_on() {
        let failure = known(None, "agent:main:main".into()).await.unwrap_err();
        assert_eq!(failure.status(), StatusCode::CONFLICT);
        assert!(failure.problem().hint.as_ref().unwrap().contains("[openclaw]"));
    }

    #[tokio::test]
    async fn what_the_bridge_says_of_a_session_is_passed_on() {
        let ask: AskSession = Arc::new(|key| {
            Box::pin(async move {
                match key.as_str() {
                    "known" => Ok(SessionBody { key, ..SessionBody::default() }),
                    "unknown" => Err(Problem::new(Code::NotFound, "no such session")),
                    _ => Err(Problem::new(Code::Unavailable, "not connected").hinted("start it")),
                }
            })
        });
        let (_keep, state) = watch::channel(BridgeBody::default());
        let bridge = Bridge { state, ask };
        let found = known(Some(&bridge), "known".into()).await.unwrap();
        assert_eq!(found.key, "known");
        let missing = known(Some(&bridge), "unknown".into()).await.unwrap_err();
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
        let away = known(Some(&bridge), "x".into()).await.unwrap_err();
        assert_eq!(away.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(away.problem().hint.as_deref(), Some("start it"));
    }
}
