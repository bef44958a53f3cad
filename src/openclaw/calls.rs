//! What the bridge asks the gateway for, in the gateway's own words.
//!
//! Seen with OpenClaw 2026.9.6: `chat.inject` takes no idempotency key, and shows `[LABEL]` in front
//! of the text; `chat.send` forgets its idempotency keys when the gateway restarts, but keeps the
//! key with the message in the history (`KEY:user`). So whether something whose answer was lost has
//! happened is found out from `chat.history`, for both.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::gateway::{CallError, Gateway};
use crate::api::SessionBody;

/// How long a lookup may take. `dash acp` waits for it at a spawn.
const LOOKUP_LIMIT: Duration = Duration::from_secs(20);
/// How long the gateway may take to put a message into a session.
const POST_LIMIT: Duration = Duration::from_secs(30);
/// Messages of a history that are read at once.
const PAGE: usize = 200;
/// Messages of a history that are read at most.
const LOOK_MAX: usize = 20_000;
/// How far two clocks of one machine are trusted to agree.
const CLOCKS: Duration = Duration::from_mins(1);

/// What stands in a session, whose key is `session`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub session: String,
    pub text: String,
    /// The name it can be found by again: in the shown label, or as idempotency key.
    pub marker: String,
}

/// Which messages are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// Shown to people, without a model turn.
    Shown,
    /// A message to the model, which begins a turn.
    Turn,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    key: String,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    parent_session_key: Option<String>,
    #[serde(default)]
    spawned_by: Option<String>,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    status: Option<String>,
}

#[derive(Deserialize)]
struct Described {
    session: Option<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct History {
    #[serde(default)]
    messages: Vec<Value>,
    #[serde(default)]
    pending_inputs: Value,
    #[serde(default)]
    has_more: bool,
}

/// A session's progress card.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Card {
    pub revision: u64,
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// One line of a progress card.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Step {
    pub step: String,
}

#[derive(Deserialize)]
struct CardAnswer {
    card: Option<Card>,
}

impl Gateway {
    /// The session with this key, if there is one.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn session(&self, key: &str) -> Result<Option<SessionBody>, CallError> {
        let row = self.describe(key, LOOKUP_LIMIT).await?;
        Ok(row.map(|row| SessionBody {
            key: row.key,
            label: row.label,
            display_name: row.display_name,
            parent_session: row.parent_session_key,
            requester: row.spawned_by,
            agent: row.agent_id,
            status: row.status,
        }))
    }

    async fn describe(&self, key: &str, limit: Duration) -> Result<Option<Row>, CallError> {
        let answer: Described =
            self.call("sessions.describe", &json!({ "key": key }), limit).await?;
        Ok(answer.session)
    }

    /// Shows a message in a session, without a model turn.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn show(&self, message: &Message) -> Result<(), CallError> {
        let Message { session, text, marker } = message;
        let params = json!({ "sessionKey": session, "message": text, "label": label(marker) });
        self.call::<Value>("chat.inject", &params, POST_LIMIT).await.map(drop)
    }

    /// Sends a message to a session's model. Its reply goes wherever the session's replies go.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn send(&self, message: &Message) -> Result<(), CallError> {
        // It would make a new session of any key.
        if self.describe(&message.session, POST_LIMIT).await?.is_none() {
            return Err(CallError::Refused {
                code: "INVALID_REQUEST".to_owned(),
                message: "session not found".to_owned(),
                retryable: false,
            });
        }
        let params = json!({
            "sessionKey": message.session, "message": message.text,
            "idempotencyKey": message.marker, "queueMode": "followup", "deliver": true,
            // Agents' text may look like a command.
            "suppressCommandInterpretation": true,
        });
        self.call::<Value>("chat.send", &params, POST_LIMIT).await.map(drop)
    }

    /// Whether a message that was posted at `since` or later stands in the session's history.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn stands(
        &self,
        session: &str,
        marker: &str,
        how: Posted,
        since: Timestamp,
    ) -> Result<bool, CallError> {
        let oldest = since.checked_sub(CLOCKS).unwrap_or(since).as_millisecond();
        let mut offset = 0;
        while offset < LOOK_MAX {
            let params = json!({ "sessionKey": session, "limit": PAGE, "offset": offset });
            let page: History = self.call("chat.history", &params, POST_LIMIT).await?;
            if how == Posted::Turn && page.pending_inputs.to_string().contains(marker)
                || page.messages.iter().any(|message| is(message, marker, how))
            {
                return Ok(true);
            }
            let before =
                |message: &Value| message["timestamp"].as_i64().is_some_and(|time| time < oldest);
            if !page.has_more || page.messages.is_empty() || page.messages.iter().any(before) {
                return Ok(false);
            }
            offset += page.messages.len();
        }
        Ok(false)
    }

    /// The session's progress card, if it has one.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn card(&self, session: &str) -> Result<Option<Card>, CallError> {
        let params = json!({ "sessionKey": session });
        let answer: CardAnswer = self.call("progressCard.get", &params, POST_LIMIT).await?;
        Ok(answer.card)
    }

    /// Replaces the session's progress card. A card whose only step is done can be cleared later.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn put_card(
        &self,
        session: &str,
        step: &str,
        note: &str,
        done: bool,
    ) -> Result<Option<Card>, CallError> {
        let status = if done { "completed" } else { "in_progress" };
        let params = json!({
            "sessionKey": session, "markdown": note,
            "plan": [{ "step": step, "status": status }],
        });
        let answer: CardAnswer = self.call("progressCard.put", &params, POST_LIMIT).await?;
        Ok(answer.card)
    }

    /// Clears the session's progress card if it still is this one, and done.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn clear_card(&self, session: &str, revision: u64) -> Result<(), CallError> {
        let params = json!({ "sessionKey": session, "expectedRevision": revision });
        self.call::<Value>("progressCard.put", &params, POST_LIMIT).await.map(drop)
    }
}

/// What the gateway shows in brackets in front of the text.
fn label(marker: &str) -> String {
    if marker.is_empty() { "dash".to_owned() } else { format!("dash {marker}") }
}

fn is(message: &Value, marker: &str, how: Posted) -> bool {
    match how {
        Posted::Turn => {
            let key = format!("{marker}:user");
            [&message["idempotencyKey"], &message["__openclaw"]["idempotencyKey"]]
                .into_iter()
                .any(|found| found.as_str().is_some_and(|found| found == key || found == marker))
        }
        Posted::Shown => {
            let first = format!("[{}]", label(marker));
            let begins = |text: &Value| text.as_str().is_some_and(|text| text.starts_with(&first));
            let content = &message["content"];
            message["model"] == "gateway-injected"
                && (begins(content)
                    || content
                        .as_array()
                        .is_some_and(|parts| parts.iter().any(|part| begins(&part["text"]))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_who_made_it_and_by_its_marker() {
        let shown = json!({"role": "assistant", "model": "gateway-injected",
            "content": [{"type": "text", "text": "[dash 7f3a-12]\n\nx"}]});
        assert!(is(&shown, "7f3a-12", Posted::Shown));
        assert!(!is(&shown, "7f3a-1", Posted::Shown), "a marker is not the beginning of another");
        let said = json!({"role": "assistant", "model": "m",
            "content": [{"type": "text", "text": "[dash 7f3a-12]\n\nx"}]});
        assert!(!is(&said, "7f3a-12", Posted::Shown), "a model's words prove nothing");
        let turn = json!({"role": "user", "content": "x", "idempotencyKey": "dash-7f3a-12:user"});
        assert!(is(&turn, "dash-7f3a-12", Posted::Turn));
        assert!(!is(&turn, "dash-7f3a-1", Posted::Turn));
    }
}
