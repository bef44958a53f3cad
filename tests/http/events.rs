//! Events in pages and as a stream.

use serde_json::{Value, json};

use super::wire::{At, Told};
use super::{id, spawn, started, started_with};
use crate::env::TestEnv;

const EVENTS: &str = "/api/v1/events";

/// One agent that said three lines and ended.
fn three_lines(env: &TestEnv, at: &At, label: &str) -> String {
    let script = "echo 1; sleep 0.05; echo 2; sleep 0.05; echo 3";
    let agents =
        spawn(at, &json!({"command": ["sh", "-c", script], "label": label, "group": label}));
    let _ = env.run(["wait", id(&agents[0])]).success();
    id(&agents[0]).to_owned()
}

fn seqs(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

fn ended(told: &[Told]) -> bool {
    told.last().is_some_and(|last| last.data["type"] == "agent.completed")
}

#[test]
fn pages_join_without_a_gap_or_a_repeat() {
    let (env, at) = started();
    let one = three_lines(&env, &at, "one");
    let two = three_lines(&env, &at, "two");
    let all = at.get(EVENTS).expect(200)["events"].as_array().unwrap().clone();
    let (mut joined, mut since) = (Vec::new(), "beginning".to_owned());
    loop {
        let page = at.get(&format!("{EVENTS}?since={since}&limit=2")).expect(200);
        let events = page["events"].as_array().unwrap();
        if events.is_empty() {
            break;
        }
        joined.extend(events.iter().cloned());
        since = page["next"].to_string();
    }
    assert_eq!(joined, all);
    let of = |query: &str| {
        let page = at.get(&format!("{EVENTS}?{query}")).expect(200);
        page["events"].as_array().unwrap().clone()
    };
    let ours =
        |agent: &str| all.iter().filter(|it| it["agent_id"] == agent).cloned().collect::<Vec<_>>();
    assert_eq!(of(&format!("agent={one}")), ours(&one));
    assert_eq!(of("label=two"), ours(&two));
    assert_eq!(of("group=two"), ours(&two));
    assert_eq!(of("type=completed").len(), 2);
    assert_eq!(of("type=agent.spawned,agent.completed&group=one").len(), 2);
    let path = format!("/api/v1/agents/{two}/events");
    assert_eq!(*at.get(&path).expect(200)["events"].as_array().unwrap(), ours(&two));
    assert_eq!(at.get("/api/v1/agents/none/events").problem(404), "not_found");
}

#[test]
fn a_stream_resumes_after_the_last_event_id() {
    let (env, at) = started();
    three_lines(&env, &at, "one");
    let all = at.stream(&format!("{EVENTS}?since=beginning"), &[], ended);
    for told in &all {
        assert_eq!(told.id, told.data["seq"].to_string());
    }
    for cut in 0..all.len() - 1 {
        let resumed = at.stream(
            // What was seen last is stronger than what was first asked for.
            &format!("{EVENTS}?since=beginning"),
            &[("last-event-id", &all[cut].id)],
            ended,
        );
        assert_eq!(resumed, all[cut + 1..]);
    }
    let bad =
        at.call("GET", EVENTS, &[("last-event-id", "x"), ("accept", "text/event-stream")], b"");
    assert_eq!(bad.problem(400), "invalid_request");
}

#[test]
fn a_stream_goes_on_as_things_happen() {
    let (env, at) = started();
    let agents = spawn(&at, &json!({"command": ["cat"], "stdin": true, "label": "cat"}));
    env.until("cat", "it runs", |agent| agent["status"] == "running");
    let path = format!("/api/v1/agents/{}", id(&agents[0]));
    let target = format!("{path}/events?since=beginning&type=output");
    let at_once = at.clone();
    let reader = std::thread::spawn(move || at_once.stream(&target, &[], |told| told.len() == 2));
    for text in ["one", "two"] {
        at.post(&format!("{path}/messages"), &json!({"text": text})).expect(202);
        crate::env::eventually("it is written", || {
            let logs = env.run(["logs", "cat"]).success().stdout;
            if logs.contains(text) { Ok(()) } else { Err(logs) }
        });
    }
    let told = reader.join().unwrap();
    assert_eq!(told[0].data["data"]["text"], "one\n");
    assert_eq!(told[1].data["data"]["text"], "two\n");
}

#[test]
fn a_cursor_that_is_too_old_is_told_so() {
    let (env, at) = started_with("[daemon]\nevents_kept = 20\n");
    for round in 0..12 {
        three_lines(&env, &at, &format!("r{round}"));
    }
    let page = crate::env::eventually("old events are dropped", || {
        let page = at.get(&format!("{EVENTS}?since=1")).expect(200);
        if page["reset"].is_object() { Ok(page) } else { Err(page["next"].clone()) }
    });
    let oldest = page["reset"]["oldest"].as_u64().unwrap();
    assert_eq!(page["reset"]["since"], 1);
    assert_eq!(seqs(page["events"].as_array().unwrap()).first(), Some(&oldest));
    assert!(page["events"].as_array().unwrap().len() >= 20);
    let told = at.stream(&format!("{EVENTS}?since=1"), &[], |told| told.len() > 2);
    assert_eq!(told[0].event, "reset");
    assert_eq!(told[0].data["type"], "reset");
    assert_eq!(told[0].data["since"], 1);
    assert_eq!(told[1].data["seq"], told[0].data["oldest"]);
    // From the beginning is no old cursor for a page: it asks for what there is.
    assert!(at.get(EVENTS).expect(200).get("reset").is_none());
    let ahead = at.stream(&format!("{EVENTS}?since=999999"), &[], |told| !told.is_empty());
    assert_eq!(ahead[0].event, "reset");
}

#[test]
fn the_audit_trail_has_pages_too() {
    let (env, at) = started();
    three_lines(&env, &at, "one");
    let all = at.get("/api/v1/audit").expect(200)["records"].as_array().unwrap().clone();
    let actions: Vec<_> = all.iter().map(|it| it["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["daemon.start", "spawn", "end"]);
    let page = at.get("/api/v1/audit?limit=1").expect(200);
    let next = page["next"].as_u64().unwrap();
    let rest = at.get(&format!("/api/v1/audit?since={next}")).expect(200);
    assert_eq!(rest["records"].as_array().unwrap()[..], all[1..]);
    assert_eq!(at.get("/api/v1/audit?limit=0").problem(400), "invalid_request");
}
