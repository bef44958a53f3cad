//! One turn: what each event of the agent means for the prompt that is waiting for an answer.
//!
//! Plain functions of the events, without a clock or a channel.

use serde_json::{Value, json};

use super::offered::Offered;
use super::trouble::Trouble;
use super::update::{Updates, chunk};
use crate::api::{AgentBody, EventBody, MessageAnswer};
use crate::model::{AgentId, Delivery, EventType, MessageId, Seq, Status};

/// Bytes of an agent's standard error that are told when it fails.
const LAST_WORDS_MAX: usize = 2_000;

/// What began the turn.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Begin {
    /// The agent was spawned for it.
    Spawn,
    /// A message of ours, which may have to wait for the turns before it.
    Message(MessageId),
}

/// What to do about an event, in this order.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Tell the client.
    Update(Value),
    /// Ask the client, with the parameters of ACP's `session/request_permission`.
    Ask { request: String, params: Value },
    /// The question needs no answer any more, whoever gave it.
    Settled { request: String },
    /// The agent has begun on our message.
    Begun,
    /// Answer the prompt.
    Over(Outcome),
}

/// How a turn ended.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// A `StopReason` of ACP version 1.
    Stopped(&'static str),
    Failed(Trouble),
    /// The agent was ended by somebody's order.
    Killed(Trouble),
    /// The agent ended, or would not take it, before it had the message: it is still to be given to
    /// one.
    Undelivered(Trouble),
}

/// A turn that runs.
#[derive(Debug)]
pub(super) struct Turn {
    agent: AgentId,
    begin: Begin,
    delivered: bool,
    updates: Updates,
    last_words: String,
}

impl Turn {
    /// The first turn of an agent that was spawned for it.
    pub(super) fn first(agent: &AgentBody) -> Self {
        Self::new(agent.id, Begin::Spawn, true)
    }

    /// The turn that a message begins.
    pub(super) fn of(answer: &MessageAnswer) -> Self {
        let delivered = answer.state == Delivery::Delivered;
        Self::new(answer.agent_id, Begin::Message(answer.message_id), delivered)
    }

    fn new(agent: AgentId, begin: Begin, delivered: bool) -> Self {
        let (updates, last_words) = (Updates::default(), String::new());
        Self { agent, begin, delivered, updates, last_words }
    }

    /// What the harness told that it offers.
    pub(super) fn offered(&self) -> &Offered {
        &self.updates.offered
    }

    pub(super) fn agent(&self) -> AgentId {
        self.agent
    }

    /// Whether the agent has our message. Until then, the turn that runs is another's.
    pub(super) fn has_begun(&self) -> bool {
        self.delivered
    }

    /// What one event means. An event that cannot be read is of a kind that this version does not
    /// know, and means nothing.
    pub(super) fn take(&mut self, json: &str) -> Vec<Step> {
        let Ok(event) = serde_json::from_str::<EventBody>(json) else { return Vec::new() };
        match event.r#type.parse() {
            Ok(EventType::Input) => self.input(&event.data),
            Ok(kind) if kind.is_end() => self.end(kind, &event.data),
            Ok(EventType::Waiting) if self.delivered => {
                vec![Step::Over(Outcome::Stopped(stop_reason(&event.data)))]
            }
            Ok(EventType::Permission) if self.delivered => permission(&event.data),
            _ if !self.delivered => Vec::new(),
            _ => {
                self.hear_last_words(&event);
                self.updates.of(&event).map(Step::Update).into_iter().collect()
            }
        }
    }

    fn input(&mut self, data: &Value) -> Vec<Step> {
        let Begin::Message(id) = &self.begin else { return Vec::new() };
        if data["message_id"] != id.as_str() {
            return Vec::new();
        }
        match data["state"].as_str() {
            Some("delivered") if !self.delivered => {
                self.delivered = true;
                vec![Step::Begun]
            }
            Some("refused") => {
                let reason = data["reason"].as_str().unwrap_or("it takes none");
                let trouble =
                    Trouble::failed(format!("agent {} refused the message: {reason}", self.agent));
                vec![Step::Over(Outcome::Undelivered(trouble.hinted(self.look())))]
            }
            _ => Vec::new(),
        }
    }

    fn hear_last_words(&mut self, event: &EventBody) {
        if event.r#type != EventType::Output.as_str() || event.data["stream"] != "stderr" {
            return;
        }
        self.last_words.push_str(event.data["text"].as_str().unwrap_or_default());
        let excess = self.last_words.len().saturating_sub(LAST_WORDS_MAX);
        let cut = (excess..=self.last_words.len())
            .find(|at| self.last_words.is_char_boundary(*at))
            .unwrap_or_default();
        self.last_words.drain(..cut);
    }

    fn end(&mut self, kind: EventType, data: &Value) -> Vec<Step> {
        let ended = Ended {
            reason: data["reason"].as_str().map(str::to_owned),
            exit_code: data["exit_code"].as_i64(),
            signal: data["signal"].as_str().map(str::to_owned),
        };
        let mut steps = Vec::new();
        // Of a later turn the result may be an earlier one's.
        let is_only_turn = self.begin == Begin::Spawn && !self.updates.has_spoken;
        if let Some(result) =
            data["result"].as_str().filter(|text| is_only_turn && !text.is_empty())
        {
            steps.push(Step::Update(chunk("agent_message_chunk", result)));
        }
        steps.push(Step::Over(self.outcome(kind, &ended)));
        steps
    }

    /// What it means that events may have been missed: how the agent is tells whether the turn can
    /// still be going on.
    pub(super) fn look_at(&mut self, agent: &AgentBody, missed_before: Seq) -> Vec<Step> {
        let ended = Ended {
            reason: agent.reason.clone(),
            exit_code: agent.exit_code.map(i64::from),
            signal: agent.signal.map(|signal| signal.to_string()),
        };
        match (end_of(agent.status), agent.status) {
            (Some(kind), _) if agent.last_seq < missed_before => {
                vec![Step::Over(self.outcome(kind, &ended))]
            }
            (None, Status::Waiting) if agent.last_seq < missed_before => {
                vec![Step::Over(Outcome::Stopped("end_turn"))]
            }
            _ => Vec::new(),
        }
    }

    fn outcome(&self, kind: EventType, ended: &Ended) -> Outcome {
        if kind == EventType::Completed && self.delivered {
            return Outcome::Stopped("end_turn");
        }
        let how = match kind {
            EventType::Completed => "ended before it had the message",
            EventType::Failed => "failed",
            EventType::Killed => "was killed",
            EventType::TimedOut => "ran into its timeout",
            _ => "is lost",
        };
        let mut message = format!("agent {} {how}", self.agent);
        let code = ended.exit_code.map(|code| format!("exit code {code}"));
        let details = [ended.reason.clone(), code, ended.signal.clone()];
        for detail in details.into_iter().flatten() {
            message.push_str(": ");
            message.push_str(&detail);
        }
        let words = self.last_words.trim();
        if !words.is_empty() {
            message.push_str("; its last words: ");
            message.push_str(words);
        }
        let trouble = Trouble::failed(message).hinted(self.look());
        match kind {
            EventType::Killed => Outcome::Killed(trouble),
            _ if !self.delivered => Outcome::Undelivered(trouble),
            _ => Outcome::Failed(trouble),
        }
    }

    fn look(&self) -> String {
        let id = self.agent.short();
        format!("`dash logs {id}` shows what it said, `dash status {id}` how it is")
    }
}

struct Ended {
    reason: Option<String>,
    exit_code: Option<i64>,
    signal: Option<String>,
}

fn end_of(status: Status) -> Option<EventType> {
    match status {
        Status::Completed => Some(EventType::Completed),
        Status::Failed => Some(EventType::Failed),
        Status::Killed => Some(EventType::Killed),
        Status::TimedOut => Some(EventType::TimedOut),
        Status::Lost => Some(EventType::Lost),
        _ => None,
    }
}

/// The agent's own stop reason where it is one that ACP version 1 knows.
fn stop_reason(data: &Value) -> &'static str {
    const KNOWN: [&str; 5] =
        ["end_turn", "max_tokens", "max_turn_requests", "refusal", "cancelled"];
    let given = data["stop_reason"].as_str().unwrap_or_default();
    KNOWN.into_iter().find(|known| *known == given).unwrap_or("end_turn")
}

/// A permission request, or what has become of one. The options and the tool call are the harness's own.
fn permission(data: &Value) -> Vec<Step> {
    let Some(request) = data["request_id"].as_str().map(str::to_owned) else { return Vec::new() };
    match data["state"].as_str() {
        Some("asked") => {
            let params = json!({ "toolCall": data["toolCall"], "options": data["options"] });
            vec![Step::Ask { request, params }]
        }
        _ => vec![Step::Settled { request }],
    }
}

#[cfg(test)]
#[path = "turn_test.rs"]
mod tests;
