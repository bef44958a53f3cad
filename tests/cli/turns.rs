//! Conversations: turns that are ended, permission requests that are answered, limits that make no
//! sense. The agents are the built-in scripted ones, which need no process.

use serde_json::json;

use super::started;

#[test]
fn a_turn_is_ended_and_the_agent_takes_messages_again() {
    let env = started();
    let _ = env.spawn(["-l", "a", "-a", "scripted", "say busy; sleep 1h; wait; say done; wait"]);
    env.until("a", "it is busy", |agent| agent["result"] == "busy");
    let agent = env.run(["kill", "--turn", "--json", "a"]).success().one();
    assert_eq!((&agent["status"], &agent["turn"]), (&json!("waiting"), &json!(1)));
    let output = env.run(["send", "--wait", "a", "go on"]).success();
    assert!(output.stdout.ends_with("done\n"), "{output:?}");
    let again = env.run(["kill", "--turn", "--json", "a"]).code(5).error();
    assert!(again["message"].as_str().unwrap().contains("no turn"), "{again}");
    let _ = env.run(["kill", "a"]).success();
    let events = env.events("a");
    let end = events.iter().find(|event| event["type"] == "agent.waiting").unwrap();
    assert_eq!(end["data"]["stop_reason"], "cancelled");
    let audit = env.run(["audit", "--json"]).success().json();
    assert!(audit.iter().any(|record| record["action"] == "cancel"), "{audit:?}");
}

#[test]
fn a_command_has_no_turn_and_asks_for_nothing() {
    let env = started();
    let _ = env.spawn(["-l", "c", "--", "sleep", "1000"]);
    env.until("c", "it runs", |agent| agent["status"] == "running");
    for args in [&["kill", "--turn", "c"][..], &["allow", "c"], &["set", "--mode", "x", "c"]] {
        let output = env.run(args).code(5);
        assert!(output.stderr.contains("is a command"), "{output:?}");
    }
    let output = env.run(["spawn", "--once", "--", "true"]).code(2);
    assert!(output.stderr.contains("--once"), "{output:?}");
}

#[test]
fn an_agent_that_asks_waits_for_the_answer() {
    let env = started();
    let script = "ask touch x; ask touch y; ask touch z; wait";
    let _ = env.spawn(["-l", "a", "-a", "scripted", "--permissions", "ask", script]);
    let agent = env.until("a", "it asks", |agent| agent["asks"].is_object());
    assert_eq!(agent["status"], "waiting");
    assert_eq!(agent["reason"], "it asks for your permission: touch x");
    assert_eq!(agent["asks"]["options"][0]["optionId"], "allow_once");
    assert!(env.run(["status", "a"]).success().stdout.contains("dash allow"));

    let output = env.run(["allow", "a"]).success();
    assert!(output.stdout.contains("allowed: touch x"), "{output:?}");
    env.until("a", "it asks again", |agent| agent["asks"]["toolCall"]["title"] == "touch y");
    let wrong = env.run(["allow", "a", "maybe"]).code(5);
    assert!(wrong.stderr.contains("allow_once, allow_always, reject_once"), "{wrong:?}");
    let _ = env.run(["deny", "a"]).success();
    env.until("a", "it asks again", |agent| agent["asks"]["toolCall"]["title"] == "touch z");
    let _ = env.run(["allow", "a", "allow_always"]).success();
    env.until("a", "it waits", |agent| agent["asks"].is_null() && agent["turn"] == 1);
    let nothing = env.run(["deny", "a"]).code(5);
    assert!(nothing.stderr.contains("does not ask"), "{nothing:?}");
    let _ = env.run(["kill", "a"]).success();
    let said: Vec<_> =
        env.events("a").into_iter().filter(|event| event["type"] == "agent.message").collect();
    let said: Vec<_> = said.iter().map(|event| &event["data"]["text"]).collect();
    assert_eq!(said, ["allowed: allow_once", "denied: reject_once", "allowed: allow_always"]);

    let audit = env.run(["audit", "--json"]).success().json();
    let outcomes: Vec<_> = audit
        .iter()
        .filter(|record| record["action"] == "permission")
        .map(|record| record["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["asked", "allowed", "asked", "denied", "asked", "allowed"]);
}

#[test]
fn a_request_that_nobody_answers_is_denied() {
    let env = super::started_with(
        "[profiles.hasty]\nruntime = \"scripted\"\nask_timeout_ms = 50\npermissions = \"ask\"\n",
    );
    let _ = env.spawn(["-l", "a", "-a", "hasty", "ask touch x; say after; wait"]);
    env.until("a", "it goes on", |agent| agent["result"] == "after");
    let _ = env.run(["kill", "a"]).success();
    let events = env.events("a");
    let states: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "agent.permission")
        .map(|event| event["data"]["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["asked", "expired"]);
    assert!(events.iter().any(|event| event["data"]["text"] == "denied: reject_once"));
}

#[test]
fn one_turn_is_enough_when_it_was_asked_for() {
    let env = started();
    let _ = env.spawn(["-l", "a", "-a", "scripted", "--once", "say hi; wait; say never"]);
    let agent = env.until("a", "it ends", |agent| agent["ended_at"].is_string());
    assert_eq!((&agent["status"], &agent["result"]), (&json!("completed"), &json!("hi")));
    let _ = env.spawn(["-l", "b", "-a", "scripted", "--once", "sleep 600s"]);
    env.until("b", "it runs", |agent| agent["status"] == "running");
    let _ = env.run(["kill", "--turn", "b"]).success();
    let agent = env.until("b", "it ends", |agent| agent["ended_at"].is_string());
    assert_eq!(agent["status"], "failed", "a turn that was cut short: {agent}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let env = started();
    let task = ["-a", "scripted", "wait"];
    for (flags, expected) in [
        (&["--permissions", "some"][..], "read, edit, all and ask"),
        (&["--max-cost", "x"], "amount"),
        (&["--max-turns", "0"], "0"),
        (&["--option", "x"], "equals sign"),
        (&["--resume", "nobody"], "nobody"),
    ] {
        let output = env.run(["spawn"].iter().chain(flags).chain(&task));
        assert!(matches!(output.code, Some(2 | 4)), "{output:?}");
        assert!(output.stderr.contains(expected), "{flags:?}: {output:?}");
    }
}
