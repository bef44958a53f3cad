//! An agent as a list of many shows it.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Agent, AgentId, Status, Usage, shortened};

/// Characters of a text in a row.
const TEXT_MAX: usize = 400;

/// What a line about an agent needs: of an `AgentBody` these fields, under the same names and with the same meaning, and
/// what is null left out. A text of more than 400 characters is cut and ends with `…`; of a command that is longer, the
/// words that come after are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentRow<'a> {
    #[schema(value_type = String)]
    pub id: AgentId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub label: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub group: Option<Cow<'a, str>>,
    pub index: u32,
    #[schema(value_type = String)]
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub command: Option<Vec<Cow<'a, str>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub task: Option<Cow<'a, str>>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub reason: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub usage: Option<Cow<'a, Usage>>,
}

impl<'a> From<&'a Agent> for AgentRow<'a> {
    fn from(agent: &'a Agent) -> Self {
        let spec = &agent.spec;
        Self {
            id: agent.id,
            label: spec.label.as_deref().map(cut),
            group: spec.group.as_deref().map(cut),
            index: agent.index,
            status: agent.status,
            command: spec.command.as_deref().map(beginning),
            task: spec.task.as_deref().map(cut),
            created_at: agent.created_at,
            started_at: agent.started_at,
            ended_at: agent.ended_at,
            exit_code: agent.end.exit_code,
            reason: agent.reason().map(|reason| cut(&reason).into_owned().into()),
            usage: agent.talk.as_deref().map(|talk| Cow::Borrowed(&talk.usage)),
        }
    }
}

fn cut(text: &str) -> Cow<'_, str> {
    shortened(text, TEXT_MAX)
}

/// The beginning of a command: it may be a megabyte long.
fn beginning(command: &[String]) -> Vec<Cow<'_, str>> {
    let mut left = TEXT_MAX;
    let mut words = Vec::with_capacity(command.len().min(8));
    for word in command {
        words.push(shortened(word, left.max(1)));
        left = left.saturating_sub(word.len() + 1);
        if left == 0 {
            break;
        }
    }
    words
}

/// A page of rows, oldest first: what `brief` asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RowsPage<'a> {
    pub agents: Vec<AgentRow<'a>>,
    /// Where the next page starts (`after`), when there is one.
    pub next: Option<String>,
    /// Of a first page with `ended_within_ms`: whether there are agents that ended earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_huge_command_costs_little() {
        let huge = vec!["x".repeat(100_000); 10];
        let words = beginning(&huge);
        assert_eq!(words.len(), 1);
        assert_eq!(words[0].chars().count(), TEXT_MAX + 1);
        let many = vec!["word".to_owned(); 1000];
        assert_eq!(beginning(&many).len(), TEXT_MAX / 5);
    }
}
