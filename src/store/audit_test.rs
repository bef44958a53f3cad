use std::sync::Arc;

use super::*;
use crate::model::{AgentId, Event, EventType, Seq, Spec};
use crate::store::testing;

fn agent_after(facts: &[Fact]) -> Agent {
    let Fact::Spawned(spawned) = &facts[0] else { panic!("a life begins with its spawning") };
    let mut agent = None;
    for (seq, fact) in (1..).zip(facts) {
        let event = Event {
            seq: Seq(seq),
            time: jiff::Timestamp::UNIX_EPOCH,
            kind: fact.event_type(),
            agent: AgentId::from_bits(1),
            spec: Arc::clone(&spawned.spec),
            data: fact.to_data(),
        };
        match &mut agent {
            None => agent = Agent::spawned(&event, fact),
            Some(agent) => agent.apply(&event, fact),
        }
    }
    agent.unwrap()
}

fn told(fact: &Fact) -> Option<(String, String, String, Value)> {
    let first = testing::spawned();
    let agent = agent_after(&[first, fact.clone()]);
    operation(fact, &agent)
        .map(|told| (told.actor.to_string(), told.action, told.outcome, told.detail))
}

#[test]
fn a_spawn_says_what_was_asked_for_but_no_secret_and_no_novel() {
    let spec = Spec {
        task: Some("ü".repeat(500)),
        group: Some("g".into()),
        timeout_ms: Some(5),
        ..testing::spec()
    };
    let fact = testing::spawned_as(spec);
    let told = operation(&fact, &agent_after(std::slice::from_ref(&fact))).unwrap();
    assert_eq!((told.action.as_str(), told.outcome.as_str()), ("spawn", "accepted"));
    assert_eq!(told.actor, testing::me());
    let expected = json!({
        "profile": "echo", "command": ["echo", "hi"], "task": "ü".repeat(200), "cwd": "/",
        "group": "g", "timeout_ms": 5, "env": ["LEVEL"], "index": 1,
    });
    assert_eq!(told.detail, expected);
}

#[test]
fn messages_are_sends() {
    for (state, outcome) in [
        (Delivery::Queued, "queued"),
        (Delivery::Delivered, "delivered"),
        (Delivery::Refused, "refused"),
    ] {
        let (actor, action, found, detail) = told(&testing::input(1, state)).unwrap();
        assert_eq!((&*actor, &*action, &*found), ("user:me", "send", outcome));
        assert_eq!(detail["message_id"], "m-kkkkkkkkkkkkkkkl");
        assert_eq!(detail.get("reason").is_some(), state == Delivery::Refused);
        assert!(!detail.to_string().contains("go on"), "the text itself is no matter of the trail");
    }
}

#[test]
fn orders_to_stop_are_named_by_their_cause() {
    for (cause, action) in [
        (StopCause::Kill, "kill"),
        (StopCause::Timeout, "timeout"),
        (StopCause::Shutdown, "shutdown"),
    ] {
        let (actor, found, _, detail) = told(&testing::stopping(cause)).unwrap();
        assert_eq!((&*actor, &*found), ("user:me", action));
        assert_eq!(detail, json!({"signal": "SIGTERM", "grace_ms": 10}));
    }
}

#[test]
fn an_end_is_the_daemons_word() {
    let (actor, action, outcome, detail) = told(&testing::end(EventType::Failed)).unwrap();
    assert_eq!((&*actor, &*action, &*outcome), ("daemon", "end", "failed"));
    assert_eq!(detail, json!({"exit_code": 0}));
}

#[test]
fn what_an_agent_does_by_itself_is_no_operation() {
    for fact in [
        testing::started(),
        testing::output(0, "x"),
        testing::said("x"),
        testing::waiting(),
        Fact::Update(EventType::Plan, json!({})),
    ] {
        assert_eq!(told(&fact), None, "{fact:?}");
    }
}
