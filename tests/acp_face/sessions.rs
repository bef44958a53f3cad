//! Sessions: new ones, old ones, and whose agent they go on with.

use serde_json::{Value, json};

use super::client::{Client, opening, reopening};
use super::home;
use crate::env::TestEnv;

const KEY: &str = "agent:dash:acp:5f0c";

fn agents(env: &TestEnv) -> Vec<Value> {
    env.run(["status", "--json", "--all"]).success().json()
}

#[test]
fn a_new_process_goes_on_with_the_agent_of_the_session() {
    let env = home();
    let mut first = Client::start(&env, &[]);
    first.initialize();
    let session = first.session(&env, None);
    first.turn(&session, "one");
    assert_eq!(first.leave(), Some(0));

    let mut resumed = Client::start(&env, &[]);
    resumed.initialize();
    resumed.call("session/resume", &reopening(&env, &session, None));
    assert_eq!(resumed.updates(&session), Vec::<Value>::new(), "resuming replays nothing");
    assert_eq!(resumed.turn(&session, "two"), "end_turn");
    assert_eq!(resumed.text(&session), "heard: two");
    drop(resumed);

    let mut loaded = Client::start(&env, &[]);
    loaded.initialize();
    loaded.call("session/load", &reopening(&env, &session, None));
    let told: Vec<_> = loaded
        .updates(&session)
        .iter()
        .map(|update| (update["sessionUpdate"].clone(), update["content"]["text"].clone()))
        .collect();
    let expected = [
        ("user_message_chunk", "think hm; say you said one; repeat 100 wait"),
        ("agent_thought_chunk", "hm"),
        ("agent_message_chunk", "you said one"),
        ("user_message_chunk", "two"),
        ("agent_message_chunk", "\nheard: two"),
    ];
    assert_eq!(told, expected.map(|(kind, text)| (json!(kind), json!(text))));
    assert_eq!(loaded.turn(&session, "three"), "end_turn");
    assert!(loaded.text(&session).ends_with("heard: three"));
    assert_eq!(agents(&env).len(), 1);
}

#[test]
fn a_session_of_another_openclaw_session_is_another_agent_and_of_the_same_the_same() {
    let env = home();
    let mut one = Client::start(&env, &[]);
    one.initialize();
    let session = one.session(&env, Some(KEY));
    one.turn(&session, "one");
    // OpenClaw 2026.9 begins a new process and a new ACP session for a message to a one-shot.
    let mut two = Client::start(
        &env,
        &["--openclaw-acpx-lease-id", "x", "--openclaw-gateway-instance-id", "y"],
    );
    two.initialize();
    let again = two.session(&env, Some(KEY));
    assert_ne!(again, session);
    let envelope = format!(
        "[Inter-session message] sourceSession=agent:main:main sourceTool=sessions_send isUser=false\n\
         This content was routed by OpenClaw from another session or internal tool. Treat it so.\n{}",
        "[Wed 2026-04-29 12:00 UTC] two"
    );
    assert_eq!(two.turn(&again, &envelope), "end_turn");
    assert_eq!(two.text(&again), "heard: two", "without what OpenClaw wrote before it");
    let all = agents(&env);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["metadata"]["openclaw.session"], KEY);
    assert_eq!(all[0]["session"], KEY);
    let found = env.run(["status", "--json", "--session", KEY]).success().one();
    assert_eq!(found["id"], all[0]["id"]);

    let other = two.session(&env, Some("agent:dash:acp:other"));
    two.turn(&other, "three");
    assert_eq!(agents(&env).len(), 2);
    // A session that is opened and closed without a prompt, as OpenClaw does, changes nothing.
    let idle = two.session(&env, Some(KEY));
    two.call("session/close", &json!({ "sessionId": idle }));
    assert_eq!(agents(&env)[0]["status"], "waiting");
}

#[test]
fn two_processes_that_begin_the_same_session_at_once_make_one_agent() {
    let env = home();
    let mut both = [Client::start(&env, &[]), Client::start(&env, &[])];
    let sessions: Vec<_> = both
        .iter_mut()
        .map(|client| {
            client.initialize();
            client.session(&env, Some(KEY))
        })
        .collect();
    let prompts: Vec<_> = both
        .iter_mut()
        .zip(&sessions)
        .map(|(client, session)| client.prompt(session, "x"))
        .collect();
    for (client, prompt) in both.iter().zip(prompts) {
        assert_eq!(client.stop_reason(prompt), "end_turn");
    }
    assert_eq!(agents(&env).len(), 1);
}

#[test]
fn closing_cancels_what_runs() {
    let env = home();
    let mut client = Client::start(&env, &["--agent", "slow"]);
    client.initialize();
    let session = client.session(&env, None);
    let prompt = client.prompt(&session, "x");
    client.until_said(&session, "begun");
    client.call("session/close", &json!({ "sessionId": session }));
    assert_eq!(client.stop_reason(prompt), "cancelled");
    let text = json!([{ "type": "text", "text": "x" }]);
    let error = client.fail("session/prompt", &json!({ "sessionId": session, "prompt": text }));
    assert_eq!(error["code"], -32002);
}

#[test]
fn sessions_are_listed() {
    let env = home();
    let mut client = Client::start(&env, &[]);
    client.initialize();
    assert_eq!(client.call("session/list", &json!({}))["sessions"], json!([]));
    let session = client.session(&env, None);
    client.turn(&session, "one");
    env.spawn(["--", "true"]);
    let listed = client.call("session/list", &json!({ "cwd": env.work() }));
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["sessions"][0]["sessionId"], session);
    assert_eq!(listed["sessions"][0]["cwd"], env.work().to_str().unwrap());
    assert!(listed["sessions"][0]["updatedAt"].is_string());
    assert_eq!(client.call("session/list", &json!({ "cwd": "/" }))["sessions"], json!([]));
}

#[test]
fn the_model_is_chosen_from_those_that_are_named() {
    let env = home();
    let mut client = Client::start(&env, &["--model", "big", "--model", "small"]);
    client.initialize();
    let new = client.call("session/new", &opening(&env, None));
    let option = &new["configOptions"][0];
    assert_eq!((&option["id"], &option["currentValue"]), (&json!("model"), &json!("big")));
    assert_eq!(option["options"].as_array().unwrap().len(), 2);
    let session = new["sessionId"].as_str().unwrap();
    let choice = json!({ "sessionId": session, "configId": "model", "value": "small" });
    let chosen = client.call("session/set_config_option", &choice);
    assert_eq!(chosen["configOptions"][0]["currentValue"], "small");
    client.turn(session, "x");
    assert_eq!(agents(&env)[0]["model"], "small");
    // A client may also say it when it opens the session.
    let mut params = opening(&env, None);
    params["_meta"] = json!({ "model": "other" });
    let session = client.call("session/new", &params)["sessionId"].clone();
    client.turn(session.as_str().unwrap(), "x");
    assert_eq!(agents(&env)[1]["model"], "other");
}
