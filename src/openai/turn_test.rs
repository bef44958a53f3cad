use std::sync::Arc;

use super::*;
use crate::model::{Actor, AgentId, Runtime, Seq, Spec, Waiting};

fn event(fact: &Fact) -> Event {
    let spec = Spec {
        runtime: Runtime::Scripted,
        ..serde_json::from_value(serde_json::json!({"runtime": "scripted", "cwd": "/"})).unwrap()
    };
    Event {
        seq: Seq(1),
        time: jiff::Timestamp::UNIX_EPOCH,
        kind: fact.event_type(),
        agent: AgentId::from_bits(1),
        spec: Arc::new(spec),
        data: fact.to_data(),
    }
}

fn said(text: &str) -> Event {
    let data = serde_json::json!({"text": text});
    let mut event = event(&Fact::Waiting(Waiting::default()));
    event.kind = EventType::Message;
    event.data = serde_json::value::to_raw_value(&data).unwrap();
    event
}

#[test]
fn a_turn_is_what_is_said_between_its_message_and_the_waiting() {
    let id = MessageId::from_bits(7);
    let mut turn = Turn::new(Some(id));
    assert!(turn.hear(&said("of the turn before")).is_empty());
    let delivered = Fact::Input(Input {
        message_id: id,
        state: Delivery::Delivered,
        text: None,
        reason: None,
        by: Actor::daemon(),
    });
    assert!(turn.hear(&event(&delivered)).is_empty());
    assert_eq!(turn.hear(&said("a")), [Piece::Text("a".into())]);
    assert_eq!(turn.hear(&said("b")), [Piece::Text("\n\nb".into())]);
    let over = turn.hear(&event(&Fact::Waiting(Waiting::default())));
    assert_eq!(over, [Piece::Over(Finish::Stop)]);
    assert!(turn.hear(&said("c")).is_empty() && turn.is_over());
}

#[test]
fn an_end_that_is_not_well_is_never_an_answer() {
    for kind in [EventType::Failed, EventType::Killed, EventType::TimedOut, EventType::Lost] {
        let end = End { exit_code: Some(3), reason: Some("why".into()), ..End::default() };
        let pieces = Turn::new(None).hear(&event(&Fact::End(kind, end)));
        let [Piece::Failed(failed)] = &pieces[..] else { panic!("{pieces:?}") };
        assert!(failed.message.contains("why"), "{failed:?}");
    }
    let end = Fact::End(EventType::Completed, End::default());
    let silent = Turn::new(None).hear(&event(&end));
    assert_eq!(silent, [Piece::Text(NOTHING.into()), Piece::Over(Finish::Stop)]);
    let unheard = Turn::new(Some(MessageId::from_bits(1))).hear(&event(&end));
    assert!(matches!(&unheard[..], [Piece::Failed(_)]), "{unheard:?}");
}

#[test]
fn a_question_names_the_command_that_answers_it_in_a_chat() {
    let mut asked = said("");
    asked.kind = EventType::Permission;
    let data = serde_json::json!({"state": "asked", "toolCall": {"title": "rm -r\nbuild"}});
    asked.data = serde_json::value::to_raw_value(&data).unwrap();
    let id = AgentId::from_bits(1);
    let pieces = Turn::new(None).hear(&asked);
    let [Piece::Text(text)] = &pieces[..] else { panic!("{pieces:?}") };
    assert!(text.contains("asks whether it may: rm -r build."), "{text}");
    assert!(text.contains(&format!("`dashctl allow {id}` or `dashctl deny {id}`")), "{text}");
}
