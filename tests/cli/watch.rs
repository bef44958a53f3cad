//! `dash watch`.

use insta::assert_snapshot;
use serde_json::Value;

use super::{fields, redacted, started, told};
use crate::env::TestEnv;

fn ended(env: &TestEnv, label: &str, script: &str) {
    let _ = env.run(["spawn", "--wait", "-q", "-l", label, "--", "sh", "-c", script]);
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn it_ends_with_the_agents_that_it_names() {
    let env = started();
    let _redacted = redacted();
    ended(&env, "a", "echo out; echo err >&2");
    assert_snapshot!(told(&env.run(["watch", "a", "--since", "beginning"])), @r#"
    a * spawned: sh -c 'echo out; echo err >&2'
    a * started, pid [pid]
    a | out
    a ! err
    a * completed, exit code 0
    -- exit 0
    "#);
    assert_snapshot!(told(&env.run(["watch", "a"])), @r#"
    -- stderr
    a ended just now: completed, exit code 0, after [span]; `--since beginning` shows what it did
    -- exit 0
    "#);
    let _ = env.spawn(["-l", "b", "--", "sh", "-c", "sleep 0.2; echo later"]);
    let output = env.run(["watch", "b", "--json"]).success();
    assert_eq!(types(&output.json()).last(), Some(&"agent.completed"), "{output:?}");
}

#[test]
fn events_are_in_order_and_complete() {
    let env = started();
    ended(&env, "a", "for i in 1 2 3; do echo line $i; done");
    let events = env.events("a");
    let kinds = types(&events);
    assert_eq!(kinds[..2], ["agent.spawned", "agent.started"]);
    assert_eq!(kinds.last(), Some(&"agent.completed"));
    let text: String = events.iter().filter_map(|event| event["data"]["text"].as_str()).collect();
    assert_eq!(text, "line 1\nline 2\nline 3\n");
    let positions: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(positions.windows(2).all(|pair| pair[0] < pair[1]), "{positions:?}");
    for name in ["seq", "time", "type", "agent_id", "label", "session", "data"] {
        assert!(fields(&events[0]).contains(&name), "{name}");
    }
    let second = positions[1].to_string();
    let rest = env.run(["watch", "--json", "--since", &second, "a"]).success().json();
    assert_eq!(rest[..], events[2..]);
}

#[test]
fn types_filter_but_the_end_is_still_seen() {
    let env = started();
    ended(&env, "a", "echo x; exit 1");
    let only = |kinds: &str| {
        let output = env.run(["watch", "--json", "--since", "beginning", "--type", kinds, "a"]);
        types(&output.success().json()).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(only("output"), ["agent.output"]);
    assert_eq!(only("agent.spawned,failed"), ["agent.spawned", "agent.failed"]);
    let wrong = env.run(["watch", "--json", "--type", "outptu", "a"]).code(2);
    assert!(wrong.error()["hint"].as_str().unwrap().contains("output"), "{wrong:?}");
}

#[test]
fn a_group_and_a_session_are_followed() {
    let env = started();
    let mut watch = env.command(["watch", "--json", "--since", "beginning", "--group", "g"]);
    let _ = env.run(["spawn", "--wait", "-q", "-l", "in", "-g", "g", "--", "echo", "x"]).success();
    ended(&env, "out", "echo y");
    let mut child = watch.spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut seen: Vec<Value> = Vec::new();
    while seen.last().is_none_or(|event| event["type"] != "agent.completed") {
        seen.push(serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(seen.iter().all(|event| event["label"] == "in"), "{seen:?}");
    assert_eq!(types(&seen).first(), Some(&"agent.spawned"));
}

#[test]
fn what_an_agent_says_does_not_steer_the_terminal() {
    let env = started();
    ended(&env, "a", r"printf 'red \033[31m title \033]0;pwned\007 bell \007\n'");
    let shown = env.run(["watch", "a", "--since", "beginning"]).success().stdout;
    assert!(!shown.contains(['\u{1b}', '\u{7}']), "{shown:?}");
    assert!(shown.contains("red") && shown.contains("title"), "{shown:?}");
    let output = env.events("a").into_iter().find(|event| event["type"] == "agent.output").unwrap();
    assert!(output["data"]["text"].as_str().unwrap().contains("\u{1b}[31m"));
}

#[test]
fn nobody_by_that_name() {
    let env = started();
    let _redacted = redacted();
    assert_snapshot!(told(&env.run(["watch", "nobody"])), @r#"
    -- stderr
    error: no agent is called "nobody"
      hint: `dash status --all` lists every agent
    -- exit 4
    "#);
    let _ = env.run(["watch", "--since", "then"]).code(2);
}
