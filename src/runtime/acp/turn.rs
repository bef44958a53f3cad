//! Turns: the prompt, what comes of it, and its end.

use agent_client_protocol::v1::schema::{CancelNotification, ContentBlock, PromptRequest};
use serde_json::{Value, json};

use super::session::{Out, Phase, Session, What};
use super::setup::PROMPTS;
use super::wire::{self, AUTH_REQUIRED, RpcError};
use crate::model::{EventType, Fact, MessageId, Said, Waiting};
use crate::runtime::Exit;

/// ACP's `StopReason` of a turn that the harness ended because it was done; all others cut it short.
const END_TURN: &str = "end_turn";
/// Bytes of a message that are kept for the turn's result: its end, when it is longer.
const RESULT_MAX: usize = 64 * 1024;

impl Session {
    /// The id of the prompt that runs.
    pub(super) fn prompt_id(&self) -> u64 {
        PROMPTS + u64::from(self.talk.turn)
    }

    fn session_id(&self) -> String {
        self.talk.session_id.clone().unwrap_or_default()
    }

    pub(super) fn prompt(&mut self, text: &str, message: Option<MessageId>) {
        self.phase = Phase::Turn;
        (self.text, self.fresh) = (String::new(), true);
        let request = PromptRequest::new(self.session_id(), vec![ContentBlock::from(text)]);
        let line = wire::request(self.prompt_id(), "session/prompt", &request);
        let key = message.unwrap_or_else(|| wire::key(self.id, "prompt"));
        self.outbox.push_back(Out { key, what: What::Prompt(line, message) });
    }

    /// A daemon came back in the middle of a turn: what may not have been said is said again.
    pub(super) fn take_up_turn(&mut self) {
        let task = self.spec.task.clone().filter(|_| self.talk.turn == 1);
        if let Some(task) = task {
            self.prompt(&task, None);
        }
        if self.talk.cancelling {
            self.say_cancel();
        }
    }

    pub(super) fn cancel(&mut self) {
        self.talk.cancelling = true;
        // Before it is established there is nothing to cancel; the turn is then left out.
        if self.phase == Phase::Turn {
            self.say_cancel();
            self.cancel_asks();
        }
    }

    fn say_cancel(&mut self) {
        let params = CancelNotification::new(self.session_id());
        let line = wire::notification("session/cancel", &params);
        self.say(&format!("cancel {}", self.talk.turn), line);
    }

    /// The turn was ended before it could begin.
    pub(super) fn cancelled_before(&mut self) {
        self.phase = Phase::Turn;
        self.turn_over(Ok(json!({ "stopReason": "cancelled" })));
    }

    /// `session/update`, in ACP's own words.
    pub(super) fn update(&mut self, mut params: Value) {
        let update = params.get_mut("update").map(Value::take).unwrap_or_default();
        let kind =
            update.get("sessionUpdate").and_then(Value::as_str).unwrap_or_default().to_owned();
        if self.phase == Phase::SettingUp && is_history(&kind) {
            // What a session that is taken up again went through is in the log of the agent before.
            return;
        }
        let content = update.get("content");
        let text = content.filter(|it| it["type"] == "text").and_then(|it| it["text"].as_str());
        match (kind.as_str(), text) {
            ("agent_message_chunk", Some(text)) => {
                let said = Said { text: text.to_owned(), chunk: true, stdout: None };
                self.keep(text);
                self.fact(Fact::Message(said));
            }
            ("agent_thought_chunk", Some(text)) => {
                let said = Said { text: text.to_owned(), chunk: true, stdout: None };
                self.fact(Fact::Thought(said));
            }
            ("tool_call" | "tool_call_update", _) => {
                self.fresh = true;
                self.fact(Fact::Update(EventType::ToolCall, update));
            }
            ("plan", _) => self.fact(Fact::Update(EventType::Plan, update)),
            ("usage_update", _) => self.used(update),
            _ if update.is_object() => self.note(update),
            _ => self.note(json!({ "method": "session/update", "params": params })),
        }
    }

    /// Text of the newest message; what comes after a tool call is another one.
    fn keep(&mut self, text: &str) {
        if std::mem::take(&mut self.fresh) {
            self.text.clear();
        }
        self.text.push_str(text);
        if self.text.len() > 2 * RESULT_MAX {
            self.text = tail(&self.text).to_owned();
        }
    }

    /// What a turn said so far, found again by a daemon that came back.
    pub(super) fn recall(&mut self, params: &Value) {
        let update = &params["update"];
        match update["sessionUpdate"].as_str() {
            Some("agent_message_chunk") => {
                let text = update["content"]["text"].as_str().unwrap_or_default().to_owned();
                self.keep(&text);
            }
            Some("tool_call" | "tool_call_update") => self.fresh = true,
            _ => {}
        }
    }

    fn used(&mut self, data: Value) {
        self.talk.take_usage(&data);
        self.fact(Fact::Update(EventType::Usage, data));
        self.check_limits();
    }

    /// Warns when a limit is near, and ends the turn and the agent when it is reached.
    fn check_limits(&mut self) {
        let limits = self.spec.conversation.limits;
        for reached in limits.reached(&self.talk.usage) {
            let (limit, used, most) = (reached.limit, reached.used, reached.most);
            if reached.all && limit != "max_turns" {
                if !self.talk.cancelling && self.phase == Phase::Turn {
                    self.cancel();
                }
                self.limited.get_or_insert(format!("it has used {used} of {most} ({limit})"));
            } else if !reached.all && !self.talk.warned.iter().any(|warned| warned == limit) {
                self.talk.warned.push(limit.to_owned());
                let warning = format!("{used} of {most} are used");
                self.note(
                    json!({ "warning": warning, "limit": limit, "used": used, "most": most }),
                );
            }
        }
    }

    pub(super) fn turn_over(&mut self, outcome: Result<Value, RpcError>) {
        let (stop_reason, reason) = match outcome {
            Ok(answer) => {
                if let Some(usage) = answer.get("usage").filter(|usage| usage.is_object()) {
                    self.talk.take_usage(usage);
                    self.facts.push(Fact::Update(EventType::Usage, usage.clone()));
                }
                let stop = answer.get("stopReason").and_then(Value::as_str);
                (stop.unwrap_or(END_TURN).to_owned(), None)
            }
            Err(error) if error.code == AUTH_REQUIRED => return self.not_logged_in(&error),
            Err(error) => {
                ("error".to_owned(), Some(format!("the harness failed: {}", error.text())))
            }
        };
        self.cancel_asks();
        self.talk.usage.turns = self.talk.turn;
        self.talk.cancelling = false;
        self.check_limits();
        let text = std::mem::take(&mut self.text);
        let result = Some(tail(&text).trim().to_owned()).filter(|text| !text.is_empty());
        if let Some(limited) = self.limited.take() {
            return self.end(Exit { reason: Some(limited), result, ..Exit::default() });
        }
        let conversation = &self.spec.conversation;
        let most = conversation.limits.max_turns.filter(|most| self.talk.turn >= *most);
        if conversation.once || most.is_some() {
            // Whatever cut the turn short, the agent has not done what it was to do.
            let short = (stop_reason != END_TURN)
                .then(|| reason.unwrap_or_else(|| format!("its turn ended with {stop_reason}")));
            let code = short.is_none().then_some(0);
            let most = most
                .filter(|_| !conversation.once)
                .map(|most| format!("it has used its {most} turns (max_turns)"));
            let reasons: Vec<String> = short.into_iter().chain(most).collect();
            let reason = Some(reasons.join("; ")).filter(|reason| !reason.is_empty());
            return self.end(Exit { code, reason, result, ..Exit::default() });
        }
        self.phase = Phase::Idle;
        let (stop_reason, turn) = (Some(stop_reason), Some(self.talk.turn));
        self.facts.push(Fact::Waiting(Waiting { reason, stop_reason, turn, result, stdout: None }));
    }
}

/// What `session/load` plays again.
fn is_history(kind: &str) -> bool {
    matches!(
        kind,
        "user_message_chunk"
            | "agent_message_chunk"
            | "agent_thought_chunk"
            | "tool_call"
            | "tool_call_update"
            | "plan"
    )
}

/// The end of a text.
fn tail(text: &str) -> &str {
    let mut from = text.len().saturating_sub(RESULT_MAX);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}
