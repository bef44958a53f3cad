//! HTTP in; nothing is decided here.
//!
//! [`bind`] takes the addresses, so that whoever composes the daemon can say where it listens before
//! anything answers; [`Bound::run`] serves until it is told to stop. A request passes, in this order:
//! an id and a span, the door (who, from where, with what), a net for panics, and its route, which
//! unpacks it, makes one call, and wraps the answer.

mod agents;
mod answer;
mod audit;
mod auth;
mod daemon;
mod door;
mod events;
mod extract;
mod keys;
mod layers;
mod listen;
mod loaders;
mod metrics;
mod openai;
mod openapi;
mod openclaw;
mod peer;
mod places;
mod problem;
mod query;
mod refusals;
mod ring;
mod scope;
mod serve;
mod sse;
mod steer;
#[cfg(test)]
mod testing;
mod tls;
mod turns;
mod unix;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

pub use listen::{Bound, Listen, ServerError, Tcp, bind};
pub use openapi::openapi;
pub use openclaw::{AskSession, Bridge};
pub use ring::Keys;

use self::metrics::Metrics;
use self::places::Places;
use self::problem::Failure;
use self::scope::Caller;
use crate::api::{self, ProfileBody};
use crate::model::AgentId;
use crate::openai as openai_api;
use crate::supervisor::{Supervisor, SupervisorError};

/// What the routes work on.
pub struct App {
    supervisor: Supervisor,
    profiles: Vec<ProfileBody>,
    keys: Keys,
    /// Cancelled when the daemon ends.
    stop: CancellationToken,
    metrics: Arc<Metrics>,
    bridge: Option<Bridge>,
    places: Arc<Places>,
    turns: turns::Turns,
}

impl App {
    /// Serves this supervisor, and offers these profiles. The keys are the ones that open the door.
    #[must_use]
    pub fn new(supervisor: Supervisor, profiles: Vec<ProfileBody>, keys: Keys) -> Self {
        let metrics = Arc::new(Metrics::new(Timestamp::now()));
        Self {
            supervisor,
            profiles,
            keys,
            stop: CancellationToken::new(),
            metrics,
            bridge: None,
            places: Arc::new(Places::here()),
            turns: turns::Turns::default(),
        }
    }

    fn is_stopping(&self) -> bool {
        self.stop.is_cancelled() || self.supervisor.is_shutting_down()
    }

    /// The agents that selectors name; without a selector, no condition.
    async fn selected(
        &self,
        selectors: &[String],
        caller: &Caller,
    ) -> Result<Option<Vec<AgentId>>, Failure> {
        if selectors.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.supervisor.select(selectors, caller.sees()).await?))
    }
}

fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route(api::AGENTS, post(agents::spawn).get(agents::list))
        .route(api::AGENT, get(agents::get))
        .route(api::MESSAGES, post(agents::send))
        .route(api::KILL, post(agents::kill))
        .route(api::KILL_MANY, post(agents::kill_many))
        .route(api::CANCEL, post(steer::cancel))
        .route(api::PERMISSION, post(steer::permission))
        .route(api::OPTIONS, post(steer::options))
        .route(api::AGENT_EVENTS, get(events::agent_events))
        .route(api::EVENTS, get(events::events))
        .route(api::AUDIT, get(audit::audit))
        .route(api::AUDIT_VERIFY, get(audit::verify))
        .route(api::KEYS, post(keys::add).get(keys::list))
        .route(api::KEY, delete(keys::revoke))
        .route(api::SHUTDOWN, post(daemon::shutdown))
        .route(api::PROFILES, get(daemon::profiles))
        .route(api::OPENCLAW, get(openclaw::state))
        .route(api::OPENCLAW_SESSION, get(openclaw::session))
        .route(openai_api::MODELS, get(openai::models))
        .route(openai_api::MODEL, get(openai::model))
        .route(openai_api::COMPLETIONS, post(openai::completions))
        .route(api::OPENAPI, get(daemon::contract))
        .route(api::HEALTHZ, get(daemon::healthz))
        .route(api::READYZ, get(daemon::readyz))
        .route(api::METRICS, get(daemon::metrics))
        .with_state(app)
}

/// Carries out what was begun even when the caller goes away before the answer.
async fn carried_out<T: Send + 'static>(
    work: impl Future<Output = Result<T, SupervisorError>> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::spawn(work.in_current_span()).await {
        Ok(done) => Ok(done?),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(SupervisorError::ShuttingDown.into()),
        },
    }
}
