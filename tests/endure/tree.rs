//! A kill leaves nobody, whoever has died before.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::{agent_program, pids, processes_of, zombies_of};
use crate::env::{TestEnv, alive, eventually, signal, skipped};

/// Whether agents get control groups on this machine.
fn grouped(env: &TestEnv, agent: &str) -> bool {
    let record = std::fs::read_to_string(env.state().join("agents").join(agent).join("process"));
    record.unwrap().contains("\"group\"")
}

#[test]
fn heavy_a_kill_leaves_none_of_two_hundred_hostile_trees() {
    let env = TestEnv::with_config("[daemon]\nmax_running = 300\n");
    let program = agent_program(&env);
    let bystander = env.spawn(["--", "sleep", "999"]);
    let args = ["spawn", "--json", "--count", "200", "--group", "trees", "--", &program, "hostile"];
    let _ = env.run(args).success();
    let written = |group: &str| {
        let logs = env.run(["status", "--json", "--group", group]).success().json();
        logs.iter().filter(|agent| agent["status"] == "running").count()
    };
    eventually("all run", || if written("trees") == 200 { Ok(()) } else { Err(()) });
    // Each has itself, one child, and two that hide.
    eventually("all have grown", || match processes_of(&program).len() {
        many if many >= 800 => Ok(()),
        few => Err(few),
    });
    env.kill_daemon();
    let begin = Instant::now();
    let killed = env.run(["kill", "--json", "--group", "trees", "--grace", "500ms"]).success();
    let took = begin.elapsed();
    let left = processes_of(&program);
    assert_eq!(killed.json().len(), 200);
    assert!(killed.json().iter().all(|agent| agent["status"] == "killed"), "{killed:?}");
    eprintln!("200 hostile trees were killed in {took:?} by a daemon that was just started");
    // The daemon comes back first. A build that is not optimised takes its time with so many.
    let back = Duration::from_secs(if cfg!(debug_assertions) { 5 } else { 1 });
    assert!(took < Duration::from_millis(500) + AFTER + back, "{took:?}");
    assert_eq!(env.agent(&bystander)["status"], "running");
    assert!(!grouped(&env, &bystander) || left.is_empty(), "{} live: {left:?}", left.len());
    eventually("no zombie is left", || {
        let zombies = zombies_of(env.keeper_pid().unwrap());
        if zombies.is_empty() { Ok(()) } else { Err(zombies) }
    });
    let _ = env.run(["kill", &bystander, "--grace", "0s"]).success();
    eventually("nobody is left", || match processes_of(&program) {
        none if none.is_empty() => Ok(()),
        some => Err(some),
    });
}

/// How long after its grace a tree may still be there.
const AFTER: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_millis(300);

/// Twenty hostile trees, and their ids.
fn trees(env: &TestEnv, program: &str, more: &[&str]) -> Vec<String> {
    let spawn = [&["spawn", "-q", "-n", "20"], more, &["--", program, "hostile"]].concat();
    let ids = env.run(spawn).success().stdout;
    // Each has itself, one child, and two that hide.
    eventually("all have grown", || match processes_of(program).len() {
        many if many >= 80 => Ok(()),
        few => Err(few),
    });
    ids.lines().map(str::to_owned).collect()
}

#[test]
fn heavy_whatever_ends_hostile_trees_leaves_nobody_a_second_after_the_grace() {
    let env = TestEnv::with_config("[daemon]\nmax_running = 100\ngrace_ms = 300\n");
    let program = agent_program(&env);
    let over = |how: &str, took: Duration| {
        let left = processes_of(&program);
        assert!(left.is_empty(), "{how}: {} live: {left:?}", left.len());
        eprintln!("20 hostile trees, {how}: nobody is left after {took:?}");
        assert!(took < GRACE + AFTER, "{how}: {took:?}");
    };
    let ended = |how: &str, ids: &[String], status: &str| {
        let agents = env.run(["status", "--json", "--all"]).success().json();
        let own = agents.into_iter().filter(|agent| ids.iter().any(|id| agent["id"] == **id));
        let own: Vec<Value> = own.collect();
        assert_eq!(own.len(), 20, "{how}");
        let other = own.iter().find(|agent| agent["status"] != status);
        assert_eq!(other, None, "{how}");
        own
    };
    let kill = |ids: &[String]| {
        let begin = Instant::now();
        let args = ["kill", "--grace", "300ms"].map(str::to_owned);
        env.run(args.iter().chain(ids)).success();
        begin.elapsed()
    };

    let ids = trees(&env, &program, &[]);
    over("killed", kill(&ids));
    ended("killed", &ids, "killed");

    let ids = trees(&env, &program, &[]);
    env.kill_daemon();
    over("killed by a daemon that was just started", kill(&ids));
    ended("killed by the next daemon", &ids, "killed");

    let ids = trees(&env, &program, &["--timeout", "4s"]);
    let wait = |ids: &[String]| -> Vec<String> {
        std::iter::once("wait".to_owned()).chain(ids.iter().cloned()).collect()
    };
    let waited = env.run(wait(&ids));
    assert_ne!(waited.code, Some(0), "{waited:?}");
    let late_by = |agent: &Value| {
        let time = |name: &str| agent[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let lived = time("ended_at").duration_since(time("started_at"));
        lived.unsigned_abs().saturating_sub(Duration::from_secs(4))
    };
    let late = ended("out of time", &ids, "timed_out").iter().map(late_by).max();
    over("out of time", late.unwrap());

    // The daemon that was told when dies, and the next one keeps to the time of the first.
    let ids = trees(&env, &program, &["--timeout", "4s"]);
    env.kill_daemon();
    let _ = env.run(wait(&ids));
    let agents = ended("out of time, over a crash", &ids, "timed_out");
    over("out of time, over a crash", agents.iter().map(late_by).max().unwrap());

    let ids = trees(&env, &program, &[]);
    let begin = Instant::now();
    let _ = env.run(["shutdown", "--kill-agents", "--grace", "300ms"]).success();
    over("at a shutdown", begin.elapsed());
    ended("at a shutdown", &ids, "killed");
}

#[test]
fn heavy_a_fork_bomb_hurts_nobody_and_dies() {
    let env = TestEnv::with_config("[daemon]\nagent_processes_max = 100\n");
    let program = agent_program(&env);
    let neighbour = env.spawn(["--stdin", "--", "cat"]);
    env.until(&neighbour, "it runs", |agent| agent["status"] == "running");
    if !grouped(&env, &neighbour) {
        skipped("no control group can be made here, so that nothing limits a fork bomb");
        return;
    }
    let bomb = env.spawn(["--", &program, "bomb"]);
    eventually("it has grown", || match processes_of(&program).len() {
        100 => Ok(()),
        other => Err(other),
    });
    let begin = Instant::now();
    let _ = env.run(["send", &neighbour, "are you there"]).success();
    env.until(&neighbour, "it answers", |agent| agent["status"] == "running");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let killed = env.run(["kill", "--json", &bomb, "--grace", "200ms"]).success().one();
    assert_eq!(processes_of(&program), []);
    let reason = killed["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("limit of 100 processes"), "{killed}");
    let _ = env.run(["kill", &neighbour]).success();
}

#[test]
fn heavy_agents_outlive_the_keeper_and_are_found_again() {
    let env = TestEnv::with_config("[daemon]\nmax_running = 100\n");
    let program = agent_program(&env);
    let args = ["spawn", "--json", "--count", "48", "--group", "many", "--", &program, "hostile"];
    let _ = env.run(args).success();
    let listener = env.spawn(["--stdin", "--", "sh", "-c", "read line; echo $line; exit 3"]);
    let brief = env.spawn(["--", "sh", "-c", "while [ ! -e go ]; do sleep 0.05; done; exit 4"]);
    env.until(&brief, "it runs", |agent| agent["status"] == "running");
    eventually("all have grown", || match processes_of(&program).len() {
        many if many >= 4 * 48 => Ok(()),
        few => Err(few),
    });
    let before = pids(&env);
    let keeper = env.keeper_pid().unwrap();
    signal(keeper, Signal::KILL);
    let begin = Instant::now();
    env.kill_daemon();
    let all = env.run(["status", "--json", "--status", "running"]).success().json();
    assert_eq!(all.len(), 50);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(before.values().all(|pid| alive(i32::try_from(*pid).unwrap())));

    std::fs::write(env.work().join("go"), "").unwrap();
    let lost = env.until(&brief, "its end is noticed", |agent| agent["status"] == "lost");
    assert!(lost["exit_code"].is_null() && lost["reason"].is_string(), "{lost}");
    let _ = env.run(["kill", "--group", "many", "--grace", "100ms"]).success();
    assert_eq!(processes_of(&program), []);
    // The new keeper writes to the old one's agents.
    let _ = env.run(["send", &listener, "hello"]).success();
    env.until(&listener, "it ends, nobody knows how", |agent| agent["status"] == "lost");
    assert_eq!(env.run(["logs", &listener]).success().stdout, "hello\n");
    let refused = env.run(["send", &brief, "hello"]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
}
