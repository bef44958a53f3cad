//! What a client gets: models, and an answer whole or in chunks.

use serde_json::{Value, json};

use super::Finish;
use crate::api::ProfileBody;

/// The tokens of a turn, as far as the agent tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub prompt: u64,
    pub completion: u64,
}

impl Usage {
    /// Takes what an agent says of its tokens, in ACP's names or OpenAI's; each report is of the
    /// turn so far.
    pub fn count(&mut self, report: &Value) {
        let of = |names: [&str; 2]| names.iter().find_map(|name| report[*name].as_u64());
        self.prompt = of(["inputTokens", "prompt_tokens"]).unwrap_or(self.prompt);
        self.completion = of(["outputTokens", "completion_tokens"]).unwrap_or(self.completion);
    }

    fn body(self) -> Value {
        json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
        })
    }
}

impl Finish {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
        }
    }
}

/// The answer to one request.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Names the answer: `chatcmpl-` and the agent's id.
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// The model as it was asked for.
    pub model: String,
}

impl Reply {
    /// The chunk that begins a stream.
    #[must_use]
    pub fn opening(&self) -> Value {
        self.chunk(&json!({"role": "assistant", "content": ""}), None)
    }

    /// More of the answer. Without a text, a sign of life that clients take for progress.
    #[must_use]
    pub fn text(&self, text: &str) -> Value {
        self.chunk(&json!({"content": text}), None)
    }

    /// More of what goes on before the answer; `reasoning_content` is what most servers and clients
    /// call it, OpenAI's own API has no name for it.
    #[must_use]
    pub fn thought(&self, text: &str) -> Value {
        self.chunk(&json!({"reasoning_content": text}), None)
    }

    /// The chunk that ends the answer.
    #[must_use]
    pub fn finish(&self, finish: Finish) -> Value {
        self.chunk(&json!({}), Some(finish))
    }

    /// The chunk after the end, with the tokens used.
    #[must_use]
    pub fn usage(&self, usage: Usage) -> Value {
        let mut body = self.body("chat.completion.chunk", &json!([]));
        body["usage"] = usage.body();
        body
    }

    /// The whole answer at once.
    #[must_use]
    pub fn whole(&self, text: &str, thoughts: &str, finish: Finish, usage: Usage) -> Value {
        let mut message = json!({"role": "assistant", "content": text});
        if !thoughts.is_empty() {
            message["reasoning_content"] = json!(thoughts);
        }
        let choice = json!({"index": 0, "message": message, "finish_reason": finish.as_str(), "logprobs": null});
        let mut body = self.body("chat.completion", &json!([choice]));
        body["usage"] = usage.body();
        body
    }

    fn chunk(&self, delta: &Value, finish: Option<Finish>) -> Value {
        let finish = finish.map(Finish::as_str);
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        self.body("chat.completion.chunk", &json!([choice]))
    }

    fn body(&self, object: &str, choices: &Value) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        })
    }
}

/// Every profile that agents can be spawned from here, as models.
#[must_use]
pub fn models(profiles: &[ProfileBody]) -> Value {
    let usable = profiles.iter().filter(|profile| profile.available);
    let entries: Vec<_> = usable.map(|profile| models_entry(&profile.name)).collect();
    json!({"object": "list", "data": entries})
}

/// One of them. A profile has no time of birth.
#[must_use]
pub fn models_entry(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 0, "owned_by": "dash"})
}
