//! What one OpenClaw session is to be told, and when. No clock, no channel: time is an argument.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::card::Card;
use super::lines::{Budget, Lines};
use super::notice::{Notice, Sent, Way, Words};
use super::text::{self, Line};
use crate::model::{AgentId, Seq};

/// What comes within so long of a first line goes with it.
const GATHER: Duration = Duration::from_millis(30);
/// The same for what a model is told: agents that end together are one turn.
const TURN_GATHER: Duration = Duration::from_secs(1);
/// Between two turns of one session.
const TURN_PAUSE: Duration = Duration::from_secs(3);
/// Notices in one message.
const NOTICES_MAX: usize = 100;
/// After an answer was lost: until what was asked for has surely happened or will not.
const SETTLE: Duration = Duration::from_secs(2);
/// Refusals that will not change, such as of a session that is not there, until it is given up:
/// half a minute. A session exists from its first turn on, which may be a moment away.
const TRIES_MAX: u32 = 7;
/// Of refusals that may change.
const PATIENCE: Duration = Duration::from_hours(1);
/// Before the next try after a refusal, doubled each time.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_CAP: Duration = Duration::from_secs(30);
/// How fast and how much.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) interval: Duration,
    pub(super) lines_max: usize,
}

/// What to do next for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Give this text to the gateway. With a marker it holds notices, and that it was given must be
    /// written down first.
    Post { way: Way, marker: String, text: String },
    /// Find out whether a message whose answer was lost stands in the session.
    Look { way: Way, marker: String, since: Timestamp },
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It stands in the session.
    Posted,
    /// It does not, and was not asked for in vain: it must be posted again.
    Absent,
    /// The gateway refused.
    Refused { message: String, retryable: bool },
    /// No answer: it may have happened.
    Lost,
    /// It was not even asked for.
    NotAsked,
}

/// The state of a message that the gateway has or had.
#[derive(Debug, Clone)]
struct Under {
    sent: Sent,
    /// Word for word what was sent, while that is known.
    text: Option<String>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// To be posted (again) from then on.
    Due(Instant),
    /// A step about it is being carried out.
    Busy,
    /// Its answer was lost; it is looked for from then on.
    Unsure(Instant),
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    show: BTreeMap<Seq, Notice>,
    turn: BTreeMap<Seq, Notice>,
    /// How many of those have no words yet; nothing is told before they have.
    wordless: usize,
    lines: Lines,
    /// Since when something waits to be shown, to be told.
    show_since: Option<Instant>,
    turn_since: Option<Instant>,
    /// A message with notices, until it is known to stand in the session.
    under: Option<Under>,
    /// A message with lines only, which nobody waits for, is on its way.
    lines_busy: bool,
    show_not_before: Option<Instant>,
    turn_not_before: Option<Instant>,
    budget: Budget,
    tries: u32,
    refused_since: Option<Instant>,
    retry_at: Option<Instant>,
    /// It was given up before: one refusal is enough now.
    gone: bool,
    pub(super) card: Card,
}

impl Session {
    pub(super) fn new() -> Self {
        Self {
            show: BTreeMap::new(),
            turn: BTreeMap::new(),
            wordless: 0,
            lines: Lines::default(),
            show_since: None,
            turn_since: None,
            under: None,
            lines_busy: false,
            show_not_before: None,
            turn_not_before: None,
            budget: Budget::full(),
            tries: 0,
            refused_since: None,
            retry_at: None,
            gone: false,
            card: Card::default(),
        }
    }

    /// An agent said this. Answers the line that is left out for it, if any.
    pub(super) fn line(&mut self, line: Line, pace: Pace, now: Instant) -> Option<Line> {
        self.show_since.get_or_insert(now);
        self.lines.push(line, pace.lines_max)
    }

    /// An agent said so many lines that are not shown.
    pub(super) fn missed(&mut self, agent: AgentId, lines: u64, now: Instant) {
        self.show_since.get_or_insert(now);
        self.lines.leave_out(agent, lines);
    }

    /// The session is owed this from now on.
    pub(super) fn owe(&mut self, notice: Notice, now: Instant) {
        self.wordless += usize::from(notice.words.is_none());
        if notice.react {
            self.turn_since.get_or_insert(now);
            self.turn.insert(notice.seq, notice);
        } else {
            self.show_since.get_or_insert(now);
            self.show.insert(notice.seq, notice);
        }
    }

    /// A message with notices that may have been given to the gateway by a daemon before this one.
    pub(super) fn resume(&mut self, sent: Sent, now: Instant) {
        self.under = Some(Under { sent, text: None, stage: Stage::Unsure(now) });
    }

    pub(super) fn owed(&self) -> impl Iterator<Item = &Notice> {
        self.show.values().chain(self.turn.values())
    }

    pub(super) fn count(&self) -> usize {
        self.show.len() + self.turn.len()
    }

    pub(super) fn sent(&self) -> Option<&Sent> {
        self.under.as_ref().map(|under| &under.sent)
    }

    /// Whether there is nothing to remember of it.
    pub(super) fn is_empty(&self) -> bool {
        self.show.is_empty()
            && self.turn.is_empty()
            && self.lines.is_empty()
            && self.under.is_none()
            && !self.lines_busy
            && !self.gone
            && self.card.is_empty()
    }

    /// Gives notices of this agent their words.
    pub(super) fn tell(&mut self, agent: AgentId, words: impl Fn(&Notice) -> Words) {
        for notice in self.show.values_mut().chain(self.turn.values_mut()) {
            if notice.agent == agent && notice.words.is_none() {
                notice.words = Some(words(notice));
                self.wordless -= 1;
            }
        }
    }

    /// What is to be done now, if anything; it counts as being done from then on.
    pub(super) fn step(
        &mut self,
        instance: &str,
        pace: Pace,
        now: Instant,
        wall: Timestamp,
    ) -> Option<Step> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        if self.under.is_some() {
            return self.go_on();
        }
        if self.turn_due().is_some_and(|due| due <= now) {
            return self.take_turn(instance, now, wall);
        }
        self.take_show(instance, pace, now, wall)
    }

    /// When there is something to do next.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.wordless > 0 {
            return None;
        }
        let due = match &self.under {
            Some(Under { stage: Stage::Busy, .. }) => return None,
            Some(Under { stage: Stage::Due(at), .. }) => Some(*at),
            Some(Under { stage: Stage::Unsure(since), .. }) => Some(*since + SETTLE),
            None => {
                let show = self.show_due().filter(|_| !self.lines_busy);
                earlier(show, self.turn_due())
            }
        }?;
        Some(self.retry_at.map_or(due, |retry| due.max(retry)))
    }

    fn show_due(&self) -> Option<Instant> {
        let due = self.show_since? + GATHER;
        let due = self.show_not_before.map_or(due, |at| due.max(at));
        // What is owed does not wait for that.
        let free = self.budget.free_at().filter(|_| self.show.is_empty());
        Some(free.map_or(due, |free| due.max(free)))
    }

    fn turn_due(&self) -> Option<Instant> {
        let due = self.turn_since? + TURN_GATHER;
        Some(self.turn_not_before.map_or(due, |at| due.max(at)))
    }

    /// The next step about the message that is under way.
    fn go_on(&mut self) -> Option<Step> {
        let (sent, text, stage) = match &self.under {
            Some(under) => (under.sent.clone(), under.text.clone(), under.stage),
            None => return None,
        };
        let step = match stage {
            Stage::Busy => return None,
            Stage::Unsure(_) => {
                Step::Look { way: sent.way, marker: sent.marker.clone(), since: sent.at }
            }
            Stage::Due(_) => {
                let text = text.unwrap_or_else(|| self.text_of(&sent));
                Step::Post { way: sent.way, marker: sent.marker.clone(), text }
            }
        };
        if let Some(under) = &mut self.under {
            under.stage = Stage::Busy;
            if let Step::Post { text, .. } = &step {
                under.text = Some(text.clone());
            }
        }
        Some(step)
    }

    /// The text of a message that an earlier daemon made: its lines are not known any more.
    fn text_of(&self, sent: &Sent) -> String {
        let queue = match sent.way {
            Way::Show => &self.show,
            Way::Turn => &self.turn,
        };
        let notices: Vec<&Notice> = sent.seqs.iter().filter_map(|seq| queue.get(seq)).collect();
        match sent.way {
            Way::Show => text::shown(&[], None, &notices),
            Way::Turn => text::for_model(&notices, &boundary()),
        }
    }

    fn take_turn(&mut self, instance: &str, now: Instant, wall: Timestamp) -> Option<Step> {
        let notices: Vec<&Notice> = self.turn.values().take(NOTICES_MAX).collect();
        let last = notices.last()?.seq;
        let marker = format!("dash-{instance}-{last}");
        let text = text::for_model(&notices, &boundary());
        let seqs = notices.iter().map(|notice| notice.seq).collect();
        self.turn_not_before = Some(now + TURN_PAUSE);
        let sent = Sent { way: Way::Turn, marker: marker.clone(), seqs, at: wall };
        self.under = Some(Under { sent, text: Some(text.clone()), stage: Stage::Busy });
        Some(Step::Post { way: Way::Turn, marker, text })
    }

    fn take_show(
        &mut self,
        instance: &str,
        pace: Pace,
        now: Instant,
        wall: Timestamp,
    ) -> Option<Step> {
        let (lines, left_out) = self.lines.take();
        let notices: Vec<&Notice> = self.show.values().take(NOTICES_MAX).collect();
        if lines.is_empty() && left_out.is_none() && notices.is_empty() {
            self.show_since = None;
            return None;
        }
        let text = text::shown(&lines, left_out.as_deref(), &notices);
        let seqs: Vec<Seq> = notices.iter().map(|notice| notice.seq).collect();
        self.show_since = (self.show.len() > seqs.len()).then_some(now);
        self.show_not_before = Some(now + pace.interval);
        self.budget.spend(now);
        let Some(last) = seqs.last() else {
            self.lines_busy = true;
            return Some(Step::Post { way: Way::Show, marker: String::new(), text });
        };
        let marker = format!("{instance}-{last}");
        let sent = Sent { way: Way::Show, marker: marker.clone(), seqs, at: wall };
        self.under = Some(Under { sent, text: Some(text.clone()), stage: Stage::Busy });
        Some(Step::Post { way: Way::Show, marker, text })
    }

    /// What came of the step about a message with lines only. Nothing of it is tried again.
    pub(super) fn lines_done(&mut self, outcome: &Outcome, now: Instant) {
        self.lines_busy = false;
        match outcome {
            Outcome::Posted => self.went_well(),
            Outcome::Refused { .. } => {
                self.refused(now);
            }
            Outcome::Absent | Outcome::Lost | Outcome::NotAsked => {}
        }
    }

    /// What came of the step about the message under way. Answers the notices that are told by it,
    /// or that cannot be told to anybody, with the reason.
    pub(super) fn done(&mut self, outcome: Outcome, now: Instant) -> Settled {
        let Some(under) = &mut self.under else { return Settled::Open };
        match outcome {
            Outcome::Posted => {
                let told = self.take_told();
                self.went_well();
                return Settled::Told(told);
            }
            Outcome::Absent => under.stage = Stage::Due(now),
            Outcome::NotAsked => under.stage = Stage::Due(now + RETRY_FIRST),
            Outcome::Lost => under.stage = Stage::Unsure(now),
            Outcome::Refused { message, retryable } => {
                under.stage = Stage::Due(now);
                return self.turned_down(message, retryable, now);
            }
        }
        Settled::Open
    }

    /// The gateway does not answer for now whether the message stands in the session, as one that
    /// starts does: it is asked again before anything is given to it a second time.
    pub(super) fn look_refused(&mut self, message: String, now: Instant) -> Settled {
        if self.under.is_none() {
            return Settled::Open;
        }
        self.look_failed(now);
        self.turned_down(message, true, now)
    }

    /// Counts a refusal about the message under way. It is tried again later, until it is given up.
    fn turned_down(&mut self, message: String, retryable: bool, now: Instant) -> Settled {
        self.refused(now);
        let since = self.refused_since.unwrap_or(now);
        let too_often = if self.gone { 1 } else { TRIES_MAX };
        let over =
            if retryable { now.duration_since(since) >= PATIENCE } else { self.tries >= too_often };
        if over { Settled::Dead(self.give_up(), message) } else { Settled::Open }
    }

    /// Looking for the message did not work: it is looked for again.
    pub(super) fn look_failed(&mut self, now: Instant) {
        if let Some(under) = &mut self.under {
            under.stage = Stage::Unsure(now);
        }
    }

    fn take_told(&mut self) -> Vec<Notice> {
        let Some(under) = self.under.take() else { return Vec::new() };
        let queue = match under.sent.way {
            Way::Show => &mut self.show,
            Way::Turn => &mut self.turn,
        };
        let told = under.sent.seqs.iter().filter_map(|seq| queue.remove(seq)).collect();
        if self.turn.is_empty() {
            self.turn_since = None;
        }
        told
    }

    fn went_well(&mut self) {
        (self.tries, self.refused_since, self.retry_at, self.gone) = (0, None, None, false);
    }

    fn refused(&mut self, now: Instant) {
        self.refused_since.get_or_insert(now);
        let wait = (RETRY_FIRST * 2_u32.saturating_pow(self.tries)).min(RETRY_CAP);
        self.tries = self.tries.saturating_add(1);
        self.retry_at = Some(now + wait);
    }

    /// Everything that is owed, to nobody from now on.
    fn give_up(&mut self) -> Vec<Notice> {
        let show = std::mem::take(&mut self.show).into_values();
        let dead = show.chain(std::mem::take(&mut self.turn).into_values()).collect();
        *self = Self { gone: true, card: std::mem::take(&mut self.card), ..Self::new() };
        dead
    }
}

/// What an outcome settles.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// Nothing yet.
    Open,
    Told(Vec<Notice>),
    Dead(Vec<Notice>, String),
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// A line that no agent can know beforehand.
fn boundary() -> String {
    format!("dash-output-{}", uuid::Uuid::new_v4().simple())
}

#[cfg(test)]
#[path = "session_test.rs"]
mod tests;
