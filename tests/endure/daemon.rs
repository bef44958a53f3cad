//! The daemon dies, sleeps, is replaced: its agents do not notice.

use std::collections::HashMap;
use std::io::BufRead;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::{Probe, agent_program, answers, pids};
use crate::env::{TestEnv, alive, eventually, signal};

/// How long the daemon may be away, in a build that is optimised; one that is not takes its time.
const AWAY: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });

/// How many seconds agents write in the test below. The full form, whose figures count:
/// `DASH_TEST_SECONDS=120 cargo nextest run --release --test all two_hundred_writers --no-capture`.
fn seconds() -> u64 {
    std::env::var("DASH_TEST_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// Each output line of each agent in one watch, in the order in which they came, until all have ended.
fn lines_of(watching: &mut Child, agents: usize) -> HashMap<String, Vec<String>> {
    let mut lines: HashMap<String, Vec<String>> = HashMap::new();
    let mut ends = 0;
    for line in std::io::BufReader::new(watching.stdout.take().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let id = event["agent_id"].as_str().unwrap_or_default().to_owned();
        match event["type"].as_str().unwrap_or_default() {
            "agent.output" => {
                let text = event["data"]["text"].as_str().unwrap();
                lines.entry(id).or_default().extend(text.lines().map(str::to_owned));
            }
            "agent.completed" => ends += 1,
            other => assert!(!other.starts_with("agent.l"), "{event}"),
        }
        if ends == agents {
            break;
        }
    }
    lines
}

#[test]
fn heavy_two_hundred_writers_outlive_twenty_daemons() {
    let env = TestEnv::new();
    let program = agent_program(&env);
    let (agents, kills) = (200, 20);
    let count = seconds() * 100;
    let mut watching = env.command(["watch", "--json", "--since", "beginning"]).spawn().unwrap();
    eventually("a daemon runs", || env.daemon_pid().ok_or("none"));
    let number = agents.to_string();
    let args = ["spawn", "--json", "--count", &number, "--", &program, "write", &count.to_string()];
    let ids: Vec<String> = env.run(args).success().json().iter().map(id_of).collect();
    let reading = std::thread::spawn(move || {
        let lines = lines_of(&mut watching, agents);
        watching.kill().unwrap();
        watching.wait().unwrap();
        lines
    });
    let before = pids(&env);
    let probe = Probe::begin(&env);
    let pause = Duration::from_secs(seconds()) / (kills + 2);
    for _ in 0..kills {
        eventually("it answers", || if answers(&env.socket()) { Ok(()) } else { Err(()) });
        // It works for a while, so that whoever asks can have seen it.
        let up = Instant::now();
        eventually("the next kill is due", || {
            if up.elapsed() > pause { Ok(()) } else { Err(up.elapsed()) }
        });
        let daemon = eventually("a daemon runs", || env.daemon_pid().ok_or("none"));
        signal(daemon, Signal::KILL);
        eventually("it is gone", || if alive(daemon) { Err(daemon) } else { Ok(()) });
    }
    let still = ids.iter().filter(|id| alive(i32::try_from(before[*id]).unwrap())).count();
    let seen = probe.end();
    eprintln!(
        "{kills} kills, longest unavailability {:?}, available {:.2} %, {still} pids live after the last",
        seen.longest,
        seen.percent()
    );
    let lines = reading.join().unwrap();
    let expected: Vec<String> = (1..=count).map(|n| n.to_string()).collect();
    for id in &ids {
        assert!(lines[id] == expected, "{id} in the watch: {} lines", lines[id].len());
        let logs = env.run(["logs", id]).success().stdout;
        assert!(logs.lines().eq(expected.iter()), "{id} in its log: {}", logs.lines().count());
    }
    assert_eq!(pids(&env), before, "no agent was started twice");
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
    env.kill_daemon();
    let begin = Instant::now();
    eventually("all are back", running);
    let took = begin.elapsed();
    eprintln!("1,000 agents are back after {took:?}");
    assert_eq!(pids(&env), before);
    assert!(before.values().all(|pid| alive(i32::try_from(*pid).unwrap())));
    assert!(took < 2 * AWAY, "{took:?}");
}

#[test]
fn a_newer_binary_takes_the_agents_over() {
    let env = TestEnv::new();
    let copy = env.work().join("dash");
    let install = || {
        let new = env.work().join("dash.new");
        std::fs::copy(env!("CARGO_BIN_EXE_dash"), &new).unwrap();
        std::fs::rename(&new, &copy).unwrap();
    };
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(&copy);
        command.args(args).env_clear().env("PATH", "/usr/bin:/bin");
        let command = command.env("HOME", env.work()).env("DASH_HOME", env.dash_home());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    install();
    let script = "while read line; do echo got $line; [ $line = end ] && exit 7; done";
    let id = run(&["spawn", "--quiet", "--stdin", "--", "sh", "-c", script]);
    let id = id.trim();
    run(&["send", id, "one"]);
    let old = env.daemon_pid().unwrap();
    install();
    // The old keeper runs on with the program that is not there any more.
    run(&["shutdown"]);
    run(&["send", id, "two"]);
    assert_ne!(env.daemon_pid().unwrap(), old);
    install();
    env.kill_daemon();
    run(&["send", id, "end"]);
    let ended = env.until(id, "it ends", |agent| agent["status"] == "failed");
    assert_eq!(ended["exit_code"], 7);
    assert_eq!(run(&["logs", id]), "got one\ngot two\ngot end\n");
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
