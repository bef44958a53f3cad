//! The document of the HTTP API, made from the routes' own annotations.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{agents, audit, daemon, events, keys, openclaw, steer};
use crate::api::{EventBody, RowsPage};

#[derive(OpenApi)]
#[openapi(
    info(title = "Dash", description = "Run agents, watch them, and speak to them."),
    paths(
        agents::spawn,
        agents::list,
        agents::get,
        agents::send,
        agents::kill,
        agents::kill_many,
        steer::cancel,
        steer::permission,
        steer::options,
        events::events,
        events::agent_events,
        audit::audit,
        audit::verify,
        keys::add,
        keys::list,
        keys::revoke,
        openclaw::state,
        openclaw::session,
        daemon::shutdown,
        daemon::profiles,
        daemon::healthz,
        daemon::readyz,
        daemon::metrics,
        daemon::contract,
    ),
    components(schemas(EventBody, RowsPage)),
    modifiers(&Key),
    tags(
        (name = "agents", description = "Pieces of running work."),
        (name = "events", description = "What happened, in one order."),
        (name = "audit", description = "Who did what."),
        (name = "keys", description = "Who gets in over TCP, and how far."),
        (name = "openclaw", description = "The bridge to OpenClaw's gateway."),
        (name = "daemon", description = "The daemon itself."),
    )
)]
struct Contract;

/// TCP needs a key; the Unix socket needs none.
struct Key;

impl Modify for Key {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        openapi.components.get_or_insert_default().add_security_scheme("key", scheme);
        let key = SecurityRequirement::new::<_, [&str; 0], &str>("key", []);
        openapi.security = Some(vec![key, SecurityRequirement::default()]);
    }
}

/// The contract as an `OpenAPI` document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Contract::openapi()
}

#[cfg(test)]
#[path = "openapi_test.rs"]
mod tests;
