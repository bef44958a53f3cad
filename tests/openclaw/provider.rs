//! A plain `sessions_spawn({agentId, task, label})` on a real gateway whose agent `dash` has Dash as its model provider:
//! OpenClaw 2026.9.6 as it comes, without a plugin. The parent's language model is scripted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::bridge::{bridge, ends};
use super::child::{
    HUNDRED, a_hundred_labels, a_hundred_run, agents_of, final_text, release, session, spawn, told,
    until_task, until_told, within,
};
use super::client::{Client, Seen, text_of};
use super::lab::{Lab, MAIN, Setup};
use crate::env::{alive, fifo};
use crate::http::wire::At;

/// `talk` says what it hears; `until` is a command that runs until the test lets it go on; `silent` says nothing for
/// longer than the gateway waits for a provider that gives no sign of life; `failing` fails.
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

[profiles.failing]
runtime = "command"
command = ["sh", "-c", "echo half of it; exit 3", "sh", "{task}"]

[profiles.silent]
runtime = "command"
command = ["sh", "-c", "sleep 26; echo \"over $1\"", "sh", "{task}"]
"#;

/// Seconds after which the gateway gives up a provider that gives no sign of life.
const PATIENCE_S: u32 = 12;

fn lab(config: Value) -> Lab {
    let lab = Setup::default()
        .dash_config(PROFILES)
        .provider(&["talk", "until", "silent", "failing"])
        .config(json!({"agents": {"defaults": {"subagents": {"maxConcurrent": 200, "maxChildrenPerAgent": 20}}}}))
        .config(config)
        .start();
    fifo(&lab.dash.home().join("go"));
    lab
}

fn call(agent: &str, task: &str, label: &str) -> Value {
    json!({"agentId": agent, "task": task, "label": label})
}

/// Waits until a client of the gateway has seen this text of a session, while it runs.
#[track_caller]
fn until_streamed(client: &Client, child: &str, mark: usize, text: &str) {
    client.until(&format!("{text:?} of {child}"), mark, |seen: &Seen| {
        let ours = seen.event == "chat" && seen.payload["sessionKey"] == child;
        (ours && seen.payload["state"] == "delta" && seen.payload.to_string().contains(text))
            .then_some(())
    });
}

/// Waits until the bridge has told that these have ended.
#[track_caller]
fn until_ended_is_told(lab: &Lab, client: &Client, agents: &[Value]) {
    let ids: Vec<_> = agents.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
    within(Duration::from_mins(1), "the owner is told of each", || {
        let told = ends(client, &ids);
        if told.values().all(|count| *count == 1) {
            return Ok(());
        }
        Err(format!("{told:?} {}", bridge(lab)))
    });
}

/// The only agent of a child.
#[track_caller]
fn agent_of(lab: &Lab, child: &str) -> Value {
    let agents = agents_of(lab, child);
    assert_eq!(agents.len(), 1, "{agents:#?}");
    agents.into_iter().next().unwrap()
}

fn group(pid: i32) -> i32 {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::getpgid(Some(pid)).unwrap().as_raw_nonzero().get()
}

#[test]
fn heavy_a_plain_spawn_is_an_agent_with_the_childs_label_and_goes_on_with_it() {
    let lab = lab(json!({"models": {"providers": {"dash": {"timeoutSeconds": PATIENCE_S}}}}));
    let client = lab.client();
    client.subscribe(MAIN);

    // The gateway starts the daemon, which is no part of the gateway's groups of processes.
    assert_eq!(lab.dash.daemon_pid(), None);
    let child = spawn(&client, &call("dash", "review the readme", "lbl-plain"));
    until_told(&lab, &child);
    let hushed = client.mark();
    let silent = spawn(&client, &call("silent", "hush", "lbl-silent"));
    let daemon = lab.dash.daemon_pid().unwrap();
    assert_eq!(group(daemon), daemon);

    let agent = agent_of(&lab, &child);
    let facts = |agent: &Value| {
        let of = |key: &str| agent["metadata"][format!("openclaw.{key}")].clone();
        json!([
            agent["label"],
            agent["session"],
            of("session"),
            of("parent_session"),
            of("requester"),
            of("channel")
        ])
    };
    assert_eq!(facts(&agent), json!(["lbl-plain", MAIN, child, MAIN, MAIN, "webchat"]));
    let task = agent["task"].as_str().unwrap();
    assert_eq!(
        (task, agent["status"].as_str()),
        ("say you said review the readme; repeat 100 wait", Some("waiting"))
    );
    let trace = agent["metadata"]["traceparent"].as_str().unwrap_or_default();
    assert_eq!(trace.len(), 55, "{agent}");
    for session in [MAIN, &child] {
        let found = lab.dash.run(["status", "--json", "--session", session]).success().one();
        assert_eq!(found["id"], agent["id"]);
    }
    let events = format!("/api/v1/agents/{}/events?since=beginning", agent["id"].as_str().unwrap());
    let events = At::Unix(lab.dash.socket()).get(&events).expect(200)["events"].clone();
    let events = events.as_array().unwrap();
    assert!(events.len() >= 4);
    assert!(events.iter().all(|event| event["label"] == "lbl-plain" && event["session"] == MAIN));
    let listed = session(&client, "lbl-plain").unwrap();
    assert_eq!(
        (&listed["key"], &listed["spawnedBy"], &listed["parentSessionKey"]),
        (&json!(child), &json!(MAIN), &json!(MAIN))
    );
    until_task(&client, &child, "completed");

    // The parent writes to its child: the same session, and the same agent.
    let send = json!({"sessionKey": child, "message": "and the changelog", "timeoutSeconds": 60});
    let turn = client.turn(MAIN, &format!("CALL sessions_send {send}"));
    assert!(turn.text.contains("heard: and the changelog"), "{}", turn.text);
    let after = agent_of(&lab, &child);
    assert_eq!((&after["id"], &after["turn"]), (&agent["id"], &json!(2)));
    assert_eq!(told(&lab.model.asked(), &child), 1, "its result was told once");

    // Stopped in OpenClaw, it is stopped in Dash.
    let mark = client.mark();
    let stopped = spawn(&client, &call("until", "nothing", "lbl-stopped"));
    until_streamed(&client, &stopped, mark, "begun nothing");
    let running = agent_of(&lab, &stopped);
    assert_eq!(running["status"], "running");
    client.ok("sessions.abort", &json!({"key": stopped}));
    let pid = i32::try_from(running["pid"].as_i64().unwrap()).unwrap();
    lab.dash.until("lbl-stopped", "it was killed", |agent| agent["status"] == "killed");
    assert!(!alive(pid));
    until_task(&client, &stopped, "cancelled");

    // Of one that fails OpenClaw hides the reason and what it said: the bridge tells its owner, once.
    let failing = spawn(&client, &call("failing", "nothing", "lbl-failing"));
    until_task(&client, &failing, "failed");
    until_told(&lab, &failing);
    until_ended_is_told(&lab, &client, &[agent_of(&lab, &failing)]);
    let history = client.ok("chat.history", &json!({"sessionKey": MAIN, "limit": 100}));
    let texts: String = history["messages"].as_array().unwrap().iter().map(text_of).collect();
    for line in ["lbl-failing | half of it", "lbl-failing * failed, exit code 3"] {
        assert_eq!(texts.matches(line).count(), 1, "{texts}");
    }

    // A turn that is silent for longer than the gateway's patience is bridged over.
    assert_eq!(final_text(&client, &silent, hushed), "over hush");
    until_task(&client, &silent, "completed");
    until_told(&lab, &silent);

    // The daemon is killed in a turn: OpenClaw asks again, and starts the daemon again.
    let mark = client.mark();
    let kept = spawn(&client, &call("until", "kept", "lbl-kept"));
    until_streamed(&client, &kept, mark, "begun kept");
    lab.dash.kill_daemon();
    within(Duration::from_mins(2), "the daemon is back", || match lab.dash.daemon_pid() {
        Some(pid) if pid != daemon => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let held = release(&lab);
    let text = final_text(&client, &kept, mark);
    assert_eq!(
        (text.matches("begun kept").count(), text.matches("over kept").count()),
        (1, 1),
        "{text}"
    );
    until_told(&lab, &kept);
    client.turn(MAIN, "SAY done");
    assert_eq!(told(&lab.model.asked(), &kept), 1);
    assert_eq!(agent_of(&lab, &kept)["status"], "completed");
    drop(held);
}

/// Children that run at once when the gateway is killed: as many as OpenClaw lets one session have.
const RUNNING: usize = 20;

#[test]
fn heavy_a_killed_gateway_ends_no_turn_and_each_result_comes_once() {
    let mut lab = lab(json!({}));
    let client = lab.client();
    client.subscribe(MAIN);
    let calls: Vec<_> = (0..RUNNING)
        .map(|n| {
            format!(
                "CALL sessions_spawn {}",
                call("until", &format!("job-{n}."), &format!("lbl-{n}"))
            )
        })
        .collect();
    let turn = client.turn(MAIN, &format!("PARALLEL {}\nSAY spawned", calls.join(" ")));
    assert_eq!(turn.text, "spawned", "{turn:#?}");
    let agents = within(Duration::from_mins(2), "all run", || {
        let agents = lab.dash.run(["status", "--json", "--status", "running"]).success().json();
        if agents.len() == RUNNING { Ok(agents) } else { Err(format!("{}", agents.len())) }
    });
    let pids: Vec<_> =
        agents.iter().map(|agent| i32::try_from(agent["pid"].as_i64().unwrap()).unwrap()).collect();
    let children: Vec<_> = agents
        .iter()
        .map(|agent| agent["metadata"]["openclaw.session"].as_str().unwrap().to_owned())
        .collect();

    lab.kill();
    client.until_closed();
    lab.restart();
    assert!(pids.iter().all(|pid| alive(*pid)), "they outlive the gateway");
    // OpenClaw has told the parent that its children were interrupted. What is said to one whose command still runs
    // waits until that has ended: nothing is refused, asked for again, or lost.
    let client = lab.client();
    client.subscribe(MAIN);
    for child in &children {
        until_task(&client, child, "failed");
    }
    let send = json!({"sessionKey": children[0], "message": "and now", "timeoutSeconds": 5});
    let told_at_once = client.turn(MAIN, &format!("CALL sessions_send {send}")).text;
    assert!(
        told_at_once.contains("\"accepted\"") && told_at_once.contains("\"queued\""),
        "{told_at_once}"
    );
    let mut runs = vec![client.chat(&children[1], "and now")];
    for (place, agent) in agents.iter().enumerate() {
        let what = if place < 2 { "somebody hears it again" } else { "nobody hears it" };
        lab.dash.until(agent["id"].as_str().unwrap(), what, |agent| {
            agent["unheard"].is_null() == (place < 2)
        });
    }
    let running = || lab.dash.run(["status", "--json", "--status", "running"]).success().json();
    assert_eq!((running().len(), agents_of(&lab, &children[0]).len()), (RUNNING, 1));

    let held = release(&lab);
    for agent in &agents {
        lab.dash.until(agent["id"].as_str().unwrap(), "it has ended", |agent| {
            agent["status"] == "completed"
        });
    }
    // What nobody hears any more is told in the session that owns it, once.
    until_ended_is_told(&lab, &client, &agents[2..]);
    let followed = within(Duration::from_mins(1), "the words that waited", || {
        let agents = agents_of(&lab, &children[0]);
        match agents.iter().find(|agent| agent["task"] == "and now") {
            Some(agent) if agent["status"] == "completed" => Ok(agents),
            _ => Err(format!("{agents:#?}")),
        }
    });
    assert_eq!(followed.len(), 2, "{followed:#?}");
    lab.model.until("the requester hears the answer", |asked| {
        asked.iter().any(|asked| asked.body.to_string().contains("over and now")).then_some(())
    });

    // Whoever goes on with one gets what it missed.
    runs.extend(children[2..].iter().map(|child| client.chat(child, "and now")));
    for (agent, run) in agents[1..].iter().zip(&runs) {
        let job = agent["task"].as_str().unwrap();
        let turn = client.end_within(Duration::from_mins(3), run, 0);
        let ours = turn.events.iter().filter(|seen| seen.payload["runId"] == run.as_str());
        assert_eq!(turn.state, "final", "{:#?}", ours.collect::<Vec<_>>());
        assert_eq!(turn.text.matches(&format!("over {job}")).count(), 1, "{}", turn.text);
        assert_eq!(turn.text.matches("over and now").count(), 1, "{}", turn.text);
    }
    let again = client.turn(&children[1], "once more");
    assert_eq!(
        (again.text.matches("over job-").count(), again.text.matches("over once more").count()),
        (0, 1),
        "{}",
        again.text
    );
    let ids = |agents: &[Value]| -> Vec<String> {
        agents.iter().map(|agent| agent["id"].as_str().unwrap().to_owned()).collect()
    };
    let told = ends(&client, &ids(&agents));
    let expected = ids(&agents[..2]).into_iter().map(|id| (id, 0));
    assert_eq!(told, expected.chain(ids(&agents[2..]).into_iter().map(|id| (id, 1))).collect());
    drop(held);
}

#[test]
fn heavy_a_hundred_children_of_one_turn_run_at_once_and_each_result_comes_once() {
    let swarm = json!({"maxConcurrent": 1000, "maxChildrenPerGroup": 10_000, "maxTotalPerGroup": 100_000, "defaultAgentId": "until"});
    let lab = lab(json!({"tools": {"swarm": swarm}}));
    let client = lab.client();
    client.subscribe(MAIN);
    let accepted = a_hundred_run(
        &lab,
        &client,
        "through the provider",
        |n| json!({"collect": true, "task": format!("job-{n}."), "label": format!("lbl-{n}")}),
    );
    let held = release(&lab);
    within(Duration::from_mins(2), "all have ended", || {
        let ended = lab.dash.run(["status", "--json", "--all", "--status", "completed"]).success();
        if ended.json().len() == HUNDRED { Ok(()) } else { Err(format!("{}", ended.json().len())) }
    });
    a_hundred_labels(&lab, &client, "completed");

    // The parent collects them: each run's result, once.
    let mut results: BTreeMap<String, String> = BTreeMap::new();
    let mut pending: Vec<_> = accepted.iter().map(|answer| answer["runId"].clone()).collect();
    while !pending.is_empty() {
        let wait = json!({"ids": pending, "timeoutSeconds": 30});
        client.turn(MAIN, &format!("CALL agents_wait {wait}\nSAY collected"));
        let asked = lab.model.asked();
        let messages = asked.last().unwrap().body["messages"].as_array().unwrap().clone();
        let answer = messages.iter().rfind(|message| message["role"] == "tool").unwrap();
        let answer: Value = serde_json::from_str(&text_of(answer)).unwrap();
        for done in answer["completed"].as_array().unwrap() {
            assert_eq!(done["status"], "done", "{done}");
            pending.retain(|run| *run != done["runId"]);
            let run = done["runId"].as_str().unwrap().to_owned();
            assert_eq!(results.insert(run, done.to_string()), None, "twice: {done}");
        }
    }
    for n in 0..HUNDRED {
        let over = format!("over job-{n}.");
        let times: usize = results.values().map(|result| result.matches(&over).count()).sum();
        assert_eq!(times, 1, "{over}");
    }
    drop(held);
}
