//! Orders about a conversation, decided without a process or a clock.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::model::{
    Delivery, Event, Input, MessageId, Runtime, Seq, Spawned, Spec, Started, Waiting,
};

fn spec(runtime: Runtime) -> Spec {
    let spec = json!({
        "runtime": runtime, "task": "do it", "cwd": "/",
        "conversation": { "ask_timeout_ms": 1000 },
    });
    serde_json::from_value(spec).unwrap()
}

/// An agent to which these facts have happened.
fn agent(runtime: Runtime, facts: &[Fact]) -> Agent {
    let spec = Arc::new(spec(runtime));
    let spawned = Fact::Spawned(Box::new(Spawned {
        spec: Arc::clone(&spec),
        by: Actor::user("me"),
        index: 1,
        queued: None,
        environment: None,
    }));
    let event = |seq: u64, fact: &Fact| Event {
        seq: Seq(seq),
        time: Timestamp::UNIX_EPOCH,
        kind: fact.event_type(),
        agent: AgentId::from_bits(1),
        spec: Arc::clone(&spec),
        data: fact.to_data(),
    };
    let mut agent = Agent::spawned(&event(1, &spawned), &spawned).unwrap();
    for (seq, fact) in (2..).zip(facts) {
        agent.apply(&event(seq, fact), fact);
    }
    agent
}

fn asked(id: &str, expires: i64) -> Fact {
    Fact::Permission(Box::new(Permission {
        request_id: id.to_owned(),
        state: PermissionState::Asked,
        method: "session/request_permission".into(),
        options: json!([
            { "optionId": "y", "name": "Yes", "kind": "allow_once" },
            { "optionId": "n", "name": "No", "kind": "reject_once" },
        ]),
        tool_call: json!({ "toolCallId": "t", "title": "touch x" }),
        option: None,
        by: None,
        reason: None,
        expires_at: Timestamp::from_second(expires).ok(),
        stdout: None,
    }))
}

fn started() -> Fact {
    Fact::Started(Started::default())
}

fn facts(actions: Vec<Action>) -> Vec<Fact> {
    let fact = |action| match action {
        Action::Record(fact) => Some(fact),
        _ => None,
    };
    actions.into_iter().filter_map(fact).collect()
}

fn me() -> Actor {
    Actor::user("me")
}

#[test]
fn a_turn_ends_and_the_agent_does_not() {
    let running = agent(Runtime::Acp, &[started()]);
    let actions = steer(&running, &Steer::Cancel, &me()).unwrap();
    assert!(actions.contains(&Action::Cancel));
    let cancelling = agent(Runtime::Acp, &[vec![started()], facts(actions)].concat());
    assert!(cancelling.in_turn());
    assert_eq!(steer(&cancelling, &Steer::Cancel, &me()), Ok(Vec::new()), "asked once is enough");
    let over = agent(Runtime::Acp, &[started(), Fact::Waiting(Waiting::default())]);
    assert!(steer(&over, &Steer::Cancel, &me()).unwrap_err().contains("no turn"));
    let command = agent(Runtime::Command, &[started()]);
    assert!(steer(&command, &Steer::Cancel, &me()).unwrap_err().contains("is a command"));
    let queued = agent(Runtime::Acp, &[]);
    assert!(steer(&queued, &Steer::Cancel, &me()).unwrap_err().contains("not started"));
}

#[test]
fn turns_are_counted_from_the_task() {
    let delivered = Fact::Input(Input {
        message_id: MessageId::from_bits(1),
        state: Delivery::Delivered,
        text: None,
        reason: None,
        by: me(),
    });
    let waiting = Fact::Waiting(Waiting { stdout: Some(70), ..Waiting::default() });
    let agent = agent(Runtime::Acp, &[started(), waiting, delivered]);
    let talk = agent.talk.as_ref().unwrap();
    assert_eq!((talk.turn, talk.turn_from, talk.usage.turns), (2, 70, 1));
    assert_eq!(agent.status, crate::model::Status::Running);
}

#[test]
fn an_answer_is_for_the_oldest_request_or_the_named_one() {
    let asking = agent(Runtime::Acp, &[started(), asked("1", 9), asked("2", 9)]);
    assert_eq!(asking.status, crate::model::Status::Waiting);
    assert!(asking.reason().unwrap().contains("touch x"));
    let answer = |body: PermissionBody| steer(&asking, &Steer::Answer(body), &me());
    let told = |actions: Vec<Action>| match &actions[..] {
        [
            Action::Record(Fact::Permission(fact)),
            Action::Decided { request_id, allowed, option },
        ] => {
            assert_eq!((&fact.request_id, &fact.option), (request_id, option));
            assert_eq!(fact.by, Some(me()));
            (request_id.clone(), *allowed, option.clone().unwrap_or_default())
        }
        other => panic!("{other:?}"),
    };
    let body = |allow, option: Option<&str>, id: Option<&str>| PermissionBody {
        allow,
        option: option.map(Into::into),
        request_id: id.map(Into::into),
    };
    let of = |id: &str, allowed, option: &str| (id.to_owned(), allowed, option.to_owned());
    assert_eq!(told(answer(body(Some(true), None, None)).unwrap()), of("1", true, "y"));
    assert_eq!(told(answer(body(Some(false), None, Some("2"))).unwrap()), of("2", false, "n"));
    assert_eq!(told(answer(body(Some(true), Some("n"), None)).unwrap()), of("1", false, "n"));
    assert!(answer(body(None, Some("x"), None)).unwrap_err().contains("y, n"));
    assert!(answer(body(Some(true), None, Some("3"))).unwrap_err().contains("does not ask"));

    let both = [body(Some(true), None, None), body(Some(true), None, Some("2"))];
    let both = both.map(|body| facts(answer(body).unwrap())).concat();
    let asks = [started(), asked("1", 9), asked("2", 9)].to_vec();
    let answered = agent(Runtime::Acp, &[asks, both].concat());
    assert_eq!(answered.status, crate::model::Status::Running);
    assert_eq!(answered.talk.unwrap().decided.len(), 2);
}

#[test]
fn nobody_answering_denies() {
    let asking = agent(Runtime::Acp, &[started(), asked("1", 10), asked("2", 30)]);
    let actions = expire(&asking, Timestamp::from_second(20).unwrap());
    let [Action::Record(Fact::Permission(fact)), Action::Decided { allowed, .. }, armed] =
        &actions[..]
    else {
        panic!("{actions:?}")
    };
    assert_eq!((fact.state, *allowed), (PermissionState::Expired, false));
    assert_eq!(fact.option.as_deref(), Some("n"));
    assert_eq!(*armed, Action::Arm(Timer::Ask, Duration::from_secs(10)));
    assert_eq!(expire(&asking, Timestamp::UNIX_EPOCH).len(), 1, "only the timer");
}
