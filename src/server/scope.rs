//! What a request needs, and what its caller has. Only the credential says how far a caller reaches:
//! nothing in a header or a body does.

use http::Method;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::problem::Failure;
use crate::api::{self, Scope};
use crate::model::{Actor, AgentId};
use crate::openai;
use crate::supervisor::Reach;

/// Who asks, as the door found out.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) actor: Actor,
    pub(super) scope: Scope,
    /// Whether the request came from the network.
    pub(super) remote: bool,
    /// The agent that it is, when it is one.
    pub(super) agent: Option<AgentId>,
    expires_at: Option<Timestamp>,
    revoked: Option<CancellationToken>,
}

impl Caller {
    /// The user that the daemon runs as, over the Unix socket.
    pub(super) fn owner(actor: Actor) -> Self {
        let (expires_at, revoked) = (None, None);
        Self { actor, scope: Scope::Admin, remote: false, agent: None, expires_at, revoked }
    }

    /// A process of an agent, over the Unix socket.
    pub(super) fn agent(id: AgentId) -> Self {
        let owner = Self::owner(Actor::agent(id));
        Self { scope: Scope::Operate, agent: Some(id), ..owner }
    }

    /// The agents that it may look at.
    pub(super) fn sees(&self) -> Reach {
        self.agent.map_or(Reach::All, Reach::Within)
    }

    /// The agents that it may change.
    pub(super) fn acts_on(&self) -> Reach {
        self.agent.map_or(Reach::All, Reach::Below)
    }

    /// The holder of a key, over TCP.
    pub(super) fn holder(key: super::ring::Found) -> Self {
        Self {
            actor: Actor::key(&key.name),
            scope: key.scope,
            remote: true,
            agent: None,
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
        if self.agent.is_some() && !for_agents(method, route) {
            let message = format!("{} is an agent, and this is not for agents", self.actor);
            return Err(Failure::forbidden(message)
                .hinted("run the command outside of the agent, in a terminal of yours"));
        }
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

/// What agents may ask for: each of these looks at who asks, and lets it reach only itself and what is
/// below it. What is in no line is not for them.
fn for_agents(method: &Method, route: Option<&str>) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match route {
        // There is nothing: whoever asks is told so.
        None | Some(api::AGENTS) => true,
        Some(
            api::AGENT
            | api::AGENT_EVENTS
            | api::EVENTS
            | api::PROFILES
            | api::HEALTHZ
            | api::READYZ
            | api::OPENAPI,
        ) => reads,
        Some(api::MESSAGES | api::KILL | api::KILL_MANY | api::CANCEL) => *method == Method::POST,
        Some(_) => false,
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
    fn an_agent_gets_only_to_what_asks_who_it_is() {
        let agent = Caller::agent(AgentId::from_bits(1));
        let may = |method: &Method, route| agent.check(method, Some(route)).is_ok();
        for route in [api::AGENTS, api::MESSAGES, api::KILL, api::KILL_MANY, api::CANCEL] {
            assert!(may(&Method::POST, route), "{route}");
        }
        for route in [api::AGENTS, api::AGENT, api::EVENTS, api::AGENT_EVENTS, api::HEALTHZ] {
            assert!(may(&Method::GET, route), "{route}");
        }
        // Its own permission requests are for people, and so is everything else.
        for route in [api::PERMISSION, api::OPTIONS, api::SHUTDOWN, api::KEYS, "/of-tomorrow"] {
            assert!(!may(&Method::POST, route), "{route}");
        }
        for route in [api::AUDIT, api::KEYS, api::METRICS, api::OPENCLAW, openai::MODELS] {
            assert!(!may(&Method::GET, route), "{route}");
        }
        assert!(!may(&Method::DELETE, api::AGENTS) && !may(&Method::POST, openai::COMPLETIONS));
    }

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
