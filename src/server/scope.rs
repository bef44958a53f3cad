//! What a request needs, and what its caller has. Only the credential says how far a caller reaches:
//! nothing in a header or a body does.

use http::Method;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::problem::Failure;
use crate::api::{self, Scope};
use crate::model::Actor;
use crate::openai;

/// Who asks, as the door found out.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) actor: Actor,
    pub(super) scope: Scope,
    /// Whether the request came from the network.
    pub(super) remote: bool,
    expires_at: Option<Timestamp>,
    revoked: Option<CancellationToken>,
}

impl Caller {
    /// The user that the daemon runs as, over the Unix socket.
    pub(super) fn owner(actor: Actor) -> Self {
        Self { actor, scope: Scope::Admin, remote: false, expires_at: None, revoked: None }
    }

    /// The holder of a key, over TCP.
    pub(super) fn holder(key: super::ring::Found) -> Self {
        Self {
            actor: Actor::key(&key.name),
            scope: key.scope,
            remote: true,
            expires_at: key.expires_at,
            revoked: Some(key.revoked),
        }
    }

    /// Resolves when the credential stops being one: a stream that it opened ends then.
    pub(super) async fn over(self) {
        let revoked = async {
            match &self.revoked {
                Some(revoked) => revoked.cancelled().await,
                None => std::future::pending().await,
            }
        };
        let expired = async {
            match self.expires_at {
                Some(end) => {
                    let left = end.duration_since(Timestamp::now()).try_into().unwrap_or_default();
                    tokio::time::sleep(left).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = revoked => {}
            () = expired => {}
        }
    }

    /// Refuses what is beyond the caller's scope.
    pub(super) fn check(&self, method: &Method, route: Option<&str>) -> Result<(), Failure> {
        let needed = needed(method, route);
        if self.scope >= needed {
            return Ok(());
        }
        let (has, needed) = (self.scope.as_str(), needed.as_str());
        let message = format!("{} has the scope {has}, and this needs {needed}", self.actor);
        Err(Failure::forbidden(message).hinted(format!(
            "use a key with more: `dash keys add NAME --scope {needed}` makes one"
        )))
    }
}

/// What is in no line of this table needs the most.
fn needed(method: &Method, route: Option<&str>) -> Scope {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match route {
        // There is nothing: whoever asks is told so.
        None => Scope::Read,
        Some(api::AUDIT | api::AUDIT_VERIFY | api::KEYS | api::KEY | api::SHUTDOWN) => Scope::Admin,
        Some(_) if reads => Scope::Read,
        Some(
            api::AGENTS
            | api::MESSAGES
            | api::KILL
            | api::KILL_MANY
            | api::CANCEL
            | api::PERMISSION
            | api::OPTIONS
            | openai::COMPLETIONS,
        ) if *method == Method::POST => Scope::Operate,
        Some(_) => Scope::Admin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_needs_more_than_reading() {
        for (method, route, scope) in [
            (Method::GET, api::AGENTS, Scope::Read),
            (Method::HEAD, api::EVENTS, Scope::Read),
            (Method::GET, api::METRICS, Scope::Read),
            (Method::POST, api::AGENTS, Scope::Operate),
            (Method::POST, api::MESSAGES, Scope::Operate),
            (Method::POST, api::KILL, Scope::Operate),
            (Method::POST, api::KILL_MANY, Scope::Operate),
            (Method::POST, openai::COMPLETIONS, Scope::Operate),
            (Method::GET, openai::MODELS, Scope::Read),
            (Method::POST, api::CANCEL, Scope::Operate),
            (Method::POST, api::PERMISSION, Scope::Operate),
            (Method::POST, api::OPTIONS, Scope::Operate),
            (Method::GET, api::AUDIT, Scope::Admin),
            (Method::GET, api::AUDIT_VERIFY, Scope::Admin),
            (Method::GET, api::KEYS, Scope::Admin),
            (Method::DELETE, api::KEY, Scope::Admin),
            (Method::POST, api::SHUTDOWN, Scope::Admin),
            (Method::POST, "/api/v1/of-tomorrow", Scope::Admin),
            (Method::DELETE, api::AGENTS, Scope::Admin),
        ] {
            assert_eq!(needed(&method, Some(route)), scope, "{method} {route}");
        }
    }
}
