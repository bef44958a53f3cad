//! Scripts, played on a clock that does not run by itself.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::model::{Agent, Runtime as Kind, Spec};
use crate::runtime::testing::{Attended, Heard, agent, attend, spec};

fn scripted(script: &str) -> Agent {
    agent(Spec { task: Some(script.into()), ..spec(Kind::Scripted) }, None)
}

fn play(script: &str) -> Attended {
    let runtime: Arc<dyn Runtime> = Arc::new(Scripted);
    attend(&runtime, &scripted(script))
}

fn said(text: &str) -> Heard {
    Heard::Fact(Fact::Message(Said::whole(text)))
}

#[tokio::test(start_paused = true)]
async fn it_does_what_the_script_says() {
    let began = tokio::time::Instant::now();
    let mut it = play("say I am {i}; repeat 2 think hm\nsleep 20s; say done; exit 7; say never");
    let exit = it.exit().await;
    assert_eq!(exit, Exit { code: Some(7), ..Exit::default() });
    assert!(began.elapsed() >= Duration::from_secs(20));
    let thought = Heard::Fact(Fact::Thought(Said::whole("hm")));
    let started = Heard::Fact(Fact::Started(Started::default()));
    let expected = [started, said("I am 3"), thought.clone(), thought, said("done")];
    assert_eq!(it.heard(), expected);
}

#[tokio::test(start_paused = true)]
async fn it_waits_and_hears() {
    let mut it = play("wait; wait");
    let first = it.send(1, "one").await;
    it.hears("the first", |it| it.heard().contains(&said("heard: one"))).await;
    let second = it.send(2, "two").await;
    assert_eq!(it.exit().await, Exit { code: Some(0), ..Exit::default() });
    let expected = [
        waiting(1, "end_turn"),
        Heard::Delivered(first),
        said("heard: one"),
        waiting(2, "end_turn"),
        Heard::Delivered(second),
        said("heard: two"),
    ];
    assert_eq!(it.heard()[1..], expected);
}

fn waiting(turn: u32, reason: &str) -> Heard {
    let (stop_reason, turn) = (Some(reason.to_owned()), Some(turn));
    Heard::Fact(Fact::Waiting(Waiting { stop_reason, turn, ..Waiting::default() }))
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_turn_ends_and_the_next_can_begin() {
    let it = play("say a; repeat 3 sleep 9h; say never; wait; say b; sleep 9h; say never");
    it.hears("the first", |it| it.heard().contains(&said("a"))).await;
    it.control.send(Control::Cancel).await.unwrap();
    it.hears("its end", |it| it.heard().contains(&waiting(1, "cancelled"))).await;
    it.send(1, "go on").await;
    it.hears("the second", |it| it.heard().contains(&said("b"))).await;
    it.control.send(Control::Cancel).await.unwrap();
    it.hears("its end", |it| it.heard().contains(&waiting(2, "cancelled"))).await;
    assert!(!it.heard().contains(&said("never")));
}

#[tokio::test(start_paused = true)]
async fn it_asks_and_goes_on_with_the_answer() {
    let mut it = play("ask touch x; say after");
    it.hears("the request", |it| !it.agent().asks().is_empty()).await;
    assert!(!it.heard().contains(&said("after")));
    let option = Some("reject_once".to_owned());
    let answer = |id: &str, option: &Option<String>| {
        let (request_id, option) = (id.to_owned(), option.clone());
        Control::Permission(Box::new(crate::runtime::Decided {
            request_id,
            allowed: false,
            option,
        }))
    };
    it.control.send(answer("7", &option)).await.unwrap();
    it.control.send(answer("1", &option)).await.unwrap();
    assert_eq!(it.exit().await.code, Some(0));
    let said_so = it.heard().iter().filter(|heard| **heard == said("denied: reject_once")).count();
    assert_eq!(said_so, 1);
    assert_eq!(it.heard().last(), Some(&said("after")));
}

#[tokio::test(start_paused = true)]
async fn it_stops_at_once() {
    for (stop, signal) in [(Stop::Ask(Signal::TERM), Signal::TERM), (Stop::Now, Signal::KILL)] {
        for script in ["sleep 9h", "wait", "repeat 4000000000 repeat 4000000000 sleep 0s"] {
            let mut it = play(script);
            it.started().await;
            it.stop.send(stop).unwrap();
            assert_eq!(it.exit().await.signal, Some(signal), "{script}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn failures_say_why() {
    assert_eq!(play("fail no {i}").exit().await.reason.as_deref(), Some("no 3"));
    assert!(play("dance").exit().await.reason.unwrap().contains("no statement"));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_it_never_waits_for_is_undeliverable() {
    let mut it = play("sleep 1s");
    let id = it.send(1, "hello").await;
    it.exit().await;
    assert!(
        matches!(it.heard().last(), Some(Heard::Undeliverable(lost, _)) if *lost == id),
        "{:?}",
        it.heard()
    );
}

#[tokio::test(start_paused = true)]
async fn it_does_not_outlive_the_daemon() {
    let it = play("sleep 9h");
    it.started().await;
    let agent = it.crash().await;
    let runtime: Arc<dyn Runtime> = Arc::new(Scripted);
    let mut back = attend(&runtime, &agent);
    let exit = back.exit().await;
    assert!(exit.unseen && exit.reason.unwrap().contains("daemon"));
    assert_eq!(back.heard(), []);
}
