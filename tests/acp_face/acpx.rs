//! With acpx 0.19.1 of npm, OpenClaw's own command-line client of the Agent Client Protocol.

use std::process::Stdio;

use super::home;
use crate::env::live::Live;
use crate::env::{Output, TestEnv, eventually};
use crate::openclaw::lab::{finish, installed};

/// acpx in this home, with `dash acp` as its agent.
fn command(env: &TestEnv, profile: &str, words: &[&str]) -> std::process::Command {
    let programs = installed();
    let agent = format!("{} acp --agent {profile}", env!("CARGO_BIN_EXE_dash"));
    let mut command = std::process::Command::new(programs.join("acpx"));
    command
        .args(["--agent", &agent])
        .args(words)
        .env_clear()
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display()))
        .env("HOME", env.home())
        .env("DASH_HOME", env.dash_home())
        .current_dir(env.work())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn acpx(env: &TestEnv, profile: &str, words: &[&str]) -> Output {
    finish(command(env, profile, words))
}

#[test]
fn acpx_drives_it() {
    let env = home();
    let run = |words: &[&str]| acpx(&env, "talk", words);
    let once = run(&["--format", "quiet", "exec", "hello"]).success();
    assert_eq!(once.stdout.trim(), "you said hello");

    let id = run(&["--format", "quiet", "sessions", "new"]).success().stdout.trim().to_owned();
    assert!(id.starts_with("dash-"), "{id}");
    let first = run(&["--format", "quiet", "prompt", "hi"]).success();
    assert_eq!(first.stdout.trim(), "you said hi");
    let second = run(&["--format", "quiet", "prompt", "more"]).success();
    assert_eq!(second.stdout.trim(), "heard: more", "the same agent goes on");
    assert!(run(&["status"]).success().stdout.contains(&id));
    assert!(run(&["sessions", "list"]).success().stdout.contains(&id));
    assert!(run(&["cancel"]).success().stdout.contains("nothing to cancel"));
    run(&["set-mode", "plan"]).success();
    run(&["sessions", "close"]).success();
    let agents = env.run(["status", "--json", "--all"]).success().json();
    assert_eq!(agents.len(), 2, "one of exec, one of the session: {agents:?}");
    let _ = env.run(["kill", "--all", "--yes"]).success();
    let modes = |agent: &serde_json::Value| {
        let events = env.events(agent["id"].as_str().unwrap());
        events.iter().filter(|event| event["data"]["mode"] == "plan").count()
    };
    assert_eq!(agents.iter().map(modes).sum::<usize>(), 1, "the session's agent was told its mode");
}

#[test]
fn acpx_cancels_a_turn_and_gets_told_of_a_failure() {
    let env = home();
    acpx(&env, "slow", &["sessions", "new"]).success();
    let prompt = Live::start(command(&env, "slow", &["prompt", "x"]));
    eventually("it has begun", || {
        let running = env.run(["status", "--json", "--status", "running"]).success().json();
        if running.len() == 1 { Ok(()) } else { Err(prompt.stderr()) }
    });
    let cancelled = acpx(&env, "slow", &["cancel"]).success();
    assert!(!cancelled.stdout.contains("nothing"), "{cancelled:?}");
    let ended = prompt.end();
    assert!(ended.stdout.contains("cancelled"), "{ended:?}");
    acpx(&env, "slow", &["sessions", "close"]).success();

    let failed = acpx(&env, "failing", &["exec", "x"]);
    assert_ne!(failed.code, Some(0));
    let said = format!("{}{}", failed.stdout, failed.stderr);
    assert!(said.contains("exit code 7") && said.contains("dash logs"), "{said}");
    let again = env.run(["status", "--json", "--all"]).success().json();
    let tries = again.iter().filter(|agent| agent["profile"] == "failing").count();
    assert_eq!(tries, 1, "it is not tried a second time");
}
