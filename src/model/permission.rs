//! Permission requests, and what became of them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Actor;

/// Where a permission request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionState {
    /// People are asked.
    Asked,
    Allowed,
    Denied,
    /// Nobody answered in time, which denies it.
    Expired,
}

/// Data of `agent.permission`: one for each state of a request. A policy that decides by itself gives
/// one event; people who are asked, two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Permission {
    /// The harness's id of its request, as JSON has it.
    pub request_id: String,
    pub state: PermissionState,
    /// What is asked for: the ACP method, such as `session/request_permission`.
    pub method: String,
    /// What people can answer: ACP's `options`.
    #[serde(default, skip_serializing_if = "is_null")]
    pub options: serde_json::Value,
    /// What it is for: ACP's `toolCall`, or what the method was given, without contents.
    #[serde(rename = "toolCall", default, skip_serializing_if = "is_null")]
    pub tool_call: serde_json::Value,
    /// The `optionId` that was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
    /// Who decided; the policy when it was nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
    /// Why it was decided so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When a request that is asked will be denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// See [`super::Said::stdout`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<u64>,
}

fn is_null(value: &serde_json::Value) -> bool {
    value.is_null()
}

/// The method by which a harness asks about its own tools.
const TOOL: &str = "session/request_permission";

/// The kinds of ACP's options that allow, in the order in which one is chosen.
const ALLOWING: [&str; 2] = ["allow_once", "allow_always"];
/// Those that reject.
const REJECTING: [&str; 2] = ["reject_once", "reject_always"];

impl Permission {
    /// What it is for, in a few words.
    #[must_use]
    pub fn title(&self) -> &str {
        let title = self.tool_call.get("title").and_then(serde_json::Value::as_str);
        title.filter(|title| !title.is_empty()).unwrap_or(&self.method)
    }

    /// The places that it is about (ACP `locations`), when it is Dash that will do it: what a harness does
    /// itself is its own affair.
    #[must_use]
    pub fn places(&self) -> Option<&serde_json::Value> {
        let ours = self.method != TOOL;
        self.tool_call.get("locations").filter(|places| ours && !places.is_null())
    }

    /// The id of the option that allows or rejects once, or for always when there is no other.
    #[must_use]
    pub fn option_that(&self, allows: bool) -> Option<String> {
        let kinds = if allows { ALLOWING } else { REJECTING };
        kinds.into_iter().find_map(|kind| {
            let option = self.choices().find(|(_, found)| *found == kind)?;
            Some(option.0.to_owned())
        })
    }

    /// Whether an option with this id allows; `None` when there is no such option.
    #[must_use]
    pub fn allows(&self, option: &str) -> Option<bool> {
        let (_, kind) = self.choices().find(|(id, _)| *id == option)?;
        Some(!REJECTING.contains(&kind))
    }

    /// The ids of all options.
    #[must_use]
    pub fn option_ids(&self) -> Vec<String> {
        self.choices().map(|(id, _)| id.to_owned()).collect()
    }

    /// Ids and kinds.
    fn choices(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.as_array().into_iter().flatten().filter_map(|option| {
            let text = |key| option.get(key).and_then(serde_json::Value::as_str);
            Some((text("optionId")?, text("kind").unwrap_or_default()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_of_the_options() {
        let permission = Permission {
            request_id: "7".into(),
            state: PermissionState::Asked,
            method: "session/request_permission".into(),
            options: serde_json::json!([
                {"optionId": "always", "name": "Always", "kind": "allow_always"},
                {"optionId": "yes", "name": "Yes", "kind": "allow_once"},
                {"optionId": "no", "name": "No", "kind": "reject_once"},
            ]),
            tool_call: serde_json::json!({"title": "rm -r x"}),
            option: None,
            by: None,
            reason: None,
            expires_at: None,
            stdout: None,
        };
        assert_eq!(permission.option_that(true).as_deref(), Some("yes"));
        assert_eq!(permission.option_that(false).as_deref(), Some("no"));
        assert_eq!(permission.allows("always"), Some(true));
        assert_eq!(permission.allows("no"), Some(false));
        assert_eq!(permission.allows("x"), None);
        assert_eq!(permission.title(), "rm -r x");
        let bare = Permission { options: serde_json::Value::Null, ..permission };
        assert_eq!((bare.option_that(true), bare.allows("yes")), (None, None));
    }
}
