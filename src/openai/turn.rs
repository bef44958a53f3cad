//! What an agent's events mean for whoever asked for a turn of it.

use serde::Deserialize;
use serde_json::Value;

use super::Usage;
use crate::model::{
    Delivery, End, Event, EventType, Fact, Input, MessageId, Output, Status, Stream,
};

/// Bytes of a command's standard error that an answer about its failure has.
const COMPLAINT_MAX: usize = 2 * 1024;
/// What an agent that ended well, and said nothing, is taken to have said: clients hold an empty
/// answer for a failure, and ask again.
const NOTHING: &str = "(no output)";

/// Something for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// More of the answer.
    Text(String),
    /// What the agent thinks or does on its way there.
    Thought(String),
    /// The turn is over, and well.
    Over(Finish),
    /// The turn is over, and has no answer.
    Failed(Failed),
}

/// How a turn is over, in OpenAI's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    Stop,
    /// It ran into a limit of tokens or of requests.
    Length,
    /// The agent refused.
    ContentFilter,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The agent's status, or what became of the turn, in one word.
    pub code: &'static str,
    /// A sentence without a full stop.
    pub message: String,
}

/// A turn that is listened to.
#[derive(Debug)]
pub struct Turn {
    /// The message that begins it; the first turn begins with the agent.
    message: Option<MessageId>,
    begun: bool,
    over: bool,
    /// Whether there is an answer so far.
    spoke: bool,
    /// Whether what is said next begins a paragraph.
    gap: bool,
    tool: Option<String>,
    complaint: String,
    usage: Usage,
}

/// `data` of `agent.message` and `agent.thought`.
#[derive(Deserialize)]
struct Words {
    text: String,
    /// Whether it is a piece of a message, that the next one goes on with.
    #[serde(default)]
    chunk: bool,
}

impl Turn {
    /// The turn of this message, or the agent's first.
    #[must_use]
    pub fn new(message: Option<MessageId>) -> Self {
        Self {
            message,
            begun: message.is_none(),
            over: false,
            spoke: false,
            gap: false,
            tool: None,
            complaint: String::new(),
            usage: Usage::default(),
        }
    }

    /// The tokens that the agent said it used.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Whether nothing more comes.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// What this event of the agent means for the caller.
    pub fn hear(&mut self, event: &Event) -> Vec<Piece> {
        if self.over {
            return Vec::new();
        }
        if let EventType::Input = event.kind {
            return self.input(event);
        }
        if event.kind.is_end() {
            return self.ended(event);
        }
        if !self.begun {
            return Vec::new();
        }
        match event.kind {
            EventType::Output => self.output(event),
            EventType::Message => self.said(event),
            EventType::Thought => match words(event) {
                Some(words) if words.chunk => vec![Piece::Thought(words.text)],
                Some(words) => vec![Piece::Thought(words.text + "\n")],
                None => Vec::new(),
            },
            EventType::ToolCall => self.tool_call(event),
            EventType::Permission => self.asked(event),
            EventType::Usage => {
                self.usage.count(&value(event));
                Vec::new()
            }
            EventType::Waiting => self.waiting(event),
            _ => Vec::new(),
        }
    }

    /// The agent had ended before anything of it could be listened to.
    pub fn hear_end(&mut self, status: Status, end: &End) -> Vec<Piece> {
        if std::mem::replace(&mut self.over, true) {
            return Vec::new();
        }
        if status == Status::Completed {
            let last = end.result.clone().unwrap_or_else(|| NOTHING.to_owned());
            let said = (!self.spoke).then_some(Piece::Text(last));
            return said.into_iter().chain([Piece::Over(Finish::Stop)]).collect();
        }
        vec![Piece::Failed(Failed {
            code: status.as_str(),
            message: how_it_ended(status, end, &self.complaint),
        })]
    }

    fn input(&mut self, event: &Event) -> Vec<Piece> {
        let Ok(Fact::Input(Input { message_id, state, reason, .. })) = event.fact() else {
            return Vec::new();
        };
        if Some(message_id) != self.message {
            return Vec::new();
        }
        match state {
            Delivery::Queued => Vec::new(),
            Delivery::Delivered => {
                self.begun = true;
                Vec::new()
            }
            Delivery::Refused => {
                self.over = true;
                let message = reason.unwrap_or_else(|| "the agent refused the message".to_owned());
                vec![Piece::Failed(Failed { code: "refused", message })]
            }
        }
    }

    fn ended(&mut self, event: &Event) -> Vec<Piece> {
        let Ok(Fact::End(kind, end)) = event.fact() else { return Vec::new() };
        let status = match kind {
            EventType::Completed => Status::Completed,
            EventType::Failed => Status::Failed,
            EventType::Killed => Status::Killed,
            EventType::TimedOut => Status::TimedOut,
            _ => Status::Lost,
        };
        if status == Status::Completed && !self.begun {
            self.over = true;
            let message = "the agent ended before it took the message".to_owned();
            return vec![Piece::Failed(Failed { code: "refused", message })];
        }
        self.hear_end(status, &end)
    }

    fn output(&mut self, event: &Event) -> Vec<Piece> {
        let Ok(Fact::Output(Output { stream, text, truncated, .. })) = event.fact() else {
            return Vec::new();
        };
        if stream == Stream::Stderr {
            self.complaint.push_str(&text);
            let excess = self.complaint.len().saturating_sub(COMPLAINT_MAX);
            let cut = self.complaint.ceil_char_boundary(excess);
            self.complaint.drain(..cut);
            return Vec::new();
        }
        let left_out = (truncated > 0).then(|| format!("(… {truncated} bytes are left out …)\n"));
        vec![self.text(left_out.unwrap_or_default() + &text)]
    }

    fn said(&mut self, event: &Event) -> Vec<Piece> {
        let Some(words) = words(event).filter(|words| !words.text.is_empty()) else {
            return Vec::new();
        };
        // A whole message is a paragraph of its own.
        self.gap |= !words.chunk;
        let piece = self.text(words.text);
        self.gap = !words.chunk;
        vec![piece]
    }

    fn text(&mut self, text: String) -> Piece {
        let gap = std::mem::take(&mut self.gap) && self.spoke;
        self.spoke = true;
        Piece::Text(if gap { format!("\n\n{text}") } else { text })
    }

    /// What the agent works with, on a line. Never a tool call of OpenAI's: the caller would carry
    /// it out.
    fn tool_call(&mut self, event: &Event) -> Vec<Piece> {
        let call = value(event);
        self.gap = true;
        let id = call["toolCallId"].as_str().map(str::to_owned);
        let Some(title) = call["title"].as_str().filter(|_| id.is_none() || id != self.tool) else {
            return Vec::new();
        };
        let line = format!("[{}]\n", one_line(title));
        self.tool = id;
        vec![Piece::Thought(line)]
    }

    /// Somebody has to answer, so it is said where it is seen.
    fn asked(&mut self, event: &Event) -> Vec<Piece> {
        let asked = value(event);
        if asked["state"] != "asked" {
            return Vec::new();
        }
        let what = asked["toolCall"]["title"].as_str().unwrap_or("go on");
        let (what, id) = (one_line(what), event.agent);
        self.gap = true;
        let line = format!(
            "[Dash: the agent asks whether it may: {what}. Answer with `dashctl allow {id}` or \
             `dashctl deny {id}`]"
        );
        let piece = self.text(line);
        self.gap = true;
        vec![piece]
    }

    fn waiting(&mut self, event: &Event) -> Vec<Piece> {
        self.over = true;
        let waiting = value(event);
        self.usage.count(&waiting["usage"]);
        let finish = match waiting["stop_reason"].as_str() {
            // ACP's names, schema version 1, `StopReason`.
            Some("cancelled") => {
                let message = "the turn was cancelled".to_owned();
                return vec![Piece::Failed(Failed { code: "cancelled", message })];
            }
            Some("max_tokens" | "max_turn_requests") => Finish::Length,
            Some("refusal") => Finish::ContentFilter,
            _ => Finish::Stop,
        };
        let silent = (!self.spoke).then(|| Piece::Text(NOTHING.to_owned()));
        silent.into_iter().chain([Piece::Over(finish)]).collect()
    }
}

fn words(event: &Event) -> Option<Words> {
    serde_json::from_str(event.data.get()).ok()
}

fn value(event: &Event) -> Value {
    serde_json::from_str(event.data.get()).unwrap_or_default()
}

fn one_line(text: &str) -> String {
    let clean: String =
        text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(200).collect();
    clean.trim().to_owned()
}

/// `the agent failed: exit code 3: no such file`.
fn how_it_ended(status: Status, end: &End, complaint: &str) -> String {
    let how = match status {
        Status::Failed => "the agent failed",
        Status::Killed => "the agent was killed",
        Status::TimedOut => "the agent ran into its timeout",
        _ => "the agent was lost: it is not known how it ended",
    };
    let code = end.exit_code.filter(|_| status == Status::Failed);
    let code = code.map(|code| format!("exit code {code}"));
    let signal = end.signal.map(|signal| signal.to_string());
    let complaint = Some(complaint.trim().to_owned()).filter(|it| !it.is_empty());
    let parts = [Some(how.to_owned()), code, signal, end.reason.clone(), complaint];
    parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
#[path = "turn_test.rs"]
mod tests;
