//! What OpenClaw says in the text of a request: which session it is for, and what of the text is the
//! user's. Seen with OpenClaw 2026.9.6; there is no other place where it says so.
//!
//! The system text of a sub-agent's first request has `## Session Context` with the label, the session
//! that asked, and the child's own. Later requests have only the `Runtime:` line at the end of the
//! first user message, which every session has.

use std::path::Path;

use super::Message;

/// How OpenClaw begins a user message of its own, which is for a model and not for an agent.
const INTERNAL: &str = "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>";
/// Where a turn was cut off, OpenClaw leaves a user message that says so.
const CUT_OFF: &str = "This turn ended before a reply:";
/// What comes before a message whose turn broke off, when OpenClaw asks for it again.
const AGAIN: &str = "[Queued user message from a previous active turn;";
/// What it asks then, after the message, or alone when a part of the answer had come.
const CONTINUE: &str =
    "Continue the current task from the existing transcript, preserving completed work.";
const CONTEXT: &str = "## Session Context\n";
const TASK: &str = "[Subagent Task]\n";
const TASK_END: &str = "\n\nBegin. Execute the assigned task to completion.";
const RUNTIME: &str = "Runtime: agent=";
const ROUTED: &str = "[Inter-session message]";
const DIRECTORY: &str = "Working directory: ";

/// What OpenClaw knows of the session that a request is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// The key of the session itself.
    pub(super) session: String,
    pub(super) label: Option<String>,
    /// The key of the session that asked for the agent.
    pub(super) requester: Option<String>,
    pub(super) channel: Option<String>,
    /// The directory that OpenClaw works in, on its own machine.
    pub(super) directory: Option<String>,
}

/// The marks, when the request is OpenClaw's.
pub(super) fn marks(messages: &[Message]) -> Option<Marks> {
    let system: Vec<String> =
        messages.iter().filter(|it| it.is_instruction()).map(Message::text).collect();
    let system = system.join("\n");
    // What anybody may write into a chat is no mark in another program's request.
    if !system.contains("OpenClaw") {
        return None;
    }
    let first = messages.iter().find(|it| it.role == "user").map(Message::text);
    let running = first.as_deref().and_then(running_session);
    let mut marks = context(&system).unwrap_or_default();
    // The line that OpenClaw adds to every session is stronger than a text that could be quoted.
    if let Some(session) = running {
        if marks.session != session {
            marks = Marks { session, ..Marks::default() };
        }
    } else if marks.session.is_empty() {
        return None;
    }
    marks.directory = directory(&system);
    Some(marks)
}

/// `session=` of the last line that begins with `Runtime: agent=`.
fn running_session(text: &str) -> Option<String> {
    let line = text.lines().rev().find(|line| line.starts_with(RUNTIME))?;
    let fields = line["Runtime: ".len()..].split(" | ");
    fields.filter_map(|field| field.split_once('=')).find_map(|(name, value)| {
        (name == "session" && !value.is_empty()).then(|| value.to_owned())
    })
}

/// The last such section: a file of the workspace that OpenClaw quotes before it cannot stand in for it.
fn context(system: &str) -> Option<Marks> {
    let (_, section) = system.rsplit_once(CONTEXT)?;
    let section = section.split("\n## ").next().unwrap_or(section);
    let field = |name: &str| {
        let lines = section.lines();
        let value = lines.filter_map(|line| line.strip_prefix(name)).next_back()?;
        Some(value.to_owned()).filter(|value| !value.is_empty())
    };
    let sentence = |name: &str| field(name).map(|value| without_stop(&value).to_owned());
    Some(Marks {
        session: sentence("- Your session: ")?,
        label: field("- Label: "),
        requester: sentence("- Requester session: "),
        channel: sentence("- Requester channel: "),
        directory: None,
    })
}

fn without_stop(value: &str) -> &str {
    value.strip_suffix('.').unwrap_or(value)
}

fn directory(system: &str) -> Option<String> {
    let mut found = system.lines().filter_map(|line| line.strip_prefix(DIRECTORY));
    found.find(|path| Path::new(path).is_absolute()).map(str::to_owned)
}

/// Whether a user message is OpenClaw's own.
pub(super) fn is_own(text: &str) -> bool {
    text.starts_with(INTERNAL) || text.starts_with(CUT_OFF) || continues(text)
}

/// Whether it only asks for the rest of an answer that broke off.
pub(super) fn continues(text: &str) -> bool {
    without_time(text).starts_with(CONTINUE)
}

/// What the user, or another session, said: without the time, the frame and the lines that OpenClaw
/// puts around it.
pub(super) fn said(text: &str) -> &str {
    let text = without_time(text);
    let text = match text.strip_prefix(ROUTED) {
        // The first line says from where, the second is an instruction to a model.
        Some(_) => text.splitn(3, '\n').nth(2).unwrap_or(text),
        None => text,
    };
    let text = text.rfind(&format!("\n{RUNTIME}")).map_or(text, |end| &text[..end]);
    let text = if text.starts_with(AGAIN) { once_more(text) } else { text };
    let text = match text.find(TASK) {
        Some(start) if text.starts_with("[Subagent Context]") => &text[start + TASK.len()..],
        _ => return text.trim(),
    };
    text.rfind(TASK_END).map_or(text, |end| &text[..end]).trim()
}

/// The message whose turn broke off.
fn once_more(text: &str) -> &str {
    let (_, text) = text.split_once('\n').unwrap_or_default();
    text.rfind(&format!("\n\n{CONTINUE}")).map_or(text, |end| &text[..end])
}

/// Without a leading `[Wed 2026-11-25 05:13 UTC] `.
fn without_time(text: &str) -> &str {
    let Some(rest) = text.strip_prefix('[') else { return text };
    let Some((stamp, rest)) = rest.split_once("] ") else { return text };
    let mut words = stamp.split(' ');
    let day = words.next().is_some_and(|word| word.len() == 3 && word.is_ascii());
    let date = words.next().is_some_and(|word| word.parse::<jiff::civil::Date>().is_ok());
    let time = words.next().is_some_and(|word| word.contains(':'));
    if day && date && time { rest } else { text }
}

#[cfg(test)]
#[path = "openclaw_test.rs"]
mod tests;
