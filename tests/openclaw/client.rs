//! A client of the gateway's WebSocket, protocol 4 (OpenClaw 2026.9.6, `docs/gateway/protocol`): requests with
//! answers, and every event with the time of its arrival.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::lab::runtime;
use crate::env::PATIENCE;

/// What an operator's client may do; an admin of the gateway.
const SCOPES: [&str; 4] =
    ["operator.admin", "operator.read", "operator.write", "operator.approvals"];

/// Requests that may wait to be sent.
const QUEUE: usize = 1024;

/// An event of the gateway, as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When it arrived.
    pub at: Instant,
    /// When it arrived, for comparison with times that other programs wrote down.
    pub time: SystemTime,
    /// Its name: `chat`, `agent`, `session.message`, `task`, …
    pub event: String,
    pub payload: Value,
}

/// What a turn of the model came to.
#[derive(Debug)]
pub struct Turn {
    /// `final`, `error` or `aborted`.
    pub state: String,
    /// The text of the answer, empty when there is none.
    pub text: String,
    /// All that was seen from the request to the end, other sessions' events too.
    pub events: Vec<Seen>,
}

/// A connection to a gateway, as an operator's. It ends when this is dropped.
pub struct Client {
    outgoing: mpsc::Sender<Message>,
    inbox: Arc<Inbox>,
    next: AtomicU64,
    reader: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, Value>,
    events: Vec<Seen>,
    closed: Option<String>,
}

impl Client {
    /// Connects with the gateway's token, as `gateway-client`: with the token on loopback no device key is needed.
    pub fn connect(port: u16, token: &str) -> Result<Self, String> {
        let inbox = Arc::<Inbox>::default();
        let (outgoing, waiting) = mpsc::channel(QUEUE);
        let socket = runtime().block_on(async {
            let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
            let stream = stream.map_err(|error| error.to_string())?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            let url = format!("ws://127.0.0.1:{port}");
            let opened = tokio_tungstenite::client_async(url, stream).await;
            opened.map(|(socket, _)| socket).map_err(|error| error.to_string())
        })?;
        let reader = runtime().spawn(carry(socket, waiting, Arc::clone(&inbox)));
        let client = Self { outgoing, inbox, next: AtomicU64::new(1), reader };
        client.wait("the gateway's challenge", |state| {
            state.events.iter().any(|seen| seen.event == "connect.challenge").then_some(())
        })?;
        let hello = json!({
            "minProtocol": 4, "maxProtocol": 4, "role": "operator", "scopes": SCOPES,
            "caps": ["tool-events"], "auth": {"token": token},
            "client": {"id": "gateway-client", "mode": "backend", "version": "1.0.0", "platform": "linux"},
        });
        client.call("connect", &hello).map_err(|error| error.to_string())?;
        Ok(client)
    }

    /// One request and its answer: the payload, or the error object.
    pub fn call(&self, method: &str, params: &Value) -> Result<Value, Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let frame = json!({"type": "req", "id": id, "method": method, "params": params});
        let _ = self.outgoing.blocking_send(Message::text(frame.to_string()));
        let answer = self.wait(method, |state| state.answers.remove(&id)).map_err(Value::from)?;
        if answer["ok"] == true {
            Ok(answer["payload"].clone())
        } else {
            Err(answer["error"].clone())
        }
    }

    /// One request that must succeed.
    #[track_caller]
    pub fn ok(&self, method: &str, params: &Value) -> Value {
        self.call(method, params).unwrap_or_else(|error| panic!("{method} {params}: {error}"))
    }

    /// From now on every session's changes arrive, and this one's messages when it exists already.
    pub fn subscribe(&self, session: &str) {
        self.ok("sessions.subscribe", &json!({}));
        // A session begins with its first turn; until then there is none to subscribe to.
        let _ = self.call("sessions.messages.subscribe", &json!({"key": session}));
    }

    /// Types a message in a session. Gives the id of its run; does not wait for it.
    #[track_caller]
    pub fn chat(&self, session: &str, message: &str) -> String {
        let run = uuid::Uuid::new_v4().to_string();
        let params = json!({"sessionKey": session, "message": message, "idempotencyKey": run});
        self.ok("chat.send", &params);
        run
    }

    /// Types a message in a session and waits until its turn is over.
    #[track_caller]
    pub fn turn(&self, session: &str, message: &str) -> Turn {
        let mark = self.mark();
        let run = self.chat(session, message);
        self.end_of(&run, mark)
    }

    /// Waits until a run is over, and gives what was seen since the mark.
    #[track_caller]
    pub fn end_of(&self, run: &str, mark: usize) -> Turn {
        self.end_within(PATIENCE, run, mark)
    }

    /// The same for a turn that takes longer than others.
    #[track_caller]
    pub fn end_within(&self, limit: Duration, run: &str, mark: usize) -> Turn {
        let what = format!("the end of run {run}");
        let last = self.until_within(limit, &what, mark, |seen| {
            let over = ["final", "error", "aborted"].contains(&seen.payload["state"].as_str()?);
            (seen.event == "chat" && seen.payload["runId"] == run && over)
                .then(|| seen.payload.clone())
        });
        Turn {
            state: last["state"].as_str().unwrap_or_default().to_owned(),
            text: text_of(&last["message"]),
            events: self.since(mark),
        }
    }

    /// A point in what was seen, to look from.
    pub fn mark(&self) -> usize {
        self.inbox.state.lock().unwrap().events.len()
    }

    /// All that was seen since a mark; 0 is the beginning.
    pub fn since(&self, mark: usize) -> Vec<Seen> {
        self.inbox.state.lock().unwrap().events[mark..].to_vec()
    }

    /// Waits for the first event since a mark of which `find` makes something.
    #[track_caller]
    pub fn until<T>(&self, what: &str, mark: usize, find: impl Fn(&Seen) -> Option<T>) -> T {
        self.until_within(PATIENCE, what, mark, find)
    }

    #[track_caller]
    fn until_within<T>(
        &self,
        limit: Duration,
        what: &str,
        mark: usize,
        find: impl Fn(&Seen) -> Option<T>,
    ) -> T {
        let mut looked = mark;
        let found = self.wait_for(limit, what, |state| {
            let fresh = &state.events[looked..];
            looked = state.events.len();
            fresh.iter().find_map(&find)
        });
        found.unwrap_or_else(|error| {
            let seen = self.since(mark);
            let last: Vec<_> = seen.iter().rev().take(8).collect();
            panic!("{error}; {} events seen, the last, newest first: {last:#?}", seen.len())
        })
    }

    /// Waits until the gateway has closed this connection, as it does when it dies.
    #[track_caller]
    pub fn until_closed(&self) -> String {
        let state = self.inbox.state.lock().unwrap();
        let open = |state: &mut State| state.closed.is_none();
        let (state, _) = self.inbox.changed.wait_timeout_while(state, PATIENCE, open).unwrap();
        state.closed.clone().expect("the connection ends")
    }

    fn wait<T>(&self, what: &str, find: impl FnMut(&mut State) -> Option<T>) -> Result<T, String> {
        self.wait_for(PATIENCE, what, find)
    }

    fn wait_for<T>(
        &self,
        limit: Duration,
        what: &str,
        mut find: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, String> {
        let deadline = Instant::now() + limit;
        let mut state = self.inbox.state.lock().unwrap();
        loop {
            if let Some(found) = find(&mut state) {
                return Ok(found);
            }
            if let Some(why) = &state.closed {
                return Err(format!("{what}: the connection ended: {why}"));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("never: {what}"));
            }
            state = self.inbox.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// The text of a message of the gateway's: a string, or parts of type `text`.
#[must_use]
pub fn text_of(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => message["text"].as_str().unwrap_or_default().to_owned(),
    }
}

/// Carries frames both ways until either side ends.
async fn carry(
    mut socket: tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>,
    mut waiting: mpsc::Receiver<Message>,
    inbox: Arc<Inbox>,
) {
    let why = loop {
        tokio::select! {
            frame = socket.next() => match frame {
                Some(Ok(Message::Text(text))) => inbox.take(&text),
                Some(Ok(Message::Close(frame))) => break format!("{frame:?}"),
                Some(Ok(_)) => {}
                Some(Err(error)) => break error.to_string(),
                None => break "end of stream".to_owned(),
            },
            frame = waiting.recv() => match frame {
                Some(frame) => if let Err(error) = socket.send(frame).await { break error.to_string() },
                None => break "closed here".to_owned(),
            },
        }
    };
    inbox.state.lock().unwrap().closed = Some(why);
    inbox.changed.notify_all();
}

impl Inbox {
    fn take(&self, text: &str) {
        let (at, time) = (Instant::now(), SystemTime::now());
        let mut frame: Value = serde_json::from_str(text).unwrap_or_default();
        let mut state = self.state.lock().unwrap();
        if frame["type"] == "res" {
            let id = frame["id"].as_str().unwrap_or_default().to_owned();
            state.answers.insert(id, frame);
        } else if frame["type"] == "event" {
            let event = frame["event"].as_str().unwrap_or_default().to_owned();
            state.events.push(Seen { at, time, event, payload: frame["payload"].take() });
        }
        drop(state);
        self.changed.notify_all();
    }
}
