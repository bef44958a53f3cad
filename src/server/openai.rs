//! Chat completions: a turn of an agent, begun or found again, and told as it goes.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use futures::{FutureExt as _, StreamExt as _};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::answer::{Listener, streamed, whole};
use super::door::Peer;
use super::extract::{CalledBy, JsonBody};
use super::problem::Failure;
use super::turns::Hold;
use super::{App, carried_out};
use crate::api::{Code, Problem, SpawnBody};
use crate::model::{Actor, Agent, AgentFilter, EventFilter, EventType, MessageId, Seq, Status};
use crate::openai::{self, AGENT_HEADER, ChatRequest, OpenAiError, Reply, SESSION_HEADER, Wish};
use crate::store::{Followed, follow};
use crate::supervisor::{Sent, SupervisorError};

/// The profiles, as models.
pub(super) async fn models(State(app): State<Arc<App>>) -> Json<Value> {
    Json(openai::models(&app.profiles))
}

/// One profile, as a model.
pub(super) async fn model(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Failure> {
    if app.profiles.iter().any(|profile| profile.name == name && profile.available) {
        return Ok(Json(openai::models_entry(&name)));
    }
    Err(no_such_model(&name))
}

fn no_such_model(name: &str) -> Failure {
    let message = format!("there is no profile {name:?} that can run here");
    Failure::new(StatusCode::NOT_FOUND, Code::InvalidProfile, message)
        .hinted("`dash agents` lists the profiles")
}

/// A turn of an agent.
pub(super) async fn completions(
    State(app): State<Arc<App>>,
    CalledBy(caller): CalledBy,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ChatRequest>,
) -> Result<Response, Failure> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let session = header(SESSION_HEADER).map(str::to_owned);
    let wish = openai::wish(request, session, header("traceparent"));
    let wish = wish.map_err(|error| Failure::invalid(error.0))?;
    let (profile, model) = profile_of(&app, &wish.model)?;
    let (stream, usage, asked) = (wish.stream, wish.usage, wish.model.clone());
    let asks = Asks { app: Arc::clone(&app), wish, profile, model, by: caller.actor.clone(), peer };
    let (begun, hold) = asks.clone().begin().await.map_err(Failure::for_good)?;
    let reply = Reply {
        id: format!("chatcmpl-{}", begun.agent.id),
        created: app.supervisor.now().as_second(),
        model: asked,
    };
    let stop = app.stop.clone();
    let ends = Box::pin(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = caller.over() => {}
        }
    });
    let agent = begun.agent.id.to_string();
    let mut listener = Listener::of(&app, &begun, hold, ends);
    if begun.waits {
        listener.later = Some(asks.begin_after(begun).boxed());
    }
    let response =
        if stream { streamed(listener, reply, usage).await } else { whole(listener, &reply).await };
    Ok(([(AGENT_HEADER, agent)], response).into_response())
}

/// The profile, and what follows it after a slash: a model of the harness.
fn profile_of(app: &App, name: &str) -> Result<(String, Option<String>), Failure> {
    let known = |name: &str| app.profiles.iter().any(|profile| profile.name == name);
    if known(name) {
        return Ok((name.to_owned(), None));
    }
    match name.split_once('/') {
        Some((profile, model)) if known(profile) && !model.is_empty() => {
            Ok((profile.to_owned(), Some(model.to_owned())))
        }
        _ => Err(no_such_model(name)),
    }
}

/// Somebody who wants a turn.
#[derive(Clone)]
struct Asks {
    app: Arc<App>,
    wish: Wish,
    profile: String,
    model: Option<String>,
    by: Actor,
    peer: Peer,
}

impl Asks {
    /// Finds or begins the turn, and holds it for the caller, also when the request is dropped meanwhile.
    async fn begin(self) -> Result<(Begun, Hold), Failure> {
        carried_out(async move {
            let Self { app, wish, profile, model, by, peer } = self;
            let lasts = wish.conversation.is_some();
            let begun = begin(&app, wish, profile, model, &by).await?;
            let caller = if lasts { app.turns.caller(peer).await } else { None };
            let turn = (begun.agent.id, begun.message);
            let mut hold = Hold::of(&app, turn, begun.alone, by);
            hold.caller = caller;
            if begun.agent.unheard && !begun.agent.status.is_end() {
                app.supervisor.heard(begun.agent.id, true).await?;
            }
            Ok((begun, hold))
        })
        .await
    }

    /// The same once the agent has ended that takes no messages.
    async fn begin_after(self, before: Begun) -> Result<(Begun, Hold), Problem> {
        // Another request of the conversation may be faster: its turn is held, and waited for as well.
        let (mut agent, mut other) = (before.agent, None);
        loop {
            let ended = until_ended(&self.app, &agent).await;
            ended.map_err(|error| Failure::from(error).into_problem())?;
            drop(other);
            let (begun, hold) = self.clone().begin().await.map_err(Failure::into_problem)?;
            if !begun.waits {
                return Ok((begun, hold));
            }
            (agent, other) = (begun.agent, Some(hold));
        }
    }
}

/// Waits for the end of an agent.
async fn until_ended(app: &App, agent: &Agent) -> Result<(), SupervisorError> {
    let filter = EventFilter {
        agents: Some(vec![agent.id]),
        types: Some(EventType::ENDS.to_vec()),
        ..EventFilter::default()
    };
    let mut events = follow(app.supervisor.store(), agent.last_seq, filter);
    while let Some(next) = events.next().await {
        let ended = match next? {
            Followed::Event(_) => true,
            // Its end may be among the events that are gone.
            Followed::Reset { .. } => {
                let now = app.supervisor.store().agent(agent.id).await?;
                now.is_none_or(|now| now.status.is_end())
            }
        };
        if ended {
            break;
        }
    }
    Ok(())
}

/// A turn that is under way, or was.
pub(super) struct Begun {
    pub(super) agent: Arc<Agent>,
    /// The message that it is the turn of; the agent's first when absent.
    pub(super) message: Option<MessageId>,
    /// Its events come after this.
    pub(super) since: Seq,
    /// Whether the agent is there for this one request.
    alone: bool,
    /// Whether it is the turn before, of an agent that takes no messages: ours begins when that has ended.
    waits: bool,
    /// Turns before it whose answers the caller has not heard, oldest first.
    pub(super) missed: Vec<Begun>,
}

impl Begun {
    fn of(agent: &Arc<Agent>, message: Option<MessageId>, since: Seq) -> Self {
        let (alone, waits) = (false, false);
        Self { agent: Arc::clone(agent), message, since, alone, waits, missed: Vec::new() }
    }

    fn sent(agent: &Arc<Agent>, sent: &Sent) -> Self {
        Self::of(agent, Some(sent.message), Seq(sent.seq.0.saturating_sub(1)))
    }
}

/// Finds the turn if it was asked for before, and otherwise begins it: with a message to the agent of
/// the conversation, or with a new agent.
async fn begin(
    app: &App,
    mut wish: Wish,
    profile: String,
    model: Option<String>,
    by: &Actor,
) -> Result<Begun, SupervisorError> {
    let Some(conversation) = wish.conversation.clone() else {
        return spawn(app, wish, profile, model, by, (None, None)).await;
    };
    // Two requests of one conversation at once would each find no agent.
    let _turn = app.turns.begin(&conversation).await;
    let agents = agents_of(app, &conversation).await?;
    let (mut told, mut news) = (Vec::new(), Vec::new());
    for said in std::mem::take(&mut wish.said) {
        match told_before(app, &agents, &said.key).await? {
            Some(turn) => {
                told.push(turn);
                // What was said before it was told with it.
                news.clear();
            }
            None => news.push(said),
        }
    }
    let mut turn = match (news.last().map(|said| said.key.clone()), told.pop()) {
        (None, Some(asked_before)) => asked_before,
        (key, last) => {
            told.extend(last);
            wish.said = news;
            tell(app, wish, profile, model, by, (key.unwrap_or_default(), agents.last())).await?
        }
    };
    turn.missed = told;
    Ok(turn)
}

/// The turn that was begun with this key, if one was.
async fn told_before(
    app: &App,
    agents: &[Arc<Agent>],
    key: &str,
) -> Result<Option<Begun>, SupervisorError> {
    if let Some(agent) = app.supervisor.spawned_with(key).await? {
        return Ok(Some(Begun::of(&agent, None, Seq::START)));
    }
    for agent in agents {
        match app.supervisor.sent_with(agent.id, key).await {
            Ok(Some(sent)) => return Ok(Some(Begun::sent(agent, &sent))),
            // No agent has it.
            Ok(None) | Err(SupervisorError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Tells the conversation's last agent, or a new one.
async fn tell(
    app: &App,
    wish: Wish,
    profile: String,
    model: Option<String>,
    by: &Actor,
    (key, last): (String, Option<&Arc<Agent>>),
) -> Result<Begun, SupervisorError> {
    match last {
        Some(agent) if !agent.status.is_end() && agent.takes_messages() => {
            let text = text_of(&wish);
            match app.supervisor.send(agent.id, text, by.clone(), Some(key.clone())).await {
                Ok(sent) => return Ok(Begun::sent(agent, &sent)),
                // It ended meanwhile: another one goes on.
                Err(SupervisorError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        // It is being ended: another one goes on.
        Some(agent) if agent.status.is_end() || agent.status == Status::Stopping => {}
        Some(agent) => {
            return Ok(Begun { waits: true, ..Begun::of(agent, None, agent.last_seq) });
        }
        None => {}
    }
    spawn(app, wish, profile, model, by, (Some(key), last)).await
}

/// The agents that were made for this conversation, oldest first.
async fn agents_of(app: &App, conversation: &str) -> Result<Vec<Arc<Agent>>, SupervisorError> {
    let filter = AgentFilter { session: Some(conversation.to_owned()), ..AgentFilter::default() };
    let store = app.supervisor.store();
    let (mut agents, mut after) = (Vec::new(), None);
    loop {
        let page = store.agents(filter.clone(), after, 1000, app.supervisor.now()).await?;
        let own = |agent: &Arc<Agent>| agent.spec.own_session() == Some(conversation);
        agents.extend(page.agents.into_iter().filter(own));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(agents),
        }
    }
}

/// Later requests do not say what the first one did: an agent that follows another has it from there.
fn take_over(wish: &mut Wish, before: &Agent) {
    let spec = &before.spec;
    wish.label = wish.label.take().or_else(|| spec.label.clone());
    if spec.session.is_some() {
        wish.session.clone_from(&spec.session);
    }
    for (key, value) in &spec.metadata {
        wish.metadata.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

fn text_of(wish: &Wish) -> String {
    wish.said.iter().map(|said| said.text.as_str()).collect::<Vec<_>>().join("\n\n")
}

/// A new agent. One that follows another in a conversation goes on with what that knew, where the harness
/// can.
async fn spawn(
    app: &App,
    mut wish: Wish,
    profile: String,
    model: Option<String>,
    by: &Actor,
    (key, before): (Option<String>, Option<&Arc<Agent>>),
) -> Result<Begun, SupervisorError> {
    if let Some(before) = before {
        take_over(&mut wish, before);
    }
    let resumable = |agent: &&Arc<Agent>| {
        agent.status.is_end() && agent.talk.as_ref().is_some_and(|talk| talk.resumable)
    };
    let since = app.supervisor.store().bounds().1;
    let mut body = SpawnBody {
        profile: Some(profile),
        task: Some(text_of(&wish)),
        label: wish.label,
        metadata: wish.metadata,
        cwd: wish.cwd,
        model,
        session: wish.session,
        resume: before.filter(resumable).map(|agent| agent.id.to_string()),
        count: 1,
        ..SpawnBody::default()
    };
    let supervisor = &app.supervisor;
    let mut agents = supervisor.spawn(body.clone(), by.clone(), key.clone()).await;
    if let (Err(SupervisorError::Cwd { .. }), true) = (&agents, body.cwd.is_some()) {
        // OpenClaw may be on another machine, and its directory not here.
        body.cwd = None;
        agents = supervisor.spawn(body, by.clone(), key.clone()).await;
    }
    let agent = agents?.into_iter().next().ok_or(SupervisorError::ShuttingDown)?;
    Ok(Begun { alone: key.is_none(), ..Begun::of(&agent, None, since) })
}

/// A failure of Dash's own in OpenAI's shape.
pub(super) fn shaped(problem: &Problem) -> OpenAiError {
    OpenAiError::from_problem(problem)
}
