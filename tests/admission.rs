//! At most so many at once, the others in order, and no more than fit the queue.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;

use crate::env::live::Live;
use crate::env::{TestEnv, eventually};

const CONFIG: &str = "[daemon]\nmax_running = 3\nmax_queued = 5\n";

/// Runs until there is a file with its label.
const UNTIL_TOLD: &str = r#"until [ -e "$0" ]; do sleep 0.02; done"#;

fn spawn_until_told(env: &TestEnv, label: &str) -> Live {
    Live::start(env.command(["spawn", "--json", "-l", label, "--", "sh", "-c", UNTIL_TOLD, label]))
}

fn labels(env: &TestEnv, status: &str) -> Vec<String> {
    let agents = env.run(["status", "--json", "--status", status]).success().json();
    let mut agents: Vec<(String, String)> = agents
        .iter()
        .map(|agent| ["created_at", "label"].map(|key| agent[key].as_str().unwrap().to_owned()))
        .map(|[created, label]| (created, label))
        .collect();
    agents.sort();
    agents.into_iter().map(|(_, label)| label).collect()
}

#[track_caller]
fn until_running(env: &TestEnv, expected: &[&str]) {
    eventually("these run", || {
        let running = labels(env, "running");
        if running == expected { Ok(()) } else { Err(running) }
    });
}

#[test]
fn three_run_five_wait_and_no_more_are_taken() {
    let env = TestEnv::with_config(CONFIG);
    for label in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        spawn_until_told(&env, label).end().success();
    }
    until_running(&env, &["a", "b", "c"]);
    assert_eq!(labels(&env, "queued"), ["d", "e", "f", "g", "h"]);
    let queued = env.agent("d");
    let reason = queued["reason"].as_str().unwrap();
    assert!(reason.contains('3') && reason.contains("max_running"), "{reason}");
    let shown = env.run(["status"]).success().stdout;
    assert!(shown.contains("queued"), "{shown}");
    let detail = env.run(["status", "d"]).success().stdout;
    assert!(detail.contains("max_running"), "{detail}");

    let refused = env.run(["spawn", "--json", "-l", "i", "--", "true"]).code(75);
    let error = refused.error();
    assert!(error["message"].as_str().unwrap().contains('5'), "{error}");
    assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{error}");
    let answer = post_by_hand(&env, r#"{"command":["true"]}"#);
    assert!(answer.starts_with("HTTP/1.0 429 ") || answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert!(answer.to_lowercase().contains("\r\nretry-after: "), "{answer}");

    // Whoever has waited longest is next, and a free place in the queue can be taken again.
    env.write("work/b", "");
    until_running(&env, &["a", "c", "d"]);
    spawn_until_told(&env, "i").end().success();
    env.run(["spawn", "--json", "--", "true"]).code(75);
    // One who leaves the queue makes room there, and nobody overtakes.
    env.run(["kill", "f"]).success();
    env.write("work/a", "");
    until_running(&env, &["c", "d", "e"]);
    env.write("work/c", "");
    until_running(&env, &["d", "e", "g"]);
    assert_eq!(labels(&env, "queued"), ["h", "i"]);
}

fn post_by_hand(env: &TestEnv, body: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(env.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST /api/v1/agents HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn heavy_fifty_callers_at_once_get_exactly_the_places_there_are() {
    let env = TestEnv::with_config(CONFIG);
    env.run(["status"]).success();
    let labels: Vec<String> = (0..50).map(|n| format!("n{n}")).collect();
    let callers: Vec<Live> = labels.iter().map(|label| spawn_until_told(&env, label)).collect();
    let outputs: Vec<_> = callers.into_iter().map(Live::end).collect();
    let taken = outputs.iter().filter(|output| output.code == Some(0)).count();
    let busy = outputs.iter().filter(|output| output.code == Some(75)).count();
    assert_eq!((taken, busy), (8, 42), "{outputs:?}");

    for label in &labels {
        env.write(&format!("work/{label}"), "");
    }
    let watch = Live::start(env.command(["watch", "--json", "--since", "beginning"]));
    eventually("all have ended", || {
        let ended = watch.stdout().matches("agent.completed").count();
        if ended == 8 { Ok(()) } else { Err(ended) }
    });
    let events = watch.json();
    watch.interrupt().code(130);
    let of = |kind: &str| -> Vec<&Value> {
        events
            .iter()
            .filter(|event| event["type"] == kind)
            .map(|event| &event["agent_id"])
            .collect()
    };
    assert_eq!(of("agent.spawned").len(), 8);
    let mut running = HashSet::new();
    for event in &events {
        match event["type"].as_str().unwrap() {
            "agent.started" => assert!(running.insert(&event["agent_id"])),
            "agent.completed" => assert!(running.remove(&event["agent_id"])),
            _ => {}
        }
        assert!(running.len() <= 3, "{running:?}");
    }
    // Those that had to wait came in order; at most three started at the same time, and which of
    // those is recorded first is chance.
    let (spawned, started) = (of("agent.spawned"), of("agent.started"));
    for (place, agent) in spawned.iter().enumerate() {
        let began = started.iter().position(|other| other == agent).unwrap();
        assert!(began.abs_diff(place) < 3, "{spawned:?} {started:?}");
    }
}

/// The machine is small, or said to be: a hundred large agents are queued by the memory that they are
/// expected to take, however many places there are.
#[test]
fn a_hundred_large_agents_wait_for_memory() {
    const LARGE: &str = "[daemon]\nmemory_mb = 1000\n[profiles.large]\nruntime = \"command\"\n\
        command = [\"sh\", \"-c\", \"until [ -e \\\"$0\\\" ]; do sleep 0.02; done\"]\n\
        memory_mb = 333\n";
    let env = TestEnv::with_config(LARGE);
    env.run(["spawn", "--json", "--agent", "large", "-g", "g", "-n", "100", "go"]).success();
    let of = |status: &str| {
        env.run(["status", "--json", "--group", "g", "--status", status]).success().json()
    };
    eventually("three run", || if of("running").len() == 3 { Ok(()) } else { Err(of("running")) });
    let queued = of("queued");
    assert_eq!(queued.len(), 97);
    let reason = queued[0]["reason"].as_str().unwrap();
    for part in ["333 MB", "999 of the 1000 MB", "3 agents", "daemon.memory_mb"] {
        assert!(reason.contains(part), "{reason}");
    }
    let id = queued[0]["id"].as_str().unwrap();
    let shown = env.run(["status", id]).success().stdout;
    assert!(shown.contains("daemon.memory_mb"), "{shown}");
    // A daemon that comes back counts what runs already.
    env.kill_daemon();
    assert_eq!(of("running").len(), 3);
    assert_eq!(of("queued").len(), 97);
    // Whoever ends makes room, and all of them get their turn.
    env.write("work/go", "");
    eventually("all have run", || match of("completed").len() {
        100 => Ok(()),
        some => Err(some),
    });
}
