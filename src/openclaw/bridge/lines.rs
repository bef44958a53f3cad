//! What agents say, until it is shown: the newest lines, and how many are left out. No clock: time is
//! an argument.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::text::Line;
use crate::model::AgentId;

/// Agents that are remembered for the hint about lines that are not shown.
const LEFT_OUT_MAX: usize = 2;
/// Messages that a session gets at full speed; after that one a second, since each stays in the
/// session's history.
const BURST: f64 = 600.0;

/// Lines that wait.
#[derive(Debug, Default)]
pub(super) struct Lines {
    newest: VecDeque<Line>,
    /// How many of them each agent has.
    of: HashMap<AgentId, usize>,
    left_out: u64,
    left_out_of: BTreeSet<AgentId>,
}

impl Lines {
    /// One more. Answers the line that is left out for it, if any: the oldest of the agent with the
    /// most lines, so that an agent that floods takes nobody else's place.
    pub(super) fn push(&mut self, line: Line, max: usize) -> Option<Line> {
        *self.of.entry(line.agent).or_default() += 1;
        self.newest.push_back(line);
        if self.newest.len() <= max {
            return None;
        }
        let loudest = *self.of.iter().max_by_key(|(agent, lines)| (**lines, **agent))?.0;
        let oldest = self.newest.iter().position(|line| line.agent == loudest)?;
        let left_out = self.newest.remove(oldest);
        if let Some(lines) = self.of.get_mut(&loudest) {
            *lines -= 1;
        }
        self.of.retain(|_, lines| *lines > 0);
        self.leave_out(loudest, 1);
        left_out
    }

    /// So many of this agent's lines are not shown.
    pub(super) fn leave_out(&mut self, agent: AgentId, lines: u64) {
        self.left_out += lines;
        if self.left_out_of.len() < LEFT_OUT_MAX {
            self.left_out_of.insert(agent);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.newest.is_empty() && self.left_out == 0
    }

    /// The lines, and what to say of those that are left out. None are left.
    pub(super) fn take(&mut self) -> (Vec<Line>, Option<String>) {
        let Self { newest, left_out, left_out_of, .. } = std::mem::take(self);
        (newest.into(), hint(left_out, &left_out_of))
    }
}

fn hint(left_out: u64, of: &BTreeSet<AgentId>) -> Option<String> {
    let count = match left_out {
        0 => return None,
        1 => "1 earlier line is".to_owned(),
        many => format!("{many} earlier lines are"),
    };
    let mut agents = of.iter();
    let how = match (agents.next(), agents.next()) {
        (Some(one), None) => format!("dashctl logs {}", one.short()),
        _ => "dashctl status, dashctl logs ID".to_owned(),
    };
    Some(format!("{count} not shown here: {how}"))
}

/// How many messages a session may still get at full speed.
#[derive(Debug)]
pub(super) struct Budget {
    tokens: f64,
    at: Option<Instant>,
}

impl Budget {
    pub(super) fn full() -> Self {
        Self { tokens: BURST, at: None }
    }

    /// When a message with nothing but lines may go out; at once when there is no time.
    pub(super) fn free_at(&self) -> Option<Instant> {
        let at = self.at?;
        (self.tokens < 1.0).then(|| at + Duration::from_secs_f64(1.0 - self.tokens))
    }

    /// A message goes out.
    pub(super) fn spend(&mut self, now: Instant) {
        let passed = self.at.map_or(0.0, |at| now.duration_since(at).as_secs_f64());
        self.tokens = ((self.tokens + passed).min(BURST) - 1.0).max(0.0);
        self.at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_floods_takes_nobody_elses_place() {
        let (loud, calm) = (AgentId::from_bits(1), AgentId::from_bits(2));
        let line = |agent, text: &str| Line { agent, name: "a".into(), text: text.into() };
        let mut lines = Lines::default();
        lines.push(line(calm, "one"), 4);
        for n in 0..1_000 {
            lines.push(line(loud, &n.to_string()), 4);
        }
        lines.push(line(calm, "two"), 4);
        let (shown, left_out) = lines.take();
        let texts: Vec<_> = shown.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["one", "998", "999", "two"]);
        assert!(left_out.unwrap().starts_with("998 earlier lines"));
        assert!(lines.is_empty());
    }
}
