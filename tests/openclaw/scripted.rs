//! A scripted gateway: it speaks as much of OpenClaw's protocol as the bridge uses, and fails when and how a test
//! says. What is proven with it is the bridge's part, not OpenClaw's.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;

use super::lab::runtime;
use crate::env::{TestEnv, eventually};

/// The only session there is.
pub const SESSION: &str = "agent:main:main";

/// Its label.
pub const LABEL: &str = "lbl-scripted";

/// What happens to the next message that is given to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stands in the session, and the answer says so.
    Kept,
    /// It stands in the session, and the connection breaks before the answer.
    KeptAnswerLost,
    /// The connection breaks, and it does not stand in the session.
    Lost,
    /// It is refused for now.
    Busy,
}

#[derive(Default)]
struct State {
    token: String,
    fates: VecDeque<Fate>,
    /// How many questions about the history are refused, as by a gateway that starts.
    looks_refused: usize,
    /// The session's history, as `chat.history` gives it.
    history: Vec<Value>,
    connections: usize,
    /// Tokens that were refused.
    refused: usize,
    requests: Vec<String>,
}

/// The gateway. Its connections end with it.
pub struct Scripted {
    port: u16,
    state: Arc<Mutex<State>>,
    /// Counts restarts: a connection of another generation ends.
    generation: watch::Sender<u64>,
}

impl Scripted {
    /// One that takes this token.
    pub fn start(token: &str) -> Self {
        let state = Arc::new(Mutex::new(State { token: token.to_owned(), ..State::default() }));
        let (generation, looked_at) = watch::channel(0);
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::clone(&state);
        runtime().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&shared), looked_at.clone()));
            }
        });
        Self { port, state, generation }
    }

    /// A Dash home whose daemon finds this gateway through a configuration of OpenClaw's.
    pub fn dash(&self, more: &str) -> TestEnv {
        let env = TestEnv::with_config("");
        let config = env.write("openclaw.json", "");
        let toml =
            format!("[openclaw]\nenabled = true\nconfig = \"{}\"\n{more}\n", config.display());
        std::fs::write(env.dash_home().join("config.toml"), toml).unwrap();
        self.write_config(&env);
        env
    }

    /// `OpenClaw`'s configuration, as it is now.
    pub fn write_config(&self, env: &TestEnv) -> PathBuf {
        let token = self.state.lock().unwrap().token.clone();
        let json5 = format!(
            "// written by hand\n{{gateway: {{port: {}, auth: {{token: '{token}'}},}},}}",
            self.port
        );
        env.write("openclaw.json", &json5)
    }

    /// It was restarted with another token.
    pub fn restart_with(&self, token: &str) {
        token.clone_into(&mut self.state.lock().unwrap().token);
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// What happens to the next messages; each is kept when there is no more.
    pub fn fates(&self, fates: impl IntoIterator<Item = Fate>) {
        self.state.lock().unwrap().fates.extend(fates);
    }

    pub fn fates_left(&self) -> usize {
        self.state.lock().unwrap().fates.len()
    }

    /// So many of the next questions about the history are refused, as by a gateway that starts.
    pub fn refuse_looks(&self, count: usize) {
        self.state.lock().unwrap().looks_refused = count;
    }

    /// The texts that stand in the session.
    pub fn texts(&self) -> Vec<String> {
        let history = &self.state.lock().unwrap().history;
        history.iter().map(super::client::text_of).collect()
    }

    /// How often a text stands in the session.
    pub fn count(&self, text: &str) -> usize {
        self.texts().iter().map(|message| message.matches(text).count()).sum()
    }

    /// How often each method was called.
    pub fn calls(&self, method: &str) -> usize {
        let requests = &self.state.lock().unwrap().requests;
        requests.iter().filter(|called| *called == method).count()
    }

    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    pub fn refused(&self) -> usize {
        self.state.lock().unwrap().refused
    }

    #[track_caller]
    pub fn until_connected(&self, times: usize) {
        eventually("the bridge connects", || {
            let connections = self.connections();
            if connections >= times { Ok(()) } else { Err(connections) }
        });
    }
}

/// One connection, until either side ends it.
async fn converse(
    stream: TcpStream,
    state: Arc<Mutex<State>>,
    mut generation: watch::Receiver<u64>,
) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    generation.mark_unchanged();
    let challenge =
        json!({"type": "event", "event": "connect.challenge", "payload": {"nonce": "n", "ts": 1}});
    let _ = socket.send(Message::text(challenge.to_string())).await;
    loop {
        let frame = tokio::select! {
            frame = socket.next() => frame,
            _ = generation.changed() => return,
        };
        let Some(Ok(Message::Text(text))) = frame else { return };
        let request: Value = serde_json::from_str(&text).unwrap();
        let Some(answer) = answer(&request, &state) else { return };
        let mut frame = json!({"type": "res", "id": request["id"]});
        let refused = answer.is_err();
        match answer {
            Ok(payload) => (frame["ok"], frame["payload"]) = (json!(true), payload),
            Err(error) => (frame["ok"], frame["error"]) = (json!(false), error),
        }
        let _ = socket.send(Message::text(frame.to_string())).await;
        if refused && request["method"] == "connect" {
            return;
        }
    }
}

/// The answer to a request; none when the connection breaks.
fn answer(request: &Value, state: &Mutex<State>) -> Option<Result<Value, Value>> {
    let mut state = state.lock().unwrap();
    let (method, params) = (request["method"].as_str().unwrap(), &request["params"]);
    state.requests.push(method.to_owned());
    let missing = || Err(json!({"code": "INVALID_REQUEST", "message": "session not found"}));
    let here = [&params["sessionKey"], &params["key"]].into_iter().any(|key| key == SESSION);
    Some(match method {
        "connect" if params["auth"]["token"] == state.token.as_str() => {
            state.connections += 1;
            Ok(json!({"type": "hello-ok", "server": {"version": "scripted"}}))
        }
        "connect" => {
            state.refused += 1;
            Err(
                json!({"code": "INVALID_REQUEST", "message": "unauthorized: gateway token mismatch",
                       "details": {"code": "AUTH_TOKEN_MISMATCH"}}),
            )
        }
        "sessions.describe" if here => Ok(json!({"session": {"key": SESSION, "label": LABEL}})),
        "sessions.describe" => Ok(json!({"session": null})),
        "chat.inject" | "chat.send" if !here => missing(),
        "chat.inject" | "chat.send" => return post(method, params, &mut state),
        "chat.history" if state.looks_refused > 0 => {
            state.looks_refused -= 1;
            Err(json!({"code": "UNAVAILABLE", "message": "gateway startup", "retryable": true}))
        }
        "chat.history" if here => Ok(page(params, &state.history)),
        "progressCard.get" if here => Ok(json!({"card": null})),
        "progressCard.put" if here => Ok(json!({"card": {"revision": 1}})),
        "progressCard.get" | "progressCard.put" => {
            Err(json!({"code": "UNAVAILABLE", "message": "FOREIGN KEY constraint failed"}))
        }
        _ => missing(),
    })
}

fn post(method: &str, params: &Value, state: &mut State) -> Option<Result<Value, Value>> {
    let fate = state.fates.pop_front().unwrap_or(Fate::Kept);
    if fate == Fate::Busy {
        return Some(Err(json!({"code": "UNAVAILABLE", "message": "not now", "retryable": true})));
    }
    if fate == Fate::Lost {
        return None;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let timestamp = u64::try_from(now.as_millis()).unwrap();
    let text = params["message"].as_str().unwrap();
    state.history.push(if method == "chat.inject" {
        let text = format!("[{}]\n\n{text}", params["label"].as_str().unwrap());
        json!({"role": "assistant", "model": "gateway-injected", "timestamp": timestamp,
               "content": [{"type": "text", "text": text}]})
    } else {
        let key = format!("{}:user", params["idempotencyKey"].as_str().unwrap());
        json!({"role": "user", "content": text, "timestamp": timestamp, "idempotencyKey": key})
    });
    (fate == Fate::Kept).then(|| Ok(json!({"ok": true})))
}

/// A page of the history, the newest messages first in pages, the oldest first within one.
fn page(params: &Value, history: &[Value]) -> Value {
    let number = |name: &str| usize::try_from(params[name].as_u64().unwrap_or(0)).unwrap();
    let end = history.len().saturating_sub(number("offset"));
    let begin = end.saturating_sub(number("limit").min(3));
    json!({"messages": history[begin..end], "hasMore": begin > 0})
}
