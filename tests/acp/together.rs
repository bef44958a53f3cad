//! Limits of what the agents of a group, or of an OpenClaw session, use together.

use serde_json::Value;

use super::{home_with, waits};
use crate::env::TestEnv;

/// How many warnings about this limit these agents, which have ended, were given.
fn warnings(env: &TestEnv, labels: &[&str], limit: &str) -> usize {
    let events = labels.iter().flat_map(|label| env.events(label));
    events.filter(|event| event["data"]["limit"] == limit).count()
}

fn ended(env: &TestEnv, label: &str) -> Value {
    env.until(label, "it has ended", |agent| !agent["ended_at"].is_null())
}

fn has_used(agent: &Value, tokens: u64) -> bool {
    waits(agent) && agent["usage"]["context"] == tokens
}

#[test]
fn a_group_is_warned_once_ended_at_its_limit_and_closed() {
    let env = home_with(&[], "[groups.team]\nmax_tokens = 1000\n");
    let _ = env.spawn(["-g", "team", "-l", "a1", "usage 400"]);
    let _ = env.spawn(["-g", "other", "-l", "d1", "usage 5000"]);
    let _ = env.spawn(["-g", "team", "-l", "c1", "--", "sleep", "1000"]);
    env.until("a1", "it has used some", |agent| has_used(agent, 400));
    let _ = env.spawn(["-g", "team", "-l", "b1", "usage 450"]);
    env.until("b1", "it has used some", |agent| has_used(agent, 450));
    let shown = env.run(["status", "--group", "team"]).success();
    assert!(shown.stdout.contains("tokens 850, cost unknown"), "{shown:?}");
    // A daemon that comes back counts what was used, and does not warn again.
    env.kill_daemon();
    let _ = env.run(["send", "--wait", "b1", "usage 500"]);
    env.until("b1", "it has used more", |agent| has_used(agent, 500));
    let _ = env.run(["send", "a1", "usage 600;sleep 600000"]).success();
    for label in ["a1", "b1", "c1"] {
        let agent = ended(&env, label);
        let reason = agent["reason"].as_str().unwrap();
        assert_eq!(reason, "the group \"team\" has used 1100 of 1000 (max_tokens)", "{agent}");
        assert_eq!(agent["status"], "killed");
    }
    assert_eq!(warnings(&env, &["a1", "b1"], "groups.team.max_tokens"), 1);
    for _ in 0..2 {
        let refused = env.run(["spawn", "--json", "-g", "team", "say a"]).code(5).error();
        assert_eq!(refused["code"], "limit_reached");
        assert!(refused["hint"].as_str().unwrap().contains("groups.team.max_tokens"), "{refused}");
        env.kill_daemon();
    }
    assert!(waits(&env.agent("d1")), "others are not meant");
    let _ = env.spawn(["-g", "other", "-l", "d2", "say a"]);
}

#[test]
fn a_session_has_its_limit_also_when_it_is_lowered() {
    let env = home_with(&[], "[sessions]\nmax_cost = 1.0\n");
    let (one, two) = ("agent:main:one", "agent:main:two");
    let _ = env.spawn(["--session", one, "-l", "a1", "usage 5 0.5"]);
    let _ = env.spawn(["--session", one, "-l", "b1", "usage 5 0.4"]);
    let _ = env.spawn(["--session", two, "-l", "c1", "usage 5 0.9"]);
    for label in ["a1", "b1", "c1"] {
        env.until(label, "its turn is over", |agent| has_used(agent, 5));
    }
    let _ = env.run(["send", "b1", "usage 5 0.6;sleep 600000"]).success();
    for label in ["a1", "b1"] {
        let agent = ended(&env, label);
        let reason = agent["reason"].as_str().unwrap();
        assert!(reason.ends_with("has used 1.1 of 1 (max_cost)"), "{agent}");
    }
    assert_eq!(warnings(&env, &["a1", "b1"], "sessions.max_cost"), 1);
    let refused = env.run(["spawn", "--json", "--session", one, "say a"]).code(5).error();
    assert!(refused["message"].as_str().unwrap().contains(one), "{refused}");
    // The other one still has some, until its limit is another.
    assert!(waits(&env.agent("c1")));
    let file = env.dash_home().join("config.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, config.replace("max_cost = 1.0", "max_cost = 0.8")).unwrap();
    env.kill_daemon();
    let agent = ended(&env, "c1");
    assert!(agent["reason"].as_str().unwrap().ends_with("0.9 of 0.8 (max_cost)"), "{agent}");
}

#[test]
fn every_group_has_the_limit_for_all_and_turns_count() {
    let env = home_with(&[], "[groups.\"*\"]\nmax_turns = 3\n");
    let agents = env.run(["spawn", "--json", "-n", "3", "say x"]).success().json();
    for agent in &agents {
        let agent = ended(&env, agent["id"].as_str().unwrap());
        assert!(agent["reason"].as_str().unwrap().ends_with("3 of 3 (max_turns)"), "{agent}");
    }
}
