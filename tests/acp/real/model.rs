//! A scripted language model behind the two interfaces that harnesses use: OpenAI's chat completions and its
//! responses, both streamed. It does what the newest message of the user tells it to:
//!
//! | in the message | it |
//! |---|---|
//! | `CALL TOOL {…}` | calls that tool, and goes on when the result is there |
//! | `HOLD NAME` | stays in the middle of its answer until the test says [`Model::release`] |
//! | `SAY TEXT` | answers that, a word at a time; `RESULT` stands for the last tool's result |

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::openclaw::lab::runtime;

/// A running model. It ends with the test's process.
pub struct Model {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The scripts of all requests.
    asked: Mutex<Vec<String>>,
    released: watch::Sender<HashSet<String>>,
}

/// What it does about one request.
enum Answer {
    Call(String, String),
    /// Words, and the name to be released before the second.
    Say(Vec<String>, Option<String>),
}

impl Model {
    /// Starts one on a free port of the loopback.
    pub fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let routes = Router::new()
            .route("/v1/models", get(async || axum::Json(json!({"object": "list", "data": []}))))
            .route("/v1/chat/completions", post(completions))
            .route("/v1/responses", post(responses))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let listener = runtime().block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime().spawn(async move { axum::serve(listener, routes).await });
        Self { port, shared }
    }

    /// What a provider's base URL is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// Lets the answers go on that hold at this name, now and later.
    pub fn release(&self, name: &str) {
        self.shared.released.send_modify(|released| {
            released.insert(name.to_owned());
        });
    }

    /// Whether it was asked for something with this text in it.
    pub fn was_asked(&self, text: &str) -> bool {
        self.shared.asked.lock().unwrap().iter().any(|asked| asked.contains(text))
    }
}

/// What a script and the results since make the model do. A request without tools is no turn: harnesses ask
/// for titles like that.
fn answer(script: &str, results: &[String], tools: bool) -> Answer {
    let after = |word: &str| script.split_once(word).map(|(_, rest)| rest.trim());
    if !tools {
        return Answer::Say(vec!["A title".to_owned()], None);
    }
    if let (Some(call), true) = (after("CALL "), results.is_empty()) {
        let (tool, rest) = call.split_once(' ').unwrap_or((call, "{}"));
        let mut found = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let arguments = found.next().and_then(Result::ok).unwrap_or_default();
        return Answer::Call(tool.to_owned(), arguments.to_string());
    }
    let text = after("SAY ").unwrap_or("nothing to do");
    let text = text.replace("RESULT", results.last().map_or("", String::as_str));
    let words = text.split_inclusive(' ').map(str::to_owned).collect();
    let hold = after("HOLD ").and_then(|rest| rest.split(' ').next()).map(str::to_owned);
    Answer::Say(words, hold)
}

/// A text, or the texts of its parts.
fn text_of(content: &Value) -> String {
    let parts = content.as_array().into_iter().flatten();
    let parts: String = parts.filter_map(|part| part["text"].as_str()).collect();
    content.as_str().map_or(parts, str::to_owned)
}

/// The newest message of the user, and what tools gave since; `result` finds that in an item.
fn read(items: &Value, result: impl Fn(&Value) -> Option<String>) -> (String, Vec<String>) {
    let items = items.as_array().cloned().unwrap_or_default();
    let at = items.iter().rposition(|item| item["role"] == "user").unwrap_or(0);
    let script = items.get(at).map(|item| text_of(&item["content"])).unwrap_or_default();
    (script, items[at..].iter().filter_map(result).collect())
}

async fn completions(State(shared): State<Arc<Shared>>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    let result = |item: &Value| (item["role"] == "tool").then(|| text_of(&item["content"]));
    let (script, results) = read(&body["messages"], result);
    let tools = body["tools"].as_array().is_some_and(|tools| !tools.is_empty());
    let chunk = |delta: Value, end: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": end});
        let chunk = json!({"id": "scripted", "object": "chat.completion.chunk", "created": 0,
            "model": "scripted", "choices": [choice],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}});
        format!("data: {chunk}\n\n")
    };
    let answer = answer(&script, &results, tools);
    let (begin, words, end, hold) = match answer {
        Answer::Call(tool, arguments) => {
            let id = format!("call_{}", uuid::Uuid::new_v4().simple());
            let function = json!({"name": tool, "arguments": arguments});
            let call = json!({"index": 0, "id": id, "type": "function", "function": function});
            let call = json!({"role": "assistant", "content": null, "tool_calls": [call]});
            (chunk(call, Value::Null), Vec::new(), "tool_calls", None)
        }
        Answer::Say(words, hold) => {
            let word = |word: &String| chunk(json!({"content": word}), Value::Null);
            let words = words.iter().map(word).collect();
            (chunk(json!({"role": "assistant"}), Value::Null), words, "stop", hold)
        }
    };
    let end = chunk(json!({}), json!(end)) + "data: [DONE]\n\n";
    streamed(shared, script, begin, words, end, hold)
}

async fn responses(State(shared): State<Arc<Shared>>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    let result =
        |item: &Value| (item["type"] == "function_call_output").then(|| text_of(&item["output"]));
    let (script, results) = read(&body["input"], result);
    let event = |event: Value| {
        let kind = event["type"].as_str().unwrap_or_default();
        format!("event: {kind}\ndata: {event}\n\n")
    };
    let created = event(json!({"type": "response.created", "response": {"id": "r"}}));
    let (begin, words, item, hold) = match answer(&script, &results, true) {
        Answer::Call(tool, arguments) => {
            let id = format!("call_{}", uuid::Uuid::new_v4().simple());
            let call = json!({"type": "function_call", "call_id": id, "name": tool,
                "arguments": arguments});
            (created, Vec::new(), call, None)
        }
        Answer::Say(words, hold) => {
            let message = |content: Value| json!({"type": "message", "role": "assistant", "id": "m", "content": content});
            let added =
                event(json!({"type": "response.output_item.added", "item": message(json!([]))}));
            let delta = |word: &String| {
                event(json!({"type": "response.output_text.delta", "item_id": "m", "delta": word}))
            };
            let whole = json!([{"type": "output_text", "text": words.concat()}]);
            (created + &added, words.iter().map(delta).collect(), message(whole), hold)
        }
    };
    let usage = json!({"input_tokens": 10, "output_tokens": 5, "total_tokens": 15});
    let end = event(json!({"type": "response.output_item.done", "item": item}))
        + &event(json!({"type": "response.completed", "response": {"id": "r", "usage": usage}}));
    streamed(shared, script, begin, words, end, hold)
}

/// The answer in pieces; after the first word it stays where it is to be held.
fn streamed(
    shared: Arc<Shared>,
    script: String,
    begin: String,
    words: Vec<String>,
    end: String,
    hold: Option<String>,
) -> Response {
    shared.asked.lock().unwrap().push(script);
    let (pieces, stream) = mpsc::channel::<Result<Bytes, Infallible>>(8);
    tokio::spawn(async move {
        let pieces_in_order = [begin].into_iter().chain(words).chain([end]);
        for (at, piece) in pieces_in_order.enumerate() {
            if let (2, Some(name)) = (at, &hold) {
                let mut released = shared.released.subscribe();
                tokio::select! {
                    _ = released.wait_for(|released| released.contains(name)) => {}
                    () = pieces.closed() => return,
                }
            }
            if pieces.send(Ok(piece.into())).await.is_err() {
                return;
            }
        }
    });
    let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(stream));
    ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
}
