//! Chat completions: a turn of an agent, begun or found again, and told as it goes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use super::extract::{CalledBy, JsonBody};
use super::problem::Failure;
use super::turns::Hold;
use super::{App, carried_out};
use crate::api::{Code, Problem, SpawnBody};
use crate::model::{Actor, Agent, AgentFilter, AgentId, EventFilter, MessageId, Seq};
use crate::openai::{
    self, AGENT_HEADER, ChatRequest, Failed, OpenAiError, Piece, Reply, SESSION_HEADER, Turn, Wish,
};
use crate::store::{Followed, StoreError, follow};
use crate::supervisor::SupervisorError;

/// How long a stream waits for the first words before it opens: what fails before gets a status.
const OPENS_WITHIN: Duration = Duration::from_secs(2);
/// How often a silent stream gives a sign of life.
const ALIVE: Duration = Duration::from_secs(10);
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
    headers: HeaderMap,
    JsonBody(request): JsonBody<ChatRequest>,
) -> Result<Response, Failure> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let session = header(SESSION_HEADER).map(str::to_owned);
    let wish = openai::wish(request, session, header("traceparent"));
    let wish = wish.map_err(|error| Failure::invalid(error.0))?;
    let (profile, model) = profile_of(&app, &wish.model)?;
    let (stream, usage, asked) = (wish.stream, wish.usage, wish.model.clone());
    let by = caller.actor.clone();
    let (begun, hold) = {
        let (app, by) = (Arc::clone(&app), by.clone());
        carried_out(async move {
            let begun = begin(&app, wish, profile, model, &by).await?;
            let hold = Hold::of(&app, (begun.agent.id, begun.message), begun.alone, by);
            Ok((begun, hold))
        })
        .await?
    };
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
    let listener = Listener::of(&app, &begun, hold, ends);
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

/// A turn that is under way, or was.
struct Begun {
    agent: Arc<Agent>,
    /// The message that it is the turn of; the agent's first when absent.
    message: Option<MessageId>,
    /// Its events come after this.
    since: Seq,
    /// Whether the agent is there for this one request.
    alone: bool,
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
    let supervisor = &app.supervisor;
    let Some(conversation) = wish.conversation.clone() else {
        return spawn(app, wish, profile, model, by, None).await;
    };
    // Two requests of one conversation at once would each find no agent.
    let _turn = app.turns.begin(&conversation).await;
    let key = wish.said.last().map(|said| said.key.clone()).unwrap_or_default();
    let found = |agent, message, since| Begun { agent, message, since, alone: false };
    if let Some(agent) = supervisor.spawned_with(&key).await? {
        return Ok(found(agent, None, Seq::START));
    }
    let agents = agents_of(app, &conversation).await?;
    for agent in &agents {
        if let Some(sent) = supervisor.sent_with(agent.id, &key).await? {
            let since = Seq(sent.seq.0.saturating_sub(1));
            return Ok(found(Arc::clone(agent), Some(sent.message), since));
        }
    }
    let last = agents.last();
    let mut news = Vec::new();
    for said in std::mem::take(&mut wish.said) {
        let before = supervisor.spawned_with(&said.key).await?.is_some();
        let told = match last {
            Some(agent) => supervisor.sent_with(agent.id, &said.key).await?.is_some(),
            None => false,
        };
        if !before && !told {
            news.push(said);
        }
    }
    wish.said = news;
    match last {
        Some(agent) if !agent.status.is_end() && agent.takes_messages() => {
            let text = text_of(&wish);
            let sent = supervisor.send(agent.id, text, by.clone(), Some(key.clone())).await;
            match sent {
                Ok(sent) => {
                    let since = Seq(sent.seq.0.saturating_sub(1));
                    Ok(found(Arc::clone(agent), Some(sent.message), since))
                }
                // It ended meanwhile: another one goes on.
                Err(SupervisorError::Refused { .. }) => {
                    take_over(&mut wish, agent);
                    spawn(app, wish, profile, model, by, Some(key)).await
                }
                Err(error) => Err(error),
            }
        }
        // It takes no messages and is still at work: its answer is the answer.
        Some(agent) if !agent.status.is_end() => Ok(found(Arc::clone(agent), None, Seq::START)),
        Some(agent) => {
            take_over(&mut wish, agent);
            spawn(app, wish, profile, model, by, Some(key)).await
        }
        None => spawn(app, wish, profile, model, by, Some(key)).await,
    }
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

async fn spawn(
    app: &App,
    wish: Wish,
    profile: String,
    model: Option<String>,
    by: &Actor,
    key: Option<String>,
) -> Result<Begun, SupervisorError> {
    let since = app.supervisor.store().bounds().1;
    let mut body = SpawnBody {
        profile: Some(profile),
        task: Some(text_of(&wish)),
        label: wish.label,
        metadata: wish.metadata,
        cwd: wish.cwd,
        model,
        session: wish.session,
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
    Ok(Begun { agent, message: None, since, alone: key.is_none() })
}

/// A turn that is listened to.
struct Listener {
    events: BoxStream<'static, Result<Followed, StoreError>>,
    turn: Turn,
    agent: AgentId,
    pieces: VecDeque<Piece>,
    ends: BoxFuture<'static, ()>,
    hold: Hold,
}

impl Listener {
    fn of(app: &App, begun: &Begun, hold: Hold, ends: BoxFuture<'static, ()>) -> Self {
        let agent = begun.agent.id;
        let filter = EventFilter { agents: Some(vec![agent]), ..EventFilter::default() };
        let events = follow(app.supervisor.store(), begun.since, filter);
        let turn = Turn::new(begun.message);
        Self { events, turn, agent, pieces: VecDeque::new(), ends, hold }
    }

    /// What comes next. A turn that cannot be listened to any more fails, and can be asked for again.
    async fn next(&mut self) -> Piece {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                self.hold.over |= matches!(piece, Piece::Over(_) | Piece::Failed(_));
                return piece;
            }
            let event = tokio::select! {
                event = self.events.next() => event,
                () = &mut self.ends => None,
            };
            match event {
                Some(Ok(Followed::Event(event))) => self.pieces.extend(self.turn.hear(&event)),
                Some(Ok(Followed::Reset { .. })) => self.look().await,
                Some(Err(_)) | None => {
                    let message =
                        "the daemon is stopping, or the key has ended: ask again".to_owned();
                    return Piece::Failed(Failed { code: "unreachable", message });
                }
            }
        }
    }

    /// Old events are gone; of an agent that has ended its state tells how.
    async fn look(&mut self) {
        let agent = self.hold.app.supervisor.store().agent(self.agent).await;
        if let Ok(Some(agent)) = agent
            && agent.status.is_end()
        {
            self.pieces.extend(self.turn.hear_end(agent.status, &agent.end));
        }
    }
}

/// The status of an answer that is none. What has failed fails again when it is asked for again, so
/// that it is no status after which clients try again.
fn failure(failed: &Failed) -> Response {
    let status = match failed.code {
        "unreachable" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    (status, Json(OpenAiError::of_agent(failed.message.clone(), failed.code))).into_response()
}

async fn whole(mut listener: Listener, reply: &Reply) -> Response {
    let (mut text, mut thoughts) = (String::new(), String::new());
    loop {
        match listener.next().await {
            Piece::Text(more) => text += &more,
            Piece::Thought(more) => thoughts += &more,
            Piece::Over(finish) => {
                let usage = listener.turn.usage();
                return Json(reply.whole(&text, &thoughts, finish, usage)).into_response();
            }
            Piece::Failed(failed) => return failure(&failed),
        }
    }
}

async fn streamed(mut listener: Listener, reply: Reply, usage: bool) -> Response {
    let first = timeout(OPENS_WITHIN, listener.next()).await.ok();
    if let Some(Piece::Failed(failed)) = &first {
        return failure(failed);
    }
    listener.pieces.extend(first);
    let opening = frame(&reply.opening());
    let state = Some((listener, reply, usage));
    let rest = stream::unfold(state, |state| async move {
        let (mut listener, reply, usage) = state?;
        let Ok(piece) = timeout(ALIVE, listener.next()).await else {
            let alive = frame(&reply.text(""));
            return Some((alive, Some((listener, reply, usage))));
        };
        Some(match piece {
            Piece::Text(text) => (frame(&reply.text(&text)), Some((listener, reply, usage))),
            Piece::Thought(text) => (frame(&reply.thought(&text)), Some((listener, reply, usage))),
            Piece::Over(finish) => {
                let mut end = frame(&reply.finish(finish));
                if usage {
                    end += &frame(&reply.usage(listener.turn.usage()));
                }
                (end + "data: [DONE]\n\n", None)
            }
            Piece::Failed(failed) => {
                let error = OpenAiError::of_agent(failed.message, failed.code);
                (frame(&error), None)
            }
        })
    });
    let chunks = stream::once(std::future::ready(opening)).chain(rest);
    let body = Body::from_stream(chunks.map(Ok::<_, Infallible>));
    let headers = [
        (CONTENT_TYPE.as_str(), "text/event-stream"),
        (CACHE_CONTROL.as_str(), "no-cache"),
        ("x-accel-buffering", "no"),
    ];
    (headers, body).into_response()
}

fn frame(data: &impl serde::Serialize) -> String {
    // JSON on one line: a text's line ends are escaped in it.
    format!("data: {}\n\n", serde_json::to_string(data).unwrap_or_default())
}

/// A failure of Dash's own in OpenAI's shape.
pub(super) fn shaped(problem: &Problem) -> OpenAiError {
    OpenAiError::from_problem(problem)
}
