//! What a daemon that comes back finds of the turn that runs.

use std::collections::HashSet;

use super::asks::is_news;
use super::reader::{Line, Lines};
use super::session::{Phase, Session};
use super::wire::{self, Incoming};
use crate::model::Agent;

/// What a daemon before this one left open in the turn: requests that it did not answer, and the text
/// so far. What the keeper was asked to write is in the file `messages`.
pub(super) fn take_up(session: &mut Session, agent: &Agent, dir: &std::path::Path) {
    let from = session.talk.turn_from.max(agent.stdout.saturating_sub(8 * 1024 * 1024));
    if session.talk.session_id.is_none() || session.phase != Phase::Turn || from >= agent.stdout {
        return;
    }
    let text = std::fs::read_to_string(dir.join("messages")).unwrap_or_default();
    let said: HashSet<&str> = text.lines().collect();
    let mut lines = Lines::new(dir, from);
    let (facts, mut at) = (session.facts.len(), from);
    while at < agent.stdout {
        let Ok((found, end)) = lines.read(false) else { break };
        for line in found {
            let Line::Text(line) = line else { continue };
            match wire::parse(&line) {
                Incoming::Notification { params, .. } => session.recall(&params),
                Incoming::Request { id, method, params } => {
                    let query = session.query(id);
                    if !said.contains(session.answer_key(&query).as_str()) {
                        session.request(&query, &method, params);
                    }
                }
                _ => {}
            }
        }
        if end <= at {
            break;
        }
        at = end;
    }
    // The others are in the log already.
    let again = session.facts.split_off(facts);
    session.facts.extend(again.into_iter().filter(is_news));
}
