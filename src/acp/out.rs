//! What goes to the client: one queue, so that everything arrives in the order it was said.

use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::trouble::Trouble;

/// Lines that wait for a client that reads slowly. When there are as many, whoever has more to say
/// waits too, down to the stream of events.
const WAITING_MAX: usize = 64;

/// The way to the client. That nobody reads any more is noticed by [`write()`].
#[derive(Clone)]
pub(super) struct Out(mpsc::Sender<String>);

impl Out {
    pub(super) fn new() -> (Self, mpsc::Receiver<String>) {
        let (lines, written) = mpsc::channel(WAITING_MAX);
        (Self(lines), written)
    }

    async fn send(&self, message: &Value) {
        // It fails when the client is gone, and then there is nobody to tell.
        let _ = self.0.send(format!("{message}\n")).await;
    }

    /// Answers a request.
    pub(super) async fn answer(&self, id: Value, outcome: Result<Value, Trouble>) {
        let message = match outcome {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Err(trouble) => json!({ "jsonrpc": "2.0", "id": id, "error": trouble.to_json() }),
        };
        self.send(&message).await;
    }

    /// Asks the client something.
    pub(super) async fn ask(&self, id: u64, method: &str, params: Value) {
        let question = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.send(&question).await;
    }

    /// Tells the client something.
    pub(super) async fn notify(&self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    /// Tells the client what happened in a session.
    pub(super) async fn update(&self, session: &str, update: Value) {
        self.notify("session/update", json!({ "sessionId": session, "update": update })).await;
    }
}

/// Writes until nobody is left who could say something.
///
/// # Errors
/// When the client does not read any more.
pub(super) async fn write(
    mut lines: mpsc::Receiver<String>,
    mut to: impl AsyncWrite + Unpin,
) -> std::io::Result<()> {
    while let Some(mut text) = lines.recv().await {
        // Whatever else is there goes with it.
        while let Ok(more) = lines.try_recv() {
            text.push_str(&more);
        }
        to.write_all(text.as_bytes()).await?;
        to.flush().await?;
    }
    Ok(())
}
