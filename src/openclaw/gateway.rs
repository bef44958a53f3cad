//! One connection to OpenClaw's gateway: WebSocket, JSON text frames, protocol 4.
//!
//! The frames are those of OpenClaw 2026.9.6 (`gateway/protocol/transport` and `…/handshake` of its
//! documents): the gateway sends `connect.challenge`, the first request is `connect`, answers carry
//! the request's id and can come in any order. A client `gateway-client` of mode `backend` on the
//! same machine needs the shared token and no device key.

use std::collections::HashMap;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_util::sync::CancellationToken;

use super::access::{Access, Secret};

/// The one version of the protocol that is spoken.
const PROTOCOL: u32 = 4;
/// How long the gateway may take for each step of a connection.
const STEP_LIMIT: Duration = Duration::from_secs(10);
/// Without a frame for so long, the other side is dead: it sends a tick every 15 s.
const SILENCE: Duration = Duration::from_mins(1);
/// Bytes of one frame that is read; the gateway's own limit is 25 MiB.
const FRAME_MAX: usize = 64 * 1024 * 1024;
/// Requests that wait to be written.
const WAITING: usize = 64;

/// A connection. Cheap to clone; it ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Gateway {
    requests: mpsc::Sender<Asked>,
    over: watch::Receiver<Option<String>>,
    left: CancellationToken,
    version: String,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens there.
    #[error("no gateway answers at {address}: {message}")]
    Unreachable { address: String, message: String },
    /// Whoever listens does not speak the gateway's protocol.
    #[error("{address} is no OpenClaw gateway: {message}")]
    Foreign { address: String, message: String },
    /// The gateway does not take the token.
    #[error("the gateway refuses the token: {message}")]
    Unauthorized { message: String },
    /// The gateway does not take us for another reason, or not now.
    #[error("the gateway refuses the connection: {message}")]
    Refused { message: String, retry_after: Option<Duration> },
}

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The gateway refused: what was asked for has not happened.
    #[error("{message}")]
    Refused { code: String, message: String, retryable: bool },
    /// No answer came. What was asked for may have happened.
    #[error("no answer came: {0}")]
    Lost(String),
    /// The request was never sent.
    #[error("the connection is over")]
    Over,
    /// The answer does not have the shape that it should.
    #[error("the gateway's answer makes no sense: {0}")]
    Shape(String),
}

struct Asked {
    method: String,
    params: Box<RawValue>,
    answer: oneshot::Sender<Result<Box<RawValue>, CallError>>,
}

#[derive(Serialize)]
struct Request<'a> {
    r#type: &'static str,
    id: String,
    method: &'a str,
    params: &'a RawValue,
}

/// A frame from the gateway; events have a name and no id.
#[derive(Deserialize)]
struct Frame<'a> {
    r#type: String,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    event: Option<String>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Failed>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Failed {
    code: String,
    message: String,
    retryable: bool,
    retry_after_ms: Option<u64>,
    details: serde_json::Value,
}

#[derive(Deserialize)]
struct Hello {
    #[serde(default)]
    server: Server,
}

#[derive(Default, Deserialize)]
struct Server {
    #[serde(default)]
    version: String,
}

impl Gateway {
    /// Connects and says who we are.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(access: &Access) -> Result<Self, ConnectError> {
        let mut line = Line::open(&access.address).await?;
        line.until(|frame| (frame.event.as_deref() == Some("connect.challenge")).then_some(()))
            .await?;
        let version = line.greet(&access.secret).await?;
        let (requests, asked) = mpsc::channel(WAITING);
        let (ended, over) = watch::channel(None);
        let left = CancellationToken::new();
        let leaving = left.clone();
        tokio::spawn(async move {
            let why = tokio::select! {
                why = serve(line.socket, asked) => why,
                () = leaving.cancelled() => "it did not answer".to_owned(),
            };
            let _ = ended.send(Some(why));
        });
        Ok(Self { requests, over, left, version })
    }

    /// The gateway's version of OpenClaw.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Ends the connection for everybody who uses it.
    pub fn leave(&self) {
        self.left.cancel();
    }

    /// Resolves when the connection is lost, with the reason.
    pub async fn lost(&self) -> String {
        let mut over = self.over.clone();
        match over.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => "the connection ended".to_owned(),
        }
    }

    /// Asks for something, and waits for at most `limit` for the answer.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: &impl Serialize,
        limit: Duration,
    ) -> Result<T, CallError> {
        let params = serde_json::value::to_raw_value(params)
            .map_err(|error| CallError::Shape(error.to_string()))?;
        let (answer, answered) = oneshot::channel();
        let asked = Asked { method: method.to_owned(), params, answer };
        self.requests.send(asked).await.map_err(|_| CallError::Over)?;
        let payload = match timeout(limit, answered).await {
            Ok(Ok(payload)) => payload?,
            Ok(Err(_)) => return Err(CallError::Lost("the connection broke".to_owned())),
            Err(_) => return Err(CallError::Lost(format!("{} s are over", limit.as_secs()))),
        };
        serde_json::from_str(payload.get()).map_err(|error| CallError::Shape(error.to_string()))
    }
}

/// A connection that is being set up.
struct Line {
    address: String,
    socket: WebSocketStream<TcpStream>,
}

impl Line {
    async fn open(address: &str) -> Result<Self, ConnectError> {
        let unreachable =
            |message: String| ConnectError::Unreachable { address: address.to_owned(), message };
        let stream = timeout(STEP_LIMIT, TcpStream::connect(address))
            .await
            .map_err(|_| unreachable("it does not answer".to_owned()))?
            .map_err(|error| unreachable(error.to_string()))?;
        let _ = stream.set_nodelay(true);
        let config = WebSocketConfig::default()
            .max_message_size(Some(FRAME_MAX))
            .max_frame_size(Some(FRAME_MAX));
        let url = format!("ws://{address}/");
        let shaken = tokio_tungstenite::client_async_with_config(url, stream, Some(config));
        match timeout(STEP_LIMIT, shaken).await {
            Ok(Ok((socket, _))) => Ok(Self { address: address.to_owned(), socket }),
            Ok(Err(error)) => Err(foreign(address, error.to_string())),
            Err(_) => Err(unreachable("it accepts connections and says nothing".to_owned())),
        }
    }

    /// Reads until a frame is what is waited for.
    async fn until<T>(
        &mut self,
        wanted: impl Fn(&Frame<'_>) -> Option<T>,
    ) -> Result<T, ConnectError> {
        let found = timeout(STEP_LIMIT, async {
            loop {
                let text = match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => text,
                    Some(Ok(Message::Close(frame))) => {
                        let why = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
                        return Err(format!("it closed the connection {why}"));
                    }
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => return Err(error.to_string()),
                    None => return Err("it closed the connection".to_owned()),
                };
                let frame: Frame<'_> = serde_json::from_str(text.as_str())
                    .map_err(|_| "it sent something that is no frame".to_owned())?;
                if let Some(found) = wanted(&frame) {
                    return Ok(found);
                }
            }
        });
        match found.await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(message)) => Err(foreign(&self.address, message)),
            Err(_) => Err(foreign(&self.address, "it does not say what it should".to_owned())),
        }
    }

    /// Says who we are; answers with the gateway's version.
    async fn greet(&mut self, secret: &Secret) -> Result<String, ConnectError> {
        let auth = match secret {
            Secret::Token(token) => serde_json::json!({ "token": token }),
            Secret::Password(password) => serde_json::json!({ "password": password }),
            Secret::None => serde_json::json!({}),
        };
        // chat.inject needs operator.admin, progressCard.put operator.write.
        let request = serde_json::json!({
            "type": "req", "id": "connect", "method": "connect",
            "params": {
                "minProtocol": PROTOCOL, "maxProtocol": PROTOCOL, "role": "operator",
                "scopes": ["operator.read", "operator.write", "operator.admin"],
                "caps": [], "auth": auth,
                "client": {
                    "id": "gateway-client", "mode": "backend", "platform": "linux",
                    "version": env!("CARGO_PKG_VERSION"), "displayName": "dash",
                },
            },
        });
        let sent = self.socket.send(Message::text(request.to_string())).await;
        sent.map_err(|error| foreign(&self.address, error.to_string()))?;
        let answer = self.until(|frame| {
            let is_ours = frame.r#type == "res" && frame.id.as_deref() == Some("connect");
            is_ours.then(|| match (frame.ok, frame.payload) {
                (true, Some(payload)) => Ok(serde_json::from_str::<Hello>(payload.get())
                    .map(|hello| hello.server.version)
                    .unwrap_or_default()),
                _ => Err(refusal(frame.error.as_ref())),
            })
        });
        answer.await?
    }
}

fn foreign(address: &str, message: String) -> ConnectError {
    ConnectError::Foreign { address: address.to_owned(), message }
}

/// Why a connection was refused. `details.code` is `AUTH_TOKEN_MISMATCH` and the like.
fn refusal(error: Option<&Failed>) -> ConnectError {
    let Some(error) = error else {
        return ConnectError::Refused { message: "it does not say why".into(), retry_after: None };
    };
    let message = error.message.clone();
    let detail = error.details["code"].as_str().unwrap_or_default();
    if detail.starts_with("AUTH_") || message.starts_with("unauthorized") {
        return ConnectError::Unauthorized { message };
    }
    let retry_after = error.retry_after_ms.map(Duration::from_millis);
    ConnectError::Refused { message, retry_after }
}

/// Carries requests and answers until the connection ends or nobody asks any more; says why.
async fn serve(
    mut socket: WebSocketStream<TcpStream>,
    mut requests: mpsc::Receiver<Asked>,
) -> String {
    let mut waiting = Waiting::new();
    let mut last = 0_u64;
    loop {
        tokio::select! {
            asked = requests.recv() => {
                let Some(asked) = asked else {
                    let _ = timeout(STEP_LIMIT, socket.close(None)).await;
                    return "nobody asks any more".to_owned();
                };
                last += 1;
                let id = last.to_string();
                let frame = Request {
                    r#type: "req", id: id.clone(), method: &asked.method, params: &asked.params,
                };
                let Ok(text) = serde_json::to_string(&frame) else { continue };
                // Before it is written: a request that was only half written may be lost or not.
                waiting.insert(id, asked.answer);
                match timeout(SILENCE, socket.send(Message::text(text))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return error.to_string(),
                    Err(_) => return "it takes no more requests".to_owned(),
                }
            }
            frame = timeout(SILENCE, socket.next()) => match frame {
                Ok(Some(Ok(Message::Text(text)))) => take(text.as_str(), &mut waiting),
                Ok(Some(Ok(Message::Close(frame)))) => {
                    let why = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
                    return format!("the gateway closed the connection {why}").trim_end().to_owned();
                }
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return error.to_string(),
                Ok(None) => return "the gateway closed the connection".to_owned(),
                Err(_) => return format!("not a word for {} s", SILENCE.as_secs()),
            }
        }
    }
}

type Waiting = HashMap<String, oneshot::Sender<Result<Box<RawValue>, CallError>>>;

/// An answer goes to whoever waits for it; events are not asked for and not looked at.
fn take(text: &str, waiting: &mut Waiting) {
    let Ok(frame) = serde_json::from_str::<Frame<'_>>(text) else { return };
    let Some(answer) = frame.id.as_ref().and_then(|id| waiting.remove(id)) else { return };
    let result = match (frame.ok, frame.payload) {
        (true, Some(payload)) => Ok(payload.to_owned()),
        (true, None) => Ok(RawValue::NULL.to_owned()),
        (false, _) => {
            let Failed { code, message, retryable, .. } = frame.error.unwrap_or_default();
            Err(CallError::Refused { code, message, retryable })
        }
    };
    // Whoever asked may have gone.
    let _ = answer.send(result);
}
