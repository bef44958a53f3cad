//! What a client sends: of the body of a chat completion, what means something to an agent.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The body of [`super::COMPLETIONS`]. Everything else in it (tools, temperature and so on) is for
/// language models and is passed over: an agent has tools of its own.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ChatRequest {
    /// The name of a profile, or `PROFILE/MODEL`.
    pub model: String,
    pub messages: Vec<Message>,
    #[serde(default)]
    pub stream: Option<bool>,
    #[serde(default)]
    pub stream_options: Option<StreamOptions>,
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, String>>,
    /// How many answers are wanted; there is only ever one.
    #[serde(default)]
    pub n: Option<u32>,
}

/// The part of the streaming options that is heeded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct StreamOptions {
    /// A last chunk with the tokens used.
    #[serde(default)]
    pub include_usage: Option<bool>,
}

/// One message of the transcript.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Message {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    pub role: String,
    #[serde(default)]
    pub content: Option<Content>,
}

/// A message's text, in either of the two forms.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Content {
    Text(String),
    Parts(Vec<Part>),
}

/// A piece of a message; those without text (images, audio) are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Part {
    #[serde(default)]
    pub text: Option<String>,
}

impl Message {
    /// Its text, the parts on lines of their own.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.content {
            None => String::new(),
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => {
                let texts: Vec<_> = parts.iter().filter_map(|part| part.text.as_deref()).collect();
                texts.join("\n")
            }
        }
    }

    /// Whether it is the caller's instructions.
    #[must_use]
    pub fn is_instruction(&self) -> bool {
        matches!(self.role.as_str(), "system" | "developer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_in_two_forms() {
        let read =
            |json: serde_json::Value| serde_json::from_value::<Message>(json).unwrap().text();
        assert_eq!(read(serde_json::json!({"role": "user", "content": "a"})), "a");
        assert_eq!(read(serde_json::json!({"role": "assistant", "content": null})), "");
        let parts = serde_json::json!({"role": "user", "content": [{"type": "text", "text": "a"},
            {"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "b"}]});
        assert_eq!(read(parts), "a\nb");
    }

    #[test]
    fn what_is_for_language_models_is_passed_over() {
        let request: ChatRequest = serde_json::from_value(serde_json::json!({
            "model": "m", "messages": [], "temperature": 1, "tools": [{"type": "function"}],
            "tool_choice": "auto", "stream": null, "max_completion_tokens": 8192,
        }))
        .unwrap();
        assert_eq!((request.model.as_str(), request.stream), ("m", None));
    }
}
