//! What a child that `sessions_spawn` made is looked at with, whichever way it runs in Dash: what OpenClaw lists
//! and says of it, what its parent is told, which agents are its own.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Client, text_of};
use super::lab::{Lab, MAIN};
use super::model::{Asked, INTERNAL};
use crate::env::eventually;

/// Waits longer than for anything else: a gateway on a busy machine is slow to answer.
#[track_caller]
pub fn within<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let begin = Instant::now();
    loop {
        match probe() {
            Ok(found) => return found,
            Err(last) if begin.elapsed() > limit => panic!("never: {what}; last: {last}"),
            Err(_) => std::thread::park_timeout(Duration::from_millis(200)),
        }
    }
}

/// The session that OpenClaw keeps under this label.
pub fn session(client: &Client, label: &str) -> Option<Value> {
    let listed = client.call("sessions.list", &json!({"limit": 1000})).ok()?;
    let mut sessions = listed["sessions"].as_array()?.iter();
    sessions.find(|session| session["label"] == label).cloned()
}

/// Spawns a child in one turn of the model, with this call of `sessions_spawn`, and gives its session's key.
#[track_caller]
pub fn spawn(client: &Client, call: &Value) -> String {
    let turn = client.turn(MAIN, &format!("CALL sessions_spawn {call}\nSAY spawned"));
    assert_eq!((turn.state.as_str(), turn.text.as_str()), ("final", "spawned"), "{turn:#?}");
    let label = call["label"].as_str().unwrap();
    let session = eventually("the child is listed", || session(client, label).ok_or("not listed"));
    assert_eq!(session["spawnedBy"], MAIN);
    session["key"].as_str().unwrap().to_owned()
}

/// The state of the task that OpenClaw keeps for a child, under the words of its own.
pub fn task(client: &Client, child: &str) -> Option<String> {
    let listed = client.call("tasks.list", &json!({})).ok()?;
    let mut tasks = listed["tasks"].as_array()?.iter();
    let task = tasks.find(|task| task["childSessionKey"] == child)?;
    Some(task["status"].as_str()?.to_owned())
}

#[track_caller]
pub fn until_task(client: &Client, child: &str, expected: &str) {
    within(Duration::from_mins(2), &format!("the task is {expected}"), || {
        let status = task(client, child).unwrap_or_default();
        if status == expected { Ok(()) } else { Err(status) }
    });
}

/// What a session was told at the end of a turn, since a mark.
#[track_caller]
pub fn final_text(client: &Client, child: &str, mark: usize) -> String {
    client.until(&format!("a turn of {child} ends"), mark, |seen| {
        let ours = seen.event == "chat" && seen.payload["sessionKey"] == child;
        (ours && seen.payload["state"] == "final").then(|| text_of(&seen.payload["message"]))
    })
}

/// How often the parent's model was told that this child has ended: the messages about it in a conversation.
pub fn told(asked: &[Asked], child: &str) -> usize {
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
pub fn until_told(lab: &Lab, child: &str) {
    within(Duration::from_mins(1), "the parent is told", || {
        let asked = lab.model.asked();
        if told(&asked, child) > 0 { Ok(()) } else { Err(format!("{} requests", asked.len())) }
    });
}

/// The Dash agents that were made for this child, as `dash status --json` shows them.
pub fn agents_of(lab: &Lab, child: &str) -> Vec<Value> {
    let meta = format!("openclaw.session={child}");
    lab.dash.run(["status", "--json", "--all", "--meta", &meta]).success().json()
}

/// Children that one turn of the model spawns where a hundred are wanted.
pub const HUNDRED: usize = 100;

/// Spawns a hundred children in one turn of the parent's model, and gives what `sessions_spawn` answered to each.
#[track_caller]
fn spawn_a_hundred(lab: &Lab, client: &Client, call: impl Fn(usize) -> Value) -> Vec<Value> {
    let calls: Vec<_> = (0..HUNDRED).map(|n| format!("CALL sessions_spawn {}", call(n))).collect();
    let mark = client.mark();
    let run = client.chat(MAIN, &format!("PARALLEL {}\nSAY spawned", calls.join(" ")));
    let turn = client.end_within(Duration::from_mins(5), &run, mark);
    assert_eq!((turn.state.as_str(), turn.text.as_str()), ("final", "spawned"));
    let asked = lab.model.asked();
    let answers = |asked: &Asked| {
        let messages = asked.body["messages"].as_array().cloned().unwrap_or_default();
        let tools = messages.iter().filter(|message| message["role"] == "tool");
        tools
            .filter_map(|message| serde_json::from_str(&text_of(message)).ok())
            .collect::<Vec<Value>>()
    };
    let accepted = asked.iter().map(answers).max_by_key(Vec::len).unwrap_or_default();
    assert_eq!(accepted.len(), HUNDRED);
    for answer in &accepted {
        assert_eq!(answer["status"], "accepted", "{answer}");
    }
    accepted
}

/// Waits until a hundred agents run at the same time.
#[track_caller]
fn until_a_hundred_run(lab: &Lab) {
    within(Duration::from_mins(3), "a hundred run at once", || {
        let running = lab.dash.run(["status", "--json", "--status", "running"]).success().json();
        if running.len() == HUNDRED { Ok(()) } else { Err(format!("{} run", running.len())) }
    });
}

/// Spawns a hundred in this way and waits until all run at once; says how long that took.
#[track_caller]
pub fn a_hundred_run(
    lab: &Lab,
    client: &Client,
    how: &str,
    call: impl Fn(usize) -> Value,
) -> Vec<Value> {
    let began = Instant::now();
    let accepted = spawn_a_hundred(lab, client, call);
    let accepted_after = began.elapsed();
    until_a_hundred_run(lab);
    println!(
        "100 children of one turn, {how}: accepted after {:.1} s, all run after {:.1} s",
        accepted_after.as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
    accepted
}

/// That both sides know a hundred children by the same labels, and each child has one agent, of this status.
#[track_caller]
pub fn a_hundred_labels(lab: &Lab, client: &Client, status: &str) {
    let listed = client.ok("sessions.list", &json!({"limit": 1000}));
    let listed = listed["sessions"].as_array().unwrap().iter();
    let mut theirs: Vec<_> = listed
        .filter(|session| session["label"].is_string())
        .map(|session| json!([session["key"], session["label"]]).to_string())
        .collect();
    let agents = lab.dash.run(["status", "--json", "--all", "--session", MAIN]).success().json();
    let mut ours: Vec<_> = agents
        .iter()
        .map(|agent| json!([agent["metadata"]["openclaw.session"], agent["label"]]).to_string())
        .collect();
    theirs.sort_unstable();
    ours.sort_unstable();
    assert_eq!(ours.len(), HUNDRED);
    assert_eq!(ours, theirs);
    assert!(agents.iter().all(|agent| agent["status"] == status), "{agents:#?}");
}

/// Lets every agent of the profile `until` go on, for as long as what comes back is kept.
pub fn release(lab: &Lab) -> std::fs::File {
    // For reading too, so that opening it waits for nobody.
    let file = lab.dash.home().join("go");
    std::fs::OpenOptions::new().read(true).write(true).open(file).unwrap()
}
