//! Turns: prompts, what is streamed, how they end.

use serde_json::json;

use super::client::Client;
use super::home;
use crate::env::{eventually, signal};

#[test]
fn a_prompt_makes_an_agent_and_the_next_one_is_a_message_to_it() {
    let env = home();
    let mut client = Client::start(&env, &[]);
    let hello = client.initialize();
    assert_eq!(hello["protocolVersion"], 1);
    assert_eq!(hello["agentInfo"]["name"], "dash");
    assert_eq!(hello["agentInfo"]["version"], env!("CARGO_PKG_VERSION"));
    let capabilities = &hello["agentCapabilities"];
    assert_eq!(capabilities["loadSession"], true);
    assert_eq!(capabilities["promptCapabilities"]["embeddedContext"], true);
    for able in ["list", "resume", "close"] {
        assert!(capabilities["sessionCapabilities"][able].is_object(), "{able}: {capabilities}");
    }
    assert_eq!(env.daemon_pid(), None, "nothing is started for a greeting");
    let session = client.session(&env, None);
    assert_eq!(env.daemon_pid(), None, "nor for a session without a prompt");

    assert_eq!(client.turn(&session, "hello"), "end_turn");
    assert_eq!(client.text(&session), "you said hello");
    assert_eq!(client.said(&session, "agent_thought_chunk"), "hm");
    let agents = env.run(["status", "--json"]).success().json();
    assert_eq!(agents.len(), 1);
    assert_eq!(agents[0]["metadata"]["acp.session"], session);
    assert_eq!(agents[0]["profile"], "talk");
    assert_eq!(agents[0]["cwd"], env.work().to_str().unwrap());
    assert_eq!(agents[0]["status"], "waiting");

    assert_eq!(client.turn(&session, "more"), "end_turn");
    assert!(client.text(&session).ends_with("heard: more"), "{}", client.text(&session));
    assert_eq!(env.run(["status", "--json", "--all"]).success().json().len(), 1);
    assert_eq!(client.leave(), Some(0));
    assert_eq!(env.run(["status", "--json"]).success().one()["status"], "waiting");
}

#[test]
fn a_command_streams_its_lines_and_its_end_is_the_turns() {
    let env = home();
    let mut client = Client::start(&env, &["--agent", "lines", "--label", "mine"]);
    client.initialize();
    let session = client.session(&env, None);
    assert_eq!(client.turn(&session, "one"), "end_turn");
    assert_eq!(client.text(&session), "got one\ndone\n");
    // The command has ended: the next prompt is a new one's.
    assert_eq!(client.turn(&session, "two"), "end_turn");
    assert!(client.text(&session).ends_with("got two\ndone\n"));
    let agents = env.run(["status", "--json", "--all"]).success().json();
    assert_eq!(agents.len(), 2);
    assert!(agents.iter().all(|agent| agent["label"] == "mine" && agent["status"] == "completed"));
}

#[test]
fn an_agent_that_fails_is_an_error_with_the_reason_and_the_next_step() {
    let env = home();
    for (profile, reasons) in [
        ("failing", vec!["failed", "exit code 7", "it broke"]),
        ("broken", vec!["failed", "the model is on strike"]),
        ("nonsense", vec!["nonsense"]),
    ] {
        let mut client = Client::start(&env, &["--agent", profile]);
        client.initialize();
        let session = client.session(&env, None);
        let prompt = json!({ "sessionId": session, "prompt": [{ "type": "text", "text": "go" }] });
        let error = client.fail("session/prompt", &prompt);
        let message = error["message"].as_str().unwrap();
        for reason in reasons {
            assert!(message.contains(reason), "{profile}: {error}");
        }
        assert!(message.contains("Next step: "), "{error}");
        assert!(error["code"] != -32603, "clients take that for worth a second try: {error}");
        assert!(!message.to_lowercase().contains("internal error"), "{error}");
    }
}

#[test]
fn cancelling_ends_the_turn_and_the_prompt_says_so() {
    let env = home();
    for profile in ["slow", "until"] {
        let mut client = Client::start(&env, &["--agent", profile]);
        client.initialize();
        let session = client.session(&env, None);
        let prompt = client.prompt(&session, "/nowhere/at/all");
        client.until_said(&session, "begun");
        client.notify("session/cancel", &json!({ "sessionId": session }));
        assert_eq!(client.stop_reason(prompt), "cancelled", "{profile}");
        // At once, too: before there is an agent.
        let session = client.session(&env, None);
        let prompt = client.prompt(&session, "/nowhere/at/all");
        client.notify("session/cancel", &json!({ "sessionId": session }));
        assert_eq!(client.stop_reason(prompt), "cancelled", "{profile}");
        let prompt = client.prompt(&session, "/nowhere/at/all");
        client.notify("$/cancel_request", &json!({ "requestId": prompt }));
        assert_eq!(client.stop_reason(prompt), "cancelled", "{profile}");
    }
    let left = env.run(["status", "--json", "--status", "running"]).success().json();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_end_of_the_input_ends_no_agent_and_loses_no_prompt() {
    let env = home();
    let file = env.work().join("go");
    let mut client = Client::start(&env, &["--agent", "until"]);
    client.initialize();
    let session = client.session(&env, None);
    client.prompt(&session, file.to_str().unwrap());
    // It leaves right after the prompt, which reaches an agent all the same.
    assert_eq!(client.leave(), Some(0));
    let agent = env.run(["status", "--json"]).success().one();
    assert!(["starting", "running"].contains(&agent["status"].as_str().unwrap()), "{agent}");
    std::fs::write(&file, "").unwrap();
    let id = agent["id"].as_str().unwrap();
    let ended = env.until(id, "the agent ends by itself", |agent| !agent["ended_at"].is_null());
    assert_eq!(ended["status"], "completed");
}

#[test]
fn the_daemon_is_killed_in_a_turn_and_the_prompt_is_answered_once() {
    let env = home();
    let file = env.work().join("go");
    let mut client = Client::start(&env, &["--agent", "until"]);
    client.initialize();
    let session = client.session(&env, None);
    let prompt = client.prompt(&session, file.to_str().unwrap());
    client.until_said(&session, "begun");
    for _ in 0..3 {
        let before = env.daemon_pid().unwrap();
        env.kill_daemon();
        // Nobody but the face starts it again.
        eventually("the daemon is back", || match env.daemon_pid() {
            Some(pid) if pid != before => Ok(()),
            other => Err((other, client.stderr())),
        });
    }
    std::fs::write(&file, "").unwrap();
    assert_eq!(client.stop_reason(prompt), "end_turn");
    assert_eq!(client.text(&session), "begun\nover\n", "nothing is lost or doubled");
    let answers = client.heard().into_iter().filter(|m| m["id"] == prompt).count();
    assert_eq!(answers, 1);
    // An agent that lived in the daemon is gone with it, and that is said.
    let mut client = Client::start(&env, &["--agent", "slow"]);
    client.initialize();
    let session = client.session(&env, None);
    let prompt = client.prompt(&session, "x");
    client.until_said(&session, "begun");
    env.kill_daemon();
    let error = client.answer(prompt)["error"].clone();
    assert!(error["message"].as_str().unwrap().contains("is lost"), "{error}");
}

/// acpx kills every descendant of an ACP agent when it closes the session.
#[test]
fn the_daemon_that_it_starts_is_no_descendant_of_it() {
    let env = home();
    let file = env.work().join("go");
    let mut client = Client::start(&env, &["--agent", "until"]);
    client.initialize();
    let session = client.session(&env, None);
    client.prompt(&session, file.to_str().unwrap());
    client.until_said(&session, "begun");
    let parents = |pid: i32| {
        let parent = |pid: &i32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            stat.rsplit(") ").next()?.split(' ').nth(1)?.parse::<i32>().ok()
        };
        std::iter::successors(Some(pid), parent).collect::<Vec<_>>()
    };
    let agent = env.run(["status", "--json"]).success().one();
    let agent = i32::try_from(agent["pid"].as_i64().unwrap()).unwrap();
    for pid in [env.daemon_pid().unwrap(), env.keeper_pid().unwrap(), agent] {
        assert!(!parents(pid).contains(&client.pid()), "{:?}", parents(pid));
    }
}

#[test]
fn an_agent_that_somebody_kills_is_an_error_that_names_who() {
    let env = home();
    let mut client = Client::start(&env, &["--agent", "slow"]);
    client.initialize();
    let session = client.session(&env, None);
    let prompt = client.prompt(&session, "x");
    client.until_said(&session, "begun");
    env.run(["kill", "--all", "--yes"]).success();
    let error = client.answer(prompt)["error"].clone();
    assert!(error["message"].as_str().unwrap().contains("was killed"), "{error}");
}

#[test]
fn a_signal_ends_the_process_and_no_agent() {
    let env = home();
    let mut client = Client::start(&env, &["--agent", "slow"]);
    client.initialize();
    let session = client.session(&env, None);
    client.prompt(&session, "x");
    client.until_said(&session, "begun");
    signal(client.pid(), rustix::process::Signal::TERM);
    assert_eq!(client.end(), Some(143));
    assert_eq!(env.run(["status", "--json"]).success().one()["status"], "running");
}
