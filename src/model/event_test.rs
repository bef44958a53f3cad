use super::*;

#[test]
fn types_survive_text() {
    for kind in EventType::ALL {
        assert_eq!(kind.as_str().parse(), Ok(*kind));
    }
    assert_eq!("output".parse(), Ok(EventType::Output));
    assert!("agent.".parse::<EventType>().is_err());
}

#[test]
fn facts_survive_their_data() {
    let facts = [
        Fact::Started(Started { pid: Some(1), process_start: Some(2) }),
        Fact::Output(Output {
            stream: Stream::Stderr,
            text: "a\u{1b}[2J\n".into(),
            offset: 3,
            bytes: 6,
            partial: false,
            truncated: 0,
        }),
        Fact::Message(Said::whole("hi")),
        Fact::Update(EventType::Plan, serde_json::json!({"entries": []})),
        Fact::Input(Input {
            message_id: MessageId::from_bits(7),
            state: Delivery::Refused,
            text: None,
            reason: Some("it has ended".into()),
            by: Actor::daemon(),
        }),
        Fact::Stopping(Stopping {
            cause: StopCause::Timeout,
            by: Actor::daemon(),
            signal: Signal::TERM,
            grace_ms: 10_000,
            reason: None,
        }),
        Fact::End(EventType::Failed, End { exit_code: Some(3), ..End::default() }),
    ];
    for fact in facts {
        let back = Fact::from_data(fact.event_type(), &fact.to_data()).unwrap();
        assert_eq!(back, fact);
    }
}
