//! What went wrong, as an error of JSON-RPC 2.0 that says why and what to do next.

use serde_json::{Value, json};

use crate::api::Problem;
use crate::client::ClientError;
use crate::model::openclaw;

/// The line is no JSON (JSON-RPC 2.0, section 5.1).
const NO_JSON: i32 = -32_700;
/// It is JSON, but no message.
const NO_MESSAGE: i32 = -32_600;
const NO_METHOD: i32 = -32_601;
const BAD_PARAMETERS: i32 = -32_602;
/// `ErrorCode::ResourceNotFound` of ACP version 1: clients then begin a new session.
const NO_SESSION: i32 = -32_002;
/// From the range that JSON-RPC leaves to servers. It is not -32603, "internal error", which clients
/// such as acpx 0.19 take for a hiccup: they would send the prompt, and so the work, a second time.
const FAILED: i32 = -32_050;

/// Why a request could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    code: i32,
    /// What happened, as a sentence without a full stop.
    message: String,
    /// The next step.
    hint: Option<String>,
}

impl Trouble {
    fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// What was asked for could not be done.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FAILED, message)
    }

    pub(super) fn no_json(message: impl Into<String>) -> Self {
        Self::new(NO_JSON, message)
    }

    pub(super) fn no_message(message: impl Into<String>) -> Self {
        Self::new(NO_MESSAGE, message)
    }

    pub(super) fn no_method(method: &str) -> Self {
        let message = format!("`dash acp` does not know the method {method:?}");
        Self::new(NO_METHOD, message)
            .hinted("it speaks version 1 of the Agent Client Protocol, as an agent")
    }

    pub(super) fn bad_parameters(message: impl Into<String>) -> Self {
        Self::new(BAD_PARAMETERS, message)
    }

    pub(super) fn no_session(id: &str) -> Self {
        Self::new(NO_SESSION, format!("session not found: {id:?} is not open here"))
            .hinted("session/load, session/resume or session/new opens one")
    }

    /// The same, with the next step.
    #[must_use]
    pub fn hinted(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same for OpenClaw, with Dash's commands named as they have to be called there.
    pub(super) fn for_openclaw(self) -> Self {
        let named = |text: String| openclaw::with_our_name(&text);
        Self { message: named(self.message), hint: self.hint.map(named), ..self }
    }

    /// The `error` of the answer. The next step is in the message too, because that is what clients
    /// show.
    pub(super) fn to_json(&self) -> Value {
        match &self.hint {
            None => json!({ "code": self.code, "message": self.message }),
            Some(hint) => json!({
                "code": self.code,
                "message": format!("{}. Next step: {hint}", self.message),
                "data": { "hint": hint },
            }),
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Problem(Problem { hint, .. }) => Self { hint, ..Self::failed(message) },
            _ => Self::failed(message).hinted("`dash doctor` says what is wrong"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Code;

    #[test]
    fn the_message_has_the_reason_and_the_next_step() {
        let problem = Problem::new(Code::InvalidProfile, "there is no profile \"x\"");
        let error = ClientError::Problem(problem.hinted("`dash agents` lists them"));
        let trouble = Trouble::from(error);
        let json = trouble.to_json();
        let expected = "there is no profile \"x\". Next step: `dash agents` lists them";
        assert_eq!(json["message"], expected);
        assert_eq!(json["data"]["hint"], "`dash agents` lists them");
        let json = trouble.for_openclaw().to_json();
        assert_eq!(json["message"], expected.replace("dash", "dashctl"));
        assert_eq!(json["data"]["hint"], "`dashctl agents` lists them");
    }

    #[test]
    fn nothing_looks_like_a_hiccup_that_is_worth_a_second_try() {
        let lost = ClientError::Unreachable { target: "unix:///s".into(), message: "gone".into() };
        for trouble in [Trouble::from(lost), Trouble::failed("it broke")] {
            let json = trouble.to_json();
            assert!(json["code"] != -32_603 && json["code"] != -32_700, "{json}");
            assert!(!json["message"].as_str().unwrap().to_lowercase().contains("internal error"));
        }
    }
}
