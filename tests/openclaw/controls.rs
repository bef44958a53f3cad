//! What OpenClaw lets a user do with a child over ACP, `/acp …` in chat, on a real gateway, with a harness that has
//! models, modes and options (the scripted one of `tests/acp`). What is real there, `acp.rs` says.

use serde_json::{Value, json};

use super::child::{agents_of, final_text, until_task};
use super::client::Client;
use super::lab::{Lab, MAIN, Setup};

fn lab() -> Lab {
    let dash = env!("CARGO_BIN_EXE_dash");
    let config = format!(
        "default_profile = \"good\"\n[openclaw]\nenabled = true\n[profiles.good]\nruntime = \"acp\"\n\
         command = [{:?}, \"good\"]\n",
        crate::acp::agent().display().to_string()
    );
    Setup::default()
        .dash_config(&config)
        .acp(&[dash, "acp", "--model", "small", "--model", "big"])
        .start()
}

/// The only agent of a child.
#[track_caller]
fn agent_of(lab: &Lab, child: &str) -> Value {
    let agents = agents_of(lab, child);
    assert_eq!(agents.len(), 1, "{agents:#?}");
    agents.into_iter().next().unwrap()
}

/// What OpenClaw answers to `/acp …`.
#[track_caller]
fn acp(client: &Client, words: &str) -> String {
    client.turn(MAIN, &format!("/acp {words}")).text
}

/// What the harness says is set, and where it works.
#[track_caller]
fn settings(client: &Client, child: &str) -> String {
    client.turn(child, "settings").text
}

#[test]
fn heavy_model_and_directory_mode_and_options_cancel_and_close_mean_what_openclaw_means() {
    let mut lab = lab();
    let client = lab.client();
    client.subscribe(MAIN);
    let dir = lab.dash.home().join("project");
    std::fs::create_dir_all(&dir).unwrap();
    let dir = dir.to_str().unwrap();

    // Of a spawn: the model and the directory.
    let mark = client.mark();
    let call = json!({"runtime": "acp", "agentId": "dash", "task": "settings", "label": "lbl-spawn", "cwd": dir, "model": "big"});
    let child = super::child::spawn(&client, &call);
    assert_eq!(final_text(&client, &child, mark), format!("code big low in {dir}"));
    until_task(&client, &child, "completed");
    let agent = agent_of(&lab, &child);
    let facts = (&agent["label"], &agent["model"], &agent["cwd"], &agent["session"]);
    assert_eq!(facts, (&json!("lbl-spawn"), &json!("big"), &json!(dir), &json!(MAIN)));

    // Of a session that stays: what is chosen before its agent is there.
    let made = acp(
        &client,
        &format!("spawn dash --mode persistent --thread off --cwd {dir} --label lbl-stays"),
    );
    let key = made.split_whitespace().find(|word| word.starts_with("agent:dash:acp:"));
    let key = key.unwrap_or_else(|| panic!("{made}")).to_owned();
    for words in ["set-mode plan", "model big"] {
        let said = acp(&client, &format!("{words} {key}"));
        assert!(said.contains("Updated ACP"), "{words}: {said}");
    }
    assert_eq!(settings(&client, &key), format!("plan big low in {dir}"));
    let agent = agent_of(&lab, &key);
    assert_eq!(agent["label"], "lbl-stays");

    // And while it waits, from what its harness offers.
    for words in ["set-mode code", "model small", "set effort high"] {
        let said = acp(&client, &format!("{words} {key}"));
        assert!(said.contains("Updated ACP"), "{words}: {said}");
    }
    let refused = acp(&client, &format!("set colour red {key}"));
    assert!(refused.contains("does not accept config key \"colour\""), "{refused}");
    let said = acp(&client, &format!("status {key}"));
    assert!(said.contains("\"currentValue\":\"high\""), "{said}");
    let steered = acp(&client, &format!("steer --session {key} settings"));
    assert!(steered.ends_with(&format!("code small high in {dir}")), "{steered}");

    // A cancelled turn ends, and the agent goes on.
    let mark = client.mark();
    let run = client.chat(&key, "say begun;sleep 600000;say never");
    let id = agent["id"].as_str().unwrap();
    lab.dash.until(id, "it has begun", |agent| agent["status"] == "running");
    let said = acp(&client, &format!("cancel {key}"));
    assert!(said.contains("Cancel"), "{said}");
    let ended = client.end_of(&run, mark);
    assert!(!ended.text.contains("never"), "{ended:#?}");
    lab.dash.until(id, "its turn is over", |agent| agent["status"] == "waiting");

    // So it does when the gateway was killed, with all that was set.
    lab.restart();
    let client = lab.client();
    client.subscribe(MAIN);
    assert_eq!(settings(&client, &key), format!("code small high in {dir}"));
    let said = acp(&client, &format!("set effort low {key}"));
    assert!(said.contains("Updated ACP"), "{said}");
    assert_eq!(settings(&client, &key), format!("code small low in {dir}"));
    assert_eq!(agent_of(&lab, &key)["id"], agent["id"]);

    // Closed, the session is over for OpenClaw: nothing reaches its agent any more, which waits until it is idle
    // for too long.
    let said = acp(&client, &format!("close {key}"));
    assert!(said.contains("Closed ACP session"), "{said}");
    assert_eq!(settings(&client, &key), "");
    let after = agent_of(&lab, &key);
    assert_eq!((&after["status"], &after["turn"]), (&json!("waiting"), &json!(5)));
}
