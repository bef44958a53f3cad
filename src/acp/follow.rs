//! Tells the client what happens in a turn, asks it what the agent asks, and finds the answer to its
//! prompt, over any number of daemons.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Face;
use super::accept::Accepted;
use super::options;
use super::session::Session;
use super::trouble::Trouble;
use super::turn::{Outcome, Step, Turn};
use crate::api::{EventsQuery, KillBody, PermissionBody};
use crate::client::{Client, ClientError, Frame};
use crate::model::{AgentId, Seq, Status};

/// How long after it went away to look whether the daemon crashed, and then again until it is back.
const SETTLES: Duration = Duration::from_millis(500);

/// How the following of a turn ended.
pub(super) enum End {
    /// The prompt's answer.
    Answer(Result<&'static str, Trouble>),
    /// No agent has the prompt any more.
    Undelivered(Trouble),
    /// The client is gone. The turn runs on.
    Left,
}

struct Following<'a> {
    face: &'a Face<'a>,
    session: &'a Session,
    client: Client,
    turn: Turn,
    cancelled: watch::Receiver<bool>,
    /// Whether the daemon is still to be told that the turn is cancelled.
    cancel_due: bool,
    /// Whether the daemon was away when it was to be told something.
    away: bool,
    takes_turns: bool,
    /// What goes on beside the stream: questions to the client, orders to the daemon.
    errands: FuturesUnordered<LocalBoxFuture<'a, Errand>>,
    /// Our ids of the agent's questions that the client has not answered.
    asked: HashMap<String, u64>,
}

/// What came of an errand.
enum Errand {
    Done,
    /// The order to cancel did not arrive.
    CancelLost,
    /// The question's answer did not arrive.
    Failed(Trouble),
}

/// Follows the turn to its end.
pub(super) async fn follow<'a>(
    face: &'a Face<'a>,
    session: &'a Session,
    accepted: Accepted,
    cancelled: watch::Receiver<bool>,
) -> End {
    let Accepted { client, turn, since, takes_turns } = accepted;
    let following = Following {
        face,
        session,
        client,
        turn,
        cancelled,
        cancel_due: false,
        away: false,
        takes_turns,
        errands: FuturesUnordered::new(),
        asked: HashMap::new(),
    };
    following.run(since).await
}

impl Following<'_> {
    async fn run(mut self, since: Seq) -> End {
        let mut frames = self.client.events(EventsQuery {
            since: Some(since.to_string()),
            agent: vec![self.turn.agent().to_string()],
            ..EventsQuery::default()
        });
        let mut cancelled = self.cancelled.clone();
        let mut has_left = self.face.has_left();
        let mut look_at: Option<Instant> = None;
        let mut knows_cancel = false;
        loop {
            // Of an agent that takes turns, the turn that runs until ours begins is another's.
            let ours = !self.takes_turns || self.turn.has_begun();
            if self.cancel_due && !self.away && ours {
                self.cancel_due = false;
                self.cancel();
            }
            tokio::select! {
                _ = has_left.wait_for(|left| *left) => return End::Left,
                true = is_set(&mut cancelled), if !knows_cancel => {
                    knows_cancel = true;
                    self.cancel_due = true;
                }
                frame = frames.next() => {
                    let steps = match frame {
                        Some(Ok(Frame::Event { json, .. })) => self.turn.take(&json),
                        Some(Ok(Frame::Reset(reset))) => self.look(reset.oldest).await,
                        Some(Ok(Frame::Lost)) => {
                            (self.away, look_at) = (true, Some(Instant::now() + SETTLES));
                            continue;
                        }
                        Some(Ok(Frame::Back)) => {
                            (self.away, look_at) = (false, None);
                            continue;
                        }
                        Some(Err(error)) => return End::Answer(Err(error.into())),
                        None => return End::Answer(Err(stream_ended())),
                    };
                    if let Some(outcome) = self.carry_out(steps).await {
                        return self.end(outcome);
                    }
                }
                Some(errand) = self.errands.next(), if !self.errands.is_empty() => match errand {
                    Errand::Done => {}
                    Errand::CancelLost => self.cancel_due = true,
                    Errand::Failed(trouble) => self.face.daemon.say(&trouble.to_string()),
                },
                () = until(look_at) => {
                    // Until the stream is back: the daemon that is there now may crash before that.
                    look_at = Some(Instant::now() + SETTLES);
                    if let Err(trouble) = self.face.daemon.revive().await {
                        self.face.daemon.say(&trouble.to_string());
                    }
                }
            }
        }
    }

    async fn carry_out(&mut self, steps: Vec<Step>) -> Option<Outcome> {
        for step in steps {
            match step {
                Step::Update(mut update) => {
                    options::hear(self.face, self.session, self.turn.offered(), &mut update);
                    self.face.out.update(&self.session.id, update).await;
                }
                Step::Ask { request, params } => self.ask(request, params),
                Step::Settled { request } => self.settled(&request).await,
                // What was cancelled before it began is cancelled now.
                Step::Begun => self.cancel_due |= *self.cancelled.borrow(),
                Step::Over(outcome) => return Some(outcome),
            }
        }
        None
    }

    fn end(&self, outcome: Outcome) -> End {
        let cancelled = *self.cancelled.borrow();
        match outcome {
            _ if cancelled => End::Answer(Ok("cancelled")),
            Outcome::Stopped(reason) => End::Answer(Ok(reason)),
            Outcome::Failed(trouble) | Outcome::Killed(trouble) => End::Answer(Err(trouble)),
            Outcome::Undelivered(trouble) => End::Undelivered(trouble),
        }
    }

    /// Events may have been missed: the agent's state tells what the turn's end would have.
    async fn look(&mut self, oldest: Seq) -> Vec<Step> {
        match self.client.agent(self.turn.agent().as_str()).await {
            Ok(agent) => self.turn.look_at(&agent, oldest),
            Err(error) => vec![Step::Over(Outcome::Failed(error.into()))],
        }
    }

    /// Tells the daemon that the turn is to end. A command has no turns: it is ended itself.
    fn cancel(&mut self) {
        let client = self.client.clone();
        let (agent, takes_turns) = (self.turn.agent(), self.takes_turns);
        let errand = async move {
            let done = if takes_turns {
                end_turn(&client, agent).await
            } else {
                client.kill(agent.as_str(), &KillBody::default()).await.map(drop)
            };
            match done {
                Err(ClientError::Unreachable { .. }) => Errand::CancelLost,
                Err(error) => Errand::Failed(error.into()),
                Ok(()) => Errand::Done,
            }
        };
        self.errands.push(errand.boxed_local());
    }

    /// Asks the client what the agent asks. A client that cannot answer leaves it to others: people can,
    /// with `dash allow` and `dash deny`.
    fn ask(&mut self, request: String, mut params: Value) {
        let (id, answer) = self.face.new_question();
        self.asked.insert(request.clone(), id);
        let (face, client, agent) = (self.face, self.client.clone(), self.turn.agent());
        params["sessionId"] = json!(self.session.id);
        let errand = async move {
            face.out.ask(id, "session/request_permission", params).await;
            let Ok(answer) = answer.await else { return Errand::Done };
            let body = match decision(request, answer) {
                Ok(Some(body)) => body,
                Ok(None) => return Errand::Done,
                Err(trouble) => return Errand::Failed(trouble),
            };
            match client.answer(agent.as_str(), &body).await {
                Ok(_) => Errand::Done,
                Err(error) => Errand::Failed(error.into()),
            }
        };
        self.errands.push(errand.boxed_local());
    }

    /// The client need not answer any more, if it has not.
    async fn settled(&mut self, request: &str) {
        let Some(id) = self.asked.remove(request) else { return };
        if self.face.forget_question(id) {
            self.face.out.notify("$/cancel_request", json!({ "requestId": id })).await;
        }
    }
}

impl Drop for Following<'_> {
    fn drop(&mut self) {
        for id in self.asked.values() {
            self.face.forget_question(*id);
        }
    }
}

/// Ends the turn and not the agent; an agent that has not begun it yet has nothing else to live for.
async fn end_turn(client: &Client, agent: AgentId) -> Result<(), ClientError> {
    let Err(error) = client.cancel(agent.as_str()).await else { return Ok(()) };
    match client.agent(agent.as_str()).await?.status {
        Status::Queued | Status::Starting => {
            client.kill(agent.as_str(), &KillBody::default()).await.map(drop)
        }
        // Its turn is over by itself.
        status if status == Status::Waiting || status.is_end() => Ok(()),
        _ => Err(error),
    }
}

/// What a client's answer to `session/request_permission` means for the agent (ACP 1,
/// `RequestPermissionOutcome`); nothing when it takes the question back with the turn.
fn decision(
    request: String,
    answer: Result<Value, Value>,
) -> Result<Option<PermissionBody>, Trouble> {
    let answer = answer.map_err(|error| {
        let why = error["message"].as_str().unwrap_or("it does not say why").to_owned();
        Trouble::failed(format!("the client does not answer a permission request: {why}"))
            .hinted("`dash allow` and `dash deny` answer it")
    })?;
    let option = answer["outcome"]["optionId"].as_str().map(str::to_owned);
    Ok(option.map(|option| PermissionBody {
        option: Some(option),
        request_id: Some(request),
        ..PermissionBody::default()
    }))
}

/// Resolves to true when it is set, and never when nobody can set it any more.
pub(super) async fn is_set(cancelled: &mut watch::Receiver<bool>) -> bool {
    match cancelled.wait_for(|cancelled| *cancelled).await {
        Ok(_) => true,
        Err(_) => std::future::pending().await,
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn stream_ended() -> Trouble {
    Trouble::failed("the stream of events ended").hinted("`dash doctor` says what is wrong")
}
