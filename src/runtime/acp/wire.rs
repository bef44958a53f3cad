//! JSON-RPC 2.0, one message a line, as ACP version 1 has it on standard input and output.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::model::{AgentId, MessageId};

/// ACP's error code for "nobody has logged in" (`auth_required`).
pub(super) const AUTH_REQUIRED: i64 = -32000;
/// JSON-RPC's code for a method that we do not have.
pub(super) const METHOD_NOT_FOUND: i64 = -32601;
/// JSON-RPC's code for parameters that make no sense.
pub(super) const INVALID_PARAMS: i64 = -32602;
/// JSON-RPC's code for what could not be done.
pub(super) const INTERNAL: i64 = -32603;
/// ACP's code for a file that is not there (`resource_not_found`).
pub(super) const NOT_FOUND: i64 = -32002;

/// A JSON-RPC error.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct RpcError {
    pub(super) code: i64,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    data: Value,
}

impl RpcError {
    /// What it says, for people.
    pub(super) fn text(&self) -> String {
        let details = self.data.as_str().or_else(|| self.data.get("details")?.as_str());
        match details {
            Some(details) if !self.message.contains(details) => {
                format!("{}: {details}", self.message)
            }
            _ => self.message.clone(),
        }
    }
}

/// What a harness says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Incoming {
    Response {
        id: u64,
        outcome: Result<Value, RpcError>,
    },
    Request {
        id: Value,
        method: String,
        params: Value,
    },
    Notification {
        method: String,
        params: Value,
    },
    /// It is no message: why.
    Garbage(String),
}

#[derive(Deserialize)]
struct Raw {
    id: Option<Value>,
    method: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    result: Value,
    error: Option<RpcError>,
}

/// Reads one line.
pub(super) fn parse(line: &str) -> Incoming {
    let raw: Raw = match serde_json::from_str(line) {
        Ok(raw) => raw,
        Err(error) => return Incoming::Garbage(error.to_string()),
    };
    match raw {
        Raw { id: Some(id), method: Some(method), params, .. } => {
            Incoming::Request { id, method, params }
        }
        Raw { id: None, method: Some(method), params, .. } => {
            Incoming::Notification { method, params }
        }
        Raw { id: Some(id), result, error, .. } => match id.as_u64() {
            Some(id) => Incoming::Response { id, outcome: error.map_or(Ok(result), Err) },
            None => Incoming::Garbage("it answers a request that nobody made".to_owned()),
        },
        _ => Incoming::Garbage("it has neither a method nor an id".to_owned()),
    }
}

/// A request of ours.
pub(super) fn request(id: u64, method: &str, params: &impl Serialize) -> String {
    line(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
}

/// A notification of ours.
pub(super) fn notification(method: &str, params: &impl Serialize) -> String {
    line(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))
}

/// Our answer to a request of the harness.
pub(super) fn answer(id: &Value, outcome: Result<Value, (i64, String)>) -> String {
    line(&match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err((code, message)) => json!({
            "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message },
        }),
    })
}

fn line(message: &Value) -> String {
    message.to_string() + "\n"
}

/// The id under which the keeper writes something: always the same for the same thing, so that it is
/// written once however often it is asked for.
pub(super) fn key(agent: AgentId, what: &str) -> MessageId {
    MessageId::from_bits(bits(agent, what))
}

/// Bits that are always the same for the same thing of an agent, and others for anything else.
pub(super) fn bits(agent: AgentId, what: &str) -> u64 {
    let digest = Sha256::digest(format!("{agent} {what}").as_bytes());
    digest.iter().take(8).fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart() {
        let of = |text: &str| parse(text);
        let error = RpcError { code: -32000, message: "no".into(), data: json!("log in") };
        assert_eq!(error.text(), "no: log in");
        assert_eq!(
            of(
                r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32000,"message":"no","data":"log in"}}"#
            ),
            Incoming::Response { id: 3, outcome: Err(error) }
        );
        assert_eq!(
            of(r#"{"id":3,"result":null}"#),
            Incoming::Response { id: 3, outcome: Ok(Value::Null) }
        );
        assert!(matches!(of(r#"{"id":"x","method":"m"}"#), Incoming::Request { .. }));
        assert!(matches!(of(r#"{"method":"m","params":[]}"#), Incoming::Notification { .. }));
        for text in ["", "hello", "[]", "{}", "7", r#"{"id":"x","result":1}"#, "{\"id\":1"] {
            assert!(matches!(of(text), Incoming::Garbage(_)), "{text:?}");
        }
    }

    #[test]
    fn what_is_said_is_one_line() {
        let text = answer(&json!("a"), Err((METHOD_NOT_FOUND, "no\nsuch".into())));
        assert_eq!(text.matches('\n').count(), 1);
        let id = AgentId::from_bits(1);
        assert_eq!(key(id, "a"), key(id, "a"));
        assert_ne!(key(id, "a"), key(id, "b"));
        assert_ne!(key(id, "a"), key(AgentId::from_bits(2), "a"));
    }
}
