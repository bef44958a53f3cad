use serde_json::{Value, json};

use super::*;
use crate::model::MessageId;

fn event(kind: &str, data: &Value) -> String {
    json!({
        "seq": 5, "time": "2026-01-01T00:00:00Z", "type": format!("agent.{kind}"),
        "agent_id": AgentId::from_bits(1), "label": null, "session": null, "data": data,
    })
    .to_string()
}

fn first() -> Turn {
    Turn::new(AgentId::from_bits(1), Begin::Spawn, true)
}

fn of_message(state: Delivery) -> Turn {
    Turn::of(&MessageAnswer {
        agent_id: AgentId::from_bits(1),
        message_id: MessageId::from_bits(7),
        state,
        seq: Seq(4),
    })
}

fn input(message: u64, state: &str) -> String {
    let id = MessageId::from_bits(message);
    event("input", &json!({ "message_id": id, "state": state, "by": "x" }))
}

fn text(text: &str) -> Step {
    Step::Update(chunk("agent_message_chunk", text))
}

#[test]
fn a_turn_is_over_when_the_agent_waits() {
    let mut turn = first();
    assert_eq!(turn.take(&event("started", &json!({}))), []);
    assert_eq!(turn.take(&event("message", &json!({"text": "hi"}))), [text("hi")]);
    let over = |reason| [Step::Over(Outcome::Stopped(reason))];
    assert_eq!(turn.take(&event("waiting", &json!({}))), over("end_turn"));
    for (given, expected) in [
        ("refusal", "refusal"),
        ("max_turn_requests", "max_turn_requests"),
        ("cancelled", "cancelled"),
        ("because", "end_turn"),
    ] {
        assert_eq!(first().take(&event("waiting", &json!({"stop_reason": given}))), over(expected));
    }
}

#[test]
fn what_comes_before_the_message_belongs_to_another_turn() {
    let mut turn = of_message(Delivery::Queued);
    assert_eq!(turn.take(&event("message", &json!({"text": "of before"}))), []);
    assert_eq!(turn.take(&event("waiting", &json!({}))), []);
    assert_eq!(turn.take(&input(8, "delivered")), []);
    assert_eq!(turn.take(&input(7, "delivered")), [Step::Begun]);
    assert_eq!(turn.take(&event("message", &json!({"text": "hi"}))), [text("hi")]);
    assert!(matches!(turn.take(&event("waiting", &json!({})))[..], [Step::Over(_)]));
}

#[test]
fn a_message_that_nobody_got_is_still_to_be_given_to_somebody() {
    for last in [input(7, "refused"), event("completed", &json!({})), event("failed", &json!({}))] {
        let steps = of_message(Delivery::Queued).take(&last);
        assert!(matches!(steps[..], [Step::Over(Outcome::Undelivered(_))]), "{steps:?}");
    }
    let steps = of_message(Delivery::Queued).take(&event("killed", &json!({})));
    assert!(matches!(steps[..], [Step::Over(Outcome::Killed(_))]), "{steps:?}");
}

#[test]
fn a_failure_says_why_with_the_last_words() {
    let mut turn = first();
    let noise = "é".repeat(LAST_WORDS_MAX) + " no such key\n";
    let stderr = json!({"stream": "stderr", "text": noise});
    assert_eq!(turn.take(&event("output", &stderr)), []);
    let end = event("failed", &json!({"exit_code": 3, "reason": "it gave up"}));
    let steps = turn.take(&end);
    let [Step::Over(Outcome::Failed(trouble))] = &steps[..] else { panic!("{steps:?}") };
    let message = trouble.to_string();
    for part in ["failed", "it gave up", "exit code 3", "no such key"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(message.len() < LAST_WORDS_MAX + 300, "{}", message.len());
}

#[test]
fn a_result_that_was_never_said_is_said_at_the_end() {
    let end = event("completed", &json!({"exit_code": 0, "result": "42"}));
    let over = Step::Over(Outcome::Stopped("end_turn"));
    assert_eq!(first().take(&end), [text("42"), over]);
    let mut turn = first();
    turn.take(&event("output", &json!({"stream": "stdout", "text": "42\n"})));
    assert_eq!(turn.take(&end).len(), 1, "it was said already");
    assert_eq!(of_message(Delivery::Delivered).take(&end).len(), 1, "it may be an earlier turn's");
}

#[test]
fn events_of_the_future_mean_nothing() {
    for strange in ["", "{}", "[]", &event("sang", &json!({})), &event("input", &json!(7))] {
        assert_eq!(first().take(strange), [], "{strange}");
    }
}
