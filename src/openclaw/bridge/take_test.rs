use serde_json::json;

use super::super::outbox::{Kept, Order};
use super::super::session::{Pace, Step};
use super::*;
use crate::model::{AgentId, Seq};

const KEY: &str = "agent:main:main";

struct Trial {
    roster: Roster,
    outbox: Outbox,
    now: Instant,
    seq: u64,
}

impl Trial {
    fn with(lines_max: usize) -> Self {
        let now = Instant::now();
        let pace = Pace { interval: std::time::Duration::from_millis(200), lines_max };
        let kept = Kept { instance: "i".into(), ..Kept::default() };
        Self { roster: Roster::new(false), outbox: Outbox::new(kept, pace, now), now, seq: 0 }
    }

    fn event(&mut self, kind: &str, data: Value) -> EventBody {
        self.seq += 1;
        EventBody {
            seq: Seq(self.seq),
            time: Timestamp::now(),
            r#type: format!("agent.{kind}"),
            agent_id: AgentId::from_bits(1),
            label: Some("build".into()),
            session: Some(KEY.into()),
            group: None,
            data,
        }
    }

    fn spawn(&mut self, metadata: &Value) {
        let spec =
            json!({"runtime": "command", "label": "build", "cwd": "/", "metadata": metadata});
        let event = self.event("spawned", json!({"spec": spec, "by": "user:me", "index": 1}));
        self.roster.spawned(&event);
        self.take(&event);
    }

    fn take(&mut self, event: &EventBody) {
        take(event, &mut self.roster, &mut self.outbox, self.now, Timestamp::now());
    }

    fn happen(&mut self, kind: &str, data: Value) {
        let event = self.event(kind, data);
        self.take(&event);
    }

    /// The texts that go into the session from here on, in their order.
    fn told(&mut self) -> Vec<String> {
        self.now += std::time::Duration::from_secs(5);
        let orders = self.outbox.due(self.now, Timestamp::now());
        let texts = orders.into_iter().filter_map(|(key, order)| {
            assert_eq!(key, KEY);
            match order {
                Order::Message(Step::Post { text, .. }) => Some(text),
                _ => None,
            }
        });
        texts.collect()
    }
}

#[test]
fn what_was_shown_is_not_repeated_at_the_end() {
    let mut trial = Trial::with(40);
    trial.spawn(&json!({}));
    trial.happen("output", json!({"stream": "stdout", "text": "one\ntwo\n"}));
    trial.happen("completed", json!({"exit_code": 0, "result": "one\ntwo\n"}));
    let told = trial.told().concat();
    let short = AgentId::from_bits(1).short().to_owned();
    let expected = format!("build | one\nbuild | two\nbuild * completed, exit code 0 ({short})\n");
    assert_eq!(told, format!("```text\n{expected}```"));
}

#[test]
fn where_lines_are_not_shown_the_end_has_the_result() {
    let mut trial = Trial::with(0);
    trial.spawn(&json!({}));
    trial.happen("completed", json!({"exit_code": 0, "result": "the answer\n"}));
    assert!(trial.told().concat().contains("build | the answer"));
}

#[test]
fn old_lines_are_news_to_nobody() {
    let mut trial = Trial::with(40);
    trial.spawn(&json!({}));
    let mut event = trial.event("output", json!({"stream": "stdout", "text": "a\nb\n"}));
    event.time = Timestamp::now() - std::time::Duration::from_mins(1);
    trial.take(&event);
    trial.happen("failed", json!({"exit_code": 2, "result": "b\n"}));
    let told = trial.told().concat();
    assert!(told.contains("2 earlier lines are not shown"), "{told}");
    assert!(told.contains("build | b\nbuild * failed, exit code 2"), "{told}");
}

#[test]
fn pieces_of_what_is_said_become_lines() {
    let mut trial = Trial::with(40);
    trial.spawn(&json!({}));
    for piece in ["Hel", "lo\nwor", "ld"] {
        trial.happen("message", json!({"text": piece, "chunk": true}));
    }
    trial.happen("waiting", json!({"stop_reason": "end_turn"}));
    let told = trial.told().concat();
    assert!(told.contains("build | Hello\nbuild | world\nbuild * has finished its turn"), "{told}");
    assert!(told.contains("dashctl send"));
}

#[test]
fn a_question_is_shown_with_its_answers() {
    let mut trial = Trial::with(40);
    trial.spawn(&json!({"openclaw.react": "turn"}));
    let call = json!({"title": "rm -rf build\u{1b}[2J"});
    trial.happen("permission", json!({"state": "asked", "request_id": "1", "toolCall": call}));
    let told = trial.told().concat();
    assert!(told.contains("build * asks whether it may: rm -rf build (dashctl allow"), "{told}");
    assert!(told.starts_with("```"), "no model answers for the user");
}

#[test]
fn a_model_reacts_where_the_agent_or_the_configuration_says_so() {
    for (metadata, configured, turn) in [
        (json!({}), false, false),
        (json!({}), true, true),
        (json!({"openclaw.react": "turn"}), false, true),
        (json!({"openclaw.react": "none"}), true, false),
    ] {
        let mut trial = Trial::with(40);
        trial.roster = Roster::new(configured);
        trial.spawn(&metadata);
        trial.happen("completed", json!({"exit_code": 0}));
        let told = trial.told().concat();
        assert_eq!(told.starts_with("This is a report"), turn, "{metadata} {configured}: {told}");
    }
}

#[test]
fn agents_that_openclaw_has_a_session_for_are_left_to_it() {
    for key in ["openclaw.session", "acp.session"] {
        let mut trial = Trial::with(40);
        trial.spawn(&json!({key: "agent:dash:subagent:1"}));
        trial.happen("output", json!({"stream": "stdout", "text": "one\n"}));
        trial.happen("completed", json!({"exit_code": 0}));
        assert_eq!(trial.told(), Vec::<String>::new());
        assert_eq!(trial.outbox.books().0, 0);
    }
}

#[test]
fn what_openclaws_child_came_to_while_nobody_heard_it_is_told_to_its_owner() {
    let heard = |heard: bool| json!({"heard": heard, "by": "dash"});
    let over = ("completed", json!({"exit_code": 0, "result": "the answer\n"}));
    let waits = ("waiting", json!({"stop_reason": "end_turn", "result": "the answer"}));
    let cancelled = ("waiting", json!({"stop_reason": "cancelled"}));
    let failed = ("failed", json!({"exit_code": 3, "result": "the answer\n"}));
    for (marks, end, told) in [
        (vec![], &over, false),
        (vec![false], &over, true),
        (vec![false, true], &over, false),
        (vec![false, true, false], &waits, true),
        (vec![false], &("killed", json!({"signal": "SIGTERM"})), false),
        (vec![false], &cancelled, false),
        // OpenClaw hides why.
        (vec![], &failed, true),
    ] {
        let mut trial = Trial::with(40);
        let child = json!({"openclaw.session": "agent:dash:subagent:1", "openclaw.requester": KEY});
        trial.spawn(&child);
        for mark in &marks {
            trial.happen("update", heard(*mark));
        }
        trial.happen("output", json!({"stream": "stdout", "text": "the answer\n"}));
        trial.happen(end.0, end.1.clone());
        let shown = trial.told().concat();
        assert_eq!(
            shown.matches("build | the answer").count(),
            usize::from(told),
            "{marks:?}: {shown}"
        );
        assert_eq!(shown.matches("build * ").count(), usize::from(told), "{marks:?}: {shown}");
    }
}

#[test]
fn a_conversation_that_has_no_parent_is_left_to_whoever_goes_on_with_it() {
    for metadata in [
        json!({"openclaw.session": "any text"}),
        json!({"openclaw.session": "agent:dash:acp:1", "openclaw.requester": KEY, "acp.session": "dash-1"}),
    ] {
        let mut trial = Trial::with(40);
        trial.spawn(&metadata);
        trial.happen("update", json!({"heard": false, "by": "dash"}));
        trial.happen("failed", json!({"exit_code": 3}));
        assert_eq!(trial.told(), Vec::<String>::new(), "{metadata}");
    }
}

#[test]
fn what_is_owed_is_kept_and_found_again() {
    let mut trial = Trial::with(40);
    trial.spawn(&json!({}));
    trial.happen("completed", json!({"exit_code": 0}));
    trial.outbox.read_to(Seq(2));
    let told = trial.told();
    assert_eq!(told.len(), 1);
    let kept: Kept =
        serde_json::from_str(&serde_json::to_string(&trial.outbox.keep()).unwrap()).unwrap();
    assert_eq!(kept.cursor, Some(Seq(2)));
    let session = &kept.sessions[KEY];
    assert_eq!(session.owed.len(), 1);
    assert_eq!(session.sent.as_ref().unwrap().marker, "i-2");
    let mut again = Outbox::new(kept, trial.outbox.pace(), trial.now);
    assert_eq!(again.wordless(), [AgentId::from_bits(1)]);
    again.tell(AgentId::from_bits(1), |_| Words::default());
    let later = trial.now + std::time::Duration::from_secs(10);
    let orders = again.due(later, Timestamp::now());
    assert!(matches!(&orders[..], [(_, Order::Message(Step::Look { .. }))]), "{orders:?}");
}

#[test]
fn what_is_read_again_after_a_restart_is_shown_once() {
    let mut trial = Trial::with(40);
    // An agent that an earlier daemon knew, whose last words are still fresh.
    let event = trial.event("output", json!({"stream": "stdout", "text": "the answer\n"}));
    trial.roster.add_unknown(&event);
    trial.take(&event);
    trial.happen("completed", json!({"exit_code": 0, "result": "earlier\nthe answer\n"}));
    assert_eq!(trial.told().concat().matches("the answer").count(), 1);
}
