//! Properties of the fold: whatever is admitted, in whatever order, leaves an agent that makes sense.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::{Output, Runtime, Said, Spawned, Started, Stopping, Waiting};

fn spec() -> Arc<Spec> {
    Arc::new(Spec {
        runtime: Runtime::Command,
        profile: None,
        label: Some("it".into()),
        metadata: BTreeMap::new(),
        group: None,
        session: None,
        command: Some(vec!["true".into()]),
        program: None,
        task: None,
        cwd: "/".into(),
        env: Vec::new(),
        timeout_ms: None,
        model: None,
        memory_mb: None,
        stdin: true,
        conversation: crate::model::Conversation::default(),
        ancestors: Vec::new(),
        children: None,
    })
}

fn event(seq: u64, fact: &Fact) -> Event {
    Event {
        seq: Seq(seq),
        time: Timestamp::from_second(i64::try_from(seq).unwrap()).unwrap(),
        kind: fact.event_type(),
        agent: AgentId::from_bits(1),
        spec: spec(),
        data: fact.to_data(),
    }
}

fn spawned(queued: bool) -> Fact {
    Fact::Spawned(Box::new(Spawned {
        spec: spec(),
        by: Actor::user("me"),
        index: 1,
        queued: queued.then(|| "full".into()),
        environment: None,
    }))
}

fn input(id: u64, state: Delivery) -> Fact {
    Fact::Input(Input {
        message_id: MessageId::from_bits(id),
        state,
        text: None,
        reason: None,
        by: Actor::user("me"),
    })
}

fn any_fact() -> impl Strategy<Value = Fact> {
    let state =
        prop_oneof![Just(Delivery::Queued), Just(Delivery::Delivered), Just(Delivery::Refused)];
    prop_oneof![
        any::<bool>().prop_map(spawned),
        Just(Fact::Started(Started { pid: Some(7), process_start: Some(8) })),
        (0..99u64, 1..9u64).prop_map(|(offset, bytes)| Fact::Output(Output {
            stream: Stream::Stdout,
            text: "x".into(),
            offset,
            bytes,
            partial: false,
            truncated: 0,
        })),
        Just(Fact::Message(Said::whole("said"))),
        (0..3u64, state).prop_map(|(id, state)| input(id, state)),
        Just(Fact::Waiting(Waiting::default())),
        Just(Fact::Stopping(Stopping {
            cause: StopCause::Kill,
            by: Actor::user("me"),
            signal: Signal::TERM,
            grace_ms: 1,
            reason: None,
        })),
        prop::sample::select(EventType::ENDS.to_vec())
            .prop_map(|kind| Fact::End(kind, End::default())),
    ]
}

proptest! {
    #[test]
    fn a_life_has_one_end_and_says_the_truth(
        queued: bool,
        facts in prop::collection::vec(any_fact(), 0..40),
    ) {
        let first = spawned(queued);
        let mut agent = Agent::spawned(&event(1, &first), &first).unwrap();
        let mut recorded = vec![first];
        for fact in facts {
            if agent.admits(&fact).is_ok() {
                let seq = u64::try_from(recorded.len()).unwrap() + 1;
                agent.apply(&event(seq, &fact), &fact);
                recorded.push(fact);
            }
        }
        let ends = recorded.iter().filter(|fact| fact.event_type().is_end()).count();
        prop_assert!(ends <= 1);
        prop_assert_eq!(agent.status.is_end(), ends == 1);
        prop_assert_eq!(agent.ended_at.is_some(), ends == 1);
        prop_assert_eq!(agent.last_seq, Seq(u64::try_from(recorded.len()).unwrap()));
        let started = recorded.iter().any(|fact| matches!(fact, Fact::Started(_)));
        prop_assert_eq!(agent.started_at.is_some(), started);
        prop_assert!(!agent.status.is_end() || agent.inbox.is_empty());
        if agent.status == Status::Queued {
            prop_assert!(agent.queued.is_some() && !started);
        }

        // A snapshot of the fold is as good as the events that made it.
        let text = serde_json::to_string(&agent).unwrap();
        prop_assert_eq!(serde_json::from_str::<Agent>(&text).unwrap(), agent);
    }
}

#[test]
fn a_delivered_message_wakes_an_agent_that_waits() {
    let first = spawned(false);
    let mut agent = Agent::spawned(&event(1, &first), &first).unwrap();
    let life = [
        Fact::Started(Started::default()),
        Fact::Waiting(Waiting::default()),
        input(1, Delivery::Queued),
        input(1, Delivery::Delivered),
    ];
    let mut seen = Vec::new();
    for (seq, fact) in (2..).zip(&life) {
        agent.apply(&event(seq, fact), fact);
        seen.push((agent.status, agent.inbox.len()));
    }
    let expected =
        [(Status::Running, 0), (Status::Waiting, 0), (Status::Waiting, 1), (Status::Running, 0)];
    assert_eq!(seen, expected);
}

#[test]
fn an_end_is_final() {
    let first = spawned(false);
    let mut agent = Agent::spawned(&event(1, &first), &first).unwrap();
    let end = Fact::End(EventType::Completed, End { exit_code: Some(0), ..End::default() });
    agent.apply(&event(2, &end), &end);
    assert_eq!(agent.status, Status::Completed);
    let refused = agent.admits(&end).unwrap_err();
    assert_eq!(refused.status, Status::Completed);
}
