//! The lab itself: that a gateway runs in it, does what its model says, and leaves nothing behind.

use serde_json::json;

use super::lab::{MAIN, OPENCLAW, Setup};
use super::model::Answer;
use crate::env::eventually;

#[test]
fn heavy_a_gateway_with_a_scripted_model() {
    let mut lab = Setup::default().with_skill().start();
    let version = lab.openclaw(["--version"]).success();
    assert!(version.stdout.contains(OPENCLAW), "{version:?}");

    let client = lab.client();
    client.subscribe(MAIN);
    let turn = client.turn(MAIN, "hello there");
    assert_eq!(turn.state, "final", "{turn:#?}");
    assert!(turn.text.starts_with("ECHO: ") && turn.text.contains("hello there"), "{}", turn.text);
    let turn = client.turn(MAIN, "/dash spawn --json --label x -- sleep 600");
    assert!(turn.text.contains("\"label\":\"x\""), "{}", turn.text);
    assert_eq!(lab.dash.agent("x")["session"], MAIN);
    let several = "PARALLEL CALL exec {\"command\": \"echo one\"} CALL exec {\"command\": \"echo two\"}\nSAY both";
    assert_eq!(client.turn(MAIN, several).text, "both");
    let both = lab.model.asked().iter().any(|asked| match &asked.answer {
        Answer::Call(calls) => calls.len() == 2 && calls[1].1 == json!({"command": "echo two"}),
        Answer::Say(_) => false,
    });
    assert!(both, "{:#?}", lab.model.asked().last());

    let run = client.chat(MAIN, "HOLD here\nSAY released");
    lab.model.until("the turn holds", |asked| {
        asked.last()?.body.to_string().contains("HOLD here").then_some(())
    });
    lab.model.release("here");
    assert_eq!(client.end_of(&run, 0).text, "released");

    let pid = lab.gateway_pid().unwrap();
    lab.restart();
    client.until_closed();
    assert_ne!(lab.gateway_pid(), Some(pid));
    assert_eq!(lab.client().turn(MAIN, "SAY again").text, "again");

    let home = lab.dash.home().to_owned();
    let before = lab.processes();
    assert!(before.len() >= 3, "gateway, daemon, keeper, agent: {before:?}");
    drop(lab);
    eventually("its processes are gone", || {
        let left: Vec<_> = before.iter().filter(|pid| crate::env::alive(**pid)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    assert!(!home.exists());
}
