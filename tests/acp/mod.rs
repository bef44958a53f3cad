//! ACP agents, with a scripted agent of ours as the harness: a small C program that does what its
//! prompts say.

mod crash;
mod doctor;
mod failures;
mod own;
mod real;
mod talk;
mod terminals;
mod together;

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::env::TestEnv;

/// The scripted agent, compiled once for each process that runs tests.
pub fn agent() -> PathBuf {
    static AGENT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/acp/scripted_agent.c");
        let program = dir.join("scripted-acp-agent");
        let newer = |a: &std::path::Path, b: &str| {
            let time = |path: &std::path::Path| path.metadata().and_then(|it| it.modified()).ok();
            time(a) > time(std::path::Path::new(b))
        };
        if !newer(&program, source) {
            let own = dir.join(format!("scripted-acp-agent.{}", std::process::id()));
            let built = Command::new("cc").args(["-O1", "-w", "-o"]).arg(&own).arg(source).status();
            assert!(built.unwrap().success(), "cc compiles the scripted agent");
            std::fs::rename(&own, &program).unwrap();
        }
        program
    };
    AGENT.get_or_init(build).clone()
}

/// A home whose profile `NAME` is the scripted agent with the argument `NAME`; `good` is the default.
fn home(kinds: &[&str]) -> TestEnv {
    home_with(kinds, "")
}

/// The same, with these tables of the configuration too.
fn home_with(kinds: &[&str], tables: &str) -> TestEnv {
    let program = agent();
    let profile = |kind: &&str| {
        format!(
            "[profiles.{kind}]\nruntime = \"acp\"\ncommand = [{:?}, {kind:?}]\n\
             start_timeout_ms = 3000\n",
            program.display().to_string()
        )
    };
    let profiles: String = kinds.iter().chain(&["good"]).map(profile).collect();
    let env = TestEnv::with_config(&format!("default_profile = \"good\"\n{profiles}{tables}"));
    let _ = env.run(["status"]).success();
    env
}

/// The events of an agent so far, which need not have ended.
fn events(env: &TestEnv, label: &str) -> Vec<Value> {
    let agent = env.agent(label);
    if agent["ended_at"].is_null() {
        let _ = env.run(["kill", label]).success();
    }
    env.events(label)
}

/// The texts of the events of a type, joined.
fn said(events: &[Value], kind: &str) -> String {
    let of_kind = events.iter().filter(|event| event["type"] == format!("agent.{kind}"));
    of_kind.filter_map(|event| event["data"]["text"].as_str()).collect()
}

fn waits(agent: &Value) -> bool {
    agent["status"] == "waiting" && agent["asks"].is_null()
}
