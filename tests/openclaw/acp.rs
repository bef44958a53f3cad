//! `sessions_spawn({runtime: "acp"})` on a real gateway: OpenClaw 2026.9.6 and npm's acpx 0.19.1 are real, the
//! language model is scripted, and `acp-backend/` stands in for the plugin @openclaw/acpx, which is not on npm.

use std::collections::BTreeSet;
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

[profiles.slow]
runtime = "scripted"
task = "say begun {task}; sleep 10m; say never"

[profiles.until]
runtime = "command"
command = ["sh", "-c", "echo \"begun $1\"; : < \"$HOME/go\"; echo \"over $1\"", "sh", "{task}"]
"#;

/// Children of one turn.
const MANY: usize = 100;

/// A gateway with an ACP agent for each profile.
fn lab() -> Lab {
    let dash = env!("CARGO_BIN_EXE_dash");
    let agent = |profile: &str| json!({"command": dash, "args": ["acp", "--agent", profile]});
    let entry = |profile: &str| json!({"runtime": {"type": "acp", "acp": {"agent": profile, "backend": "acpx", "mode": "oneshot"}}});
    let lab = Setup::default()
        .dash_config(PROFILES)
        .acp(&[dash, "acp", "--model", "big", "--model", "small"])
        .config(json!({
            "acp": {"allowedAgents": ["dash", "slow", "until"]},
            "agents": {"entries": {"slow": entry("slow"), "until": entry("until")}},
            "plugins": {"entries": {"acpx": {"config": {"agents": {"slow": agent("slow"), "until": agent("until")}}}}},
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

/// Waits longer than for anything else: a gateway that ends a hundred children is slow to answer.
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
    let about = |message: &&Value| {
        let text = text_of(message);
        message["role"] == "user"
            && !text.starts_with(INTERNAL)
            && text.contains("A background task completed")
            && text.contains(child)
    };
    let in_one = |asked: &Asked| {
        asked.body["messages"]
            .as_array()
            .map_or(0, |messages| messages.iter().filter(about).count())
    };
    asked.iter().map(in_one).max().unwrap_or_default()
}

/// The Dash agents that were made for this child, as `dash status --json` shows them.
fn agents_of(lab: &Lab, child: &str) -> Vec<Value> {
    let meta = format!("openclaw.session={child}");
    lab.dash.run(["status", "--json", "--all", "--meta", &meta]).success().json()
}

#[test]
fn heavy_a_child_over_acp_lives_in_dash() {
    let mut lab = lab();
    let client = lab.client();
    client.subscribe(MAIN);

    // Spawned, with its label; streamed; its result told to the parent, once.
    let mark = client.mark();
    let child = spawn(&client, "dash", "hello", "lbl-x");
    assert_eq!(final_text(&client, &child, mark), "you said hello");
    let streamed = client.since(mark).into_iter().any(|seen| {
        seen.payload["sessionKey"] == child.as_str()
            && seen.payload["deltaText"] == "you said hello"
    });
    assert!(streamed, "what it says reaches whoever watches the session");
    until_task(&client, &child, "completed");
    lab.model.until("the parent is told", |asked| (told(asked, &child) > 0).then_some(()));
    let agent = agents_of(&lab, &child).remove(0);
    assert_eq!(agent["label"], "lbl-x");
    assert_eq!(agent["session"], MAIN, "the session that asked for it owns it");
    assert_eq!(agent["metadata"]["openclaw.parent_session"], MAIN);
    assert_eq!(agent["task"], "say you said hello; repeat 100 wait");
    let events = lab.dash.run([
        "watch",
        "--json",
        "--since",
        "beginning",
        "--type",
        "message",
        "--session",
        MAIN,
    ]);
    drop(events);

    // A message to it, from the parent's model: a new process and a new ACP session, the same agent.
    let mark = client.mark();
    let call = json!({"sessionKey": child, "message": "more"});
    client.turn(MAIN, &format!("CALL sessions_send {call}\nSAY sent"));
    assert_eq!(final_text(&client, &child, mark), "heard: more", "without OpenClaw's envelope");
    // And from somebody who types into its session.
    assert!(client.turn(&child, "still there?").text.contains("heard: still there?"));
    // What OpenClaw says of it.
    let listed = client.turn(MAIN, "CALL subagents {\"action\": \"list\"}");
    assert!(listed.text.contains("lbl-x"), "{}", listed.text);

    // The gateway is killed and started again: it goes on with the same agent.
    lab.restart();
    client.until_closed();
    let client = lab.client();
    client.subscribe(MAIN);
    assert!(client.turn(&child, "and now?").text.contains("heard: and now?"));
    let all = agents_of(&lab, &child);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0]["id"], agent["id"]);
    assert_eq!(told(&lab.model.asked(), &child), 1);

    // Cancelled: OpenClaw says so, and Dash.
    let child = spawn(&client, "slow", "long", "lbl-slow");
    let agent = eventually("it runs", || agents_of(&lab, &child).pop().ok_or("no agent"));
    client.ok("sessions.abort", &json!({"key": child}));
    until_task(&client, &child, "cancelled");
    let id = agent["id"].as_str().unwrap();
    lab.dash.until(id, "its turn has ended", |agent| agent["status"] != "running");
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
    lab.model.until("the parent is told", |asked| (told(asked, &child) > 0).then_some(()));
    client.turn(MAIN, "SAY done");
    assert_eq!(told(&lab.model.asked(), &child), 1);
    assert_eq!(agents_of(&lab, &child).len(), 1);
    drop(held);
}

#[test]
fn heavy_a_hundred_children_of_one_turn() {
    let lab = lab();
    let client = lab.client();
    client.subscribe(MAIN);
    let begin = Instant::now();
    let calls: Vec<_> = (0..MANY)
        .map(|n| spawn_call("until", &format!("task {n}"), &format!("child-{n}")))
        .collect();
    let mark = client.mark();
    client.chat(MAIN, &format!("PARALLEL\n{}\nSAY spawned", calls.join("\n")));
    let accepted = || {
        let results = client.since(mark).into_iter().filter(|seen| {
            let data = &seen.payload["data"];
            seen.event == "agent" && data["name"] == "sessions_spawn" && data["phase"] == "result"
        });
        let (yes, no): (Vec<_>, Vec<_>) =
            results.partition(|seen| seen.payload.to_string().contains("accepted"));
        (yes.len(), no.len())
    };
    within(Duration::from_mins(3), "all are accepted or refused", || {
        let (yes, no) = accepted();
        if yes + no >= MANY { Ok(()) } else { Err(format!("{yes} accepted, {no} refused")) }
    });
    let accepted_after = begin.elapsed();
    assert_eq!(accepted(), (MANY, 0));
    within(Duration::from_mins(3), "all run at once", || {
        let running = lab.dash.run(["status", "--json", "--status", "running"]).success().json();
        if running.len() == MANY { Ok(()) } else { Err(format!("{} run", running.len())) }
    });
    let running_after = begin.elapsed();
    let faces: Vec<_> = lab
        .dash
        .processes()
        .into_iter()
        .filter(|(_, line)| line.contains(" acp "))
        .map(|(pid, _)| crate::acp_face::kilobytes(pid, "Pss"))
        .collect();

    let held = release(&lab);
    let agents = within(Duration::from_mins(3), "all have ended", || {
        let agents = lab.dash.run(["status", "--json", "--all"]).success().json();
        let ended = agents.iter().filter(|agent| agent["status"] == "completed").count();
        if ended == MANY { Ok(agents) } else { Err(format!("{ended} completed")) }
    });
    let children: Vec<_> = agents
        .iter()
        .map(|agent| agent["metadata"]["openclaw.session"].as_str().unwrap().to_owned())
        .collect();
    let labels: BTreeSet<_> = agents.iter().map(|agent| agent["label"].to_string()).collect();
    assert_eq!(labels.len(), MANY, "each agent of Dash has the label of its child");
    let shown = within(Duration::from_mins(3), "OpenClaw shows them all as completed", || {
        let listed =
            client.call("tasks.list", &json!({"limit": 500})).map_err(|error| error.to_string())?;
        let tasks = listed["tasks"].as_array().cloned().unwrap_or_default();
        let completed: BTreeSet<_> = tasks
            .iter()
            .filter(|task| task["status"] == "completed")
            .map(|task| task["title"].to_string())
            .collect();
        if completed.len() == MANY {
            Ok(completed)
        } else {
            Err(format!("{} completed", completed.len()))
        }
    });
    assert_eq!(shown, labels);
    within(Duration::from_mins(3), "the parent is told of each", || {
        let asked = lab.model.asked();
        let known = children.iter().filter(|child| told(&asked, child) > 0).count();
        if known == MANY { Ok(()) } else { Err(format!("told of {known}")) }
    });
    let asked = lab.model.asked();
    let more: Vec<_> = children.iter().filter(|child| told(&asked, child) != 1).collect();
    assert!(more.is_empty(), "told more than once: {more:?}");
    println!(
        "{MANY} children of one turn: accepted within {accepted_after:?}, all running after {running_after:?}, \
         {} processes of `dash acp` with {} KiB at most (Pss), all told after {:?}",
        faces.len(),
        faces.iter().max().copied().unwrap_or_default(),
        begin.elapsed()
    );
    drop(held);
}
