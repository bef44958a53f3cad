//! `dash send`.

use insta::assert_snapshot;
use serde_json::json;

use super::{redacted, started, started_with, told};
use crate::env::TestEnv;

/// An agent that writes what it is sent.
fn with_cat() -> TestEnv {
    let env = started();
    let _ = env.spawn(["-l", "cat", "--stdin", "--", "cat"]);
    env.until("cat", "it runs", |agent| agent["status"] == "running");
    env
}

/// Waits until the agent wrote this, as a line.
fn wrote(env: &TestEnv, line: &str) {
    crate::env::eventually(line, || {
        let logs = env.run(["logs", "cat"]).success().stdout;
        if logs.lines().any(|it| it == line) { Ok(()) } else { Err(logs) }
    });
}

#[test]
fn a_message_reaches_standard_input() {
    let env = with_cat();
    let _redacted = redacted();
    assert_snapshot!(told(&env.run(["send", "cat", "hello there"])), @r#"
    delivered [message] to [id]
    -- exit 0
    "#);
    wrote(&env, "hello there");
    let answer = env.run(["send", "--json", "--wait", "cat", "again"]).success().one();
    assert_eq!(answer["state"], "delivered");
    wrote(&env, "again");
}

#[test]
fn text_is_taken_as_it_is() {
    let env = with_cat();
    for text in ["--kill", "-", "-rf", "--"] {
        let _ = env.run(["send", "cat", "--", text]).success();
        wrote(&env, text);
    }
    let _ = env.run_with_input(["send", "cat", "-"], b"piped\nin two lines").success();
    wrote(&env, "piped");
    wrote(&env, "in two lines");
    let _ = env.run(["send", "cat", ""]).code(2);
    assert_eq!(env.agent("cat")["status"], "running");
}

#[test]
fn an_agent_without_standard_input_refuses() {
    let env = started();
    let _redacted = redacted();
    let _ = env.spawn(["-l", "deaf", "--", "sleep", "600"]);
    env.until("deaf", "it runs", |agent| agent["status"] == "running");
    assert_snapshot!(told(&env.run(["send", "deaf", "hello"])), @r#"
    -- stderr
    error: agent [short] was spawned without --stdin, so it takes no messages
      hint: `dash status [id]` shows how it stands
    -- exit 5
    "#);
    assert_eq!(env.run(["send", "--json", "deaf", "x"]).code(5).error()["code"], "refused");
    let _ = env.run(["kill", "--grace", "0s", "deaf"]).success();
    assert_snapshot!(told(&env.run(["send", "deaf", "hello"])), @r#"
    -- stderr
    error: agent [short] has ended (killed)
      hint: `dash status [id]` shows how it stands
    -- exit 5
    "#);
    assert_snapshot!(told(&env.run(["send", "--wait", "nobody", "hello"])), @r#"
    -- stderr
    error: no agent is called "nobody"
      hint: `dash status --all` lists every agent
    -- exit 4
    "#);
}

#[test]
fn a_queued_agent_gets_it_when_it_runs() {
    let env = started_with("[daemon]\nmax_running = 1\n");
    let _ = env.spawn(["-l", "first", "--", "sleep", "600"]);
    let _ = env.spawn(["-l", "cat", "--stdin", "--", "cat"]);
    let answer = env.run(["send", "--json", "cat", "early"]).success().one();
    assert_eq!(answer["state"], "queued");
    assert_eq!(env.agent("cat")["messages_queued"], 1);
    let _ = env.run(["kill", "--grace", "0s", "first"]).success();
    wrote(&env, "early");
    assert_eq!(env.agent("cat")["messages_queued"], 0);
}

#[test]
fn a_message_that_is_never_delivered_is_refused_in_the_log() {
    let env = started_with("[daemon]\nmax_running = 1\n");
    let _ = env.spawn(["-l", "first", "--", "sleep", "600"]);
    let _ = env.spawn(["-l", "second", "--stdin", "--", "cat"]);
    let _ = env.run(["send", "second", "never read"]).success();
    let _ = env.run(["kill", "second"]).success();
    let inputs: Vec<_> =
        env.events("second").into_iter().filter(|it| it["type"] == "agent.input").collect();
    let states: Vec<_> = inputs.iter().map(|it| it["data"]["state"].clone()).collect();
    assert_eq!(states, ["queued", "refused"]);
}

#[test]
fn waiting_shows_what_it_answers() {
    let env = started();
    let _redacted = redacted();
    let _ =
        env.spawn(["-l", "s", "-a", "scripted", "say ready; wait; say it is done; wait; say bye"]);
    env.until("s", "it waits", |agent| agent["status"] == "waiting");
    assert_snapshot!(told(&env.run(["send", "--wait", "s", "how is it?"])), @r#"
    delivered [message] to [id]
    heard: how is it?
    it is done
    -- exit 0
    "#);
    let lines = env.run(["send", "--wait", "--json", "s", "go"]).success().json();
    let said: Vec<_> = lines.iter().filter(|it| it["type"] == "agent.message").collect();
    assert_eq!(said.len(), 2, "{lines:?}");
    assert_eq!(said[1]["data"]["text"], json!("bye"));
}

#[test]
fn the_same_key_sends_once() {
    let env = with_cat();
    let args = ["send", "--json", "--idempotency-key", "m1", "cat", "once"];
    let first = env.run(args).success().one();
    assert_eq!(env.run(args).success().one()["message_id"], first["message_id"]);
    wrote(&env, "once");
    let _ = env.run(["send", "--wait", "cat", "last"]).success();
    wrote(&env, "last");
    assert_eq!(env.run(["logs", "cat"]).success().stdout, "once\nlast\n");
}
