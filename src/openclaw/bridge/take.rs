//! From an event of the log to what it means for the session that owns the agent.

use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;

use super::notice::{Kind, Notice, Words};
use super::outbox::Outbox;
use super::roster::{Known, Roster};
use super::text::{self, End, Line};
use crate::api::EventBody;
use crate::model::{EventType, Status, heard};

/// Lines older than this when they are read are not shown: they are news to nobody.
const FRESH_MS: i64 = 10_000;

/// Takes an event in. The agent is on the roster, if it ever was alive.
pub(super) fn take(
    event: &EventBody,
    roster: &mut Roster,
    outbox: &mut Outbox,
    now: Instant,
    wall: Timestamp,
) {
    let Some(key) = event.session.as_deref() else { return };
    let Ok(kind) = event.r#type.parse::<EventType>() else { return };
    let Some(known) = roster.get(event.agent_id) else { return };
    if known.told_elsewhere {
        if let (EventType::Update, Some(heard)) = (kind, heard(&event.data)) {
            known.unheard = !heard;
        }
        if let Some(notice) = notice(event, kind, known).filter(|_| is_missed(kind, event, known)) {
            outbox.owe(key, notice, now);
        }
        if kind.is_end() {
            roster.forget(event.agent_id);
        }
        return;
    }
    if let Some(status) = status(kind, &event.data) {
        outbox.status(key, event.agent_id, status);
    }
    let shown = outbox.pace().lines_max;
    let said = Said::by(event, kind, known, shown);
    if said.left_out > 0 || !said.lines.is_empty() {
        say(event, key, said, roster, outbox, now, wall);
    }
    if let Some(known) = roster.get(event.agent_id)
        && let Some(notice) = notice(event, kind, known)
    {
        outbox.owe(key, notice, now);
    }
    if kind.is_end() {
        roster.forget(event.agent_id);
    }
}

/// Whether nobody but us tells the owner what has become of a child's turn: nobody hears it any more, or it failed,
/// of which OpenClaw 2026.9 says no more than that "LLM request failed". What was ended on purpose is no news.
fn is_missed(kind: EventType, event: &EventBody, known: &Known) -> bool {
    let on_purpose = kind == EventType::Killed || event.data["stop_reason"] == "cancelled";
    let failed = [EventType::Failed, EventType::TimedOut, EventType::Lost].contains(&kind);
    known.is_provided && !on_purpose && (known.unheard || failed)
}

/// What an event brings that its agent said.
struct Said {
    /// Of a flood only the last lines can ever be seen: so many before them are not even looked at.
    left_out: usize,
    lines: Vec<String>,
}

impl Said {
    fn by(event: &EventBody, kind: EventType, known: &mut Known, shown: usize) -> Self {
        let text = event.data["text"].as_str().unwrap_or_default();
        let mut lines = match kind {
            EventType::Output => return Self::of_output(text, shown),
            EventType::Message => known.says(text, event.data["chunk"] != true),
            _ if kind == EventType::Waiting || kind.is_end() => known.rest(),
            _ => Vec::new(),
        };
        let left_out = lines.len().saturating_sub(shown);
        Self { left_out, lines: lines.split_off(left_out) }
    }

    fn of_output(text: &str, shown: usize) -> Self {
        let lines = || text.lines().filter(|line| !line.trim().is_empty());
        let left_out = lines().count().saturating_sub(shown);
        Self { left_out, lines: lines().skip(left_out).map(text::one_line).collect() }
    }
}

fn say(
    event: &EventBody,
    key: &str,
    said: Said,
    roster: &mut Roster,
    outbox: &mut Outbox,
    now: Instant,
    wall: Timestamp,
) {
    let Said { mut left_out, mut lines } = said;
    if wall.duration_since(event.time).as_millis() > i128::from(FRESH_MS) {
        left_out += std::mem::take(&mut lines).len();
    }
    if left_out > 0 && outbox.pace().lines_max > 0 {
        let count = u64::try_from(left_out).unwrap_or_default();
        outbox.missed(key, event.agent_id, count, now);
    }
    for text in lines {
        let Some(known) = roster.get(event.agent_id) else { return };
        known.shown(&text);
        let line = Line { agent: event.agent_id, name: known.name.clone(), text };
        if let Some(left_out) = outbox.line(key, line, now)
            && let Some(known) = roster.get(left_out.agent)
        {
            known.not_shown(&left_out.text);
        }
    }
}

/// The status that an event means.
fn status(kind: EventType, data: &Value) -> Option<Status> {
    Some(match kind {
        EventType::Spawned if data["queued"].is_null() => Status::Starting,
        EventType::Spawned => Status::Queued,
        EventType::Input if data["state"] == "delivered" => Status::Running,
        EventType::Permission if data["state"] == "asked" => Status::Waiting,
        EventType::Started | EventType::Permission => Status::Running,
        EventType::Waiting => Status::Waiting,
        EventType::Stopping => Status::Stopping,
        EventType::Completed => Status::Completed,
        EventType::Failed => Status::Failed,
        EventType::Killed => Status::Killed,
        EventType::TimedOut => Status::TimedOut,
        EventType::Lost => Status::Lost,
        _ => return None,
    })
}

/// What the session is owed for an event.
fn notice(event: &EventBody, kind: EventType, known: &Known) -> Option<Notice> {
    let data = &event.data;
    let kind = match kind {
        EventType::Waiting => Kind::Waits,
        EventType::Permission if data["state"] == "asked" => Kind::Asks,
        _ if kind.is_end() => Kind::Ended,
        _ => return None,
    };
    let what = match kind {
        Kind::Ended => text::ended(End {
            status: status(event.r#type.parse().ok()?, data)?,
            exit_code: data["exit_code"].as_i64().and_then(|code| i32::try_from(code).ok()),
            signal: data["signal"].as_str().and_then(|name| name.parse().ok()),
            reason: data["reason"].as_str(),
        }),
        Kind::Waits => match data["stop_reason"].as_str().filter(|reason| *reason != "end_turn") {
            Some(reason) => format!("has finished its turn: {}", text::one_line(reason)),
            None => "has finished its turn".to_owned(),
        },
        Kind::Asks => match data["toolCall"]["title"].as_str() {
            Some(title) => format!("asks whether it may: {}", text::one_line(title)),
            None => "asks whether it may go on".to_owned(),
        },
    };
    let mut result = text::last_lines(data["result"].as_str());
    // Not again what people were shown just now, though some of it may be left out; a model has seen
    // nothing of that.
    if !known.react && result.last().is_some_and(|last| known.ended_with(last)) {
        result.clear();
    }
    let words = Some(Words { name: known.name.clone(), what, result });
    // Nobody but a person may answer for the user.
    let react = known.react && kind != Kind::Asks;
    Some(Notice { seq: event.seq, agent: event.agent_id, kind, react, words })
}

#[cfg(test)]
#[path = "take_test.rs"]
mod tests;
