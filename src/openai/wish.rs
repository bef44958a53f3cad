//! What a request means.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{ChatRequest, Message, openclaw};
use crate::model::{METADATA_VALUE_MAX, openclaw as keys};

/// Something that was said to the agent, and what it is recognised by when it is said again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub text: String,
    /// The idempotency key of saying it.
    pub key: String,
}

/// A turn that somebody wants of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The profile that is named, or `PROFILE/MODEL`.
    pub model: String,
    /// The conversation: requests with the same one are turns of the same agent. None makes an agent
    /// for this request alone.
    pub conversation: Option<String>,
    /// What was said since the last answer, oldest first; never empty. The last one begins the turn,
    /// those before it may have been said before.
    pub said: Vec<Said>,
    pub label: Option<String>,
    /// The session that owns the agent.
    pub session: Option<String>,
    pub metadata: BTreeMap<String, String>,
    /// Where the agent is to work, if that place is there.
    pub cwd: Option<String>,
    pub stream: bool,
    /// Whether a stream ends with the tokens used.
    pub usage: bool,
}

/// Why a request means nothing, as a sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unclear(pub &'static str);

/// What a request means. `session` is the header [`super::SESSION_HEADER`], `trace` the header
/// `traceparent`.
///
/// # Errors
/// When there is nothing for an agent in it.
pub fn wish(
    request: ChatRequest,
    session: Option<String>,
    trace: Option<&str>,
) -> Result<Wish, Unclear> {
    if request.n.is_some_and(|count| count != 1) {
        return Err(Unclear("`n` is not 1: a turn of an agent has one answer"));
    }
    let marks = openclaw::marks(&request.messages);
    let mut metadata = BTreeMap::new();
    let mut wish = Wish {
        model: request.model,
        conversation: None,
        said: Vec::new(),
        label: None,
        session: None,
        metadata: BTreeMap::new(),
        cwd: None,
        stream: request.stream.unwrap_or(false),
        usage: request.stream_options.is_some_and(|it| it.include_usage == Some(true)),
    };
    if let Some(marks) = marks {
        let owner = marks.requester.clone().unwrap_or_else(|| marks.session.clone());
        metadata.insert(keys::SESSION.to_owned(), marks.session.clone());
        for (key, value) in [
            (keys::PARENT_SESSION, marks.requester.clone()),
            (keys::REQUESTER, marks.requester),
            (keys::CHANNEL, marks.channel),
        ] {
            metadata.extend(value.map(|value| (key.to_owned(), value)));
        }
        wish.said = since_the_answer(&marks.session, &request.messages);
        wish.label = marks.label;
        wish.session = Some(owner);
        wish.cwd = marks.directory;
        wish.conversation = Some(marks.session);
    } else {
        let given = request.metadata.as_ref().and_then(|given| given.get("session").cloned());
        wish.conversation = session.or(given).filter(|name| !name.is_empty());
        wish.said = match &wish.conversation {
            Some(conversation) => {
                metadata.insert(keys::SESSION.to_owned(), conversation.clone());
                wish.session = Some(conversation.clone());
                since_the_answer(conversation, &request.messages)
            }
            None => vec![whole(&request.messages)],
        };
    }
    metadata.extend(
        trace
            .filter(|trace| is_trace(trace))
            .map(|it| (keys::TRACEPARENT.to_owned(), it.to_owned())),
    );
    metadata.retain(|_, value| value.len() <= METADATA_VALUE_MAX);
    wish.metadata = metadata;
    match wish.said.last() {
        Some(said) if !said.text.is_empty() => Ok(wish),
        _ => Err(Unclear("no message is the user's, so that there is nothing to do")),
    }
}

/// What the user said since the last answer. When that is nothing: what was said before it, where OpenClaw
/// asks for the rest of an answer that broke off; and otherwise what OpenClaw itself said.
fn since_the_answer(conversation: &str, messages: &[Message]) -> Vec<Said> {
    let last = messages.iter().rposition(|it| it.role == "assistant").map_or(0, |at| at + 1);
    let (mut before, mut said, mut own) = (None, Vec::new(), Vec::new());
    let (mut place, mut continues) = (0, false);
    for (at, message) in messages.iter().enumerate().filter(|(_, it)| it.role == "user") {
        let text = message.text();
        if openclaw::is_own(&text) {
            if at >= last {
                continues |= openclaw::continues(&text);
                own.push(Said { key: key(conversation, place, &text), text });
            }
            continue;
        }
        let text = openclaw::said(&text).to_owned();
        let one = Said { key: key(conversation, place, &text), text };
        if at >= last {
            said.push(one);
        } else {
            before = Some(one);
        }
        place += 1;
    }
    match before {
        Some(before) if said.is_empty() && continues => vec![before],
        _ if said.is_empty() => own,
        _ => said,
    }
}

/// A transcript for an agent that has not heard any of it.
fn whole(messages: &[Message]) -> Said {
    let last = messages.iter().rposition(|it| it.role == "user");
    let asked = last.map(|at| messages[at].text()).unwrap_or_default();
    let before = &messages[..last.unwrap_or_default()];
    let mut parts: Vec<String> =
        before.iter().filter(|it| it.is_instruction()).map(Message::text).collect();
    let talk: Vec<&Message> = before.iter().filter(|it| !it.is_instruction()).collect();
    if !talk.is_empty() {
        let lines = talk.iter().map(|it| format!("{}: {}", it.role, it.text()));
        let lines = lines.collect::<Vec<_>>().join("\n\n");
        parts.push(format!("The conversation so far:\n\n{lines}\n\nNow:"));
    }
    if asked.trim().is_empty() {
        parts.clear();
    } else {
        parts.push(asked);
    }
    Said { text: parts.join("\n\n"), key: String::new() }
}

/// One thing that was said, at its place among what the user said in this conversation: the same
/// words said later are another thing.
fn key(conversation: &str, place: usize, text: &str) -> String {
    let mut hash = Sha256::new();
    for part in [conversation, &place.to_string(), text] {
        hash.update(part.len().to_string());
        hash.update(":");
        hash.update(part);
    }
    let mut key = "openai ".to_owned();
    for byte in hash.finalize() {
        // Writing to memory cannot fail.
        let _ = write!(key, "{byte:02x}");
    }
    key
}

/// `VERSION-TRACE-SPAN-FLAGS` in lower-case hexadecimal (W3C Trace Context, section 3.2.2).
fn is_trace(text: &str) -> bool {
    let lengths: Vec<_> = text.split('-').map(str::len).collect();
    lengths == [2, 32, 16, 2]
        && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

#[cfg(test)]
#[path = "wish_test.rs"]
mod tests;
