//! Everything that is owed to sessions, and how far the log has been read. No clock, no channel.
//!
//! What is kept over a restart is a position of the log and what was owed there, written together:
//! being behind is harmless, for the rest is read again. Only one thing must be written before it is
//! done: that a message with notices is given to the gateway. Whoever finds that looks in the
//! session's history for it before giving it again. That is how each notice is told exactly once.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::card::{CardOutcome, CardStep};
use super::notice::{Notice, Sent, Words};
use super::session::{Outcome, Pace, Session, Settled, Step};
use super::text::Line;
use crate::api::DeadLetterBody;
use crate::model::{AgentId, Seq, Status};

/// Dead letters that are kept, and for how many hours.
const LETTERS_MAX: usize = 100;
const LETTERS_HOURS: i64 = 7 * 24;

/// What is kept in the file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Tells this outbox's messages from those of any other.
    pub(super) instance: String,
    /// Every event up to here has been looked at; none yet for a bridge that never ran.
    pub(super) cursor: Option<Seq>,
    #[serde(default)]
    pub(super) sessions: HashMap<String, KeptSession>,
    /// How many could be told to nobody, ever.
    #[serde(default)]
    pub(super) dead: u64,
    #[serde(default)]
    pub(super) letters: VecDeque<DeadLetterBody>,
}

/// What is kept of one session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptSession {
    pub(super) owed: Vec<Notice>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sent: Option<Sent>,
    /// Whether the session has a card of ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) card: bool,
}

/// Something to do, for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    Message(Step),
    Card(CardStep),
}

/// The outbox.
#[derive(Debug)]
pub(super) struct Outbox {
    instance: String,
    pace: Pace,
    cursor: Option<Seq>,
    sessions: HashMap<String, Session>,
    told: u64,
    dead: u64,
    letters: VecDeque<DeadLetterBody>,
}

impl Outbox {
    /// Goes on from what was kept.
    pub(super) fn new(kept: Kept, pace: Pace, now: Instant) -> Self {
        let mut sessions = HashMap::new();
        for (key, KeptSession { owed, sent, card }) in kept.sessions {
            let mut session = Session::new();
            if card {
                session.card.resume();
            }
            for notice in owed {
                session.owe(notice, now);
            }
            if let Some(sent) = sent {
                session.resume(sent, now);
            }
            sessions.insert(key, session);
        }
        let Kept { instance, cursor, dead, letters, .. } = kept;
        Self { instance, pace, cursor, sessions, told: 0, dead, letters }
    }

    /// What must be found again by the next daemon.
    pub(super) fn keep(&self) -> Kept {
        let sessions = self.sessions.iter().filter_map(|(key, session)| {
            let owed: Vec<Notice> = session.owed().cloned().collect();
            let sent = session.sent().cloned();
            let card = session.card.stands();
            let empty = owed.is_empty() && sent.is_none() && !card;
            (!empty).then(|| (key.clone(), KeptSession { owed, sent, card }))
        });
        Kept {
            instance: self.instance.clone(),
            cursor: self.cursor,
            sessions: sessions.collect(),
            dead: self.dead,
            letters: self.letters.clone(),
        }
    }

    pub(super) fn cursor(&self) -> Option<Seq> {
        self.cursor
    }

    /// Every event up to here has been taken in.
    pub(super) fn read_to(&mut self, seq: Seq) {
        self.cursor = Some(seq);
    }

    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    fn session(&mut self, key: &str) -> &mut Session {
        self.sessions.entry(key.to_owned()).or_insert_with(Session::new)
    }

    /// Answers the line that is left out for this one, if any.
    pub(super) fn line(&mut self, key: &str, line: Line, now: Instant) -> Option<Line> {
        let pace = self.pace;
        self.session(key).line(line, pace, now)
    }

    pub(super) fn missed(&mut self, key: &str, agent: AgentId, lines: u64, now: Instant) {
        self.session(key).missed(agent, lines, now);
    }

    pub(super) fn owe(&mut self, key: &str, notice: Notice, now: Instant) {
        self.session(key).owe(notice, now);
    }

    pub(super) fn status(&mut self, key: &str, agent: AgentId, status: Status) {
        self.session(key).card.set(agent, status);
    }

    /// Agents whose notices have no words yet.
    pub(super) fn wordless(&self) -> Vec<AgentId> {
        let owed = self.sessions.values().flat_map(Session::owed);
        owed.filter(|notice| notice.words.is_none()).map(|notice| notice.agent).collect()
    }

    pub(super) fn tell(&mut self, agent: AgentId, words: impl Fn(&Notice) -> Words) {
        for session in self.sessions.values_mut() {
            session.tell(agent, &words);
        }
    }

    /// What is to be done now. Whoever does it keeps the outbox first when [`Self::binds`] says so.
    pub(super) fn due(&mut self, now: Instant, wall: Timestamp) -> Vec<(String, Order)> {
        let mut orders = Vec::new();
        for (key, session) in &mut self.sessions {
            // At most one message that nobody waits for and one card at a time, so this ends.
            if let Some(step) = session.step(&self.instance, self.pace, now, wall) {
                orders.push((key.clone(), Order::Message(step)));
            }
            if let Some(step) = session.card.step(now) {
                orders.push((key.clone(), Order::Card(step)));
            }
        }
        orders
    }

    /// Whether an order may only be carried out when the outbox, as it is now, has been kept.
    pub(super) fn binds(order: &Order) -> bool {
        matches!(order, Order::Message(Step::Post { marker, .. }) if !marker.is_empty())
    }

    /// When something is due next.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let due =
            |session: &Session| [session.due(), session.card.due(now)].into_iter().flatten().min();
        self.sessions.values().filter_map(due).min()
    }

    /// What came of a message.
    pub(super) fn message_done(
        &mut self,
        key: &str,
        step: &Step,
        outcome: Outcome,
        now: Instant,
        wall: Timestamp,
    ) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let settled = match (step, outcome) {
            (Step::Post { marker, .. }, outcome) if marker.is_empty() => {
                session.lines_done(&outcome, now);
                Settled::Open
            }
            (Step::Look { .. }, Outcome::Lost | Outcome::NotAsked) => {
                session.look_failed(now);
                Settled::Open
            }
            // A session without a history does not have the message in it.
            (Step::Look { .. }, Outcome::Refused { retryable: false, .. }) => {
                session.done(Outcome::Absent, now)
            }
            (Step::Look { .. }, Outcome::Refused { message, .. }) => {
                session.look_refused(message, now)
            }
            (_, outcome) => session.done(outcome, now),
        };
        match settled {
            Settled::Open => {}
            Settled::Told(notices) => {
                self.told += u64::try_from(notices.len()).unwrap_or_default();
            }
            Settled::Dead(notices, reason) => self.bury(key, &notices, &reason, wall),
        }
        self.tidy(key);
    }

    fn bury(&mut self, key: &str, notices: &[Notice], reason: &str, wall: Timestamp) {
        tracing::warn!(session = key, count = notices.len(), reason, "OpenClaw cannot be told");
        for notice in notices {
            self.dead += 1;
            self.letters.push_back(DeadLetterBody {
                time: wall,
                agent_id: notice.agent,
                session: key.to_owned(),
                seq: notice.seq,
                reason: reason.to_owned(),
            });
        }
        let oldest = wall.checked_sub(LETTERS_HOURS.hours()).unwrap_or(wall);
        self.letters.retain(|letter| letter.time >= oldest);
        while self.letters.len() > LETTERS_MAX {
            self.letters.pop_front();
        }
    }

    /// What came of a card.
    pub(super) fn card_done(&mut self, key: &str, outcome: CardOutcome, now: Instant) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.card.done(outcome, now);
        }
        self.tidy(key);
    }

    fn tidy(&mut self, key: &str) {
        if self.sessions.get(key).is_some_and(Session::is_empty) {
            self.sessions.remove(key);
        }
    }

    /// Owed, told since the start, and dead.
    pub(super) fn books(&self) -> (u64, u64, u64) {
        let owed = self.sessions.values().map(Session::count).sum::<usize>();
        (u64::try_from(owed).unwrap_or_default(), self.told, self.dead)
    }

    pub(super) fn letters(&self) -> Vec<DeadLetterBody> {
        self.letters.iter().cloned().collect()
    }
}
