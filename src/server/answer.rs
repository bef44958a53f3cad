//! The answer to a chat completion: a turn that is listened to, told whole or as it goes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tokio::time::timeout;

use super::App;
use super::openai::Begun;
use super::turns::Hold;
use crate::api::Problem;
use crate::model::{AgentId, EventFilter, Status};
use crate::openai::{Failed, OpenAiError, Piece, Reply, Turn, Usage};
use crate::store::{Followed, StoreError, follow};

/// How long a stream waits for the first words before it opens: what fails before gets a status.
const OPENS_WITHIN: Duration = Duration::from_secs(2);
/// How often a silent stream gives a sign of life.
const ALIVE: Duration = Duration::from_secs(10);
/// The code of a turn that was ended and not its agent.
const CANCELLED: &str = "cancelled";

/// A turn that is listened to, after those before it that the caller has not heard the answers of.
pub(super) struct Listener {
    /// The turn that is waited for instead, when the one that is held has to end first.
    pub(super) later: Option<BoxFuture<'static, Result<(Begun, Hold), Problem>>>,
    missed: VecDeque<Part>,
    part: Part,
    pieces: VecDeque<Piece>,
    ends: BoxFuture<'static, ()>,
    hold: Hold,
}

/// One turn of one agent.
struct Part {
    events: BoxStream<'static, Result<Followed, StoreError>>,
    turn: Turn,
    agent: AgentId,
    /// What was said in a turn that was missed.
    text: String,
}

impl Part {
    fn of(app: &App, begun: &Begun) -> Self {
        let agent = begun.agent.id;
        let filter = EventFilter { agents: Some(vec![agent]), ..EventFilter::default() };
        let events = follow(app.supervisor.store(), begun.since, filter);
        Self { events, turn: Turn::new(begun.message), agent, text: String::new() }
    }

    /// What the next event means; nothing when there are no more.
    async fn hear(&mut self, app: &App) -> Option<Vec<Piece>> {
        match self.events.next().await? {
            Ok(Followed::Event(event)) => Some(self.turn.hear(&event)),
            Ok(Followed::Reset { .. }) => Some(self.look(app).await),
            Err(_) => None,
        }
    }

    /// Old events are gone; of an agent that has ended its state tells how.
    async fn look(&mut self, app: &App) -> Vec<Piece> {
        match app.supervisor.store().agent(self.agent).await {
            Ok(Some(agent)) if agent.status.is_end() => {
                self.turn.hear_end(agent.status, &agent.end)
            }
            _ => Vec::new(),
        }
    }
}

impl Listener {
    pub(super) fn of(app: &App, begun: &Begun, hold: Hold, ends: BoxFuture<'static, ()>) -> Self {
        let missed = begun.missed.iter().map(|begun| Part::of(app, begun)).collect();
        let (later, part, pieces) = (None, Part::of(app, begun), VecDeque::new());
        Self { later, missed, part, pieces, ends, hold }
    }

    /// Listens to the turn that has been waited for.
    async fn wait(&mut self) -> Result<(), Failed> {
        let Some(later) = &mut self.later else { return Ok(()) };
        let (begun, hold) = tokio::select! {
            begun = later => begun.map_err(|problem| Failed { code: "refused", message: problem.message })?,
            () = &mut self.ends => return Err(unreachable()),
        };
        self.later = None;
        let app = Arc::clone(&self.hold.app);
        self.missed = begun.missed.iter().map(|begun| Part::of(&app, begun)).collect();
        self.part = Part::of(&app, &begun);
        // Whoever hangs up from now on wants this one no more.
        self.hold.over = true;
        self.hold = hold;
        Ok(())
    }

    /// What comes next. A turn that cannot be listened to any more fails, and can be asked for again.
    async fn next(&mut self) -> Piece {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                self.hold.over |= matches!(piece, Piece::Over(_) | Piece::Failed(_));
                return piece;
            }
            if let Err(failed) = self.wait().await {
                return Piece::Failed(failed);
            }
            let part = self.missed.front_mut().unwrap_or(&mut self.part);
            let heard = tokio::select! {
                heard = part.hear(&self.hold.app) => heard,
                () = &mut self.ends => None,
            };
            let Some(pieces) = heard else {
                return Piece::Failed(unreachable());
            };
            if self.missed.is_empty() {
                self.pieces.extend(pieces);
            } else {
                self.catch_up(pieces);
            }
        }
    }

    /// Of a turn that nobody heard, its answer is told when it is over, or why there is none. What was
    /// cancelled is not missed.
    fn catch_up(&mut self, pieces: Vec<Piece>) {
        let Some(part) = self.missed.front_mut() else { return };
        for piece in pieces {
            let last = match piece {
                Piece::Text(text) => {
                    part.text.push_str(&text);
                    continue;
                }
                Piece::Thought(_) => continue,
                Piece::Over(_) => std::mem::take(&mut part.text),
                Piece::Failed(failed)
                    if [CANCELLED, Status::Killed.as_str()].contains(&failed.code) =>
                {
                    String::new()
                }
                Piece::Failed(failed) => format!("[Dash: the turn before: {}]", failed.message),
            };
            self.missed.pop_front();
            if !last.trim().is_empty() {
                self.pieces.push_back(Piece::Text(format!("{}\n\n", last.trim_end())));
            }
            return;
        }
    }
}

fn unreachable() -> Failed {
    let message = "the daemon is stopping, or the key has ended: ask again".to_owned();
    Failed { code: "unreachable", message }
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

pub(super) async fn whole(mut listener: Listener, reply: &Reply) -> Response {
    let (mut text, mut thoughts) = (String::new(), String::new());
    loop {
        match listener.next().await {
            Piece::Text(more) => text += &more,
            Piece::Thought(more) => thoughts += &more,
            Piece::Over(finish) => {
                let usage = listener.part.turn.usage();
                return Json(reply.whole(&text, &thoughts, finish, usage)).into_response();
            }
            Piece::Failed(failed) => return failure(&failed),
        }
    }
}

pub(super) async fn streamed(mut listener: Listener, reply: Reply, usage: bool) -> Response {
    let first = timeout(OPENS_WITHIN, listener.next()).await.ok();
    if let Some(Piece::Failed(failed)) = &first {
        return failure(failed);
    }
    listener.pieces.extend(first);
    let pieces = stream::unfold(listener, |mut listener| async move {
        let piece = listener.next().await;
        Some(((piece, listener.part.turn.usage()), listener))
    });
    let opening = frame(&reply.opening());
    let chunks = stream::once(std::future::ready(opening)).chain(frames(pieces, reply, usage));
    let body = Body::from_stream(chunks.map(Ok::<_, Infallible>));
    let headers = [
        (CONTENT_TYPE.as_str(), "text/event-stream"),
        (CACHE_CONTROL.as_str(), "no-cache"),
        ("x-accel-buffering", "no"),
    ];
    (headers, body).into_response()
}

/// What is told after the opening: each piece as it comes, with the tokens used so far, to the end of the turn, and a
/// sign of life in every silence.
fn frames(
    pieces: impl Stream<Item = (Piece, Usage)> + Send + 'static,
    reply: Reply,
    usage: bool,
) -> impl Stream<Item = String> {
    let state = Some((pieces.boxed(), reply));
    stream::unfold(state, move |state| async move {
        let (mut pieces, reply) = state?;
        let Ok(next) = timeout(ALIVE, pieces.next()).await else {
            return Some((frame(&reply.text("")), Some((pieces, reply))));
        };
        let (piece, used) = next?;
        Some(match piece {
            Piece::Text(text) => (frame(&reply.text(&text)), Some((pieces, reply))),
            Piece::Thought(text) => (frame(&reply.thought(&text)), Some((pieces, reply))),
            Piece::Over(finish) => {
                let mut end = frame(&reply.finish(finish));
                if usage {
                    end += &frame(&reply.usage(used));
                }
                (end + "data: [DONE]\n\n", None)
            }
            Piece::Failed(failed) => {
                let error = OpenAiError::of_agent(failed.message, failed.code);
                (frame(&error), None)
            }
        })
    })
}

fn frame(data: &impl serde::Serialize) -> String {
    // JSON on one line: a text's line ends are escaped in it.
    format!("data: {}\n\n", serde_json::to_string(data).unwrap_or_default())
}

#[cfg(test)]
#[path = "answer_test.rs"]
mod tests;
