//! Messages of JSON-RPC 2.0, one a line, as ACP has them on standard input and output.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::trouble::Trouble;

/// A message of the client.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    Request {
        id: Value,
        method: String,
        params: Value,
    },
    Notification {
        method: String,
        params: Value,
    },
    /// The answer to a request of ours.
    Answer {
        id: Value,
        outcome: Result<Value, Value>,
    },
}

/// What makes no sense, and the id of the request that it would answer (null when unknown).
#[derive(Debug, PartialEq)]
pub(super) struct Broken {
    pub(super) id: Value,
    pub(super) trouble: Trouble,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

/// Reads one line. The `jsonrpc` member is not asked for: nothing depends on it.
pub(super) fn read(line: &[u8]) -> Result<Incoming, Box<Broken>> {
    let broken = |id, trouble| Box::new(Broken { id, trouble });
    let value: Value = serde_json::from_slice(line).map_err(|error| {
        broken(Value::Null, Trouble::no_json(format!("a line is not JSON: {error}")))
    })?;
    if value.is_array() {
        let trouble = Trouble::no_message("batches are not part of the Agent Client Protocol");
        return Err(broken(Value::Null, trouble));
    }
    let id = value.get("id").filter(|id| id.is_string() || id.is_number()).cloned();
    let envelope = Envelope::deserialize(value).map_err(|error| {
        let message = format!("a line is no JSON-RPC message: {error}");
        broken(id.clone().unwrap_or_default(), Trouble::no_message(message))
    })?;
    match envelope {
        Envelope { method: Some(method), params, id: None, .. } => {
            Ok(Incoming::Notification { method, params })
        }
        Envelope { method: Some(method), params, .. } => match id {
            Some(id) => Ok(Incoming::Request { id, method, params }),
            None => Err(broken(
                Value::Null,
                Trouble::no_message("the id of a request is a string or a number"),
            )),
        },
        Envelope { result, error, .. } => match (id, result, error) {
            (Some(id), _, Some(error)) => Ok(Incoming::Answer { id, outcome: Err(error) }),
            (Some(id), result, None) => {
                Ok(Incoming::Answer { id, outcome: Ok(result.unwrap_or_default()) })
            }
            (None, ..) => Err(broken(
                Value::Null,
                Trouble::no_message("a message has neither a method nor an id"),
            )),
        },
    }
}

/// The parameters in the shape of the protocol's type.
pub(super) fn parameters<T: DeserializeOwned>(method: &str, params: Value) -> Result<T, Trouble> {
    serde_path_to_error::deserialize(params).map_err(|error| {
        Trouble::bad_parameters(format!("the parameters of {method} make no sense: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_three_kinds_are_told_apart() {
        let request = read(br#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":1}}"#);
        let expected =
            Incoming::Request { id: json!(1), method: "m".into(), params: json!({"a": 1}) };
        assert_eq!(request, Ok(expected));
        let note = Incoming::Notification { method: "n".into(), params: Value::Null };
        assert_eq!(read(br#"{"method":"n"}"#), Ok(note));
        let answer = |outcome| Ok(Incoming::Answer { id: json!("x"), outcome });
        assert_eq!(read(br#"{"id":"x","result":2}"#), answer(Ok(json!(2))));
        assert_eq!(read(br#"{"id":"x","result":null}"#), answer(Ok(Value::Null)));
        assert_eq!(read(br#"{"id":"x","error":{"code":1}}"#), answer(Err(json!({"code": 1}))));
    }

    #[test]
    fn what_makes_no_sense_is_said_to_whom_it_concerns() {
        for (line, id, message) in [
            ("{", Value::Null, "is not JSON"),
            ("[]", Value::Null, "batches"),
            ("7", Value::Null, "no JSON-RPC message"),
            ("{}", Value::Null, "neither a method nor an id"),
            (r#"{"id":{},"method":"m"}"#, Value::Null, "a string or a number"),
            (r#"{"id":5,"method":7}"#, json!(5), "no JSON-RPC message"),
        ] {
            let broken = read(line.as_bytes()).unwrap_err();
            assert_eq!(broken.id, id, "{line}");
            assert!(broken.trouble.to_string().contains(message), "{line}: {broken:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
