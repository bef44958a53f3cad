//! `sessions_spawn({runtime: "acp"})` on a real gateway: OpenClaw 2026.9.6 and npm's acpx 0.19.1 are real, the
//! language model is scripted, and `acp-backend/` stands in for the plugin @openclaw/acpx, which is not on npm.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Client, text_of};
use super::lab::{Lab, MAIN, Setup};
use super::model::{Asked, INTERNAL};
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

/// Lets every agent of the profile `until` go on, for as long as what comes back is kept.
fn release(lab: &Lab) -> std::fs::File {
    // For reading too, so that opening it waits for nobody.
    let file = lab.dash.home().join("go");
    std::fs::OpenOptions::new().read(true).write(true).open(file).unwrap()
}

/// Waits longer than for anything else: a gateway on a busy machine is slow to answer.
#[track_caller]
fn within<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let begin = Instant::now();
    loop {
        match probe() {
            Ok(found) => return found,
            Err(last) if begin.elapsed() > limit => panic!("never: {what}; last: {last}"),
            Err(_) => std::thread::park_timeout(Duration::from_millis(200)),
        }
    }
}

fn spawn_call(agent: &str, task: &str, label: &str) -> String {
    let call = json!({"runtime": "acp", "agentId": agent, "task": task, "label": label});
    format!("CALL sessions_spawn {call}")
}

/// The session that OpenClaw keeps under this label.
fn session(client: &Client, label: &str) -> Option<Value> {
    let listed = client.call("sessions.list", &json!({"limit": 1000})).ok()?;
    let mut sessions = listed["sessions"].as_array()?.iter();
    sessions.find(|session| session["label"] == label).cloned()
}

/// Spawns a child in one turn of the model, and gives its session's key.
#[track_caller]
fn spawn(client: &Client, agent: &str, task: &str, label: &str) -> String {
    let turn = client.turn(MAIN, &format!("{}\nSAY spawned", spawn_call(agent, task, label)));
    assert_eq!((turn.state.as_str(), turn.text.as_str()), ("final", "spawned"), "{turn:#?}");
    let session = eventually("the child is listed", || session(client, label).ok_or("not listed"));
    assert_eq!(session["spawnedBy"], MAIN);
    session["key"].as_str().unwrap().to_owned()
}

/// The state of the task that OpenClaw keeps for a child, under the words of its own.
fn task(client: &Client, child: &str) -> Option<String> {
    let listed = client.call("tasks.list", &json!({})).ok()?;
    let mut tasks = listed["tasks"].as_array()?.iter();
    let task = tasks.find(|task| task["childSessionKey"] == child)?;
    Some(task["status"].as_str()?.to_owned())
}

#[track_caller]
fn until_task(client: &Client, child: &str, expected: &str) {
    within(Duration::from_mins(2), &format!("the task is {expected}"), || {
        let status = task(client, child).unwrap_or_default();
        if status == expected { Ok(()) } else { Err(status) }
    });
}

/// What a session was told at the end of a turn, since a mark.
#[track_caller]
fn final_text(client: &Client, child: &str, mark: usize) -> String {
    client.until(&format!("a turn of {child} ends"), mark, |seen| {
        let ours = seen.event == "chat" && seen.payload["sessionKey"] == child;
        (ours && seen.payload["state"] == "final").then(|| text_of(&seen.payload["message"]))
    })
}

/// How often the parent's model was told that this child has ended: the messages about it in a conversation.
fn told(asked: &[Asked], child: &str) -> usize {
    // One that comes while a turn runs is worded otherwise than one that begins a turn.
    const WORDS: [&str; 2] = ["A background task completed", "[Internal task completion event]"];
    let key = format!("session_key: {child}\n");
    let about = |message: &&Value| {
        let text = text_of(message);
        message["role"] == "user"
            && !text.starts_with(INTERNAL)
            && WORDS.iter().any(|words| text.contains(words))
            && text.contains(&key)
    };
    let in_one = |asked: &Asked| {
        asked.body["messages"]
            .as_array()
            .map_or(0, |messages| messages.iter().filter(about).count())
    };
    asked.iter().map(in_one).max().unwrap_or_default()
}

/// Waits until the parent's model was told that this child has ended.
#[track_caller]
fn until_told(lab: &Lab, child: &str) {
    within(Duration::from_mins(1), "the parent is told", || {
        let asked = lab.model.asked();
        if told(&asked, child) > 0 { Ok(()) } else { Err(format!("{} requests", asked.len())) }
    });
}

/// The Dash agents that were made for this child, as `dash status --json` shows them.
fn agents_of(lab: &Lab, child: &str) -> Vec<Value> {
    let meta = format!("openclaw.session={child}");
    lab.dash.run(["status", "--json", "--all", "--meta", &meta]).success().json()
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
