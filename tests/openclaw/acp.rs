//! `sessions_spawn({runtime: "acp"})` on a real gateway: OpenClaw 2026.9.6 and npm's acpx 0.19.1 are real, the
//! language model is scripted, and `acp-backend/` stands in for the plugin @openclaw/acpx, which is not on npm.

use std::time::{Duration, Instant};

use serde_json::json;

use super::child::{
    a_hundred_labels, a_hundred_run, agents_of, final_text, release, session, told, until_task,
    until_told, within,
};
use super::client::Client;
use super::lab::{Lab, MAIN, Setup};
use crate::env::{eventually, fifo};

/// `dash` is a scripted agent that says what it hears; `until` a command that runs until the test lets it go on.
const PROFILES: &str = r#"
default_profile = "talk"

[openclaw]
enabled = true

[profiles.talk]
runtime = "scripted"
task = "say you said {task}; repeat 100 wait"

[profiles.until]
runtime = "command"
command = ["sh", "-c", "echo \"begun $1\"; : < \"$HOME/go\"; echo \"over $1\"", "sh", "{task}"]
"#;

/// A gateway with an ACP agent for each profile.
fn lab() -> Lab {
    let dash = env!("CARGO_BIN_EXE_dash");
    let agent = |profile: &str| json!({"command": dash, "args": ["acp", "--agent", profile]});
    let entry = |profile: &str| json!({"runtime": {"type": "acp", "acp": {"agent": profile, "backend": "acpx", "mode": "oneshot"}}});
    let lab = Setup::default()
        .dash_config(PROFILES)
        .acp(&[dash, "acp", "--model", "big", "--model", "small"])
        .config(json!({
            "acp": {"allowedAgents": ["dash", "until"]},
            "agents": {"entries": {"until": entry("until")}},
            "plugins": {"entries": {"acpx": {"config": {"agents": {"until": agent("until")}}}}},
        }))
        .start();
    fifo(&lab.dash.home().join("go"));
    lab
}

/// Spawns a child of an ACP agent, and gives its session's key.
#[track_caller]
fn spawn(client: &Client, agent: &str, task: &str, label: &str) -> String {
    let call = json!({"runtime": "acp", "agentId": agent, "task": task, "label": label});
    super::child::spawn(client, &call)
}

/// Waits until a client of the gateway has seen this text of a child while it runs.
#[track_caller]
fn until_streamed(client: &Client, child: &str, mark: usize, text: &str) {
    client.until(&format!("{text:?} of {child}"), mark, |seen| {
        let ours = seen.event == "chat" && seen.payload["sessionKey"] == child;
        (ours && seen.payload["deltaText"].as_str()?.contains(text)).then_some(())
    });
}

#[test]
fn heavy_a_child_is_an_agent_with_its_label_and_goes_on_with_it() {
    let lab = lab();
    let client = lab.client();
    client.subscribe(MAIN);
    let mark = client.mark();
    let child = spawn(&client, "dash", "review the readme", "lbl-acp");
    until_streamed(&client, &child, mark, "you said review the readme");
    until_task(&client, &child, "completed");
    until_told(&lab, &child);
    let one = |lab: &Lab| {
        let agents = agents_of(lab, &child);
        assert_eq!(agents.len(), 1, "{agents:#?}");
        agents.into_iter().next().unwrap()
    };
    let agent = one(&lab);
    let facts = (&agent["label"], &agent["session"], &agent["metadata"]["openclaw.parent_session"]);
    assert_eq!(facts, (&json!("lbl-acp"), &json!(MAIN), &json!(MAIN)));
    let listed = session(&client, "lbl-acp").unwrap();
    assert_eq!((&listed["key"], &listed["spawnedBy"]), (&json!(child), &json!(MAIN)));

    // The parent writes to it: the same agent.
    let send = json!({"sessionKey": child, "message": "and the changelog", "timeoutSeconds": 60});
    let turn = client.turn(MAIN, &format!("CALL sessions_send {send}"));
    assert!(turn.text.contains("heard: and the changelog"), "{}", turn.text);
    assert_eq!(told(&lab.model.asked(), &child), 1, "its result was told once");
    assert_eq!(one(&lab)["id"], agent["id"]);

    // Stopped in OpenClaw, it is stopped in Dash.
    let mark = client.mark();
    let stopped = spawn(&client, "until", "nothing", "lbl-stopped");
    until_streamed(&client, &stopped, mark, "begun nothing");
    client.ok("sessions.abort", &json!({"key": stopped}));
    lab.dash.until("lbl-stopped", "it was killed", |agent| agent["status"] == "killed");
    until_task(&client, &stopped, "cancelled");
}

#[test]
fn heavy_a_hundred_children_of_one_turn_over_acp_run_at_once_and_each_result_comes_once() {
    let lab = lab();
    let client = lab.client();
    client.subscribe(MAIN);
    let began = Instant::now();
    let accepted = a_hundred_run(
        &lab,
        &client,
        "over ACP",
        |n| json!({"runtime": "acp", "agentId": "until", "task": format!("job-{n}."), "label": format!("lbl-{n}")}),
    );
    let held = release(&lab);
    let children: Vec<_> =
        accepted.iter().map(|answer| answer["childSessionKey"].as_str().unwrap()).collect();
    within(Duration::from_mins(4), "the parent is told of each", || {
        let asked = lab.model.asked();
        let waits = children.iter().filter(|child| told(&asked, child) == 0).count();
        if waits == 0 { Ok(()) } else { Err(format!("{waits} are not told of")) }
    });
    println!("the parent was told of all after {:.1} s", began.elapsed().as_secs_f64());
    a_hundred_labels(&lab, &client, "completed");
    client.turn(MAIN, "SAY done");
    let asked = lab.model.asked();
    for child in children {
        assert_eq!(told(&asked, child), 1, "{child}");
    }
    drop(held);
}

#[test]
fn heavy_the_daemon_is_killed_in_a_childs_turn_and_its_result_comes_once() {
    let lab = lab();
    let client = lab.client();
    client.subscribe(MAIN);
    let mark = client.mark();
    let child = spawn(&client, "until", "one", "lbl-one");
    let begun = |seen: &super::client::Seen| {
        let ours = seen.payload["sessionKey"] == child.as_str();
        (ours && seen.payload["deltaText"].as_str()?.contains("begun one")).then_some(())
    };
    client.until("it has begun", mark, begun);
    let before = lab.dash.daemon_pid().unwrap();
    lab.dash.kill_daemon();
    // Nobody but `dash acp` starts it again.
    eventually("the daemon is back", || match lab.dash.daemon_pid() {
        Some(pid) if pid != before => Ok(()),
        other => Err(other),
    });
    let held = release(&lab);
    let text = final_text(&client, &child, mark);
    assert_eq!(
        (text.matches("begun one").count(), text.matches("over one").count()),
        (1, 1),
        "{text}"
    );
    until_task(&client, &child, "completed");
    until_told(&lab, &child);
    client.turn(MAIN, "SAY done");
    assert_eq!(told(&lab.model.asked(), &child), 1);
    assert_eq!(agents_of(&lab, &child).len(), 1);
    drop(held);
}
