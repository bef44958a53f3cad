//! Conversations: what was asked for of an agent that takes turns, and how far it has come.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{AgentId, Cost, Limits, Permission, PermissionState, Usage};

/// Decisions that are remembered until their turn is over: more than a harness asks at once.
const DECISIONS: usize = 64;

/// What an agent may do without asking anybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permissions {
    /// Read inside its working directory; everything else is denied.
    #[default]
    Read,
    /// Also write inside its working directory.
    Edit,
    /// Everything.
    All,
    /// Read inside its working directory; everything else is asked of people.
    Ask,
}

impl Permissions {
    /// Its name in JSON and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Edit => "edit",
            Self::All => "all",
            Self::Ask => "ask",
        }
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Permissions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Read, Self::Edit, Self::All, Self::Ask];
        all.into_iter()
            .find(|one| one.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not one of read, edit, all and ask"))
    }
}

/// What was asked for of an agent that takes turns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conversation {
    pub permissions: Permissions,
    /// Whether it ends with its first turn.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
    /// The mode that it begins in (ACP `session/set_mode`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Configuration options that it begins with (ACP `session/set_config_option`), by their ids.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// Milliseconds that a permission request waits for people before it is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask_timeout_ms: Option<u64>,
    /// Milliseconds that it waits for its next message before it is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
    /// Milliseconds that a harness may take until it has begun the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_timeout_ms: Option<u64>,
    /// The session of a harness that ended, which is taken up again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
    /// The names of the MCP servers that it was given. What else they are, no event has: it is kept
    /// where the environment is, until the conversation has begun.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mcp_servers: Vec<String>,
    /// How to log in to the harness, for when it says that nobody has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
}

impl Conversation {
    /// Whether nothing was asked for.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A session that is to go on in another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The agent that had it.
    pub agent: AgentId,
    /// The harness's own name for it (ACP `sessionId`).
    pub session_id: String,
}

/// How far a conversation has come: part of the fold of an agent's events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Talk {
    /// The number of the turn that runs or ran last; the task is the first.
    pub turn: u32,
    /// Where in the harness's standard output the turn began, in bytes.
    #[serde(skip_serializing_if = "is_zero")]
    pub turn_from: u64,
    /// The harness's own name for the conversation (ACP `sessionId`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Whether the harness can take up the session again in another process.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub resumable: bool,
    /// Permission requests that wait for people, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<Permission>,
    /// What was decided in this turn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decided: Vec<Decision>,
    /// What can be set in the conversation, and by which requests; none when the harness has not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<Box<Settings>>,
    /// Whether somebody has asked for the turn to end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cancelling: bool,
    #[serde(skip_serializing_if = "Usage::is_default")]
    pub usage: Usage,
    /// Limits that a warning was given for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warned: Vec<String>,
}

/// What became of a request in the turn that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "KeptDecision")]
pub struct Decision {
    /// See [`Permission::request_id`].
    pub request_id: String,
    pub allowed: bool,
    /// The `optionId` that was chosen, if one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
    /// See [`Permission::places`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub places: Option<serde_json::Value>,
}

/// A decision as it is kept, also by a Dash that kept no more than the option.
#[derive(Deserialize)]
#[serde(untagged)]
enum KeptDecision {
    Whole {
        request_id: String,
        allowed: bool,
        #[serde(default)]
        option: Option<String>,
        #[serde(default)]
        places: Option<serde_json::Value>,
    },
    Option(String, Option<String>),
}

impl From<KeptDecision> for Decision {
    fn from(kept: KeptDecision) -> Self {
        match kept {
            KeptDecision::Whole { request_id, allowed, option, places } => {
                Self { request_id, allowed, option, places }
            }
            KeptDecision::Option(request_id, option) => {
                Self { request_id, allowed: false, option, places: None }
            }
        }
    }
}

/// By which of ACP's requests a harness lets its model, mode and switches be set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// How the model is set; none when there is no choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Setter>,
    /// How the mode is set; none when there is no choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Setter>,
    /// The configuration options that are on or off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub switches: Vec<String>,
}

/// A way to set something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setter {
    /// A request of its own (`session/set_model`, `session/set_mode`).
    Request,
    /// The configuration option with this id (`session/set_config_option`).
    Option(String),
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Talk {
    /// Another turn begins.
    pub(super) fn begin_turn(&mut self, stdout: u64) {
        self.turn += 1;
        self.turn_from = stdout;
        self.cancelling = false;
    }

    /// The turn is over: nobody waits for an answer any more.
    pub(super) fn end_turn(&mut self) {
        self.asks.clear();
        self.decided.clear();
        self.cancelling = false;
        self.usage.turns = self.usage.turns.max(self.turn);
    }

    pub(super) fn take_permission(&mut self, permission: &Permission) {
        self.asks.retain(|ask| ask.request_id != permission.request_id);
        if permission.state == PermissionState::Asked {
            self.asks.push(permission.clone());
            return;
        }
        self.decided.push(Decision {
            request_id: permission.request_id.clone(),
            allowed: permission.state == PermissionState::Allowed,
            option: permission.option.clone(),
            places: permission.places().cloned(),
        });
        if self.decided.len() > DECISIONS {
            self.decided.remove(0);
        }
    }

    /// What an `agent.usage` event adds: tokens of the session so far, and what they cost.
    pub fn take_usage(&mut self, data: &serde_json::Value) {
        if let Some(used) = data.get("used").and_then(serde_json::Value::as_u64) {
            self.usage.context = Some(used);
        }
        if let Some(total) = data.get("totalTokens").and_then(serde_json::Value::as_u64) {
            self.usage.tokens = Some(total);
        }
        let Some(cost) = data.get("cost") else { return };
        let amount = cost.get("amount").and_then(serde_json::Value::as_f64);
        if let Some(cost) = amount.and_then(Cost::of) {
            self.usage.cost = Some(cost);
        }
        if let Some(currency) = data["cost"].get("currency").and_then(serde_json::Value::as_str) {
            self.usage.currency = Some(currency.chars().take(8).collect());
        }
    }

    /// What an `agent.update` event says of the conversation as a whole.
    pub(super) fn take_update(&mut self, data: &serde_json::Value) {
        // What a harness reports is its own, and says nothing in our words.
        if data.get("sessionUpdate").is_some() || data.get("method").is_some() {
            return;
        }
        if let Some(session) = data.get("sessionId").and_then(serde_json::Value::as_str) {
            self.session_id = Some(session.to_owned());
            self.resumable =
                data.get("resumable").and_then(serde_json::Value::as_bool) == Some(true);
            let settings = data.get("settings").cloned();
            self.settings = settings.and_then(|it| serde_json::from_value(it).ok());
        }
        if data.get("order").and_then(serde_json::Value::as_str) == Some("cancel") {
            self.cancelling = true;
        }
        if let Some(limit) = data.get("limit").and_then(serde_json::Value::as_str) {
            self.warned.push(limit.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn decisions_are_kept_and_those_of_an_older_dash_are_read() {
        let kept = json!([["5", "yes"], ["6", null], {"request_id": "7", "allowed": true}]);
        let read: Vec<Decision> = serde_json::from_value(kept).unwrap();
        let of = |id: &str, allowed, option: Option<&str>| Decision {
            request_id: id.to_owned(),
            allowed,
            option: option.map(str::to_owned),
            places: None,
        };
        assert_eq!(read, [of("5", false, Some("yes")), of("6", false, None), of("7", true, None)]);
        let again: Vec<Decision> =
            serde_json::from_value(serde_json::to_value(&read).unwrap()).unwrap();
        assert_eq!(again, read);
    }
}
