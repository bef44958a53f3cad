//! Failures that explain themselves.

use super::{events, home, waits};

#[test]
fn a_harness_that_cannot_begin_says_why() {
    let env = home(&["crash", "auth", "version", "garbage", "silence"]);
    for (kind, expected) in [
        (
            "crash",
            "exit code 4 before the conversation began; `dash agents` says what it needs; its last errors: no configuration was found",
        ),
        (
            "auth",
            "nobody is logged in to the harness (Authentication required); log in with it in a terminal: Log in with a browser",
        ),
        ("version", "speaks version 7 of the Agent Client Protocol"),
        ("garbage", "it wrote \"Welcome to the scripted agent! >\", which is no ACP"),
        ("silence", "did not begin a conversation in time"),
    ] {
        let agent = env.run(["spawn", "--wait", "--json", "-a", kind, "say x"]);
        let agent = agent.json().remove(0);
        assert_eq!(agent["status"], "failed", "{kind}: {agent}");
        let reason = agent["reason"].as_str().unwrap();
        assert!(reason.contains(expected), "{kind}: {reason}");
    }
}

#[test]
fn a_harness_that_fails_in_a_turn_says_why() {
    let env = home(&[]);
    for (script, expected) in [
        (
            "say a;crash",
            "exit code 3 in the middle of turn 1; its last errors: the scripted agent crashes",
        ),
        ("auth", "nobody is logged in"),
    ] {
        let agent = env.run(["spawn", "--wait", "--json", script]);
        let agent = agent.json().remove(0);
        assert_eq!(agent["status"], "failed", "{script}: {agent}");
        assert!(agent["reason"].as_str().unwrap().contains(expected), "{agent}");
    }
    // An error is the turn's end, and not the agent's.
    let _ = env.spawn(["-l", "a", "fail"]);
    let agent = env.until("a", "its turn is over", waits);
    let _ = env.run(["send", "--wait", "a", "say b"]).success();
    assert!(agent["ended_at"].is_null());
    let told = events(&env, "a");
    let failed = told.iter().find(|event| event["data"]["stop_reason"] == "error").unwrap();
    assert!(failed["data"]["reason"].as_str().unwrap().contains("told to fail"));
}

#[test]
fn lines_that_are_no_messages_harm_nobody() {
    let env = home(&[]);
    let _ = env.spawn(["-l", "a", "garbage;huge 100;say after"]);
    env.until("a", "its turn is over", waits);
    let pid = env.daemon_pid().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 150_000, "a line of 100 MB took {peak} kB");
    let told = events(&env, "a");
    let errors: Vec<_> =
        told.iter().filter_map(|event| event["data"]["protocol_error"].as_str()).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[1].contains("longer than is taken"));
    assert!(told.iter().any(|event| event["data"]["text"] == "after"));
}

#[test]
fn a_harness_that_closes_its_input_is_ended() {
    let env = home(&[]);
    let _ = env.spawn(["-l", "a", "say a"]);
    env.until("a", "its turn is over", waits);
    let _ = env.run(["send", "a", "close"]).success();
    env.until("a", "its turn runs", |agent| agent["turn"] == 2 && agent["status"] == "running");
    let _ = env.run(["kill", "--turn", "a"]);
    let agent = env.until("a", "it has ended", |agent| !agent["ended_at"].is_null());
    assert_eq!(agent["status"], "failed", "{agent}");
    assert!(agent["reason"].as_str().unwrap().contains("input"), "{agent}");
}
