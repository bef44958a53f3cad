//! Small pieces of wording that several commands share.

use std::fmt::Write as _;

use crate::api::AgentBody;
use crate::model::{AgentId, Status, shortened};

use super::{clean, span, time::between};

/// "1 agent", "2 agents".
#[must_use]
pub fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// What an agent is called on a line: its label, with its index when others have the label too, or
/// the first letters of its id. Clean.
#[must_use]
pub fn name(id: AgentId, label: Option<&str>, index: Option<u32>) -> String {
    let cleaned = label.map(clean).filter(|label| !label.trim().is_empty());
    match (cleaned, index) {
        (Some(label), Some(index)) => format!("{} #{index}", label.trim()),
        (Some(label), None) => label.trim().to_owned(),
        (None, _) => id.short().to_owned(),
    }
}

/// A command as one could type it in a shell. Clean; not meant to be executed.
#[must_use]
pub fn command_line(command: &[impl AsRef<str>]) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    let mut line = String::new();
    for (place, word) in command.iter().enumerate() {
        let word = clean(word.as_ref());
        if place > 0 {
            line.push(' ');
        }
        if !word.is_empty() && word.chars().all(bare) {
            line.push_str(&word);
        } else {
            let _ = write!(line, "'{}'", word.replace('\'', "'\\''"));
        }
    }
    line
}

/// How an agent ended, such as "failed, exit code 2, after 3s". Clean.
#[must_use]
pub fn end_of(agent: &AgentBody) -> String {
    let mut said = said_of_end(
        agent.status,
        agent.exit_code.map(i64::from),
        agent.signal.map(|signal| signal.to_string()).as_deref(),
        agent.reason.as_deref(),
    );
    if let (Some(started), Some(ended)) = (agent.started_at, agent.ended_at) {
        said.push_str(", after ");
        said.push_str(&span(between(started, ended)));
    }
    said
}

/// How something ended, in the words of its status, exit code, signal and reason. Clean.
pub(in crate::cli) fn said_of_end(
    status: Status,
    exit_code: Option<i64>,
    signal: Option<&str>,
    reason: Option<&str>,
) -> String {
    let mut said = status.as_str().replace('_', " ");
    if let Some(code) = exit_code {
        let _ = write!(said, ", exit code {code}");
    }
    for part in [signal, reason].into_iter().flatten() {
        said.push_str(", ");
        said.push_str(&clean(&shortened(part, 400)));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_right() {
        assert_eq!(count(0, "agent"), "0 agents");
        assert_eq!(count(1, "agent"), "1 agent");
        assert_eq!(count(2, "agent"), "2 agents");
    }

    #[test]
    fn names_are_labels_when_there_are_any() {
        let id = AgentId::from_bits(0);
        assert_eq!(name(id, Some("fix"), None), "fix");
        assert_eq!(name(id, Some("fix"), Some(3)), "fix #3");
        assert_eq!(name(id, None, Some(3)), "kkkkkkkk");
        assert_eq!(name(id, Some(" \u{202e} "), None), "kkkkkkkk");
        assert_eq!(name(id, Some("a\u{1b}[31mb"), None), "ab");
    }

    #[test]
    fn commands_look_as_typed() {
        let words = ["sh", "-c", "echo 'hi' && x", "", "a\u{1b}[2Jb"].map(str::to_owned);
        assert_eq!(command_line(&words), r"sh -c 'echo '\''hi'\'' && x' '' ab");
    }

    #[test]
    fn ends_say_why() {
        assert_eq!(said_of_end(Status::Completed, Some(0), None, None), "completed, exit code 0");
        assert_eq!(
            said_of_end(Status::TimedOut, None, Some("SIGTERM"), Some("ran\u{7} long")),
            "timed out, SIGTERM, ran long"
        );
    }
}
