//! What only agents that take turns have: permission requests, modes, turns that end before the agent.

use serde_json::{Value, json};

use super::client::{Client, opening, reopening};
use crate::acp::agent as scripted_agent;
use crate::env::{TestEnv, eventually};

/// A home whose default profile is the scripted ACP agent: a prompt is its script.
fn home() -> TestEnv {
    TestEnv::with_config(&format!(
        "default_profile = \"good\"\n[profiles.good]\nruntime = \"acp\"\ncommand = [{:?}, \"good\"]\n\
         permissions = \"ask\"\n",
        scripted_agent().display().to_string()
    ))
}

fn opened(env: &TestEnv) -> (Client, String) {
    let mut client = Client::start(env, &[]);
    client.initialize();
    let session = client.session(env, None);
    (client, session)
}

/// The client's requests that the agent made us make, in their order.
fn questions(client: &Client) -> Vec<Value> {
    let heard = client.heard().into_iter();
    heard.filter(|message| message["method"] == "session/request_permission").collect()
}

fn question(client: &Client, place: usize) -> Value {
    eventually("the agent asks", || {
        questions(client).get(place).cloned().ok_or_else(|| (client.heard(), client.stderr()))
    })
}

#[test]
fn a_cancelled_turn_leaves_the_agent_to_go_on() {
    let env = home();
    let (mut client, session) = opened(&env);
    let prompt = client.prompt(&session, "say begun;sleep 600000;say never");
    client.until_said(&session, "begun");
    client.notify("session/cancel", &json!({ "sessionId": session }));
    assert_eq!(client.stop_reason(prompt), "cancelled");
    assert_eq!(client.turn(&session, "say again"), "end_turn");
    client.until_said(&session, "again");
    let agent = env.run(["status", "--json", "--all"]).success().one();
    assert_eq!((&agent["status"], &agent["turn"]), (&json!("waiting"), &json!(2)), "{agent}");
}

#[test]
fn what_the_agent_asks_the_client_answers() {
    let env = home();
    let (mut client, session) = opened(&env);
    let prompt = client.prompt(&session, "permission execute x;permission execute y;say over");
    for (place, option, kind) in [(0, "allow", "allow_once"), (1, "reject", "reject_once")] {
        let asked = question(&client, place);
        assert_eq!(asked["params"]["sessionId"], session, "{asked}");
        assert!(asked["params"]["toolCall"].is_object(), "{asked}");
        let options = asked["params"]["options"].as_array().unwrap();
        let chosen = options
            .iter()
            .find(|one| one["kind"] == kind)
            .unwrap_or_else(|| panic!("{option}: {asked}"));
        let outcome = json!({ "outcome": "selected", "optionId": chosen["optionId"] });
        let answer =
            json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "outcome": outcome } });
        client.write(answer.to_string().as_bytes());
    }
    assert_eq!(client.stop_reason(prompt), "end_turn");
    assert!(client.text(&session).ends_with("yesnoover"), "{}", client.text(&session));
    let audit = env.run(["audit", "--json"]).success().json();
    let decided = audit.iter().filter(|record| record["action"] == "permission");
    let decided: Vec<_> = decided.map(|record| record["outcome"].as_str().unwrap()).collect();
    assert_eq!(decided, ["asked", "allowed", "asked", "denied"]);
}

#[test]
fn a_question_that_others_answer_is_taken_back() {
    let env = home();
    let (mut client, session) = opened(&env);
    let prompt = client.prompt(&session, "permission execute x;say over");
    let asked = question(&client, 0);
    let agent = env.run(["status", "--json"]).success().one();
    let _ = env.run(["allow", agent["id"].as_str().unwrap()]).success();
    assert_eq!(client.stop_reason(prompt), "end_turn");
    let back = |message: &Value| {
        message["method"] == "$/cancel_request" && message["params"]["requestId"] == asked["id"]
    };
    assert!(client.heard().iter().any(back), "{:?}", client.heard());
}

#[test]
fn a_mode_is_set_before_there_is_an_agent_and_while_it_waits() {
    let env = home();
    let (mut client, session) = opened(&env);
    client.call("session/set_mode", &json!({ "sessionId": session, "modeId": "plan" }));
    assert_eq!(client.turn(&session, "say a"), "end_turn");
    client.call("session/set_mode", &json!({ "sessionId": session, "modeId": "code" }));
    let agent = env.run(["status", "--json"]).success().one();
    let id = agent["id"].as_str().unwrap();
    let _ = env.run(["kill", id]).success();
    let orders: Vec<_> = env
        .events(id)
        .iter()
        .filter_map(|event| event["data"]["mode"].as_str().map(str::to_owned))
        .collect();
    assert!(orders.contains(&"code".to_owned()), "{:?}", env.events(id));
    let fail = client.fail("session/set_mode", &json!({ "sessionId": session, "modeId": 7 }));
    assert_eq!(fail["code"], -32602);
}

/// The ids of the options in an answer or an update, with their values.
fn options(body: &Value) -> Vec<(String, Value)> {
    let options = body["configOptions"].as_array().cloned().unwrap_or_default();
    options
        .iter()
        .map(|one| (one["id"].as_str().unwrap().to_owned(), one["currentValue"].clone()))
        .collect()
}

#[test]
fn what_the_harness_offers_is_told_and_can_be_set_also_by_a_new_process() {
    let env = home();
    let start = || {
        let mut client = Client::start(&env, &["--model", "big", "--model", "tiny"]);
        client.initialize();
        client
    };
    let is = |model: &str, effort: &str| {
        vec![("model".to_owned(), json!(model)), ("effort".to_owned(), json!(effort))]
    };
    let mut client = start();
    let new = client.call("session/new", &opening(&env, None));
    assert_eq!(options(&new), [("model".to_owned(), json!("big"))]);
    let session = new["sessionId"].as_str().unwrap().to_owned();
    client.turn(&session, "say a");
    let told = client.updates(&session);
    let told = told.iter().find(|update| update["sessionUpdate"] == "config_option_update");
    assert_eq!(options(told.unwrap()), is("big", "low"));
    let effort = json!({ "sessionId": session, "configId": "effort", "value": "high" });
    assert_eq!(options(&client.call("session/set_config_option", &effort)), is("big", "high"));
    let wrong = json!({ "sessionId": session, "configId": "effort", "value": "impossible" });
    let error = client.fail("session/set_config_option", &wrong);
    assert!(error["message"].as_str().unwrap().contains("no such choice"), "{error}");
    assert_eq!(client.leave(), Some(0));

    let mut client = start();
    let resumed = client.call("session/resume", &reopening(&env, &session, None));
    assert_eq!(options(&resumed), is("big", "high"));
    let model = json!({ "sessionId": session, "configId": "model", "value": "small" });
    assert_eq!(options(&client.call("session/set_config_option", &model)), is("small", "high"));
    client.turn(&session, "settings");
    assert!(client.text(&session).starts_with("code small high in "), "{}", client.text(&session));
}

#[test]
fn a_command_has_no_modes() {
    let env = super::home();
    let mut client = Client::start(&env, &["--agent", "lines"]);
    client.initialize();
    let session = client.session(&env, None);
    let error = client.fail("session/set_mode", &json!({ "sessionId": session, "modeId": "plan" }));
    assert!(error["message"].as_str().unwrap().contains("no modes"), "{error}");
}
