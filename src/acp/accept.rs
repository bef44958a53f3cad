//! Which agent a prompt is for, and how it gets it: spawned with it, or sent it as a message.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::follow::is_set;
use super::session::Session;
use super::trouble::Trouble;
use super::turn::Turn;
use super::{Daemon, Settings};
use crate::api::{
    AgentBody, AgentsQuery, BridgeState, Code, EventsQuery, MessageBody, Problem, ProfileBody,
    SessionBody, SpawnBody,
};
use crate::client::{Client, ClientError, Frame};
use crate::model::{
    EventType, McpServer, Runtime, Seq, Status, check_label, check_session, openclaw,
};

/// How often it is tried to give a prompt to an agent before that is given up. Each time, another
/// one has come in between: an agent that ended, or a daemon that did.
const ATTEMPTS: usize = 4;
/// How long OpenClaw's gateway may take until it says who the session is.
const DESCRIBED_WITHIN: Duration = Duration::from_mins(1);
/// How long a bridge that fails to connect to it may go on failing, though it tries at once for us: one whose token is
/// refused, and any other.
const TAKEN_WITHIN: Duration = Duration::from_secs(3);
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
/// How long after a gateway that did not say so is asked again.
const DESCRIBE_AGAIN: Duration = Duration::from_millis(250);

/// A prompt that an agent has, or has in its queue, and where the events of its turn begin.
pub(super) struct Accepted {
    pub(super) client: Client,
    pub(super) turn: Turn,
    pub(super) since: Seq,
    /// Whether a turn of the agent can be ended without ending the agent.
    pub(super) takes_turns: bool,
}

/// Gives the prompt to the session's agent. There is one for each OpenClaw session, whatever process
/// or ACP session asks; one that has ended is followed by a new one. None when it was cancelled before any
/// agent had it.
///
/// # Errors
/// What keeps it from being given to an agent.
pub(super) async fn accept(
    daemon: &dyn Daemon,
    settings: &Settings,
    session: &Session,
    text: &str,
    cancelled: &watch::Receiver<bool>,
) -> Result<Option<Accepted>, Trouble> {
    let _one_at_a_time = session.accepting.lock().await;
    let message_key = uuid::Uuid::new_v4().to_string();
    let mut last = Trouble::failed("no agent takes the prompt");
    for _ in 0..ATTEMPTS {
        let client = daemon.connect().await?;
        let attempt = Attempt { client: &client, settings, session, text, cancelled };
        match attempt.give(&message_key).await {
            Ok(Given { turn, since, takes_turns }) => {
                return Ok(Some(Accepted { client, turn, since, takes_turns }));
            }
            Err(Missed::Again(trouble)) => last = trouble,
            Err(Missed::Final(trouble)) => return Err(trouble),
            Err(Missed::Cancelled) => return Ok(None),
        }
    }
    Err(last)
}

/// Every agent of the session, oldest first.
///
/// # Errors
/// See [`ClientError`].
pub(super) async fn agents_of(
    client: &Client,
    session: &Session,
) -> Result<Vec<AgentBody>, ClientError> {
    let with = |key: &str, value: &str| AgentsQuery {
        meta: vec![format!("{key}={value}")],
        ..AgentsQuery::default()
    };
    let mut agents = match &session.openclaw {
        Some(key) => client.all_agents(&with(openclaw::SESSION, key)).await?,
        None => Vec::new(),
    };
    if agents.is_empty() {
        agents = client.all_agents(&with(openclaw::ACP_SESSION, &session.id)).await?;
    }
    agents.sort_by_key(|agent| (agent.created_at, agent.last_seq));
    Ok(agents)
}

/// The one of these that goes on with the session: the newest that is alive, or else the newest.
pub(super) fn current(agents: Vec<AgentBody>) -> Option<AgentBody> {
    let alive = agents.iter().rposition(|agent| !agent.status.is_end());
    let place = alive.or(agents.len().checked_sub(1))?;
    agents.into_iter().nth(place)
}

/// A command's turn is its whole life.
pub(super) fn takes_turns(agent: &AgentBody) -> bool {
    agent.runtime != Runtime::Command.as_str()
}

/// Why an attempt came to nothing.
enum Missed {
    /// Things have changed in between: worth another look.
    Again(Trouble),
    Final(Trouble),
    /// Nobody wants it any more, and no agent has it.
    Cancelled,
}

impl From<ClientError> for Missed {
    fn from(error: ClientError) -> Self {
        let again = match &error {
            ClientError::Unreachable { .. } => true,
            ClientError::Problem(problem) => {
                matches!(problem.code, Code::ShuttingDown | Code::KeyReused | Code::NotFound)
            }
            _ => false,
        };
        let trouble = Trouble::from(error);
        if again { Self::Again(trouble) } else { Self::Final(trouble) }
    }
}

/// A prompt that an agent has.
struct Given {
    turn: Turn,
    since: Seq,
    takes_turns: bool,
}

struct Attempt<'a> {
    client: &'a Client,
    settings: &'a Settings,
    session: &'a Session,
    text: &'a str,
    cancelled: &'a watch::Receiver<bool>,
}

impl Attempt<'_> {
    async fn give(&self, message_key: &str) -> Result<Given, Missed> {
        let found = current(agents_of(self.client, self.session).await?);
        match found {
            Some(agent) if agent.status == Status::Stopping => {
                self.until_ended(&agent).await?;
                Err(Missed::Again(Trouble::failed(format!("agent {} does not end", agent.id))))
            }
            Some(agent) if !agent.status.is_end() => self.send(&agent, message_key).await,
            before => self.spawn(before.as_ref()).await,
        }
    }

    async fn send(&self, agent: &AgentBody, key: &str) -> Result<Given, Missed> {
        let body = MessageBody { text: self.text.to_owned() };
        match self.client.send(agent.id.as_str(), &body, key).await {
            Ok(answer) => Ok(Given {
                turn: Turn::of(&answer),
                since: answer.seq,
                takes_turns: takes_turns(agent),
            }),
            Err(ClientError::Problem(problem)) if problem.code == Code::Refused => {
                Err(self.refused(agent, problem).await?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// An agent that ended in the meantime is followed by another; one that is alive and takes no
    /// messages is not.
    async fn refused(&self, agent: &AgentBody, problem: Problem) -> Result<Missed, Missed> {
        let now = self.client.agent(agent.id.as_str()).await?;
        let trouble = Trouble::from(ClientError::Problem(problem));
        if now.status.is_end() || now.status == Status::Stopping {
            return Ok(Missed::Again(trouble));
        }
        let id = agent.id.short();
        let hint = format!(
            "it is still at its task and takes no messages: `dash wait {id}` until it has ended, or `dash kill {id}`"
        );
        Ok(Missed::Final(trouble.hinted(hint)))
    }

    async fn spawn(&self, before: Option<&AgentBody>) -> Result<Given, Missed> {
        let session = self.session;
        let chosen = session.chosen.borrow().clone();
        // The gateway may take its time. Nothing that has been begun is given up with it.
        let mut cancelled = self.cancelled.clone();
        let child = tokio::select! {
            biased;
            true = is_set(&mut cancelled) => return Err(Missed::Cancelled),
            child = self.child() => child,
        };
        let entries = [
            (openclaw::ACP_SESSION, Some(session.id.clone())),
            (openclaw::SESSION, session.openclaw.clone()),
            (openclaw::PARENT_SESSION, child.parent_session.clone()),
            (openclaw::REQUESTER, child.requester.clone()),
        ];
        let entries = entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        let metadata: BTreeMap<String, String> = entries.collect();
        let owner = child.requester.or(child.parent_session).or_else(|| session.openclaw.clone());
        let body = SpawnBody {
            profile: self.settings.profile.clone(),
            task: Some(self.text.to_owned()),
            label: self.settings.label.clone().or(child.label),
            metadata,
            count: 1,
            cwd: Some(session.cwd.clone()),
            base_env: Some(self.settings.base_env.clone()),
            model: chosen.model,
            mode: chosen.mode,
            // What it knew goes on with the one that follows it.
            resume: before.filter(|agent| agent.resumable).map(|agent| agent.id.to_string()),
            options: chosen.options,
            mcp_servers: self.servers().await?,
            session: self.settings.session.clone().or(owner),
            ..SpawnBody::default()
        };
        let agents = self.client.spawn(&body, &self.spawn_key(before)).await?;
        let Some(agent) = agents.into_iter().next() else {
            let trouble = Trouble::failed("the daemon answered without an agent");
            return Err(Missed::Final(trouble.hinted("`dash doctor` says what is wrong")));
        };
        let since = Seq(agent.last_seq.0.saturating_sub(1));
        Ok(Given { turn: Turn::first(&agent), since, takes_turns: takes_turns(&agent) })
    }

    /// The MCP servers that the client named. A harness is told of them; nothing else has use for them.
    async fn servers(&self) -> Result<Vec<McpServer>, ClientError> {
        if self.session.servers.is_empty() {
            return Ok(Vec::new());
        }
        let profiles = self.client.profiles().await?;
        let ours = |profile: &&ProfileBody| match &self.settings.profile {
            Some(name) => profile.name == *name,
            None => profile.default,
        };
        let is_harness = |profile: &ProfileBody| profile.runtime == Runtime::Acp.as_str();
        let told = profiles.iter().find(ours).is_some_and(is_harness);
        Ok(if told { self.session.servers.clone() } else { Vec::new() })
    }

    /// What OpenClaw's gateway knows of the session that it made for the agent. Nothing of it comes
    /// over ACP; the daemon's bridge can ask, when there is one.
    async fn child(&self) -> SessionBody {
        let Some(key) = &self.session.openclaw else { return SessionBody::default() };
        let mut child = self.described(key).await.unwrap_or_default();
        child.label = child.label.filter(|label| check_label(label).is_ok());
        for name in [&mut child.parent_session, &mut child.requester] {
            *name = name.take().filter(|name| check_session(name).is_ok());
        }
        child
    }

    /// The gateway is there, since the client is its own; one that starts a hundred children has no time
    /// for answers in between. Asking makes a bridge connect that waits before its next try. One that cannot, because
    /// it has another token or another address, is not waited for.
    async fn described(&self, key: &str) -> Option<SessionBody> {
        let deadline = Instant::now() + DESCRIBED_WITHIN;
        let mut failing_since = None;
        loop {
            let bridge = self.client.bridge().await.ok()?;
            let now = Instant::now();
            let failing = bridge.state == BridgeState::Connecting && bridge.last_error.is_some();
            let limit = if bridge.refused { TAKEN_WITHIN } else { CONNECTED_WITHIN };
            let since = *failing_since.get_or_insert(now);
            if bridge.state == BridgeState::Off || failing && now.duration_since(since) >= limit {
                return None;
            }
            if !failing {
                failing_since = None;
            }
            if !bridge.refused {
                match self.client.openclaw_session(key).await {
                    Ok(session) => return Some(session),
                    Err(ClientError::Problem(problem)) if problem.code == Code::Unavailable => {}
                    Err(_) => return None,
                }
            }
            if now >= deadline {
                return None;
            }
            sleep(DESCRIBE_AGAIN).await;
        }
    }

    /// The same for whoever spawns the next agent of this session, so that two never make two: not
    /// two processes at once, nor one that crashed and the one that followed it.
    fn spawn_key(&self, before: Option<&AgentBody>) -> String {
        let session = self.session.openclaw.as_ref().unwrap_or(&self.session.id);
        let before = before.map_or("none", |agent| agent.id.as_str());
        let digest = Sha256::digest(format!("{}:{session}:{before}", session.len()));
        digest.iter().fold("acp-".to_owned(), |mut key, byte| {
            let _ = write!(key, "{byte:02x}");
            key
        })
    }

    /// Waits until an agent that is being stopped has ended.
    async fn until_ended(&self, agent: &AgentBody) -> Result<(), Missed> {
        let mut frames = self.client.events(EventsQuery {
            since: Some(agent.last_seq.to_string()),
            agent: vec![agent.id.to_string()],
            r#type: EventType::ENDS.iter().map(ToString::to_string).collect(),
            ..EventsQuery::default()
        });
        match frames.next().await {
            // Whatever else than its end it is, the next look will tell.
            Some(Ok(Frame::Event { .. } | Frame::Reset(_) | Frame::Lost | Frame::Back)) | None => {
                Ok(())
            }
            Some(Err(error)) => Err(error.into()),
        }
    }
}
