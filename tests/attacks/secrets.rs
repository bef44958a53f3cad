//! Secrets: where their values are, and where they never are.

use std::path::Path;

use super::wire::{KEY, Listening};
use crate::env::{TestEnv, eventually, signal};

const VALUE: &str = "s3cr3t-value-51f0c2";

/// The files below a directory that have this text in them.
fn files_with(dir: &Path, text: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files_with(&path, text, found);
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).unwrap_or_default();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
}

fn kept_in(env: &TestEnv, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    files_with(&env.dash_home(), text, &mut found);
    found
}

#[track_caller]
fn shown_nowhere(env: &TestEnv, text: &str) {
    for arguments in [
        &["status", "--all", "--json"][..],
        &["status", "--all"],
        &["audit", "--json"],
        &["agents", "--json"],
        &["config", "show"],
        &["doctor", "--json"],
    ] {
        let output = env.run(arguments);
        let said = output.stdout + &output.stderr;
        assert!(!said.contains(text), "{arguments:?}: {said}");
    }
    let lines: Vec<String> = env.processes().into_iter().map(|(_, line)| line).collect();
    assert!(!lines.iter().any(|line| line.contains(text)), "{lines:?}");
}

fn environ_of(pid: i64) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_value_is_in_its_agents_environment_and_nowhere_else() {
    let env = TestEnv::new();
    let daemon = Listening::start(&env);
    let assignment = format!("SECRET={VALUE}");
    let id = env.spawn(["-e", &assignment, "-l", "keeps", "--", "sleep", "1000"]);
    let agent = env.until(&id, "it runs", |agent| agent["status"] == "running");
    let environ = environ_of(agent["pid"].as_i64().unwrap());
    assert!(environ.contains(VALUE), "it has what it was given");
    assert!(!environ.contains(KEY), "and not the daemon's key");
    assert_eq!(agent["env"].as_array().unwrap().iter().filter(|n| *n == "SECRET").count(), 1);
    shown_nowhere(&env, VALUE);
    shown_nowhere(&env, KEY);
    eventually("the file for the start is gone", || {
        let kept = kept_in(&env, VALUE);
        if kept.is_empty() { Ok(()) } else { Err(kept) }
    });
    assert_eq!(kept_in(&env, KEY), [""; 0]);
    for path in ["/metrics", "/api/v1/events?since=beginning", "/api/v1/audit", "/api/v1/agents"] {
        let answer = daemon.ask_as(KEY, &format!("GET {path}"), "");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(!answer.text.contains(VALUE) && !answer.text.contains(KEY), "{path}");
    }
}

#[test]
fn a_value_of_a_queued_agent_is_in_one_private_file_until_it_starts() {
    let env = TestEnv::with_config("[daemon]\nmax_running = 1\n");
    let first = env.spawn(["--", "sleep", "1000"]);
    env.until(&first, "it runs", |agent| agent["status"] == "running");
    let assignment = format!("SECRET={VALUE}");
    let queued = env.spawn(["-e", &assignment, "--", "sleep", "1000"]);
    assert_eq!(env.agent(&queued)["status"], "queued");
    env.kill_daemon();
    let spool = env.state().join("spool").display().to_string();
    let only_there = |kept: &[String]| kept.len() == 1 && kept[0].starts_with(&spool);
    assert!(only_there(&kept_in(&env, VALUE)), "{:?}", kept_in(&env, VALUE));
    shown_nowhere(&env, VALUE);
    assert_eq!(env.agent(&queued)["status"], "queued", "taken back");
    env.run(["kill", &first, "--grace", "0s"]).success();
    let agent = env.until(&queued, "it starts", |agent| agent["status"] == "running");
    assert!(environ_of(agent["pid"].as_i64().unwrap()).contains(VALUE));
    eventually("the file is gone", || {
        let kept = kept_in(&env, VALUE);
        if kept.is_empty() { Ok(()) } else { Err(kept) }
    });
    // One that is killed before it starts leaves nothing either.
    let never = env.spawn(["-e", &assignment, "--", "true"]);
    env.run(["kill", &never, "--grace", "0s"]).success();
    eventually("its file is gone", || {
        let kept = kept_in(&env, VALUE);
        if kept.is_empty() { Ok(()) } else { Err(kept) }
    });
}

#[test]
fn daemon_and_keeper_leave_no_image_of_their_memory() {
    let env = TestEnv::new();
    let id = env.spawn(["--", "sleep", "1000"]);
    env.until(&id, "it runs", |agent| agent["status"] == "running");
    for pid in [env.daemon_pid().unwrap(), env.keeper_pid().unwrap()] {
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
        // Files in /proc of what cannot be dumped belong to root (proc(5)); they do anyway for root.
        let owner = std::fs::metadata(format!("/proc/{pid}/environ")).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::uid(&owner), 0);
    }
    let dumped = env.work().join("core");
    signal(env.daemon_pid().unwrap(), rustix::process::Signal::ABORT);
    eventually("it is gone", || env.daemon_pid().map_or(Ok(()), Err));
    assert!(!dumped.exists());
    assert_eq!(env.agent(&id)["status"], "running");
}

#[test]
fn what_the_daemon_was_started_with_reaches_no_agent() {
    let env = TestEnv::new();
    let mut command = env.command(["spawn", "--json", "--", "sleep", "1000"]);
    for name in
        ["DASH_API_KEY", "LD_AUDIT", "NODE_OPTIONS", "GIT_DIR", "BASH_ENV", "OPENAI_API_KEY"]
    {
        command.env(name, if name == "LD_AUDIT" { "" } else { VALUE });
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let agent: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = agent["id"].as_str().unwrap();
    let agent = env.until(id, "it runs", |agent| agent["status"] == "running");
    let environ = environ_of(agent["pid"].as_i64().unwrap());
    assert!(!environ.contains(VALUE), "{environ}");
    assert!(!environ.contains("LD_AUDIT") && environ.contains("DASH_AGENT_ID"), "{environ}");
    let daemon = environ_of(i64::from(env.daemon_pid().unwrap()));
    assert!(!daemon.contains(VALUE), "{daemon}");
}
