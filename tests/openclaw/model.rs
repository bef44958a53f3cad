//! A scripted language model: an OpenAI-compatible server of chat completions that does what the newest user
//! message tells it to, and writes down every request. It understands nothing; what is proven with it is OpenClaw
//! and Dash, not a model's judgement.
//!
//! | in a user's message | it |
//! |---|---|
//! | `/dash ARGS`, to the end of the line | calls exec with `dashctl ARGS`; a spawn gets the `--session` that the skill tells a model to copy |
//! | `CALL TOOL {…}`, any number of them | calls these tools one after another, or in one turn when the message says `PARALLEL` |
//! | `WAIT MS` | answers that much later |
//! | `HOLD NAME` | answers when the test says [`Model::release`] |
//! | `SAY TEXT`, to the end of the line | answers that, when all calls are done |
//! | anything else | answers `ECHO: …`, and after tools `RESULT: …`, the last result |

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::lab::runtime;
use crate::env::eventually;

/// `OpenClaw` adds user messages of its own, which begin with this; a model looks past them.
pub const INTERNAL: &str = "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>";
/// Bytes of an answer's text at most.
const SAID_MAX: usize = 4000;

/// A request that the model got, and what it made of it.
#[derive(Debug, Clone)]
pub struct Asked {
    pub at: Instant,
    /// The whole body.
    pub body: Value,
    pub answer: Answer,
}

/// What the model does in one turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Say(String),
    /// Tools' names and arguments.
    Call(Vec<(String, Value)>),
}

/// A running model. It ends with the test's process.
pub struct Model {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    asked: Mutex<Vec<Asked>>,
    released: watch::Sender<HashSet<String>>,
}

impl Model {
    /// Starts one on a free port of loopback.
    #[must_use]
    pub fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let routes = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(complete))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let listener = runtime().block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime().spawn(async move { axum::serve(listener, routes).await });
        Self { port, shared }
    }

    /// What a provider's `baseUrl` is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// All that it was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Waits until `find` makes something of what it was asked.
    #[track_caller]
    pub fn until<T>(&self, what: &str, find: impl Fn(&[Asked]) -> Option<T>) -> T {
        eventually(what, || {
            let asked = self.shared.asked.lock().unwrap();
            find(&asked).ok_or_else(|| format!("{} requests", asked.len()))
        })
    }

    /// Lets the turns go on that hold at this name, now and later.
    pub fn release(&self, name: &str) {
        self.shared.released.send_modify(|released| {
            released.insert(name.to_owned());
        });
    }
}

/// The text of a chat message: a string, or parts of type `text`.
#[must_use]
pub fn text_of(message: &Value) -> String {
    super::client::text_of(message)
}

async fn models() -> axum::Json<Value> {
    axum::Json(json!({"object": "list", "data": [{"id": "scripted", "object": "model"}]}))
}

async fn complete(State(shared): State<Arc<Shared>>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let answer = answer(&messages);
    let script = script_of(&messages).map(|(_, text)| text).unwrap_or_default();
    let asked = Asked { at: Instant::now(), body: body.clone(), answer: answer.clone() };
    shared.asked.lock().unwrap().push(asked);
    if let Some(pause) = word_after(&script, "WAIT").and_then(|ms| ms.parse().ok()) {
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    if let Some(name) = word_after(&script, "HOLD") {
        let mut released = shared.released.subscribe();
        let _ = released.wait_for(|released| released.contains(&name)).await;
    }
    if body["stream"] == true { streamed(&answer) } else { whole(&answer) }
}

/// What the model says or does next in this conversation.
fn answer(messages: &[Value]) -> Answer {
    if let Some((at, text)) = script_of(messages) {
        let calls = calls_in(&text, messages);
        let done = messages[at..].iter().filter(|message| message["role"] == "tool").count();
        if done < calls.len() {
            let all = text.contains("PARALLEL");
            return Answer::Call(if all { calls } else { vec![calls[done].clone()] });
        }
        if let Some(said) = text.lines().find_map(said) {
            return Answer::Say(said.to_owned());
        }
    }
    let last = messages.iter().rfind(|message| !is_internal(message)).unwrap_or(&Value::Null);
    let kind = if last["role"] == "tool" { "RESULT" } else { "ECHO" };
    let text: String = text_of(last).chars().take(SAID_MAX).collect();
    Answer::Say(format!("{kind}: {text}"))
}

fn is_internal(message: &Value) -> bool {
    message["role"] == "user" && text_of(message).starts_with(INTERNAL)
}

/// The newest user message of the turn that has not ended, and its place.
fn script_of(messages: &[Value]) -> Option<(usize, String)> {
    let over = |message: &Value| message["role"] == "assistant" && message["tool_calls"].is_null();
    let open = messages.iter().enumerate().rev().take_while(|(_, message)| !over(message));
    let mut asks = open.filter(|(_, message)| message["role"] == "user" && !is_internal(message));
    asks.next().map(|(at, message)| (at, text_of(message)))
}

/// The word that follows another one, both standing alone.
fn word_after(text: &str, word: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    words.find(|found| *found == word)?;
    words.next().map(str::to_owned)
}

/// The tool calls that a message asks for.
fn calls_in(text: &str, messages: &[Value]) -> Vec<(String, Value)> {
    let mut calls = Vec::new();
    for (at, _) in text.match_indices("CALL ") {
        let Some((tool, rest)) = text[at + 5..].split_once(' ') else { continue };
        let arguments = serde_json::Deserializer::from_str(rest).into_iter::<Value>().next();
        if let Some(Ok(arguments)) = arguments {
            calls.push((tool.to_owned(), arguments));
        }
    }
    if calls.is_empty() {
        calls.extend(
            text.lines().find_map(slash).map(|rest| ("exec".to_owned(), exec(rest, messages))),
        );
    }
    calls
}

/// What follows `SAY` in a line; OpenClaw may have put the time before it.
fn said(line: &str) -> Option<&str> {
    let (before, text) = line.split_once("SAY ")?;
    before.chars().next_back().is_none_or(char::is_whitespace).then_some(text)
}

/// What follows `/dash` in a line, when that is a word of its own.
fn slash(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("/dash")?;
    let alone = before.chars().next_back().is_none_or(char::is_whitespace)
        && rest.chars().next().is_none_or(char::is_whitespace);
    alone.then(|| rest.trim())
}

/// The arguments of exec for what was typed after `/dash`.
fn exec(typed: &str, messages: &[Value]) -> Value {
    let (verb, rest) = typed.split_once(' ').unwrap_or((typed, ""));
    let session = session_in(messages).filter(|_| verb == "spawn" && !rest.contains("--session"));
    let command = match session {
        Some(session) => format!("dashctl spawn --session '{session}' {rest}"),
        None => format!("dashctl {typed}"),
    };
    // The longest that exec waits in the foreground.
    if ["wait", "watch"].contains(&verb) {
        return json!({"command": command.trim_end(), "yieldMs": 120_000});
    }
    json!({"command": command.trim_end()})
}

/// The session key of the conversation's `Runtime:` line.
fn session_in(messages: &[Value]) -> Option<String> {
    let find = |message: &Value| {
        let text = text_of(message);
        let line =
            text.lines().find(|line| line.contains("Runtime:") && line.contains("session="))?;
        let key = line.split("session=").nth(1)?;
        Some(key.split([' ', '|']).next()?.to_owned())
    };
    messages.iter().rev().find_map(find)
}

/// The answer as a message of the protocol.
fn message(answer: &Answer) -> (Value, &'static str) {
    match answer {
        Answer::Say(text) => (json!({"role": "assistant", "content": text}), "stop"),
        Answer::Call(calls) => {
            let call = |(index, (tool, arguments)): (usize, &(String, Value))| {
                let id = format!("call_{}", uuid::Uuid::new_v4().simple());
                let function = json!({"name": tool, "arguments": arguments.to_string()});
                json!({"index": index, "id": id, "type": "function", "function": function})
            };
            let calls: Vec<Value> = calls.iter().enumerate().map(call).collect();
            (json!({"role": "assistant", "content": null, "tool_calls": calls}), "tool_calls")
        }
    }
}

fn usage() -> Value {
    json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})
}

fn whole(answer: &Answer) -> Response {
    let (message, reason) = message(answer);
    let body = json!({
        "id": "scripted", "object": "chat.completion", "created": 0, "model": "scripted", "usage": usage(),
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
    });
    axum::Json(body).into_response()
}

fn streamed(answer: &Answer) -> Response {
    let (delta, reason) = message(answer);
    let chunk = |choices: Value| json!({"id": "scripted", "object": "chat.completion.chunk", "created": 0, "model": "scripted", "choices": choices});
    let mut end = chunk(json!([]));
    end["usage"] = usage();
    let chunks = [
        chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}])),
        chunk(json!([{"index": 0, "delta": {}, "finish_reason": reason}])),
        end,
    ];
    let [first, second, third] = chunks;
    let body = format!("data: {first}\n\ndata: {second}\n\ndata: {third}\n\ndata: [DONE]\n\n");
    ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
}
