//! Failures in OpenAI's shape.

use serde::Serialize;

use crate::api::{Code, Problem};
use crate::model::openclaw;

/// `{"error": {"message", "type", "param", "code"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenAiError {
    error: Inner,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Inner {
    message: String,
    r#type: &'static str,
    param: Option<&'static str>,
    code: String,
}

impl OpenAiError {
    /// A failure of Dash's own, with the next step in the message, since there is no other place. It
    /// names Dash as OpenClaw has to call it.
    #[must_use]
    pub fn from_problem(problem: &Problem) -> Self {
        let message = match &problem.hint {
            Some(hint) => format!("{} ({hint})", problem.message),
            None => problem.message.clone(),
        };
        let message = openclaw::with_our_name(&message);
        let (r#type, code) = match problem.code {
            Code::Unauthenticated => ("invalid_request_error", "invalid_api_key".to_owned()),
            Code::InvalidProfile => ("invalid_request_error", "model_not_found".to_owned()),
            code => (kind(code), name(code)),
        };
        let param = (problem.code == Code::InvalidProfile).then_some("model");
        Self { error: Inner { message, r#type, param, code } }
    }

    /// An agent that did not end well; `code` is its status.
    #[must_use]
    pub fn of_agent(message: String, code: &str) -> Self {
        let code = format!("agent_{code}");
        Self { error: Inner { message, r#type: "agent_error", param: None, code } }
    }
}

fn kind(code: Code) -> &'static str {
    match code {
        Code::Forbidden => "permission_error",
        Code::QueueFull | Code::Busy => "rate_limit_error",
        Code::ShuttingDown
        | Code::StorageFull
        | Code::Storage
        | Code::Runtime
        | Code::Internal
        | Code::Unknown => "server_error",
        _ => "invalid_request_error",
    }
}

fn name(code: Code) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(name)) => name,
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_openais_shape() {
        let wrong_key =
            Problem::new(Code::Unauthenticated, "the key is wrong").hinted("take another");
        assert_eq!(
            serde_json::to_value(OpenAiError::from_problem(&wrong_key)).unwrap(),
            serde_json::json!({"error": {"message": "the key is wrong (take another)",
                "type": "invalid_request_error", "param": null, "code": "invalid_api_key"}})
        );
        let full = Problem::new(Code::QueueFull, "full").hinted("`dash status` lists them");
        let full = serde_json::to_value(OpenAiError::from_problem(&full)).unwrap();
        assert_eq!(full["error"]["type"], "rate_limit_error");
        assert_eq!(full["error"]["code"], "queue_full");
        assert_eq!(full["error"]["message"], "full (`dashctl status` lists them)");
        let failed = OpenAiError::of_agent("it broke".to_owned(), "failed");
        let failed = serde_json::to_value(failed).unwrap();
        assert_eq!(failed["error"]["code"], "agent_failed");
        assert_eq!(failed["error"]["type"], "agent_error");
    }
}
