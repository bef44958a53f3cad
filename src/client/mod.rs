//! The only user of our own HTTP API.

mod agents;
mod keys;
mod link;
mod models;
mod sse;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use futures::stream::BoxStream;
use reqwest::{Method, RequestBuilder, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::link::{Failed, Link, segment};
use crate::api::{
    self, AgentBody, AgentsPage, AuditPage, AuditQuery, AuditVerdict, BridgeBody, EventsPage,
    EventsQuery, Health, KillBody, KillManyBody, MessageAnswer, MessageBody, OptionsBody,
    PermissionBody, Problem, ProfileBody, ProfilesPage, ResetBody, SessionBody, ShutdownBody,
    SpawnBody,
};
use crate::model::Seq;

/// How long an answer that only reads may take.
const READ_LIMIT: Duration = Duration::from_secs(30);
/// How long the daemon may take to say that it lives.
const HEALTH_LIMIT: Duration = Duration::from_secs(5);
/// How long to wait before each repetition of a request whose answer was lost: five seconds in all,
/// which is more than a daemon takes to come back.
const PAUSES_MS: [u64; 8] = [20, 80, 200, 400, 800, 1_000, 1_200, 1_300];
/// Where a daemon listens, and how to get in.
#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    /// A Unix socket: the same user gets in without a key.
    Unix(PathBuf),
    /// `http://…` or `https://…`; always needs the key. Only the certificates in the file `ca`
    /// count when there is one, and the system's otherwise.
    Url { url: String, key: Option<String>, ca: Option<PathBuf> },
}

impl fmt::Debug for Target {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(socket) => f.debug_tuple("Unix").field(socket).finish(),
            Self::Url { url, ca, .. } => {
                f.debug_struct("Url").field("url", url).field("ca", ca).finish_non_exhaustive()
            }
        }
    }
}

/// A connection pool to one daemon. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    link: Link,
}

/// Why a call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The daemon answered with a failure.
    #[error("{}", .0.message)]
    Problem(Problem),
    /// There is no daemon: nobody listens, or it went away before answering.
    #[error("no daemon answers at {target}: {message}")]
    Unreachable { target: String, message: String },
    /// Whoever answered does not speak Dash's API.
    #[error("{0}")]
    Protocol(String),
    /// The target makes no sense.
    #[error("{0}")]
    Target(String),
}

/// What an event stream yields.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// One event, as the JSON the daemon sent: one line.
    Event { seq: Seq, json: String },
    /// The cursor was too old; the stream goes on from the oldest that is kept.
    Reset(ResetBody),
    /// The daemon went away; the stream goes on by itself as soon as it is back. Said once for each loss.
    Lost,
    /// It is back.
    Back,
}

impl Client {
    /// A client of this daemon. Connects with the first call.
    ///
    /// # Errors
    /// [`ClientError::Target`].
    pub fn new(target: &Target) -> Result<Self, ClientError> {
        Ok(Self { link: Link::new(target)? })
    }

    /// Spawns; safe to repeat with the same key, which it does by itself when the answer is lost.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn spawn(&self, body: &SpawnBody, key: &str) -> Result<Vec<AgentBody>, ClientError> {
        let page: AgentsPage = self.post_once(api::AGENTS, body, key).await?;
        Ok(page.agents)
    }

    /// The one agent that a selector names.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn agent(&self, selector: &str) -> Result<AgentBody, ClientError> {
        self.get(&agent_path(api::AGENT, selector)?, &()).await
    }

    /// Sends a message; safe to repeat with the same key, which it does by itself when the answer
    /// is lost.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn send(
        &self,
        selector: &str,
        body: &MessageBody,
        key: &str,
    ) -> Result<MessageAnswer, ClientError> {
        self.post_once(&agent_path(api::MESSAGES, selector)?, body, key).await
    }

    /// Kills one agent; answers when it has ended.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn kill(&self, selector: &str, body: &KillBody) -> Result<AgentBody, ClientError> {
        self.post(&agent_path(api::KILL, selector)?, body).await
    }

    /// Ends the turn that runs, and not the agent; answers when it is over, or after a while.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn cancel(&self, selector: &str) -> Result<AgentBody, ClientError> {
        self.post(&agent_path(api::CANCEL, selector)?, &()).await
    }

    /// Answers a permission request.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn answer(
        &self,
        selector: &str,
        body: &PermissionBody,
    ) -> Result<AgentBody, ClientError> {
        self.post(&agent_path(api::PERMISSION, selector)?, body).await
    }

    /// Sets mode, model and other options of a conversation.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set_options(
        &self,
        selector: &str,
        body: &OptionsBody,
    ) -> Result<AgentBody, ClientError> {
        self.post(&agent_path(api::OPTIONS, selector)?, body).await
    }

    /// Kills many agents; answers when all have ended.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn kill_many(&self, body: &KillManyBody) -> Result<Vec<AgentBody>, ClientError> {
        let page: AgentsPage = self.post(api::KILL_MANY, body).await?;
        Ok(page.agents)
    }

    /// A page of events.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn events_page(&self, query: &EventsQuery) -> Result<EventsPage, ClientError> {
        self.get(api::EVENTS, query).await
    }

    /// Events as they come, over any number of daemon restarts, without a gap or a repeat. Ends with
    /// an error only when going on makes no sense (the daemon refuses the request).
    #[must_use]
    pub fn events(&self, query: EventsQuery) -> BoxStream<'static, Result<Frame, ClientError>> {
        sse::follow(self.link.clone(), query, sse::Patience::default())
    }

    /// Where the log ends now: the cursor of a reader that only wants what comes from here on.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn position(&self) -> Result<Seq, ClientError> {
        let request = self
            .link
            .http
            .get(self.link.url(api::EVENTS, ""))
            .header(header::ACCEPT, "text/event-stream");
        let answered = tokio::time::timeout(READ_LIMIT, request.send()).await;
        let response = answered
            .map_err(|_| self.link.foreign("does not answer"))?
            .map_err(|error| self.link.failed(&error).into_error())?;
        let position = response.headers().get(api::POSITION);
        let position = position.and_then(|value| value.to_str().ok()?.parse().ok()).map(Seq);
        position.ok_or_else(|| self.link.foreign("does not say where the log ends"))
    }

    /// A page of the audit trail.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn audit(&self, query: &AuditQuery) -> Result<AuditPage, ClientError> {
        self.get(api::AUDIT, query).await
    }

    /// Verifies the audit trail. However long it is, it takes seconds.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn audit_verify(&self) -> Result<AuditVerdict, ClientError> {
        self.get(api::AUDIT_VERIFY, &()).await
    }

    /// The profiles that agents can be spawned from.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn profiles(&self) -> Result<Vec<ProfileBody>, ClientError> {
        let page: ProfilesPage = self.get(api::PROFILES, &()).await?;
        Ok(page.profiles)
    }

    /// How the daemon's bridge to OpenClaw's gateway is.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn bridge(&self) -> Result<BridgeBody, ClientError> {
        self.get(api::OPENCLAW, &()).await
    }

    /// What OpenClaw's gateway knows of the session with this key. Answered within some twenty
    /// seconds: a gateway that starts a hundred children has none to spare.
    ///
    /// # Errors
    /// A [`Problem`] of code `not_found` when the gateway knows no such session, `refused` when the
    /// bridge is off, `unavailable` when the gateway does not answer; else see [`ClientError`].
    pub async fn openclaw_session(&self, key: &str) -> Result<SessionBody, ClientError> {
        self.get(&api::OPENCLAW_SESSION.replace("{key}", &segment(key)?), &()).await
    }

    /// Whether the daemon lives.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn health(&self) -> Result<Health, ClientError> {
        let request = self.link.http.get(self.link.url(api::HEALTHZ, "")).timeout(HEALTH_LIMIT);
        self.call(request).await.map_err(Failed::into_error)
    }

    /// Stops the daemon; answers with the agents that were killed, if that was asked for.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn shut_down(&self, body: &ShutdownBody) -> Result<Vec<AgentBody>, ClientError> {
        let page: AgentsPage = self.post(api::SHUTDOWN, body).await?;
        Ok(page.agents)
    }

    /// Reading changes nothing, so that a lost answer is asked for again.
    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
    ) -> Result<T, ClientError> {
        let query = query_string(query)?;
        let url = self.link.url(path, &query);
        self.repeated(|| self.link.http.get(url.clone()).timeout(READ_LIMIT)).await
    }

    /// A POST that the daemon carries out once for each key.
    async fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        key: &str,
    ) -> Result<T, ClientError> {
        let url = self.link.url(path, "");
        let body = bytes::Bytes::from(json(body)?);
        self.repeated(|| {
            json_request(self.link.http.request(Method::POST, url.clone()), body.clone())
                .header(api::IDEMPOTENCY_KEY, key)
        })
        .await
    }

    /// A POST that is sent once, and answered whenever what it asks for is done.
    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let request = self.link.http.post(self.link.url(path, ""));
        self.call(json_request(request, json(body)?.into())).await.map_err(Failed::into_error)
    }

    /// Repeats a request whose answer was lost. One that never left is not repeated, unless an
    /// earlier one did leave: then the daemon is on its way back.
    async fn repeated<T: DeserializeOwned>(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<T, ClientError> {
        let mut failed = match self.call(request()).await {
            Err(failed @ Failed::Lost(_)) => failed,
            other => return other.map_err(Failed::into_error),
        };
        for pause in PAUSES_MS {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            match self.call(request()).await {
                Err(again @ (Failed::Lost(_) | Failed::Refused(_))) => failed = again,
                other => return other.map_err(Failed::into_error),
            }
        }
        Err(failed.into_error())
    }

    async fn call<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failed> {
        let response = request.send().await.map_err(|error| self.link.failed(&error))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| self.link.failed(&error))?;
        if !status.is_success() {
            return Err(Failed::Final(self.link.problem(status, &body)));
        }
        serde_json::from_slice(&body).map_err(|error| {
            Failed::Final(self.link.foreign(&format!("answered {status} with a body ({error})")))
        })
    }
}

fn json_request(request: RequestBuilder, body: bytes::Bytes) -> RequestBuilder {
    request.header(header::CONTENT_TYPE, "application/json").body(body)
}

fn json(body: &impl Serialize) -> Result<Vec<u8>, ClientError> {
    serde_json::to_vec(body).map_err(|error| ClientError::Target(error.to_string()))
}

fn query_string(query: &impl Serialize) -> Result<String, ClientError> {
    serde_html_form::to_string(query).map_err(|error| ClientError::Target(error.to_string()))
}

fn agent_path(template: &str, selector: &str) -> Result<String, ClientError> {
    Ok(template.replace("{agent}", &segment(selector)?))
}

#[cfg(test)]
#[path = "client_test.rs"]
mod tests;
