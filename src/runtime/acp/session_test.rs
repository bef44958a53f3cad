//! What a daemon that comes back makes of requests that may have been answered.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::model::{Actor, Event, Permission, PermissionState, Permissions, Seq, Spawned, Started};

const WRITE: &str = "fs/write_text_file";

/// An agent in its first turn, of which people are asked, after these facts.
fn agent(facts: &[Fact]) -> Agent {
    let spec = json!({
        "runtime": "acp", "task": "do it", "cwd": "/",
        "conversation": { "permissions": Permissions::Ask },
    });
    let spec: Arc<Spec> = Arc::new(serde_json::from_value(spec).unwrap());
    let spawned = Fact::Spawned(Box::new(Spawned {
        spec: Arc::clone(&spec),
        by: Actor::user("me"),
        index: 1,
        queued: None,
        environment: None,
    }));
    let event = |seq: u64, fact: &Fact| Event {
        seq: Seq(seq),
        time: jiff::Timestamp::UNIX_EPOCH,
        kind: fact.event_type(),
        agent: AgentId::from_bits(1),
        spec: Arc::clone(&spec),
        data: fact.to_data(),
    };
    let mut agent = Agent::spawned(&event(1, &spawned), &spawned).unwrap();
    let begun = [
        Fact::Started(Started { pid: Some(7), process_start: Some(1) }),
        Fact::Update(EventType::Update, json!({ "sessionId": "s", "resumable": false })),
    ];
    for (seq, fact) in (2..).zip(begun.iter().chain(facts)) {
        agent.apply(&event(seq, fact), fact);
    }
    agent
}

fn decided(request: &str, state: PermissionState) -> Fact {
    Fact::Permission(Box::new(Permission {
        request_id: request.to_owned(),
        state,
        method: WRITE.to_owned(),
        options: Value::Null,
        tool_call: Value::Null,
        option: None,
        by: Some(Actor::user("me")),
        reason: None,
        expires_at: None,
        stdout: None,
    }))
}

/// The same, about this place.
fn about(place: &str, fact: Fact) -> Fact {
    let Fact::Permission(permission) = fact else { panic!("{fact:?}") };
    let tool_call = json!({ "locations": [{ "path": place }] });
    Fact::Permission(Box::new(Permission { tool_call, ..*permission }))
}

/// The session of a daemon that comes back, with the prompt, which is said again, taken out.
fn back(facts: &[Fact]) -> Session {
    let mut session = Session::new(&agent(facts));
    assert_eq!(session.phase, Phase::Turn);
    session.outbox.clear();
    session
}

fn write(session: &mut Session, id: u64) {
    let query = session.query(json!(id));
    session.request(&query, WRITE, json!({"sessionId": "s", "path": "/x", "content": ""}));
}

#[test]
fn what_people_decided_about_a_file_is_done_by_the_next_daemon() {
    let mut session =
        back(&[decided("5", PermissionState::Allowed), decided("6", PermissionState::Denied)]);
    write(&mut session, 5);
    write(&mut session, 6);
    write(&mut session, 7);
    let said: Vec<What> = session.outbox.drain(..).map(|out| out.what).collect();
    assert!(matches!(&said[0], What::Work(query, _) if query.name() == "5"), "{said:?}");
    assert!(matches!(&said[1], What::Line(line) if line.contains("permission denied")), "{said:?}");
    assert_eq!((said.len(), session.asks.len()), (2, 1), "the third is asked");
}

#[test]
fn an_id_that_is_used_again_is_another_request() {
    let mut session = back(&[decided("5", PermissionState::Allowed)]);
    write(&mut session, 5);
    let first = session.outbox.pop_front().unwrap();
    write(&mut session, 5);
    assert!(session.outbox.is_empty(), "what was decided was the first one");
    let asked: Vec<String> = session
        .facts
        .iter()
        .map(|fact| match fact {
            Fact::Permission(permission) => permission.request_id.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(asked, ["5#2"]);
    session.answered("5#2", true, None);
    let second = session.outbox.pop_front().unwrap();
    assert_ne!(first.key, second.key, "each has an answer of its own");
}

#[test]
fn what_became_of_a_request_in_one_turn_says_nothing_about_the_next() {
    for state in [PermissionState::Allowed, PermissionState::Asked] {
        let mut session = back(&[decided("5", state)]);
        session.take_message(&Message { id: MessageId::from_bits(1), text: "go on".into() });
        session.outbox.clear();
        write(&mut session, 5);
        assert!(session.outbox.is_empty());
        assert_eq!(
            (session.asks.len(), session.facts.len()),
            (1, 1),
            "people are asked: {state:?}"
        );
    }
}

#[test]
fn what_leads_elsewhere_by_now_is_not_what_people_were_asked_about() {
    for state in [PermissionState::Allowed, PermissionState::Asked] {
        for (place, same) in [("/x", true), ("/y", false)] {
            let mut session = back(&[about(place, decided("5", state))]);
            write(&mut session, 5);
            let said: Vec<What> = session.outbox.drain(..).map(|out| out.what).collect();
            if same {
                assert!(session.facts.is_empty());
                let asks_on = state == PermissionState::Asked;
                assert_eq!(
                    (said.len(), session.asks.len()),
                    (usize::from(!asks_on), usize::from(asks_on))
                );
                continue;
            }
            assert!(
                matches!(&said[..], [What::Line(line)] if line.contains("elsewhere")),
                "{said:?}"
            );
            let [Fact::Permission(denied)] = &session.facts[..] else {
                panic!("{:?}", session.facts)
            };
            assert_eq!((denied.state, session.asks.len()), (PermissionState::Denied, 0));
            // Once more a daemon died, and this time the refusal was recorded.
            let mut session = back(&[about(place, decided("5", state)), session.facts[0].clone()]);
            write(&mut session, 5);
            assert!(session.facts.is_empty(), "{:?}", session.facts);
            assert!(matches!(session.outbox[0].what, What::Line(_)));
        }
    }
}

#[test]
fn people_who_were_asked_are_asked_on() {
    let home = tempfile::tempdir().unwrap();
    let place = home.path().canonicalize().unwrap().join("x");
    // The policy would allow it by itself: it is inside of "/".
    let asked = about(place.to_str().unwrap(), decided("5", PermissionState::Asked));
    let mut session = back(&[asked]);
    let query = session.query(json!(5));
    let params = json!({"sessionId": "s", "path": place});
    session.request(&query, "fs/read_text_file", params);
    assert_eq!((session.outbox.len(), session.asks.len()), (0, 1));
}
