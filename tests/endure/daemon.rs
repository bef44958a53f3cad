//! The daemon dies, sleeps, is replaced: its agents do not notice.

use std::collections::HashMap;
use std::io::BufRead;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::{Probe, agent_program, answers, pids};
use crate::env::{TestEnv, alive, eventually, signal};

/// How long the daemon may be away: a second. A build that is not optimised, on a machine that does much
/// else at once, gets more; `benches/run --only crash` and the command below say how long it really is.
const AWAY: Duration = Duration::from_secs(if cfg!(debug_assertions) { 3 } else { 1 });

/// How many seconds the daemon is killed for in the test below. The full form, whose figures count:
/// `DASH_TEST_SECONDS=120 cargo nextest run --release --test all two_hundred_writers --no-capture`.
fn seconds() -> u64 {
    std::env::var("DASH_TEST_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12)
}

/// Each output line of each agent in one watch, in the order in which they came, until all have ended.
fn lines_of(watching: &mut Child, agents: usize) -> HashMap<String, Vec<String>> {
    let mut lines: HashMap<String, Vec<String>> = HashMap::new();
    let mut ends = HashMap::new();
    for line in std::io::BufReader::new(watching.stdout.take().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let id = event["agent_id"].as_str().unwrap_or_default().to_owned();
        match event["type"].as_str().unwrap_or_default() {
            "agent.output" => {
                let text = event["data"]["text"].as_str().unwrap();
                lines.entry(id).or_default().extend(text.lines().map(str::to_owned));
            }
            "agent.completed" => *ends.entry(id).or_insert(0) += 1,
            other => assert!(["agent.spawned", "agent.started"].contains(&other), "{event}"),
        }
        if ends.len() == agents {
            break;
        }
    }
    assert!(ends.values().all(|count| *count == 1), "one end each: {ends:?}");
    lines
}

/// That these are the lines of one writer: all of them, in order, without repeat.
fn assert_complete<'a>(whose: &str, mut lines: impl Iterator<Item = &'a str>) {
    let mut expected = 1;
    loop {
        match lines.next().map(|line| (line, line.strip_prefix("lines: "))) {
            Some((_, Some(count))) => {
                assert_eq!(count, (expected - 1).to_string(), "{whose}");
                assert_eq!(lines.next(), None, "{whose}: after its last line");
                return;
            }
            Some((line, None)) => assert_eq!(line, expected.to_string(), "{whose}"),
            None => panic!("{whose}: nothing after line {}", expected - 1),
        }
        expected += 1;
    }
}

/// The processes of the agents, each with its start time: a pid alone could be another's by now.
fn processes(pids: &HashMap<String, i64>) -> HashMap<String, (i64, Option<String>)> {
    let start = |pid: i64| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(stat.rsplit(") ").next()?.split(' ').nth(19)?.to_owned())
    };
    pids.iter().map(|(id, pid)| (id.clone(), (*pid, start(*pid)))).collect()
}

#[test]
fn heavy_two_hundred_writers_outlive_twenty_daemons() {
    let env = TestEnv::new();
    let program = agent_program(&env);
    let (agents, kills) = (200, 20);
    let mut watching = env.command(["watch", "--json", "--since", "beginning"]).spawn().unwrap();
    let watcher = i32::try_from(watching.id()).unwrap();
    eventually("a daemon runs", || env.daemon_pid().ok_or("none"));
    let number = agents.to_string();
    let args = ["spawn", "--json", "--count", &number, "--", &program, "write", "0"];
    let ids: Vec<String> = env.run(args).success().json().iter().map(id_of).collect();
    let reading = std::thread::spawn(move || {
        let lines = lines_of(&mut watching, agents);
        watching.kill().unwrap();
        watching.wait().unwrap();
        lines
    });
    let running = || {
        let listed = env.run(["status", "--json", "--status", "running"]).success().json().len();
        if listed == agents { Ok(()) } else { Err(listed) }
    };
    eventually("all run", running);
    let before = processes(&pids(&env));
    let probe = Probe::begin(&env);
    let pause = Duration::from_secs(seconds()) / kills;
    for _ in 0..kills {
        // It works for a while, so that whoever asks can have seen it.
        let up = Instant::now();
        eventually("the next kill is due", || {
            if up.elapsed() > pause { Ok(()) } else { Err(up.elapsed()) }
        });
        let daemon = eventually("a daemon runs", || env.daemon_pid().ok_or("none"));
        signal(daemon, Signal::KILL);
        eventually("it is gone", || if alive(daemon) { Err(daemon) } else { Ok(()) });
        eventually("it answers", || if answers(&env.socket()) { Ok(()) } else { Err(()) });
        running().expect("whoever answers knows all agents");
    }
    let seen = probe.end();
    eprintln!(
        "{kills} kills, longest unavailability {:?}, available {:.2} %",
        seen.longest,
        seen.percent()
    );
    let after = processes(&pids(&env));
    assert_eq!(after, before, "the same processes run");
    assert!(after.values().all(|(_, start)| start.is_some()), "all of them live: {after:?}");
    assert!(alive(watcher), "the watch ran all the time");
    env.write("work/stop", "");
    let lines = reading.join().unwrap();
    for id in &ids {
        assert_complete(&format!("{id} in the watch"), lines[id].iter().map(String::as_str));
        let logs = env.run(["logs", id]).success().stdout;
        assert_complete(&format!("{id} in its log"), logs.lines());
        assert_eq!(logs.lines().count(), lines[id].len());
    }
    assert!(seen.longest < AWAY, "{seen:?}");
}

fn id_of(agent: &Value) -> String {
    agent["id"].as_str().unwrap().to_owned()
}

#[test]
fn heavy_a_thousand_idle_agents_are_taken_back() {
    let env = TestEnv::with_config("[daemon]\nmax_running = 1000\n");
    let program = agent_program(&env);
    env.run(["spawn", "--json", "--count", "1000", "--", &program]).success().json();
    let running = || {
        let listed = env.run(["status", "--json", "--status", "running"]).success().json();
        if listed.len() == 1000 { Ok(()) } else { Err(listed.len()) }
    };
    eventually("all run", running);
    let before = pids(&env);
    signal(env.daemon_pid().unwrap(), Signal::KILL);
    let begin = Instant::now();
    // The first answer is right: nobody is told that they do not run.
    running().unwrap();
    let took = begin.elapsed();
    eprintln!("1,000 agents are back, and `dash status` has them, after {took:?}");
    assert_eq!(pids(&env), before);
    assert!(before.values().all(|pid| alive(i32::try_from(*pid).unwrap())));
    assert!(took < Duration::from_secs(2).max(AWAY), "{took:?}");
}

#[test]
fn a_daemon_that_slept_wakes_up_to_what_is_true() {
    let env = TestEnv::new();
    let quick = env.spawn(["--timeout", "1h", "--", "sh", "-c", "while [ ! -e go ]; do :; done"]);
    let late = env.spawn(["--timeout", "300ms", "--", "sleep", "99"]);
    env.until(&quick, "it runs", |agent| agent["status"] == "running");
    let daemon = env.daemon_pid().unwrap();
    signal(daemon, Signal::STOP);
    let begin = Instant::now();
    std::fs::write(env.work().join("go"), "").unwrap();
    eventually("a while is over", || {
        if begin.elapsed() > Duration::from_secs(1) { Ok(()) } else { Err(begin.elapsed()) }
    });
    signal(daemon, Signal::CONT);
    let ended = env.until(&quick, "its end is known", |agent| agent["status"] == "completed");
    assert_eq!(ended["exit_code"], 0);
    env.until(&late, "its time is over", |agent| agent["status"] == "timed_out");
    assert_eq!(env.daemon_pid(), Some(daemon));
}
