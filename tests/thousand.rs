//! A thousand agents at once, and a hundred callers at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::env::live::Live;
use crate::env::{TestEnv, eventually, fifo};

const MANY: usize = 1000;

/// Asks for the status over and over while something is done, and gives the slowest answer.
fn with_status_throughout<T>(env: &TestEnv, work: impl FnOnce() -> T) -> (T, Duration, usize) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut slowest, mut answers) = (Duration::ZERO, 0);
            while !over.load(Ordering::Relaxed) {
                let begin = Instant::now();
                drop(env.run(["status", "--json"]).success().json());
                slowest = slowest.max(begin.elapsed());
                answers += 1;
            }
            (slowest, answers)
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        over.store(true, Ordering::Relaxed);
        let (slowest, answers) = asking.join().unwrap();
        let done = done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (done, slowest, answers)
    })
}

fn ids(agents: &[Value]) -> HashSet<String> {
    agents.iter().map(|agent| agent["id"].as_str().unwrap().to_owned()).collect()
}

/// Every event there is, when as many agents have ended.
fn all_events(env: &TestEnv, ends: usize) -> Vec<Value> {
    let watch = Live::start(env.command(["watch", "--json", "--since", "beginning"]));
    let ended = |text: &str| ENDS.iter().map(|end| text.matches(end).count()).sum::<usize>();
    eventually("every agent has ended", || {
        let seen = ended(&watch.stdout());
        if seen >= ends { Ok(()) } else { Err(seen) }
    });
    let events = watch.json();
    let output = watch.interrupt();
    assert_eq!(output.code, Some(130), "{}", output.stderr);
    events
}

const ENDS: [&str; 2] = ["\"type\":\"agent.completed\"", "\"type\":\"agent.killed\""];

/// What happened to each agent, in order, and how many ran at once at most.
fn lives(events: &[Value]) -> (HashMap<String, Vec<String>>, usize) {
    let mut lives: HashMap<String, Vec<String>> = HashMap::new();
    let (mut running, mut most) = (0_usize, 0_usize);
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], index + 1, "seq has neither gaps nor repeats");
        let kind = event["type"].as_str().unwrap().trim_start_matches("agent.").to_owned();
        match kind.as_str() {
            "started" => running += 1,
            "completed" | "killed" => running -= 1,
            "output" => assert_eq!(event["data"]["text"], "hello\n", "{event}"),
            _ => {}
        }
        most = most.max(running);
        lives.entry(event["agent_id"].as_str().unwrap().to_owned()).or_default().push(kind);
    }
    (lives, most)
}

#[track_caller]
fn assert_lives(lives: &HashMap<String, Vec<String>>, expected: &[&str]) {
    let mut kinds: BTreeMap<&[String], usize> = BTreeMap::new();
    for life in lives.values() {
        *kinds.entry(life).or_default() += 1;
    }
    assert_eq!(lives.len(), MANY, "{kinds:?}");
    assert!(kinds.keys().all(|kind| *kind == expected), "{kinds:?}");
}

#[test]
fn heavy_a_thousand_agents_run_at_once_and_can_be_killed() {
    let env = TestEnv::new();
    let begin = Instant::now();
    let spawn = ["spawn", "--count", "1000", "--json", "--", "sh", "-c", "echo hello; sleep 600"];
    let spawned = env.run(spawn).success();
    assert_eq!(spawned.stderr, "");
    let agents = spawned.json();
    assert_eq!(ids(&agents).len(), MANY);
    let answered = begin.elapsed();
    let group = agents[0]["group"].as_str().unwrap().to_owned();

    let (running, slowest, answers) = with_status_throughout(&env, || {
        eventually("all run", || {
            let agents = env.run(["status", "--json", "--status", "running"]).success().json();
            if agents.len() == MANY { Ok(begin.elapsed()) } else { Err(agents.len()) }
        });
        let running = begin.elapsed();
        let killed = env.run(["kill", "--group", &group, "--json"]).success().json();
        assert_eq!(ids(&killed), ids(&agents));
        assert!(killed.iter().all(|agent| agent["status"] == "killed"));
        running
    });
    println!(
        "1,000 agents: answered after {answered:?}, running after {running:?}; \
         slowest of {answers} status calls: {slowest:?}"
    );
    assert!(slowest < Duration::from_secs(5), "status took {slowest:?}");

    let (lives, most) = lives(&all_events(&env, MANY));
    assert_lives(&lives, &["spawned", "started", "output", "stopping", "killed"]);
    assert_eq!(most, MANY);
}

/// Each ends by itself when the gate opens, which is when all have said hello.
#[test]
fn heavy_a_thousand_agents_end_by_themselves() {
    let env = TestEnv::new();
    let gate = env.work().join("gate");
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
    fifo(&gate);
    let spawn = ["spawn", "-n", "1000", "--json", "--", "sh", "-c", "echo hello; : < gate"];
    let spawned = env.run(spawn).success();
    assert_eq!(ids(&spawned.json()).len(), MANY);

    let ((), slowest, answers) = with_status_throughout(&env, || {
        let watch = ["watch", "--json", "--since", "beginning", "--type", "output"];
        let hellos = Live::start(env.command(watch));
        eventually("all have said hello", || {
            let said = hellos.stdout().lines().count();
            if said == MANY { Ok(()) } else { Err(said) }
        });
        eventually("all have ended", || {
            // Lets everybody through who has come to the gate; there may be nobody.
            drop(std::fs::OpenOptions::new().write(true).custom_flags(nonblock).open(&gate));
            let alive = env.run(["status", "--json", "--status", "running"]).success().json();
            if alive.is_empty() { Ok(()) } else { Err(alive.len()) }
        });
    });
    println!("slowest of {answers} status calls: {slowest:?}");
    let (lives, most) = lives(&all_events(&env, MANY));
    assert_lives(&lives, &["spawned", "started", "output", "completed"]);
    assert_eq!(most, MANY);
}

#[test]
fn heavy_a_hundred_callers_start_one_daemon_and_an_agent_each() {
    let env = TestEnv::new();
    let begin = Instant::now();
    let callers: Vec<_> =
        (0..100).map(|_| Live::start(env.command(["spawn", "--", "sleep", "600"]))).collect();
    let outputs: Vec<_> = callers.into_iter().map(Live::end).collect();
    let elapsed = begin.elapsed();

    let mut spawned = HashSet::new();
    let mut starters = 0;
    for output in outputs {
        let output = output.success();
        spawned.insert(output.stdout.trim().strip_prefix("spawned ").unwrap().to_owned());
        starters += output.stderr.matches("dash: started the daemon").count();
        assert!(!output.stderr.contains("rror"), "{}", output.stderr);
    }
    println!("100 callers without a daemon: {elapsed:?}");
    assert_eq!(spawned.len(), 100);
    assert_eq!(starters, 1);
    let agents = env.run(["status", "--json"]).success().json();
    assert_eq!(ids(&agents), spawned);
    let audit = env.run(["audit", "--json"]).success().json();
    let starts = audit.iter().filter(|record| record["action"] == "daemon.start").count();
    assert_eq!(starts, 1);
    let daemons = env.processes().into_iter().filter(|(_, line)| line.contains(" serve"));
    assert_eq!(daemons.count(), 1);
}
