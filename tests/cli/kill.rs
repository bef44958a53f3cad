//! `dash kill`.

use std::time::{Duration, Instant};

use insta::assert_snapshot;
use serde_json::Value;

use super::{redacted, started, told};
use crate::env::{TestEnv, alive};

fn sleeper(env: &TestEnv, label: &str, more: &[&str]) -> i32 {
    let mut args = vec!["-l", label];
    args.extend(more);
    args.extend(["--", "sleep", "600"]);
    let _ = env.spawn(args);
    pid(env, label)
}

fn pid(env: &TestEnv, label: &str) -> i32 {
    let agent = env.until(label, "it runs", |agent| agent["status"] == "running");
    i32::try_from(agent["pid"].as_i64().unwrap()).unwrap()
}

fn statuses(agents: &[Value]) -> Vec<&str> {
    agents.iter().map(|agent| agent["status"].as_str().unwrap()).collect()
}

#[test]
fn one_is_gone_when_the_command_returns() {
    let env = started();
    let _redacted = redacted();
    let process = sleeper(&env, "one", &[]);
    assert_snapshot!(told(&env.run(["kill", "one"])), @r#"
    one [id] killed, SIGTERM, after [span]
    -- exit 0
    "#);
    assert!(!alive(process));
    assert_snapshot!(told(&env.run(["kill", "one"])), @r#"
    one [id] had ended already: killed, SIGTERM, after [span]
    -- exit 0
    "#);
    let again = env.run(["kill", "--json", "one"]).success().one();
    assert_eq!(again["signal"], "SIGTERM");
}

#[test]
fn several_a_group_a_session_or_all() {
    let env = started();
    for (label, more) in [
        ("a", &[][..]),
        ("b", &[]),
        ("c", &["-g", "g"]),
        ("d", &["-g", "g"]),
        ("e", &["--session", "s"]),
        ("f", &[]),
        ("g", &[]),
    ] {
        sleeper(&env, label, more);
    }
    let killed = |args: &[&str]| {
        let all = ["kill", "--json"].iter().chain(args);
        let agents = env.run(all).success().json();
        assert!(statuses(&agents).iter().all(|status| *status == "killed"), "{agents:?}");
        agents.iter().map(|agent| agent["label"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(killed(&["a", "b"]), ["a", "b"]);
    assert_eq!(killed(&["--group", "g"]), ["c", "d"]);
    assert_eq!(killed(&["--session", "s"]), ["e"]);
    let refused = env.run(["kill", "--all", "--json"]).code(2);
    assert!(refused.error()["hint"].as_str().unwrap().contains("--yes"));
    assert_eq!(statuses(&env.run(["status", "--json", "f", "g"]).success().json()), ["running"; 2]);
    assert_eq!(killed(&["--all", "--yes"]), ["f", "g"]);
    let none = env.run(["kill", "--all", "--yes"]).success();
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "dash: no agent is alive\n"));
}

#[test]
fn nothing_is_ended_when_one_name_is_wrong() {
    let env = started();
    sleeper(&env, "right", &[]);
    assert_eq!(env.run(["kill", "--json", "right", "wrong"]).code(4).error()["code"], "not_found");
    let _ = env.run(["kill", "--group", "none"]).code(4);
    let _ = env.run(["kill"]).code(2);
    assert_eq!(env.agent("right")["status"], "running");
}

#[test]
fn who_ignores_the_signal_dies_when_the_grace_is_over() {
    let env = started();
    let script = "trap '' TERM; echo ready; while :; do sleep 600; done";
    let _ = env.spawn(["-l", "stubborn", "--", "sh", "-c", script]);
    let process = pid(&env, "stubborn");
    crate::env::eventually("it has set its trap", || {
        let logs = env.run(["logs", "stubborn"]).success().stdout;
        if logs.contains("ready") { Ok(()) } else { Err(logs) }
    });
    let begin = Instant::now();
    let agent = env.run(["kill", "--json", "--grace", "700ms", "stubborn"]).success().one();
    assert!(begin.elapsed() >= Duration::from_millis(700), "{:?}", begin.elapsed());
    assert_eq!((&agent["status"], &agent["signal"]), (&"killed".into(), &"SIGKILL".into()));
    assert!(!alive(process));
}

#[test]
fn the_signal_can_be_chosen() {
    let env = started();
    for (signal, name) in [("INT", "SIGINT"), ("SIGUSR1", "SIGUSR1"), ("KILL", "SIGKILL")] {
        sleeper(&env, name, &[]);
        let agent = env.run(["kill", "--json", "--signal", signal, name]).success().one();
        assert_eq!((&agent["status"], &agent["signal"]), (&"killed".into(), &name.into()));
    }
    let _ = env.run(["kill", "--signal", "NOPE", "x"]).code(2);
}

#[test]
fn a_queued_one_never_starts() {
    let env = super::started_with("[daemon]\nmax_running = 1\n");
    sleeper(&env, "first", &[]);
    let _ = env.spawn(["-l", "second", "--", "touch", "started"]);
    assert_eq!(env.run(["kill", "--json", "second"]).success().one()["status"], "killed");
    let _ = env.run(["kill", "first"]).success();
    assert!(!env.work().join("started").exists());
    let agent = env.agent("second");
    assert!(agent["started_at"].is_null(), "{agent}");
}

#[test]
fn children_end_with_it() {
    let env = started();
    let script = "sleep 600 & echo $!; wait";
    let _ = env.spawn(["-l", "parent", "--", "sh", "-c", script]);
    let child: i32 = crate::env::eventually("it says its child", || {
        env.run(["logs", "parent"]).success().stdout.trim().parse::<i32>()
    });
    assert!(alive(child));
    let _ = env.run(["kill", "parent"]).success();
    assert!(!alive(child));
}
