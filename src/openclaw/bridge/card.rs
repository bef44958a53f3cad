//! A session's progress card: how many of its agents run, and what became of the others. No clock:
//! time is an argument.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crate::model::{AgentId, Status};

/// What our cards begin with; any other card is somebody else's, and left alone.
pub(super) const MARK: &str = "Dash: ";

/// Between two changes of a card.
const PAUSE: Duration = Duration::from_secs(1);
/// Before the next try when the card is somebody else's, or cannot be changed now; doubled each time.
const RETRY: Duration = Duration::from_secs(10);
const RETRY_CAP: Duration = Duration::from_mins(5);
/// Failures until the card of agents that have all ended is left as it is.
const TRIES_MAX: u32 = 5;
/// How long the card of a session whose agents have all ended stays.
const LINGERS: Duration = Duration::from_mins(1);

/// What to do next about a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CardStep {
    Put {
        text: String,
        done: bool,
    },
    /// Clear it if it still is this revision of it.
    Clear {
        revision: u64,
    },
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CardOutcome {
    /// The card says it now, and this is its revision.
    Put {
        revision: u64,
    },
    Cleared,
    /// There is a card of somebody else.
    Foreign,
    /// It did not work, or nobody knows whether it did.
    Failed,
    /// This gateway has no cards.
    Unknown,
}

/// A card, and what it is about.
#[derive(Debug, Default)]
pub(super) struct Card {
    alive: HashMap<AgentId, Status>,
    ended: BTreeMap<Status, u64>,
    /// What it says, when that is known.
    says: Option<String>,
    /// What it is being made to say.
    busy: Option<CardStep>,
    revision: Option<u64>,
    not_before: Option<Instant>,
    failures: u32,
    /// When the card of agents that have all ended goes.
    clear_at: Option<Instant>,
    /// A daemon before this one put a card, and nobody knows what it says.
    stale: bool,
    /// This gateway has no cards.
    off: bool,
}

impl Card {
    /// An agent is in this status now.
    pub(super) fn set(&mut self, agent: AgentId, status: Status) {
        if !status.is_end() {
            if self.alive.is_empty() && self.clear_at.take().is_some() {
                self.ended.clear();
            }
            self.alive.insert(agent, status);
            return;
        }
        if self.alive.remove(&agent).is_some() {
            *self.ended.entry(status).or_default() += 1;
        }
    }

    /// A daemon before this one put a card: it must not go on saying what was so then.
    pub(super) fn resume(&mut self) {
        self.stale = true;
    }

    /// Whether there is a card of ours.
    pub(super) fn stands(&self) -> bool {
        self.stale || self.revision.is_some()
    }

    /// Whether there is nothing to show, and nothing to take away.
    pub(super) fn is_empty(&self) -> bool {
        self.alive.is_empty()
            && (self.off || self.ended.is_empty() && !self.stands() && self.busy.is_none())
    }

    /// When there is something to do next.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        if self.busy.is_some() || self.off {
            return None;
        }
        let changed = self.text().is_some_and(|text| self.says.as_ref() != Some(&text));
        if changed {
            return Some(self.not_before.map_or(now, |at| at.max(now)));
        }
        self.clear_at.filter(|_| self.revision.is_some())
    }

    /// What is to be done now, if anything; it counts as being done from then on.
    pub(super) fn step(&mut self, now: Instant) -> Option<CardStep> {
        if self.due(now).is_none_or(|due| due > now) {
            return None;
        }
        let text = self.text().filter(|text| self.says.as_ref() != Some(text));
        let step = match (text, self.revision) {
            (Some(text), _) => CardStep::Put { text, done: self.alive.is_empty() },
            (None, Some(revision)) => CardStep::Clear { revision },
            (None, None) => return None,
        };
        self.busy = Some(step.clone());
        Some(step)
    }

    /// What came of the step.
    pub(super) fn done(&mut self, outcome: CardOutcome, now: Instant) {
        let Some(step) = self.busy.take() else { return };
        self.not_before = Some(now + PAUSE);
        match (outcome, step) {
            (CardOutcome::Put { revision }, CardStep::Put { text, done }) => {
                (self.failures, self.stale) = (0, false);
                self.says = Some(text);
                self.revision = Some(revision);
                self.clear_at = (done && self.alive.is_empty()).then(|| now + LINGERS);
            }
            (CardOutcome::Cleared, _) | (_, CardStep::Clear { .. }) => self.forget(),
            (CardOutcome::Unknown, _) => self.off = true,
            // Of agents that have ended by now there is nothing left to show.
            (CardOutcome::Foreign, _) if self.alive.is_empty() => self.forget(),
            (CardOutcome::Failed, _) if self.alive.is_empty() && self.failures >= TRIES_MAX => {
                self.forget();
            }
            _ => {
                let wait = RETRY * 2_u32.saturating_pow(self.failures);
                self.failures = self.failures.saturating_add(1).min(10);
                self.not_before = Some(now + wait.min(RETRY_CAP));
            }
        }
    }

    /// The card is not ours any more.
    fn forget(&mut self) {
        (self.says, self.revision, self.clear_at, self.stale) = (None, None, None, false);
        if self.alive.is_empty() {
            self.ended.clear();
        }
    }

    /// `Dash: 12 running, 3 queued, 85 completed`.
    fn text(&self) -> Option<String> {
        let mut counts: BTreeMap<Status, u64> = self.ended.clone();
        for status in self.alive.values() {
            *counts.entry(*status).or_default() += 1;
        }
        if counts.is_empty() {
            return self.stale.then(|| format!("{MARK}all agents have ended"));
        }
        // Those that run come first, whatever waits after them.
        let place = |status: Status| match status {
            Status::Running => 0,
            Status::Waiting => 1,
            Status::Stopping => 2,
            Status::Starting => 3,
            Status::Queued => 4,
            _ => 5,
        };
        let mut counts: Vec<(Status, u64)> = counts.into_iter().collect();
        counts.sort_by_key(|(status, _)| (place(*status), *status));
        let words: Vec<String> =
            counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
        Some(format!("{MARK}{}", words.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> AgentId {
        AgentId::from_bits(n)
    }

    fn put(card: &mut Card, now: Instant, revision: u64) -> CardStep {
        let step = card.step(now).expect("something to do");
        card.done(CardOutcome::Put { revision }, now);
        step
    }

    #[test]
    fn a_card_counts_and_goes_a_minute_after_the_last_end() {
        let (mut card, now) = (Card::default(), Instant::now());
        card.set(id(1), Status::Queued);
        card.set(id(2), Status::Running);
        let text = "Dash: 1 running, 1 queued".to_owned();
        assert_eq!(put(&mut card, now, 1), CardStep::Put { text, done: false });
        assert_eq!(card.due(now), None, "nothing has changed");
        card.set(id(1), Status::Completed);
        card.set(id(2), Status::Failed);
        assert_eq!(card.step(now), None, "not twice in a second");
        let later = now + PAUSE;
        let text = "Dash: 1 completed, 1 failed".to_owned();
        assert_eq!(put(&mut card, later, 2), CardStep::Put { text, done: true });
        let end = later + LINGERS;
        assert_eq!(card.due(later), Some(end));
        assert_eq!(card.step(end), Some(CardStep::Clear { revision: 2 }));
        assert!(!card.is_empty());
        card.done(CardOutcome::Cleared, end);
        assert!(card.is_empty());
    }

    #[test]
    fn a_card_of_somebody_else_is_left_alone_and_tried_again_later() {
        let (mut card, now) = (Card::default(), Instant::now());
        card.set(id(1), Status::Running);
        card.step(now);
        card.done(CardOutcome::Foreign, now);
        assert_eq!(card.step(now + PAUSE), None);
        assert!(card.step(now + RETRY).is_some());
        card.set(id(1), Status::Completed);
        card.done(CardOutcome::Foreign, now + RETRY);
        assert!(card.is_empty(), "nothing is left to show");
    }

    #[test]
    fn a_card_of_an_earlier_daemon_does_not_go_on_saying_what_was_so() {
        let (mut card, now) = (Card::default(), Instant::now());
        card.resume();
        assert!(!card.is_empty() && card.stands());
        let text = "Dash: all agents have ended".to_owned();
        assert_eq!(put(&mut card, now, 4), CardStep::Put { text, done: true });
        assert_eq!(card.due(now), Some(now + LINGERS));
        card.step(now + LINGERS);
        card.done(CardOutcome::Cleared, now + LINGERS);
        assert!(card.is_empty());

        let (mut card, mut now) = (Card::default(), Instant::now());
        card.resume();
        while let Some(due) = card.due(now) {
            now = now.max(due);
            card.step(now);
            card.done(CardOutcome::Failed, now);
        }
        assert!(card.is_empty(), "not tried for ever");
    }

    #[test]
    fn agents_that_come_later_are_counted_anew() {
        let (mut card, now) = (Card::default(), Instant::now());
        card.set(id(1), Status::Running);
        card.set(id(1), Status::Completed);
        put(&mut card, now, 1);
        card.set(id(2), Status::Running);
        let text = "Dash: 1 running".to_owned();
        assert_eq!(put(&mut card, now + PAUSE, 2), CardStep::Put { text, done: false });
        card.set(id(3), Status::Killed);
        assert_eq!(card.due(now + PAUSE), None, "an end of an agent nobody knew is not counted");
    }

    #[test]
    fn a_gateway_without_cards_is_not_asked_again() {
        let (mut card, now) = (Card::default(), Instant::now());
        card.set(id(1), Status::Running);
        card.step(now);
        card.done(CardOutcome::Unknown, now);
        card.set(id(2), Status::Running);
        assert_eq!(card.due(now + RETRY), None);
    }
}
